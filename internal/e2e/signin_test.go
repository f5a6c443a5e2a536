package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"sync"
	"testing"
)

// The mini program of the simulator's seed and its merchant.
const (
	miniEntry   = "mini-program"
	miniAccount = "first-hospital-mini"
	miniMchID   = "1900000003"
	miniAppID   = "wxm000000000000001"
	miniPayer   = "oM1-alice-000000000000000001"
	unionID     = "u-bob"
)

// signingIn is a world whose payers can sign in, in an official account and in a mini program.
func signingIn(t *testing.T, db database) *world {
	w := newWorld(t, db)
	w.setup.Accounts = append(w.setup.Accounts, accountOf(w.sim, miniAccount, miniMchID))
	w.addEntry(entryAt(w.base, miniEntry, miniAccount, miniAppID))
	for i, e := range w.setup.Entries {
		w.setup.Entries[i].Secret = "file:wechat/apps/" + e.AppID + "/secret.txt"
	}
	w.setup.Entries[0].OAuthScope = "snsapi_userinfo"
	return w
}

// phone is a payer's browser. Ports do not part cookies, so it has the same ones on every replica.
type phone struct {
	w      *world
	client *http.Client
}

func (w *world) phone() *phone {
	jar, err := cookiejar.New(nil)
	if err != nil {
		w.t.Fatal(err)
	}
	return &phone{w, &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

// open opens an address and returns the status, where it leads, and the page.
func (p *phone) open(address, person, cookies string) (status int, to, page string) {
	p.w.t.Helper()
	r, err := http.NewRequestWithContext(p.w.t.Context(), http.MethodGet, address, nil)
	if err != nil {
		p.w.t.Fatal(err)
	}
	r.Header.Set("User-Agent", "MicroMessenger")
	r.Header.Set("Accept-Language", "en")
	if person != "" {
		r.Header.Set("Wechatsim-Person", person)
	}
	if cookies != "" {
		r.Header.Set("Cookie", cookies)
	}
	resp, err := p.client.Do(r)
	if err != nil {
		p.w.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		p.w.t.Fatal(err)
	}
	return resp.StatusCode, resp.Header.Get("Location"), string(text)
}

// callback lets WeChat lead the person back and returns the address, not opened.
func (p *phone) callback(person string) string {
	p.w.t.Helper()
	status, weChat, page := p.open(p.w.base+"/oauth/"+entry+"/authorize", "", "")
	if status != http.StatusFound {
		p.w.t.Fatalf("authorize: %d %s", status, page)
	}
	status, back, page := p.open(weChat, person, "")
	if status != http.StatusFound {
		p.w.t.Fatalf("WeChat: %d %s", status, page)
	}
	return back
}

// signIn goes through an official account's entry to WeChat and back.
func (p *phone) signIn(entry, person string) (status int) {
	p.w.t.Helper()
	status, weChat, page := p.open(p.w.base+"/oauth/"+entry+"/authorize", "", "")
	if status != http.StatusFound {
		p.w.t.Errorf("authorize: %d %s", status, page)
		return status
	}
	_, back, _ := p.open(weChat, person, "")
	status, _, _ = p.open(back, "", "")
	return status
}

// cookies are what the browser sends to the gateway.
func (p *phone) cookies() string {
	u, err := url.Parse(p.w.base)
	if err != nil {
		p.w.t.Fatal(err)
	}
	var all []string
	for _, c := range p.client.Jar.Cookies(u) {
		all = append(all, c.String())
	}
	return strings.Join(all, "; ")
}

// login is a mini program's: it returns what its web-view opens.
func (g *gateway) login(person string) (enterURL string) {
	g.w.t.Helper()
	code, err := g.w.sim.LoginCode(miniAppID, person)
	if err != nil {
		g.w.t.Fatal(err)
	}
	body, err := json.Marshal(map[string]string{"entry": miniEntry, "js_code": code})
	if err != nil {
		g.w.t.Fatal(err)
	}
	resp, err := g.client.Post(g.base+"/p/v1/sessions", "application/json", bytes.NewReader(body))
	if err != nil {
		g.w.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	var answer struct {
		EnterURL string `json:"enter_url"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil || resp.StatusCode != http.StatusCreated {
		g.w.t.Fatalf("login: %s, %v", resp.Status, err)
	}
	return answer.EnterURL
}

// Whoever opens an address with a token many times at once, on all replicas, gets one session of it.
func TestR43_AStateAndATokenCountOnceOnAllReplicas(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		w := signingIn(t, db)
		w.start()
		if db.driver == "postgres" {
			w.replica().start()
		}
		p := w.phone()
		callback := p.callback("alice")
		for _, row := range []struct{ address, cookies, used string }{
			{callback, p.cookies(), "state_used"},
			{w.gateways[len(w.gateways)-1].login("alice"), "x=y", "token_used"},
		} {
			var mu sync.Mutex
			var group sync.WaitGroup
			sessions, used := 0, 0
			for i := range 20 {
				group.Go(func() {
					address := strings.Replace(row.address, w.base, w.gateways[i%len(w.gateways)].base, 1)
					status, _, page := w.phone().open(address, "", row.cookies)
					mu.Lock()
					defer mu.Unlock()
					switch {
					case status == http.StatusSeeOther:
						sessions++
					case status == http.StatusConflict && strings.Contains(page, row.used):
						used++
					default:
						t.Errorf("%d %s", status, page)
					}
				})
			}
			group.Wait()
			if sessions != 1 || used != 19 {
				t.Errorf("%d sessions, %d times %s", sessions, used, row.used)
			}
		}
	})
}

// A person who pays in both ways is two payers until WeChat says that they are one; then both their payments are theirs.
func TestAPersonPaysInBothWaysIn(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		w := signingIn(t, db)
		g := w.start()
		signIn := func() (secrets []secret) {
			p := w.phone()
			callback := p.callback("bob")
			u, err := url.Parse(callback)
			if err != nil {
				t.Fatal(err)
			}
			enter := g.login("bob")
			for _, address := range []string{callback, enter} {
				if status, to, page := p.open(address, "", ""); status != http.StatusSeeOther || to != w.base+"/checkout/orders" {
					t.Fatalf("%d to %s: %s", status, to, page)
				}
			}
			secrets = []secret{{"a state", u.Query().Get("state")}, {"a code", u.Query().Get("code")}, {"a token", enter[strings.LastIndex(enter, "/")+1:]}}
			for c := range strings.SplitSeq(p.cookies(), "; ") {
				if name, value, _ := strings.Cut(c, "="); strings.HasPrefix(name, "pb-session-") {
					return append(secrets, secret{"a session's token", strings.Split(value, ".")[1]})
				}
			}
			t.Fatal("there is no session")
			return nil
		}
		secrets := signIn()
		official, mini := "oA1-bob-00000000000000000001", "oM1-bob-00000000000000000001"
		lookUp := func(entry, openID string) answer {
			return w.want(w.api("POST", "/v1/identities/lookup", map[string]string{"entry": entry, "openid": openID}), http.StatusOK)
		}
		if a := lookUp(entry, official); strings.Contains(a.text, mini) {
			t.Errorf("before WeChat says so: %s", a)
		}
		if err := w.sim.SetUnionID(appID, "bob", unionID); err != nil {
			t.Fatal(err)
		}
		if err := w.sim.SetUnionID(miniAppID, "bob", unionID); err != nil {
			t.Fatal(err)
		}
		secrets = append(secrets, signIn()...)
		for entry, openID := range map[string]string{entry: official, miniEntry: mini} {
			a := lookUp(entry, openID)
			if !strings.Contains(a.text, official) || !strings.Contains(a.text, mini) || !strings.Contains(a.text, `"verified":true`) {
				t.Errorf("by entry %s: %s", entry, a)
			}
		}
		w.want(w.api("POST", "/v1/identities/bind", map[string]string{"user_id": "bob", "entry": entry, "openid": official}), http.StatusOK)
		w.want(w.api("POST", "/v1/identities/bind", map[string]string{"user_id": "joe", "entry": miniEntry, "openid": mini}), http.StatusConflict)
		order := w.want(w.api("POST", "/v1/orders", map[string]any{
			"reference": "visit", "amount": 100, "description": "Fee", "payer": map[string]string{"policy": "named", "id": "bob"},
		}), http.StatusCreated).Number
		for _, by := range []struct{ entry, openID string }{{entry, official}, {miniEntry, mini}} {
			w.payAs(order, by.entry, by.openID)
		}
		w.want(w.api("POST", "/v1/orders/"+order+"/payments", payBy(entry, payer)), http.StatusConflict)

		w.wantNone("the log", g.output.all(), secrets)
		for column, text := range db.columns(t) {
			w.wantNone(column, text, append(secrets, w.keys()...))
		}
		if n := strings.Count(fmt.Sprint(db.columns(t)["sessions.hash"]), "\n"); n < 3 {
			t.Errorf("%d sessions are stored: the columns prove nothing", n+1)
		}
	})
}
