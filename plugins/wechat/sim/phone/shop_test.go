package phone_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"html"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/paybridge/paybridge/plugins/wechat/sim/phone"
)

// The app ids and the addresses that the kit's own config.js names.
const (
	accountAppID = "wxa000000000000001"
	programAppID = "wxa000000000000002"
	publicURL    = "https://pay.example.com"
)

// shop is an H5 site with its server, and the WeChat behind it: orders that become paid because the cashier says so.
type shop struct {
	script []byte // paybridge.js

	mu      sync.Mutex
	codes   map[string]string // a login or authorization code → openid; good once
	tickets map[string]string // a ticket → the order
	orders  map[string]*order
}

type order struct {
	State  string   `json:"state"`
	OpenID string   `json:"openid"`
	Acts   []string `json:"acts"` // what happened at the cashier
}

func newShop(t *testing.T) *shop {
	t.Helper()
	script, err := os.ReadFile("../../../../adapters/checkout/kits/h5/paybridge.js")
	if err != nil {
		t.Fatal(err)
	}
	return &shop{script: script, codes: map[string]string{}, tickets: map[string]string{}, orders: map[string]*order{}}
}

// ---- WeChat

func (s *shop) Persons(context.Context) ([]phone.Person, error) {
	return []phone.Person{{ID: "alice", Name: "Alice", UnionID: true}, {ID: "bob", Name: "Bob"}}, nil
}

func (s *shop) LoginCode(_ context.Context, appID, person string) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	code := rand.Text()
	s.codes[code] = appID + ":" + person
	return code, nil
}

func (s *shop) AuthorizationCode(ctx context.Context, appID, person, _ string) (string, error) {
	return s.LoginCode(ctx, appID, person)
}

// at finds the trade that a hand-off names, as WeChat does: by its prepay_id, for this app id and this payer.
func (s *shop) at(person string, h phone.HandOff, act string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	o := s.orders[strings.TrimPrefix(h.Package, "prepay_id=wx")]
	switch {
	case o == nil || h.SignType != "RSA" || h.PaySign != paySign(h.AppID):
		return &phone.Refused{Message: "支付验证签名失败"}
	case o.OpenID != h.AppID+":"+person:
		return &phone.Refused{Message: "下单账号与支付账号不一致，请核实后再支付"}
	case o.State == "paid":
		return &phone.Refused{Message: "该订单已支付，请勿重复支付"}
	}
	o.Acts = append(o.Acts, act)
	if act == "pay" {
		o.State = "paid"
	}
	return nil
}

func (s *shop) Receipt(context.Context, string, phone.HandOff) (phone.Receipt, error) {
	return phone.Receipt{}, nil // a direct merchant's
}

func (s *shop) Cashier(_ context.Context, person string, h phone.HandOff) (phone.Bill, error) {
	return phone.Bill{Merchant: "First Hospital", Description: "Registration", Amount: 1205}, s.at(person, h, "open")
}
func (s *shop) Pay(_ context.Context, person string, h phone.HandOff) error {
	return s.at(person, h, "pay")
}
func (s *shop) WrongPassword(_ context.Context, person string, h phone.HandOff) error {
	return s.at(person, h, "wrong")
}
func (s *shop) Cancel(_ context.Context, person string, h phone.HandOff) error {
	return s.at(person, h, "cancel")
}

func (s *shop) CheckPage(_ context.Context, p phone.PageSignature) error {
	if p.Signature != "of "+p.URL {
		return &phone.Refused{Message: "invalid signature"}
	}
	return nil
}

// paySign has the letters that base64 has and addresses must escape.
func paySign(appID string) string { return appID + strings.Repeat("/+A", 100) + "==" }

func handOff(kind, appID, number string) map[string]any {
	return map[string]any{"kind": kind, "params": map[string]string{
		"appId": appID, "timeStamp": "1772328601", "nonceStr": "abc", "package": "prepay_id=wx" + number, "signType": "RSA", "paySign": paySign(appID),
	}}
}

// ---- the site. Its policy is as strict as our checkout's, and it may not be framed.

const policy = "default-src 'none'; script-src 'self' 'nonce-site' https://res.wx.qq.com; connect-src 'self'; " +
	"frame-ancestors 'none'; upgrade-insecure-requests; base-uri 'none'; form-action 'self'"

// page is in the shop's root: it finds out where it runs, buys and pays.
const page = `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Shop</title>
<script src="/paybridge.js" integrity="sha384-%s" nonce="site"></script></head>
<body><p id="who">%s</p><button id="buy">Buy</button><p id="said"></p>
<script nonce="site">
document.getElementById("buy").onclick = async () => {
  const said = document.getElementById("said");
  said.textContent = "…";
  const place = await PayBridge.environment();
  const made = await (await fetch("/buy?place=" + place, { method: "POST" })).json();
  const ask = async () => (await (await fetch("/orders/" + made.order)).json()).state;
  try {
    said.textContent = (await PayBridge.pay(made.hand_off, { ask })).state;
  } catch (e) {
    said.textContent = e.message;
  }
};
</script></body></html>`

func (s *shop) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /paybridge.js", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/javascript")
		_, _ = w.Write(s.script)
	})
	mux.HandleFunc("GET /{$}", s.home)
	mux.HandleFunc("GET /checkout/orders", s.home)
	mux.HandleFunc("GET /checkout/orders/{number}/result", s.result)
	mux.HandleFunc("GET /orders/{number}", s.order)
	mux.HandleFunc("POST /buy", s.buy)
	mux.HandleFunc("POST /p/v1/tickets/redeem", s.redeem)
	mux.ServeHTTP(w, r)
}

// home sends an official account's payer to the web authorization, and keeps who came back.
func (s *shop) home(w http.ResponseWriter, r *http.Request) {
	who := ""
	if c, err := r.Cookie("who"); err == nil {
		who = c.Value
	}
	if code := r.URL.Query().Get("code"); code != "" {
		s.mu.Lock()
		who = s.codes[code]
		delete(s.codes, code)
		s.mu.Unlock()
		if r.URL.Query().Get("state") != "st/+ate" || who == "" {
			http.Error(w, "forged", http.StatusForbidden)
			return
		}
		http.SetCookie(w, &http.Cookie{Name: "who", Value: who, Domain: "pay.example.com", Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode})
		http.Redirect(w, r, publicURL+"/", http.StatusFound)
		return
	}
	if strings.Contains(r.Header.Get("X-Test-Mode"), "official") && who == "" {
		http.Redirect(w, r, "https://open.weixin.qq.com/connect/oauth2/authorize?appid="+accountAppID+"&redirect_uri="+
			url.QueryEscape(publicURL+"/")+"&response_type=code&scope=snsapi_base&state="+url.QueryEscape("st/+ate")+"#wechat_redirect", http.StatusFound)
		return
	}
	strict(w)
	_, _ = fmt.Fprintf(w, page, "wrong", html.EscapeString(who))
}

func strict(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", policy)
	w.Header().Set("X-Frame-Options", "DENY")
}

func (s *shop) result(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	o := s.orders[r.PathValue("number")]
	s.mu.Unlock()
	if o == nil {
		http.NotFound(w, r)
		return
	}
	strict(w)
	_, _ = fmt.Fprintf(w, `<!doctype html><title>Result</title><p id="result" data-order="%s">%s</p>`, r.PathValue("number"), o.State)
}

func (s *shop) order(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	reply(w, http.StatusOK, s.orders[r.PathValue("number")])
}

func (s *shop) buy(w http.ResponseWriter, r *http.Request) {
	if "http://"+r.Host != r.Header.Get("Origin") {
		http.Error(w, "posted from "+r.Header.Get("Origin"), http.StatusForbidden)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	number := fmt.Sprintf("%032d", len(s.orders)+1)
	o := &order{State: "open"}
	s.orders[number] = o
	if r.URL.Query().Get("place") == "miniprogram" {
		ticket := rand.Text() + rand.Text()
		s.tickets[ticket] = number
		reply(w, http.StatusOK, map[string]any{"order": number, "hand_off": map[string]any{"kind": "miniprogram_page",
			"params": map[string]string{"url": "/pages/paybridge/pay?ticket=" + ticket}}})
		return
	}
	if c, err := r.Cookie("who"); err == nil {
		o.OpenID = c.Value
	}
	reply(w, http.StatusOK, map[string]any{"order": number, "hand_off": handOff("wechat_jsapi", accountAppID, number)})
}

func (s *shop) redeem(w http.ResponseWriter, r *http.Request) {
	var c struct {
		Ticket string `json:"ticket"`
		JSCode string `json:"js_code"`
	}
	if err := json.NewDecoder(r.Body).Decode(&c); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	openID, known := s.codes[c.JSCode]
	delete(s.codes, c.JSCode)
	number := s.tickets[c.Ticket]
	if !known || number == "" {
		reply(w, http.StatusNotFound, map[string]string{"code": "not_found"})
		return
	}
	s.orders[number].OpenID = openID
	reply(w, http.StatusCreated, map[string]any{"order": number, "amount": 1205, "description": "Registration", "state": "pending",
		"hand_off": handOff("wechat_miniprogram", programAppID, number)})
}

func reply(w http.ResponseWriter, status int, value any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(value)
}

// ---- everything together

// playing is a phone with the shop, on addresses of localhost.
type playing struct {
	shop     *shop
	phoneURL string
	shopURL  string // the shop's own address, without a proxy
	site     phone.Site
}

// serve starts a server whose handler is made once its address is known. The browser sees it as localhost.
func serve(t *testing.T) (string, func(http.Handler)) {
	t.Helper()
	var handler http.Handler
	ready := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		<-ready
		handler.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	_, port, err := net.SplitHostPort(server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return "http://localhost:" + port, func(h http.Handler) { handler = h; close(ready) }
}

func play(t *testing.T, program fs.FS) playing {
	t.Helper()
	s := newShop(t)
	shopURL, startShop := serve(t)
	startShop(s)
	phoneHost, startPhone := serve(t)
	site := phone.Site{Origin: publicURL, Upstream: shopURL}
	starts := map[phone.Mode]func(http.Handler){}
	for mode, address := range map[phone.Mode]*string{phone.ModeOfficialAccount: &site.OfficialAccountURL,
		phone.ModeMiniProgram: &site.MiniProgramURL, phone.ModeBrowser: &site.BrowserURL} {
		*address, starts[mode] = serve(t)
	}
	p, err := phone.New(phone.Options{
		URL: phoneHost + "/phone", WeChat: s, Sites: []phone.Site{site},
		OfficialAccounts: []phone.OfficialAccount{{AppID: accountAppID, Name: "First Hospital", Home: publicURL + "/"}},
		MiniPrograms:     []phone.MiniProgram{{AppID: programAppID, Name: "First Hospital", Files: program}},
	})
	if err != nil {
		t.Fatal(err)
	}
	startPhone(http.StripPrefix("/phone", p))
	for mode, start := range starts {
		proxy, err := p.Proxy(site, mode)
		if err != nil {
			t.Fatal(err)
		}
		start(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			r.Header.Set("X-Test-Mode", string(mode)) // the shop's server has no other way to know before it sees a page
			proxy.ServeHTTP(w, r)
		}))
	}
	return playing{s, phoneHost + "/phone", shopURL, site}
}
