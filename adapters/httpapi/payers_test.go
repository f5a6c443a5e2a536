package httpapi

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/paybridge/paybridge/adapters/weixin"
	"github.com/paybridge/paybridge/core/identity"
	"github.com/paybridge/paybridge/core/pay"
	"github.com/paybridge/paybridge/plugins/wechat/sim"
	"github.com/paybridge/paybridge/ports"
)

// What the world of payers has beside the simulator's seed: two official accounts, a mini program, and an entry whose
// secret is wrong.
const (
	accountApp = "wxa000000000000001"
	secondApp  = "wxa000000000000002"
	miniApp    = "wxm000000000000001"
)

// payers is a world in which payers sign in, at a simulated WeChat.
type payers struct {
	*world
	sim   *sim.Simulator
	ahead atomic.Int64 // how far the gateway's clock is moved
}

func startPayers(t *testing.T, change ...func(*PublicOptions)) *payers {
	t.Helper()
	p := &payers{sim: sim.New(t)}
	p.world = start(t, append([]func(*PublicOptions){func(o *PublicOptions) {
		client := weixin.New(weixin.Options{
			BrowserBase: p.sim.BaseURL(), ServerBase: p.sim.BaseURL(), Now: time.Now,
			Secret: func(ref string) (string, error) { return sim.AppSecret(strings.TrimPrefix(ref, "env:")), nil },
		})
		t.Cleanup(client.Close)
		o.Gateway.Identity, o.Gateway.CookieKeys = client, identity.CookieKeys{bytes.Repeat([]byte{1}, 32)}
		o.Gateway.Clock = ports.ClockFunc(func() time.Time { return time.Now().Add(time.Duration(p.ahead.Load())) })
	}}, change...)...)
	entry := func(name, appID, secret string, scope ports.IdentityScope) ports.Entry {
		return ports.Entry{
			Name: name, Provider: "channel", Account: "hospital", AppID: appID, OpenIDKind: pay.OpenIDDirect, Method: "01", NotifyBase: p.url,
			LatePay: pay.LateRefund, Secret: secret, Scope: scope, ReturnURLs: []string{"https://www.clinic.example/registration"},
		}
	}
	native := entry("native", miniApp, "env:"+miniApp, "")
	silent := entry("silent-mini", miniApp, "", "")
	native.Method, silent.Method = "02", "02"
	app := func(name, key string, entries ...string) ports.App {
		scopes := []string{"pay", "read", "refund", "identity"}
		return ports.App{Name: name, Entries: entries, Keys: []ports.AppKey{{ID: "all", Hash: hashed(key), Scopes: scopes}}}
	}
	_, err := p.db.ApplySettings(t.Context(), "test", "payers", ports.SettingsContent{
		Apps: []ports.App{app("clinic", clinicKey, "account", "second", "mini", "wrong", "silent", "native", "silent-mini"), app("shop", shopKey, "account", "mini")},
		Entries: []ports.Entry{
			entry("account", accountApp, "env:"+accountApp, ports.ScopeUserInfo), entry("second", secondApp, "env:"+secondApp, ports.ScopeBase),
			entry("mini", miniApp, "env:"+miniApp, ""), entry("wrong", accountApp, "env:other", ""), entry("silent", accountApp, "", ""),
			native, silent,
		},
		Accounts: []ports.Account{{Name: "hospital", Provider: "channel", MchID: "1900000001", Config: json.RawMessage(`{}`)}},
	}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.gateway.LoadSettings(t.Context(), func([]ports.Account) {}); err != nil {
		t.Fatal(err)
	}
	return p
}

// browser is one payer's, with its cookies. It follows no redirect by itself.
type browser struct {
	t      *testing.T
	p      *payers
	client *http.Client
	lang   string
}

const weChatAgent = "Mozilla/5.0 (iPhone) MicroMessenger/8.0.50"

func (p *payers) browser(lang string) *browser {
	jar, err := cookiejar.New(nil)
	if err != nil {
		p.t.Fatal(err)
	}
	return &browser{t: p.t, p: p, lang: lang, client: &http.Client{
		Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// get opens an address, of the gateway where it begins with a slash; headers come in pairs.
func (b *browser) get(address string, headers ...string) reply {
	b.t.Helper()
	return b.do(http.MethodGet, address, "", headers...)
}

func (b *browser) do(method, address, body string, headers ...string) reply {
	b.t.Helper()
	if strings.HasPrefix(address, "/") {
		address = b.p.url + address
	}
	r, err := http.NewRequestWithContext(b.t.Context(), method, address, strings.NewReader(body))
	if err != nil {
		b.t.Fatal(err)
	}
	r.Header.Set("User-Agent", weChatAgent)
	r.Header.Set("Accept-Language", b.lang)
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	resp, err := b.client.Do(r)
	if err != nil {
		b.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	out := reply{status: resp.StatusCode, header: resp.Header, text: string(text)}
	_ = json.Unmarshal(text, &out.json) // nil where it is no object
	return out
}

// authorize begins a web authorization and lets WeChat lead the person back; it returns the callback's address, not opened.
func (b *browser) authorize(path, person string) (callback string) {
	b.t.Helper()
	toWeChat := b.get(path)
	if toWeChat.status != http.StatusFound {
		b.t.Fatalf("%s: %d %s", path, toWeChat.status, toWeChat.text)
	}
	back := b.get(toWeChat.header.Get("Location"), "Wechatsim-Person", person)
	if back.status != http.StatusFound {
		b.t.Fatalf("WeChat: %d %s", back.status, back.text)
	}
	return back.header.Get("Location")
}

// signIn goes the whole way.
func (b *browser) signIn(path, person string) {
	b.t.Helper()
	if r := b.get(b.authorize(path, person)); r.status != http.StatusSeeOther {
		b.t.Fatalf("%s does not sign %s in: %d %s", path, person, r.status, r.text)
	}
}

func (b *browser) cookie(name string) string {
	u, err := url.Parse(b.p.url)
	if err != nil {
		b.t.Fatal(err)
	}
	for _, c := range b.client.Jar.Cookies(u) {
		if c.Name == name {
			return c.Value
		}
	}
	return ""
}

// payer is who the browser's session of an app is of.
func (b *browser) payer(app string) identity.Payer {
	b.t.Helper()
	_, p, err := b.p.gateway.Session(b.t.Context(), app, b.cookie(SessionCookie(app, false)))
	if err != nil {
		b.t.Fatal(err)
	}
	return p
}

// login is POST /p/v1/sessions as a mini program sends it.
func (b *browser) login(entry, code string, headers ...string) reply {
	b.t.Helper()
	body, err := json.Marshal(map[string]string{"entry": entry, "js_code": code, "app": "clinic"})
	if err != nil {
		b.t.Fatal(err)
	}
	return b.do(http.MethodPost, "/p/v1/sessions", string(body), append([]string{"Content-Type", "application/json"}, headers...)...)
}

func (p *payers) jsCode(appID, person string) string {
	p.t.Helper()
	code, err := p.sim.LoginCode(appID, person)
	if err != nil {
		p.t.Fatal(err)
	}
	return code
}

// enterToken is the token that a mini program's login gives.
func (b *browser) enterToken() string {
	b.t.Helper()
	r := b.login("mini", b.p.jsCode(miniApp, "alice"))
	if r.status != http.StatusCreated {
		b.t.Fatalf("login: %d %s", r.status, r.text)
	}
	return r.json["token"].(string)
}

const clinicAccount = "/oauth/account/authorize?app=clinic"

func TestAPayerSignsInByWebAuthorization(t *testing.T) {
	t.Parallel()
	p := startPayers(t)
	b := p.browser("zh-CN")
	callback := b.authorize(clinicAccount+"&return_url="+url.QueryEscape("https://www.clinic.example/registration/done?n=1"), "alice")
	state := mustQuery(t, callback).Get("state")
	if len(state) != 64 || strings.Trim(state, "0123456789abcdef") != "" {
		t.Errorf("the state is %q: WeChat takes letters and digits, and 256 bits are wanted", state)
	}
	r := b.get(callback)
	if r.status != http.StatusSeeOther || r.header.Get("Location") != "https://www.clinic.example/registration/done?n=1" {
		t.Fatalf("%d to %s: %s", r.status, r.header.Get("Location"), r.text)
	}
	for name, want := range map[string]string{"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"} {
		if got := r.header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	for _, cookie := range r.header.Values("Set-Cookie") {
		for _, part := range []string{"HttpOnly", "SameSite=Lax", "Path=/"} {
			if !strings.Contains(cookie, part) {
				t.Errorf("a cookie without %s: %s", part, cookie)
			}
		}
		if strings.Contains(cookie, "Domain=") {
			t.Errorf("a cookie of more than this host: %s", cookie)
		}
	}
	who := b.payer("clinic")
	if len(who.Names) != 1 || who.Names[0].AppID != accountApp || !strings.HasPrefix(who.Names[0].OpenID, "oA1-alice-") {
		t.Errorf("signed in is %+v", who)
	}
	if b.cookie(browserCookie(state)) != "" {
		t.Error("the browser still has the state's cookie")
	}
	if _, _, err := p.gateway.Session(t.Context(), "shop", b.cookie(SessionCookie("clinic", false))); err == nil {
		t.Error("R42: the clinic's cookie opens shop's session")
	}
	p.ahead.Store(int64(13 * time.Hour))
	if _, _, err := p.gateway.Session(t.Context(), "clinic", b.cookie(SessionCookie("clinic", false))); err == nil {
		t.Error("a session never ends")
	}
}

func mustQuery(t *testing.T, address string) url.Values {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return u.Query()
}

func TestCookiesAreSecureWhereTheyMustBe(t *testing.T) {
	t.Parallel()
	p := startPayers(t, func(o *PublicOptions) { o.SecureCookies = true })
	r := p.browser("zh-CN").get(clinicAccount)
	if cookie := r.header.Get("Set-Cookie"); !strings.HasPrefix(cookie, "__Host-pb-oauth-") || !strings.Contains(cookie, "Secure") {
		t.Errorf("%d: %s", r.status, cookie)
	}
	if SessionCookie("clinic", true) != "__Host-pb-session-clinic" {
		t.Error(SessionCookie("clinic", true))
	}
}

func TestAPayerSignsInByMiniProgram(t *testing.T) {
	t.Parallel()
	p := startPayers(t)
	native, web := p.browser("zh-CN"), p.browser("zh-CN")
	r := native.login("mini", p.jsCode(miniApp, "alice"))
	if r.status != http.StatusCreated || strings.Contains(r.text, "oM1-alice") || strings.Contains(r.text, "session_key") {
		t.Fatalf("%d %s", r.status, r.text)
	}
	entered := web.get(r.json["enter_url"].(string))
	if entered.status != http.StatusSeeOther || entered.header.Get("Location") != p.url+"/checkout/orders" {
		t.Fatalf("%d to %s: %s", entered.status, entered.header.Get("Location"), entered.text)
	}
	if who := web.payer("clinic"); !strings.HasPrefix(who.Names[0].OpenID, "oM1-alice-") {
		t.Errorf("signed in is %+v", who)
	}
	if native.cookie(SessionCookie("clinic", false)) != "" {
		t.Error("the login alone made a session")
	}
	if strings.Contains(p.log.String(), r.json["token"].(string)) || strings.Contains(p.log.String(), "oM1-alice") {
		t.Error("R45: the log has the token or the openid")
	}
}

// turnedAway is one input that must not get through: what is answered, and what the payer reads.
type turnedAway struct {
	name    string
	input   func(b *browser) reply
	status  int
	code    string
	chinese string
	english string
}

func TestR43_TurnedAway(t *testing.T) {
	t.Parallel()
	p := startPayers(t)
	onlyWeChat := startPayers(t, func(o *PublicOptions) { o.OnlyWeChat = true })
	const (
		badState = "登录链接无效，或不是在这个浏览器里打开的，请重新进入。"
		badCode  = "微信登录凭证无效或已过期，请重试。"
		badURL   = "返回地址未登记，请联系商家。"

		badStateEN = "The sign-in link is not valid, or was begun in another browser. Start again."
		badCodeEN  = "WeChat's sign-in code is not valid, or has expired. Try again."
		badURLEN   = "The address to return to is not registered. Please tell the merchant."
	)
	// with is the callback of a good authorization, changed.
	with := func(change func(q url.Values)) func(*browser) reply {
		return func(b *browser) reply {
			u, err := url.Parse(b.authorize(clinicAccount, "alice"))
			if err != nil {
				t.Fatal(err)
			}
			q := u.Query()
			change(q)
			u.RawQuery = q.Encode()
			return b.get(u.String())
		}
	}
	returningTo := func(target string) func(*browser) reply {
		return func(b *browser) reply { return b.get(clinicAccount + "&return_url=" + url.QueryEscape(target)) }
	}
	faulty := func(f sim.Fault, then func(*browser) reply) func(*browser) reply {
		return func(b *browser) reply {
			if _, err := p.sim.AddFault(f); err != nil {
				t.Fatal(err)
			}
			defer p.sim.ClearFault("")
			return then(b)
		}
	}
	codeOf := func(appID string) string {
		code, err := p.sim.OAuthCode(appID, "alice", "snsapi_base")
		if err != nil {
			t.Fatal(err)
		}
		return code
	}
	untouched := with(func(url.Values) {})
	for _, row := range []turnedAway{
		{"state forged", with(func(q url.Values) { q.Set("state", identity.NewToken()) }), 400, "state_invalid", badState, badStateEN},
		{"state missing", with(func(q url.Values) { q.Del("state") }), 400, "state_invalid", badState, badStateEN},
		{"state twice", with(func(q url.Values) { q.Add("state", q.Get("state")) }), 400, "state_invalid", badState, badStateEN},
		{"state of another browser", func(b *browser) reply {
			return b.get(p.browser("zh").authorize(clinicAccount, "alice"))
		}, 400, "state_invalid", badState, badStateEN},
		{"state of another browser, with a cookie of one's own", func(b *browser) reply {
			theirs := p.browser("zh").authorize(clinicAccount, "alice")
			return b.get(theirs, "Cookie", browserCookie(mustQuery(t, theirs).Get("state"))+"="+identity.NewToken())
		}, 400, "state_invalid", badState, badStateEN},
		{"state of another entry", func(b *browser) reply {
			return b.get(strings.Replace(b.authorize(clinicAccount, "alice"), "/oauth/account/", "/oauth/second/", 1))
		}, 400, "state_invalid", badState, badStateEN},
		{"state reused", func(b *browser) reply {
			callback := b.authorize(clinicAccount, "alice")
			cookie := browserCookie(mustQuery(t, callback).Get("state"))
			kept := b.cookie(cookie)
			b.get(callback)
			return b.get(callback, "Cookie", cookie+"="+kept)
		}, 409, "state_used", "这个登录链接已经用过，请重新进入。", "This sign-in link was used before. Start again."},
		{"state expired", func(b *browser) reply {
			callback := b.authorize(clinicAccount, "alice")
			p.ahead.Store(int64(11 * time.Minute))
			defer p.ahead.Store(0)
			return b.get(callback)
		}, 410, "state_expired", "登录超时，请重新进入。", "Signing in took too long. Start again."},
		{"code missing: not agreed", with(func(q url.Values) { q.Del("code") }), 403, "authorization_denied",
			"您没有同意授权，因此无法继续；同意后即可付款。", "You did not agree to be known, so this cannot go on. Agree to pay."},
		{"code forged", with(func(q url.Values) { q.Set("code", "forged") }), 400, "code_invalid", badCode, badCodeEN},
		{"code of another app id", with(func(q url.Values) { q.Set("code", codeOf(secondApp)) }), 400, "code_invalid", badCode, badCodeEN},
		{"code too late", func(b *browser) reply {
			callback := b.authorize(clinicAccount, "alice")
			if err := p.sim.Advance(6 * time.Minute); err != nil {
				t.Fatal(err)
			}
			return b.get(callback)
		}, 400, "code_invalid", badCode, badCodeEN},
		{"code reused", func(b *browser) reply {
			used := b.authorize(clinicAccount, "alice")
			b.get(used)
			return with(func(q url.Values) { q.Set("code", mustQuery(t, used).Get("code")) })(b)
		}, 409, "code_used", "微信登录凭证已经用过，请重试。", "WeChat's sign-in code was used before. Try again."},
		{"snapshot user", func(b *browser) reply { return b.get(b.authorize(clinicAccount, "snapshot")) }, 403, "snapshot_user",
			"当前是微信的浏览模式，请点页面下方的“使用完整服务”后再付款。", "WeChat shows this page for reading only. Tap “Use full service” below it, then pay."},
		{"payer blocked", faulty(sim.Fault{Kind: sim.Refusal, Code: "40226", Path: "/sns/"}, untouched), 403, "payer_blocked",
			"微信限制了该账号的登录，请在微信中查看原因。", "WeChat keeps this account from signing in. WeChat says why."},
		{"WeChat: too often", faulty(sim.Fault{Kind: sim.RateLimited, Path: "/sns/"}, untouched), 429, "too_many_requests",
			"操作太频繁，请稍等一分钟再试。", "Too many tries. Wait a minute and try again."},
		{"WeChat is away", faulty(sim.Fault{Kind: sim.BrokenNotExecuted, Path: "/sns/"}, untouched), 503, "sign_in_unavailable",
			"暂时无法登录，请稍后重试；没有产生任何扣款。", "Signing in does not work at the moment. Try again later; nothing was paid."},
		{"the entry's secret is wrong", func(b *browser) reply { return b.get(b.authorize("/oauth/wrong/authorize", "alice")) }, 503, "sign_in_unavailable",
			"暂时无法登录，请稍后重试；没有产生任何扣款。", "Signing in does not work at the moment. Try again later; nothing was paid."},
		{"no such entry", func(b *browser) reply { return b.get("/oauth/nowhere/authorize") }, 404, "entry_unknown",
			"没有这个入口，请从商家的页面重新进入。", "There is no such entry. Start again from the merchant's page."},
		{"an entry of no secret", func(b *browser) reply { return b.get("/oauth/silent/authorize") }, 404, "entry_unknown",
			"没有这个入口，请从商家的页面重新进入。", "There is no such entry. Start again from the merchant's page."},
		{"an entry that is not the app's", func(b *browser) reply { return b.get("/oauth/second/authorize?app=shop") }, 404, "entry_unknown",
			"没有这个入口，请从商家的页面重新进入。", "There is no such entry. Start again from the merchant's page."},
		{"an entry of two apps, and none said", func(b *browser) reply { return b.get("/oauth/account/authorize") }, 404, "entry_unknown",
			"没有这个入口，请从商家的页面重新进入。", "There is no such entry. Start again from the merchant's page."},
		{"return URL of another scheme", returningTo("http://www.clinic.example/registration"), 400, "return_url_not_allowed", badURL, badURLEN},
		{"return URL of another port", returningTo("https://www.clinic.example:8443/registration"), 400, "return_url_not_allowed", badURL, badURLEN},
		{"return URL with user-info", returningTo("https://www.clinic.example@evil.example/registration"), 400, "return_url_not_allowed", badURL, badURLEN},
		{"return URL encoded twice", returningTo("https://www.clinic.example/registration/%252e%252e/x"), 400, "return_url_not_allowed", badURL, badURLEN},
		{"return URL of another path", returningTo("https://www.clinic.example/registrations"), 400, "return_url_not_allowed", badURL, badURLEN},
		{"return URL without a scheme", returningTo("//evil.example/checkout"), 400, "return_url_not_allowed", badURL, badURLEN},
		{"return URL of a page of ours that is none for payers", returningTo("/admin"), 400, "return_url_not_allowed", badURL, badURLEN},
		{"return URL twice", func(b *browser) reply { return b.get(clinicAccount + "&return_url=a&return_url=b") }, 400, "invalid_request",
			"请求格式不正确。", "The request is malformed."},
		{"inside a mini program's web-view", func(b *browser) reply { return b.get(clinicAccount, "User-Agent", weChatAgent+" miniProgram/wxm") }, 400, "open_in_official_account",
			"小程序内不能使用网页授权，请返回小程序重新进入。", "Inside a mini program one does not sign in this way. Go back to the mini program and enter again."},
		{"outside of WeChat", func(b *browser) reply {
			return onlyWeChat.browser(b.lang).get(clinicAccount, "User-Agent", "Mozilla/5.0 Firefox/140.0")
		}, 400, "open_in_wechat", "请在微信中打开此页面。", "Open this page in WeChat."},

		{"a mini program's link that was sent to somebody", func(b *browser) reply {
			return onlyWeChat.browser(b.lang).get("/p/enter/"+identity.NewToken(), "User-Agent", weChatAgent)
		}, 400, "open_in_mini_program", "这个链接只能在小程序内打开，请从小程序重新进入。", "This link opens inside its mini program only. Enter from the mini program."},

		{"token forged", func(b *browser) reply { return b.get("/p/enter/" + identity.NewToken()) }, 404, "token_invalid",
			"链接无效，请返回小程序重新打开。", "The link is not valid. Go back to the mini program and open it again."},
		{"a state as a token", func(b *browser) reply {
			return b.get("/p/enter/" + mustQuery(t, b.authorize(clinicAccount, "alice")).Get("state"))
		}, 404, "token_invalid", "链接无效，请返回小程序重新打开。", "The link is not valid. Go back to the mini program and open it again."},
		{"token reused", func(b *browser) reply {
			token := b.enterToken()
			b.get("/p/enter/" + token)
			return b.get("/p/enter/" + token)
		}, 409, "token_used", "链接已经用过，请返回小程序重新打开。", "The link was used before. Go back to the mini program and open it again."},
		{"token expired", func(b *browser) reply {
			token := b.enterToken()
			p.ahead.Store(int64(6 * time.Minute))
			defer p.ahead.Store(0)
			return b.get("/p/enter/" + token)
		}, 410, "token_expired", "链接已过期，请返回小程序重新打开。", "The link has expired. Go back to the mini program and open it again."},

		{"js_code forged", func(b *browser) reply { return b.login("mini", "forged") }, 400, "code_invalid", badCode, badCodeEN},
		{"js_code of another app id", func(b *browser) reply { return b.login("account", p.jsCode(miniApp, "alice")) }, 400, "code_invalid", badCode, badCodeEN},
		{"js_code of a web authorization", func(b *browser) reply { return b.login("account", codeOf(accountApp)) }, 400, "code_invalid", badCode, badCodeEN},
		{"js_code reused", func(b *browser) reply {
			code := p.jsCode(miniApp, "alice")
			b.login("mini", code)
			return b.login("mini", code)
		}, 409, "code_used", "微信登录凭证已经用过，请重试。", "WeChat's sign-in code was used before. Try again."},
		{"js_code missing", func(b *browser) reply { return b.login("mini", "") }, 400, "invalid_request", "请求格式不正确。", "The request is malformed."},
		{"js_code twice", func(b *browser) reply {
			return b.do("POST", "/p/v1/sessions", `{"entry":"mini","js_code":"a","js_code":"b"}`, "Content-Type", "application/json")
		}, 400, "invalid_request", "请求格式不正确。", "The request is malformed."},
		{"login as a form", func(b *browser) reply {
			return b.do("POST", "/p/v1/sessions", "entry=mini&js_code=a", "Content-Type", "application/x-www-form-urlencoded")
		}, 400, "invalid_request", "请求格式不正确。", "The request is malformed."},
		{"login from a page of another site", func(b *browser) reply {
			return b.login("mini", p.jsCode(miniApp, "alice"), "Origin", "https://evil.example")
		}, 403, "foreign_origin", "请求来自其他网站，已拒绝。", "The request came from another site and was refused."},
	} {
		t.Run(row.name, func(t *testing.T) {
			for lang, text := range map[string]string{"zh-CN,zh;q=0.9": row.chinese, "en-GB": row.english} {
				b := p.browser(lang)
				r := row.input(b)
				wantTurned(t, r, row, text)
				if b.cookie(SessionCookie("clinic", false)) != "" && !strings.Contains(row.name, "reused") {
					t.Error("there is a session all the same")
				}
			}
		})
	}
	if strings.Contains(p.log.String(), "oA1-alice") || strings.Contains(p.log.String(), sim.AppSecret(accountApp)) || strings.Contains(p.log.String(), "code=") {
		t.Error("R45: the log has an openid, a secret or a code")
	}
	if alarms, err := p.db.OpenAlarms(t.Context()); err != nil || alarms[pay.AlarmIdentityRefused] != 1 {
		t.Errorf("alarms %v, %v: the wrong secret is the operator's to mend", alarms, err)
	}
}

func wantTurned(t *testing.T, r reply, row turnedAway, text string) {
	t.Helper()
	said := strings.NewReplacer("&#39;", "'", "&#34;", `"`).Replace(r.text)
	code := r.code()
	if strings.HasPrefix(r.header.Get("Content-Type"), "text/html") {
		if strings.Contains(said, "<small>"+row.code+"</small>") {
			code = row.code
		}
	} else if r.json["detail"] != text {
		said = fmt.Sprint(r.json["detail"])
	}
	if r.status != row.status || code != row.code || !strings.Contains(said, text) {
		t.Errorf("%d %q, want %d %s: %s\n%s", r.status, code, row.status, row.code, text, r.text)
	}
	if r.header.Get("Cache-Control") != "no-store" || r.header.Get("Location") != "" {
		t.Errorf("headers %v", r.header)
	}
}

// Whoever was signed in before in the same browser is nobody to the one who signs in now.
func TestR42_HoldingASessionJoinsNothing(t *testing.T) {
	t.Parallel()
	p := startPayers(t)
	b := p.browser("zh")
	b.signIn(clinicAccount, "bob")
	bob := b.payer("clinic")
	b.signIn("/oauth/second/authorize?app=clinic", "carol")
	carol := b.payer("clinic")
	if len(bob.Names) != 1 || len(carol.Names) != 1 || bob.Names[0] == carol.Names[0] {
		t.Errorf("bob is %v, carol %v", bob.Names, carol.Names)
	}
}

func TestAUnionIDThatAppearsLaterJoinsAPayersOrders(t *testing.T) {
	t.Parallel()
	p := startPayers(t)
	b, mini := p.browser("zh"), p.browser("zh")
	b.signIn(clinicAccount, "bob") // has no unionid yet
	mini.get("/p/enter/" + mini.login("mini", p.jsCode(miniApp, "bob")).json["token"].(string))
	first, second := p.payBy("by account", "account", b.payer("clinic")), p.payBy("by mini program", "mini", mini.payer("clinic"))
	p.wantOrders(b.payer("clinic"), first)
	p.wantOrders(mini.payer("clinic"), second)
	_, err := p.gateway.PayerOrder(t.Context(), b.payer("clinic"), second)
	if err == nil {
		t.Error("R41: another payer's order is shown")
	}
	for _, appID := range []string{accountApp, miniApp} {
		if err := p.sim.SetUnionID(appID, "bob", "u-bob"); err != nil {
			t.Fatal(err)
		}
	}
	p.browser("zh").login("mini", p.jsCode(miniApp, "bob"))
	p.browser("zh").signIn(clinicAccount, "bob")
	for _, session := range []*browser{b, mini} { // the old sessions are now of the one person
		p.wantOrders(session.payer("clinic"), second, first)
		if _, err := p.gateway.PayerOrder(t.Context(), session.payer("clinic"), first); err != nil {
			t.Error(err)
		}
	}
}

// payBy makes an order and lets a payer try to pay it.
func (p *payers) payBy(reference, entry string, who identity.Payer) (order string) {
	p.t.Helper()
	order = p.order(reference)
	p.must(201, clinicKey, "POST", "/v1/orders/"+order+"/payments", fmt.Sprintf(`{"entry":%q,"payer":{"openid":%q}}`, entry, who.Names[0].OpenID))
	return order
}

func (p *payers) wantOrders(who identity.Payer, want ...string) {
	p.t.Helper()
	page, err := p.gateway.PayerOrders(context.Background(), who, "")
	if err != nil {
		p.t.Fatal(err)
	}
	var got []string
	for _, o := range page.Orders {
		got = append(got, o.Number)
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		p.t.Errorf("lists %v, want %v", got, want)
	}
}
