package weixin

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/paybridge/paybridge/adapters/store"
	"github.com/paybridge/paybridge/core/identity"
	"github.com/paybridge/paybridge/plugins/wechat/sim"
	"github.com/paybridge/paybridge/ports"
)

const (
	account = "wxa000000000000001"
	mini    = "wxm000000000000001"
)

// asking is a client of a simulated WeChat whose time stands still until the test moves it.
type asking struct {
	*Client
	sim *sim.Simulator
}

func start(t *testing.T) asking {
	t.Helper()
	s := sim.New(t)
	if err := s.SetSpeed(0); err != nil {
		t.Fatal(err)
	}
	keys, err := store.NewKeyring(store.Key{ID: "test", Key: bytes.Repeat([]byte{7}, 32)})
	if err != nil {
		t.Fatal(err)
	}
	db, err := store.Open(t.Context(), store.Options{Driver: "sqlite", DSN: filepath.Join(t.TempDir(), "x.sqlite"), Keys: keys})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	if err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	c := New(Options{
		BrowserBase: s.BaseURL(), ServerBase: s.BaseURL(), Cache: db, Now: s.Now, Secret: secrets,
		SecretOf: func(appID string) (string, bool) { return "file:" + appID, appID != "wxnone" },
	})
	t.Cleanup(c.Close)
	return asking{c, s}
}

// secrets are as the simulator has them; one reference leads nowhere.
func secrets(ref string) (string, error) {
	appID, ok := strings.CutPrefix(ref, "file:")
	switch {
	case !ok:
		return "", errors.New(ref + " is not there")
	case appID == "wrong":
		return "not-the-secret", nil
	}
	return sim.AppSecret(appID), nil
}

func app(appID string, scope ports.IdentityScope) ports.IdentityApp {
	return ports.IdentityApp{AppID: appID, Secret: "file:" + appID, Scope: scope}
}

func must(t *testing.T) func(string, error) string {
	return func(v string, err error) string {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func TestWhoACodeIsOf(t *testing.T) {
	t.Parallel()
	a := start(t)
	oauth := func(person, scope string) string { return must(t)(a.sim.OAuthCode(account, person, scope)) }
	login := func(person string) string { return must(t)(a.sim.LoginCode(mini, person)) }
	used := login("alice")
	if _, err := a.ByJSCode(t.Context(), app(mini, ""), used); err != nil {
		t.Fatal(err)
	}
	const alice = "uFirst-alice-000000000000001"
	for _, row := range []struct {
		name   string
		who    ports.IdentityApp
		code   string
		openID string
		union  string
		snap   bool
		want   error
	}{
		{name: "web authorization", who: app(account, ports.ScopeBase), code: oauth("alice", "snsapi_base"), openID: "oA1-alice-"},
		{name: "web authorization that asks for the unionid", who: app(account, ports.ScopeUserInfo), code: oauth("alice", "snsapi_userinfo"), openID: "oA1-alice-", union: alice},
		{name: "… of somebody who has none", who: app(account, ports.ScopeUserInfo), code: oauth("bob", "snsapi_userinfo"), openID: "oA1-bob-"},
		{name: "… of a snapshot user", who: app(account, ports.ScopeUserInfo), code: oauth("snapshot", "snsapi_userinfo"), openID: "oA1-snapshot-", snap: true},
		{name: "mini program", who: app(mini, ""), code: login("alice"), openID: "oM1-alice-", union: alice},
		{name: "mini program, without a unionid", who: app(mini, ""), code: login("bob"), openID: "oM1-bob-"},
		{name: "used", who: app(mini, ""), code: used, want: ports.ErrCodeUsed},
		{name: "forged", who: app(mini, ""), code: "forged", want: ports.ErrCodeInvalid},
		{name: "of another app id", who: app(account, ""), code: login("alice"), want: ports.ErrCodeInvalid},
		{name: "none", who: app(mini, ""), code: "", want: ports.ErrCodeInvalid},
		{name: "endless", who: app(mini, ""), code: strings.Repeat("x", longestCode+1), want: ports.ErrCodeInvalid},
		{name: "with another secret", who: ports.IdentityApp{AppID: mini, Secret: "file:wrong"}, code: login("alice"), want: ports.ErrIdentityRefused},
		{name: "with no secret", who: ports.IdentityApp{AppID: mini, Secret: "nowhere"}, code: login("alice"), want: ports.ErrIdentityRefused},
		{name: "of an app id that is none", who: app("wxnone", ""), code: "x", want: ports.ErrIdentityRefused},
	} {
		ask := a.ByJSCode
		if row.who.AppID == account {
			ask = a.ByCode
		}
		got, err := ask(t.Context(), row.who, row.code)
		if row.want != nil {
			wantRefused(t, row.name, err, row.want, row.code)
			continue
		}
		if err != nil || !strings.HasPrefix(got.OpenID, row.openID) || got.AppID != row.who.AppID || got.UnionID != row.union || got.Snapshot != row.snap {
			t.Errorf("%s: %+v, %v", row.name, got, err)
		}
	}
}

func wantRefused(t *testing.T, name string, err, want error, code string) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%s: %v, want %v", name, err, want)
		return
	}
	for _, secret := range []string{sim.AppSecret(account), sim.AppSecret(mini), "not-the-secret", "http://"} {
		if strings.Contains(err.Error(), secret) {
			t.Errorf("R45: %s: the error holds a secret or an address: %v", name, err)
		}
	}
	if len(code) > 20 && strings.Contains(err.Error(), code) {
		t.Errorf("R45: %s: the error holds the code", name)
	}
}

func TestWhatWeChatRefuses(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name  string
		fault sim.Fault
		want  error // nil: it works all the same
	}{
		{"busy for a moment", sim.Fault{Kind: sim.ErrorNotExecuted, Count: 1}, nil},
		{"busy for long", sim.Fault{Kind: sim.ErrorNotExecuted}, ports.ErrUnavailable},
		{"too often", sim.Fault{Kind: sim.RateLimited}, ports.ErrTooOften},
		{"a payer who is blocked", sim.Fault{Kind: sim.Refusal, Code: "40226"}, ports.ErrPayerBlocked},
		{"an address that is not on the list", sim.Fault{Kind: sim.Refusal, Code: "40164"}, ports.ErrIdentityRefused},
		{"a code that nobody knows", sim.Fault{Kind: sim.Refusal, Code: "99999"}, ports.ErrUnavailable},
		{"a connection that breaks", sim.Fault{Kind: sim.BrokenExecuted}, ports.ErrUnavailable},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			a := start(t)
			code := must(t)(a.sim.LoginCode(mini, "alice"))
			row.fault.Path = "/sns/jscode2session"
			if _, err := a.sim.AddFault(row.fault); err != nil {
				t.Fatal(err)
			}
			got, err := a.ByJSCode(t.Context(), app(mini, ""), code)
			if row.want != nil {
				wantRefused(t, row.name, err, row.want, code)
			} else if err != nil || got.OpenID == "" {
				t.Errorf("%+v, %v", got, err)
			}
		})
	}
}

func TestAnAnswerThatNeverComesEndsWithTheRequest(t *testing.T) {
	t.Parallel()
	a := start(t)
	code := must(t)(a.sim.LoginCode(mini, "alice"))
	if _, err := a.sim.AddFault(sim.Fault{Kind: sim.TimeoutExecuted}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := a.ByJSCode(ctx, app(mini, ""), code)
	wantRefused(t, "no answer", err, ports.ErrUnavailable, code)
}

func TestAuthorizeURL(t *testing.T) {
	t.Parallel()
	c := New(Options{BrowserBase: BrowserBase + "/"})
	got := c.AuthorizeURL(ports.IdentityApp{AppID: "wxa"}, "https://pay.example/oauth/a/callback", "st")
	want := "https://open.weixin.qq.com/connect/oauth2/authorize?appid=wxa&redirect_uri=https%3A%2F%2Fpay.example%2Foauth%2Fa%2Fcallback&response_type=code&scope=snsapi_base&state=st#wechat_redirect"
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if !strings.Contains(c.AuthorizeURL(ports.IdentityApp{Scope: ports.ScopeUserInfo}, "x", "s"), "scope=snsapi_userinfo") {
		t.Error("the scope is not the entry's")
	}
}

// counted counts the calls of a path that reach WeChat.
func counted(t *testing.T, a asking) (count func(path string) int) {
	t.Helper()
	var mu sync.Mutex
	calls := map[string]int{}
	next := a.http.Transport
	a.http.Transport = roundTripper(func(r *http.Request) (*http.Response, error) {
		mu.Lock()
		calls[r.URL.Path]++
		mu.Unlock()
		return next.RoundTrip(r)
	})
	return func(path string) int {
		mu.Lock()
		defer mu.Unlock()
		return calls[path]
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestAccessTokensAndTicketsAreFetchedOnce(t *testing.T) {
	t.Parallel()
	a := start(t)
	count := counted(t, a)
	var all sync.Map
	var group sync.WaitGroup
	for range 20 {
		group.Go(func() {
			token, err := a.Ticket(t.Context(), account)
			if err != nil || token.Token == "" {
				t.Error(err)
			}
			all.Store(token, true)
		})
	}
	group.Wait()
	different := 0
	all.Range(func(any, any) bool { different++; return true })
	if n, m := count("/cgi-bin/stable_token"), count("/cgi-bin/ticket/getticket"); different != 1 || n != 1 || m != 1 {
		t.Errorf("%d tickets by %d calls, access tokens by %d; want 1 of each", different, m, n)
	}
	if err := a.sim.Advance(2*time.Hour - enough); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Ticket(t.Context(), account); err != nil {
		t.Fatal(err)
	}
	if n := count("/cgi-bin/stable_token"); n != 2 {
		t.Errorf("near the end of its life the access token was fetched %d times in all, want 2", n)
	}
}

func TestATokenThatWasRefusedIsNotGivenAgain(t *testing.T) {
	t.Parallel()
	a := start(t)
	first, err := a.AppToken(t.Context(), account, "")
	if err != nil {
		t.Fatal(err)
	}
	a.sim.EndAppToken(account)
	ticket, err := a.Ticket(t.Context(), account) // is told by WeChat that the token is not good
	if err != nil || ticket.Token == "" {
		t.Fatal(err)
	}
	second, err := a.AppToken(t.Context(), account, first.Token)
	if err != nil || second.Token == first.Token {
		t.Errorf("the same token again, %v", err)
	}
	if again, err := a.AppToken(t.Context(), account, first.Token); err != nil || again != second {
		t.Errorf("another one each time, %v", err)
	}
}

func TestAnOldTokenServesWhileANewOneCannotBeFetched(t *testing.T) {
	t.Parallel()
	a := start(t)
	first, err := a.AppToken(t.Context(), account, "")
	if err != nil {
		t.Fatal(err)
	}
	if err := a.sim.Advance(2*time.Hour - time.Minute); err != nil {
		t.Fatal(err)
	}
	if _, err := a.sim.AddFault(sim.Fault{Kind: sim.BrokenNotExecuted}); err != nil {
		t.Fatal(err)
	}
	if got, err := a.AppToken(t.Context(), account, ""); err != nil || got.Token != first.Token {
		t.Errorf("a minute before its end: %v", err)
	}
	if err := a.sim.Advance(time.Minute); err != nil {
		t.Fatal(err)
	}
	_, err = a.AppToken(t.Context(), account, "")
	wantRefused(t, "after its end", err, ports.ErrUnavailable, "")
	a.sim.ClearFault("")
	if got, err := a.AppToken(t.Context(), account, ""); err != nil || got.Token == first.Token {
		t.Errorf("the failed try kept its claim: %v", err)
	}
	_, err = a.AppToken(t.Context(), "wxnone", "")
	wantRefused(t, "an app id without a secret", err, ports.ErrIdentityRefused, "")
}

func TestAnswersThatAreNone(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]func(http.ResponseWriter){
		"not JSON":        func(w http.ResponseWriter) { _, _ = w.Write([]byte("<html>")) },
		"an error status": func(w http.ResponseWriter) { w.WriteHeader(http.StatusBadGateway) },
		"a way elsewhere": func(w http.ResponseWriter) {
			w.Header().Set("Location", "http://127.0.0.1:1/")
			w.WriteHeader(http.StatusFound)
		},
		"nobody":              func(w http.ResponseWriter) { _, _ = w.Write([]byte(`{}`)) },
		"an openid with more": func(w http.ResponseWriter) { _, _ = w.Write([]byte(`{"openid":"o1 <script>"}`)) },
		"too much": func(w http.ResponseWriter) {
			_, _ = w.Write([]byte(`{"openid":"o1"}` + strings.Repeat(" ", largestAnswer)))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { answer(w) }))
			t.Cleanup(server.Close)
			c := New(Options{ServerBase: server.URL, Secret: secrets})
			t.Cleanup(c.Close)
			got, err := c.ByJSCode(t.Context(), app(mini, ""), "code")
			if !errors.Is(err, ports.ErrUnavailable) || got != (identity.Seen{}) {
				t.Errorf("%+v, %v", got, err)
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{
		`{"openid":"oA1","unionid":"u","session_key":"k==","errcode":0}`, `{"errcode":40029,"errmsg":"invalid code, rid: 1"}`,
		`{"access_token":"90_x","expires_in":7200,"is_snapshotuser":1}`, `{"ticket":"t","expires_in":-1}`, `{"openid":1}`, `[]`, ``,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		a, err := parse(text)
		if err != nil {
			if a != (answer{}) || err.Error() != errUnreadable.Error() {
				t.Errorf("%+v, %v: an error tells nothing of the answer", a, err)
			}
			return
		}
		if strings.ContainsAny(a.OpenID+a.UnionID, " \n<>&\"'\x00\\") || strings.ContainsAny(a.AccessToken+a.Ticket, " \n\x00") {
			t.Errorf("%+v", a)
		}
		if a.ExpiresIn < 0 || a.ExpiresIn > longestLife {
			t.Errorf("it lives %d s", a.ExpiresIn)
		}
		_ = a.problem("ask")
	})
}

// What is signed for wx.config is what WeChat verifies: the address without its fragment, by the ticket of this app id.
func TestWeChatTakesASignedPage(t *testing.T) {
	t.Parallel()
	a := start(t)
	const page = "https://pay.example/checkout/orders/1?lang=zh&place=x"
	s, err := a.SignPage(t.Context(), account, page)
	if err != nil {
		t.Fatal(err)
	}
	given := sim.PageSignature{AppID: s.AppID, Timestamp: strconv.FormatInt(s.Timestamp, 10), NonceStr: s.Nonce, Signature: s.Signature, URL: page + "#pay"}
	if err := a.sim.CheckPage(given); err != nil {
		t.Error(err)
	}
	for name, change := range map[string]func(*sim.PageSignature){
		"another page":   func(p *sim.PageSignature) { p.URL = page + "2" },
		"another time":   func(p *sim.PageSignature) { p.Timestamp += "0" },
		"another nonce":  func(p *sim.PageSignature) { p.NonceStr += "0" },
		"another app id": func(p *sim.PageSignature) { p.AppID = mini },
		"no app id":      func(p *sim.PageSignature) { p.AppID = "wxnone" },
	} {
		other := given
		change(&other)
		if err := a.sim.CheckPage(other); err == nil {
			t.Errorf("%s: WeChat takes it", name)
		}
	}
	if _, err := a.SignPage(t.Context(), "wxnone", page); !errors.Is(err, ports.ErrIdentityRefused) {
		t.Errorf("without a secret: %v", err)
	}
}
