package sim_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/paybridge/paybridge/plugins/wechat/sim"
)

const (
	accountA = "wxa000000000000001"
	accountB = "wxb000000000000001"
	miniM    = "wxm000000000000001"
)

// weixinAnswer is an answer of api.weixin.qq.com.
type weixinAnswer struct {
	ErrCode     int    `json:"errcode"`
	ErrMsg      string `json:"errmsg"`
	OpenID      string `json:"openid"`
	UnionID     string `json:"unionid"`
	SessionKey  string `json:"session_key"`
	AccessToken string `json:"access_token"`
	Snapshot    int    `json:"is_snapshotuser"`
	ExpiresIn   int    `json:"expires_in"`
	Ticket      string `json:"ticket"`
	Order       struct {
		State    int `json:"order_state"`
		Shipping struct {
			Finished int `json:"finish_shipping_count"`
		} `json:"shipping"`
	} `json:"order"`
}

func askWeixin(t *testing.T, s *sim.Simulator, path string, query url.Values, body string) weixinAnswer {
	t.Helper()
	method := http.MethodGet
	if body != "" {
		method = http.MethodPost
	}
	r, err := http.NewRequestWithContext(t.Context(), method, s.BaseURL()+path+"?"+query.Encode(), strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s, %v: WeChat refuses with 200", path, resp.Status, err)
	}
	if plain := strings.HasPrefix(path, "/sns/"); plain != (resp.Header.Get("Content-Type") == "text/plain") {
		t.Errorf("%s comes as %s", path, resp.Header.Get("Content-Type"))
	}
	var a weixinAnswer
	if err := json.Unmarshal(text, &a); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return a
}

func exchange(appID, secret, name, code string) url.Values {
	return url.Values{"appid": {appID}, "secret": {secret}, name: {code}, "grant_type": {"authorization_code"}}
}

func TestWeixinCodes(t *testing.T) {
	t.Parallel()
	s := sim.New(t)
	if err := s.SetSpeed(0); err != nil {
		t.Fatal(err)
	}
	login := func(appID, person string) string { return must(t)(s.LoginCode(appID, person)) }
	oauth := func(appID, person, scope string) string { return must(t)(s.OAuthCode(appID, person, scope)) }
	used := login(miniM, "alice")
	askWeixin(t, s, "/sns/jscode2session", exchange(miniM, sim.AppSecret(miniM), "js_code", used), "")
	late := login(miniM, "alice")
	if err := s.Advance(5 * time.Minute); err != nil {
		t.Fatal(err)
	}
	wrongGrant := exchange(miniM, sim.AppSecret(miniM), "js_code", login(miniM, "alice"))
	wrongGrant.Set("grant_type", "client_credential")
	session, access := "/sns/jscode2session", "/sns/oauth2/access_token"
	for _, row := range []struct {
		name, path string
		query      url.Values
		code       int
		openID     string
		union      bool
		snapshot   int
	}{
		{name: "login", path: session, query: exchange(miniM, sim.AppSecret(miniM), "js_code", login(miniM, "alice")), openID: "oM1-alice-", union: true},
		{name: "login of somebody without a unionid", path: session, query: exchange(miniM, sim.AppSecret(miniM), "js_code", login(miniM, "bob")), openID: "oM1-bob-"},
		{name: "base", path: access, query: exchange(accountA, sim.AppSecret(accountA), "code", oauth(accountA, "alice", "snsapi_base")), openID: "oA1-alice-"},
		{name: "userinfo", path: access, query: exchange(accountA, sim.AppSecret(accountA), "code", oauth(accountA, "alice", "snsapi_userinfo")), openID: "oA1-alice-", union: true},
		{name: "snapshot", path: access, query: exchange(accountA, sim.AppSecret(accountA), "code", oauth(accountA, "snapshot", "snsapi_base")), openID: "oA1-snapshot-", snapshot: 1},
		{name: "used", path: session, query: exchange(miniM, sim.AppSecret(miniM), "js_code", used), code: 40163},
		{name: "late", path: session, query: exchange(miniM, sim.AppSecret(miniM), "js_code", late), code: 40029},
		{name: "forged", path: session, query: exchange(miniM, sim.AppSecret(miniM), "js_code", "forged"), code: 40029},
		{name: "of another app id", path: session, query: exchange(accountB, sim.AppSecret(accountB), "js_code", login(miniM, "alice")), code: 40029},
		{name: "a web authorization's as a js_code", path: session, query: exchange(accountA, sim.AppSecret(accountA), "js_code", oauth(accountA, "alice", "snsapi_base")), code: 40029},
		{name: "a js_code as a web authorization's", path: access, query: exchange(miniM, sim.AppSecret(miniM), "code", login(miniM, "alice")), code: 40029},
		{name: "no code", path: session, query: exchange(miniM, sim.AppSecret(miniM), "js_code", ""), code: 41008},
		{name: "another's secret", path: session, query: exchange(miniM, sim.AppSecret(accountA), "js_code", login(miniM, "alice")), code: 40125},
		{name: "no secret", path: session, query: exchange(miniM, "", "js_code", "x"), code: 41004},
		{name: "no app id", path: session, query: exchange("", "", "js_code", "x"), code: 41002},
		{name: "an app id that is none", path: session, query: exchange("wxnone", "x", "js_code", "x"), code: 40013},
		{name: "another grant", path: session, query: wrongGrant, code: 40002},
	} {
		a := askWeixin(t, s, row.path, row.query, "")
		if a.ErrCode != row.code || !strings.HasPrefix(a.OpenID, row.openID) || (a.UnionID != "") != row.union || a.Snapshot != row.snapshot {
			t.Errorf("%s: %+v, want code %d, openid %s…, unionid %v", row.name, a, row.code, row.openID, row.union)
		}
		if ok := row.code == 0; ok != (a.OpenID != "") || (row.path == session && ok) != (a.SessionKey != "") {
			t.Errorf("%s: %+v", row.name, a)
		}
	}
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

func TestWeixinUserInfo(t *testing.T) {
	t.Parallel()
	s := sim.New(t)
	for _, row := range []struct {
		name, scope, person string
		union               bool
		code                int
	}{
		{name: "agreed", scope: "snsapi_userinfo", person: "alice", union: true},
		{name: "agreed, without a unionid", scope: "snsapi_userinfo", person: "bob"},
		{name: "not asked", scope: "snsapi_base", person: "alice", code: 48001},
	} {
		code := must(t)(s.OAuthCode(accountA, row.person, row.scope))
		a := askWeixin(t, s, "/sns/oauth2/access_token", exchange(accountA, sim.AppSecret(accountA), "code", code), "")
		info := askWeixin(t, s, "/sns/userinfo", url.Values{"access_token": {a.AccessToken}, "openid": {a.OpenID}}, "")
		if info.ErrCode != row.code || (info.UnionID != "") != row.union {
			t.Errorf("%s: %+v", row.name, info)
		}
		if other := askWeixin(t, s, "/sns/userinfo", url.Values{"access_token": {a.AccessToken}, "openid": {"other"}}, ""); other.ErrCode != 40001 {
			t.Errorf("%s: another's openid: %+v", row.name, other)
		}
	}
	if err := s.SetUnionID(accountA, "bob", "u-bob"); err != nil {
		t.Fatal(err)
	}
	a := askWeixin(t, s, "/sns/oauth2/access_token", exchange(accountA, sim.AppSecret(accountA), "code", must(t)(s.OAuthCode(accountA, "bob", "snsapi_userinfo"))), "")
	if a.UnionID != "u-bob" {
		t.Errorf("a unionid that came later: %+v", a)
	}
}

func TestWeixinTokens(t *testing.T) {
	t.Parallel()
	s := sim.New(t)
	if err := s.SetSpeed(0); err != nil {
		t.Fatal(err)
	}
	stable := func(force bool) weixinAnswer {
		return askWeixin(t, s, "/cgi-bin/stable_token", nil,
			fmt.Sprintf(`{"grant_type":"client_credential","appid":%q,"secret":%q,"force_refresh":%v}`, accountA, sim.AppSecret(accountA), force))
	}
	ticket := func(token string) weixinAnswer {
		return askWeixin(t, s, "/cgi-bin/ticket/getticket", url.Values{"access_token": {token}, "type": {"jsapi"}}, "")
	}
	pass := func(d time.Duration) {
		if err := s.Advance(d); err != nil {
			t.Fatal(err)
		}
	}
	first := stable(false)
	if len(first.AccessToken) < 512 || first.ExpiresIn != 7200 || ticket(first.AccessToken).Ticket == "" {
		t.Fatalf("the first: %+v", first)
	}
	pass(time.Hour)
	if again := stable(false); again.AccessToken != first.AccessToken || again.ExpiresIn != 3600 {
		t.Errorf("an hour later another, or for %d s", again.ExpiresIn)
	}
	pass(time.Hour - 5*time.Minute)
	second := stable(false)
	if second.AccessToken == first.AccessToken || ticket(first.AccessToken).ErrCode != 0 {
		t.Error("in the last five minutes there must be a new token, and the old one works")
	}
	pass(5 * time.Minute)
	if a := ticket(first.AccessToken); a.ErrCode != 40001 {
		t.Errorf("a token that is over: %+v", a)
	}
	third := stable(true)
	if third.AccessToken == second.AccessToken || ticket(second.AccessToken).ErrCode != 40001 {
		t.Error("a forced one replaces the other at once")
	}
	if again := stable(true); again.AccessToken != third.AccessToken {
		t.Error("forced twice within 30 s")
	}
	s.EndAppToken(accountA)
	if a := ticket(third.AccessToken); a.ErrCode != 40001 {
		t.Errorf("a token that was ended: %+v", a)
	}
	if a := stable(false); a.AccessToken != third.AccessToken {
		t.Error("stable_token gives another though it was not forced")
	}
	for range 19 {
		pass(time.Minute)
		stable(true)
	}
	pass(time.Minute)
	if a := stable(true); a.ErrCode != 45009 {
		t.Errorf("the 21st forced one of a day: %+v", a)
	}
	if a := askWeixin(t, s, "/cgi-bin/stable_token", nil, `{"grant_type":"client_credential","appid":"`+accountA+`","secret":"x"}`); a.ErrCode != 40125 {
		t.Errorf("a wrong secret: %+v", a)
	}
}

func TestWeixinAuthorize(t *testing.T) {
	t.Parallel()
	seed := sim.DefaultSeed()
	seed.Apps[0].OAuthDomains = []string{"pay.example"}
	s := sim.New(t, sim.WithSeed(seed))
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	const rest = "&response_type=code&scope=snsapi_base&state=st"
	to := "&redirect_uri=" + url.QueryEscape("https://pay.example/back?a=1")
	for _, row := range []struct {
		name, query, person string
		status              int
		back                string // its beginning
		says                string
	}{
		{name: "known", query: "appid=" + accountA + to + rest, person: "alice", status: 302, back: "https://pay.example/back?a=1&code=0"},
		{name: "does not agree", query: "appid=" + accountA + to + rest + "&wechatsim_answer=deny", person: "alice", status: 302, back: "https://pay.example/back?a=1&state=st"},
		{name: "asked who", query: "appid=" + accountA + to + rest, status: 200, says: "alice"},
		{name: "nobody of this app id", query: "appid=" + accountA + to + rest, person: "nobody", status: 200, says: "alice"},
		{name: "another domain", query: "appid=" + accountA + "&redirect_uri=https%3A%2F%2Fevil.example%2F" + rest, person: "alice", status: 400, says: "10003"},
		{name: "another order", query: "appid=" + accountA + "&response_type=code" + to + "&scope=snsapi_base", person: "alice", status: 400, says: "response_type"},
		{name: "no such app id", query: "appid=wxnone" + to + rest, person: "alice", status: 400, says: "10013"},
		{name: "no such scope", query: "appid=" + accountA + to + "&response_type=code&scope=all&state=st", person: "alice", status: 400, says: "10005"},
		{name: "a state that is too long", query: "appid=" + accountA + to + rest + strings.Repeat("s", 128), person: "alice", status: 400, says: "state"},
	} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.BaseURL()+"/connect/oauth2/authorize?"+row.query, nil)
		if err != nil {
			t.Fatal(err)
		}
		if row.person != "" {
			r.AddCookie(&http.Cookie{Name: "wechatsim-person", Value: row.person})
		}
		resp, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		text, _ := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if back := resp.Header.Get("Location"); resp.StatusCode != row.status || !strings.HasPrefix(back, row.back) || !strings.Contains(string(text), row.says) {
			t.Errorf("%s: %d to %q, says %s", row.name, resp.StatusCode, back, text)
		}
	}
}

func TestWeixinSecretsLieBesideTheKeys(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	sim.New(t, sim.With(func(c *sim.Config) { c.KeysDir = dir }))
	text, err := os.ReadFile(filepath.Join(dir, "apps", miniM, "secret.txt"))
	if err != nil || strings.TrimSpace(string(text)) != sim.AppSecret(miniM) || len(sim.AppSecret(miniM)) != 32 {
		t.Errorf("%q, %v", text, err)
	}
}
