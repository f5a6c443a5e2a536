package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/paybridge/paybridge/plugins/wechat/sim"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

// preparing is an app that is asked before an order is paid.
type preparing struct {
	mu     sync.Mutex
	asked  []string // the references of the orders, in the order of the questions
	status int
	body   string
}

// says changes what it answers.
func (p *preparing) says(status int, body string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.status, p.body = status, body
}

func (p *preparing) times() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.asked)
}

// asksFirst gives the world's app a place where it is asked, of which the test says what it answers.
func asksFirst(t *testing.T, w *world) *preparing {
	t.Helper()
	app := w.receive(0).up()
	p := &preparing{status: http.StatusOK, body: `{"allow":true}`}
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		known, err := standardwebhooks.NewWebhook(app.secrets[0])
		if err == nil {
			err = known.Verify(body, r.Header)
		}
		var asked struct {
			Type string
			Data struct {
				Order struct {
					Number, Reference, State string
					Amount                   int64
				}
				Entry string
			}
		}
		if err != nil || json.Unmarshal(body, &asked) != nil || asked.Type != "payment.prepare" || asked.Data.Order.State != "open" || asked.Data.Order.Amount == 0 || asked.Data.Entry == "" {
			t.Errorf("asked with %s: %v", body, err)
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		p.asked = append(p.asked, asked.Data.Order.Reference)
		rw.WriteHeader(p.status)
		_, _ = io.WriteString(rw, p.body)
	}))
	t.Cleanup(server.Close)
	w.setup.Apps[0]["webhook"].(map[string]any)["prepare_url"] = server.URL + "/prepare"
	return p
}

// told is what a payer's program reads of an answer.
type told struct {
	Code, Message, Detail string
	HandOff               *json.RawMessage `json:"hand_off"`
	GoTo                  string           `json:"go_to"`
	Config                struct{ AppID, NonceStr, Signature string }
}

func (p *phone) post(path string, body any) (status int, a told, retryAfter string) {
	p.w.t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		p.w.t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(p.w.t.Context(), http.MethodPost, p.w.base+path, bytes.NewReader(text))
	if err != nil {
		p.w.t.Fatal(err)
	}
	r.Header = http.Header{"Content-Type": {"application/json"}, "Accept-Language": {"en"}, "User-Agent": {"MicroMessenger"}}
	resp, err := p.client.Do(r)
	if err != nil {
		p.w.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if err := json.NewDecoder(resp.Body).Decode(&a); err != nil {
		p.w.t.Fatalf("%s: %s, %v", path, resp.Status, err)
	}
	return resp.StatusCode, a, resp.Header.Get("Retry-After")
}

// The app is asked before a payer pays on the checkout, and refuses in its own words. While it does not answer, one entry makes the
// payer wait and the other goes on without. An app that pays by the API is not asked.
func TestTheAppIsAskedFirst(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		w := signingIn(t, db)
		app := asksFirst(t, w)
		w.setup.Entries[0].Prepare = "required"
		w.setup.Entries[1].Prepare, w.setup.Entries[1].Method = "optional", "02"
		w.start()
		p := w.phone()
		if status := p.signIn(entry, "alice"); status != http.StatusSeeOther {
			t.Fatalf("sign in: %d", status)
		}
		inAccount := func(order string) (int, told, string) {
			return p.post("/checkout/orders/"+order+"/pay", map[string]string{"place": "official_account", "entry": entry})
		}
		inMini := func(order string) (int, told, string) {
			made := w.want(w.api("POST", "/v1/orders/"+order+"/tickets", map[string]string{"entry": miniEntry}), http.StatusCreated)
			_, ticket, _ := strings.Cut(made.HandOff.Params["url"], "ticket=")
			code, err := w.sim.LoginCode(miniAppID, "alice")
			if err != nil {
				t.Fatal(err)
			}
			return w.phone().post("/p/v1/tickets/redeem", map[string]string{"ticket": ticket, "js_code": code})
		}
		for n, c := range []struct {
			name   string
			pay    func(string) (int, told, string)
			answer int
			body   string
			status int
			code   string
			words  string
		}{
			{"it may be paid", inAccount, 200, `{"allow":true}`, 200, "", ""},
			{"it may be paid in the mini program", inMini, 200, `{"allow":true,"later":1}`, 201, "", ""},
			{"refused", inAccount, 200, `{"allow":false,"message":"账单已更新","message_en":"The bill has changed"}`, 409, "app_refused", "The bill has changed"},
			{"refused in the mini program", inMini, 200, `{"allow":false,"message":"座位已售出"}`, 409, "app_refused", "座位已售出"},
			{"refused without words", inAccount, 200, `{"allow":false}`, 409, "app_refused", "The merchant does not take this payment now. Please tell the merchant."},
			{"refused with a page", inAccount, 200, `{"allow":false,"message_en":"` + strings.Repeat("a\\n\\u0007", 300) + `"}`, 409, "app_refused", strings.Repeat("a ", 100)},
			{"its fault", inAccount, 500, ``, 503, "app_unreachable", "The merchant's system does not answer at the moment. Try again later; nothing was paid."},
			{"it says nothing", inAccount, 200, `{}`, 503, "app_unreachable", "The merchant's system does not answer at the moment. Try again later; nothing was paid."},
			{"it leads elsewhere", inAccount, 302, ``, 503, "app_unreachable", "The merchant's system does not answer at the moment. Try again later; nothing was paid."},
			{"its fault, and the entry goes on without", inMini, 500, ``, 201, "", ""},
		} {
			order := w.order(fmt.Sprint("visit-", n), 100)
			app.says(c.answer, c.body)
			before := app.times()
			status, a, retry := c.pay(order)
			if words := a.Message + a.Detail; status != c.status || a.Code != c.code || strings.TrimSpace(words) != strings.TrimSpace(c.words) || (status < 300) != (a.HandOff != nil) {
				t.Errorf("%s: %d %+v", c.name, status, a)
			}
			if (status == 503) != (retry != "") {
				t.Errorf("%s: Retry-After is %q", c.name, retry)
			}
			if app.times() != before+1 {
				t.Errorf("%s: it was asked %d times", c.name, app.times()-before)
			}
			made := db.count(t, "select count(*) from payments where order_number = '"+order+"'")
			if made != map[bool]int{true: 1, false: 0}[status < 300] {
				t.Errorf("%s: there are %d payments", c.name, made)
			}
		}
		before := app.times()
		order := w.order("visit-api", 100)
		w.pay(order)
		closed := w.order("visit-closed", 100)
		w.want(w.api("POST", "/v1/orders/"+closed+"/close", nil), http.StatusOK)
		if status, a, _ := inAccount(closed); status != http.StatusConflict || a.Code != "order_closed" {
			t.Errorf("a closed order: %d %+v", status, a)
		}
		if app.times() != before {
			t.Error("the app was asked about what it did itself, or about what cannot be paid")
		}
	})
}

// An order with a bill is paid on the checkout by what the app gets from the bureau: it is asked for that before each payment, and
// may lead the payer to a page of its own first. Nothing is sent without it.
func TestTheAppGivesTheMedicalPart(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		w := signingIn(t, db)
		w.addInsurance()
		w.setup.Entries[1].Method = "02"
		mini := accountOf(w.sim, miniAccount+"-insurance", miniMchID)
		mini.Provider = insurance
		w.setup.Accounts = append(w.setup.Accounts, mini)
		inMini := entryAt(w.base, "insured-mini", mini.Name, miniAppID)
		inMini.Provider, inMini.Method = insurance, "03"
		w.addEntry(inMini)
		app := asksFirst(t, w)
		for i, e := range w.setup.Entries {
			w.setup.Entries[i].Secret = "file:wechat/apps/" + e.AppID + "/secret.txt"
			w.setup.Entries[i].ReturnURLs = []string{"https://clinic.example/visits"}
		}
		w.start()
		p := w.phone()
		if status := p.signIn(entry, "alice"); status != http.StatusSeeOther {
			t.Fatalf("sign in: %d", status)
		}
		allow := func(change ...func(*sim.Authorization)) string {
			text, err := json.Marshal(map[string]any{"allow": true, "medical": w.insuredPay(true, change...)["medical"]})
			if err != nil {
				t.Fatal(err)
			}
			return string(text)
		}
		for n, c := range []struct {
			name   string
			answer string
			status int
			code   string
			goTo   string
		}{
			{"the bureau has authorized it", allow(), 200, "", ""},
			{"a page of the app's first", `{"go_to":"https://clinic.example/visits/7/authorize"}`, 200, "", "https://clinic.example/visits/7/authorize"},
			{"a page that nobody allowed", `{"go_to":"https://evil.example/"}`, 503, "app_unreachable", ""},
			{"no medical part", `{"allow":true}`, 503, "app_unreachable", ""},
			{"a medical part without its number", `{"allow":true,"medical":{"pay_auth_no":"A1"}}`, 503, "app_unreachable", ""},
			{"one that is too long", `{"allow":true,"medical":{"serial_no":"` + strings.Repeat("1", 21) + `"}}`, 503, "app_unreachable", ""},
			{"refused", `{"allow":false,"message_en":"The fees have changed"}`, 409, "app_refused", ""},
			{"an authorization that is over", allow(func(a *sim.Authorization) { a.Life = 1 }), 409, "medical_authorization_expired", ""},
		} {
			order := w.billOrder(fmt.Sprint("visit-", n), true)
			app.says(200, c.answer)
			page := "/checkout/orders/" + order
			status, a, _ := p.post(page+"/pay", map[string]string{"place": "official_account", "entry": entry, "page": page + "?lang=en"})
			if status != c.status || a.Code != c.code || a.GoTo != c.goTo {
				t.Errorf("%s: %d %+v", c.name, status, a)
			}
			if paid := c.status == 200 && c.goTo == ""; paid != (a.HandOff != nil) || paid && !strings.Contains(string(*a.HandOff), "mixTradeNo") || paid != (a.Config.Signature != "") {
				t.Errorf("%s: it got %+v", c.name, a)
			}
		}

		// In a web-view the page is led to the app's; the native page, which cannot go there, is told to go back.
		order := w.billOrder("visit-mini", true)
		miniOpenID, known := w.sim.OpenID(miniAppID, "alice")
		if !known {
			t.Fatal("alice is nobody in the mini program")
		}
		w.want(w.api("POST", "/v1/identities/bind", map[string]string{"user_id": "patient-1", "entry": entry, "openid": payer}), http.StatusOK)
		w.want(w.api("POST", "/v1/identities/bind", map[string]string{"user_id": "patient-1", "entry": "insured-mini", "openid": miniOpenID}), http.StatusOK)
		redeem := func() (int, told, string) {
			made := w.want(w.api("POST", "/v1/orders/"+order+"/tickets", map[string]string{"entry": "insured-mini"}), http.StatusCreated)
			_, ticket, _ := strings.Cut(made.HandOff.Params["url"], "ticket=")
			code, err := w.sim.LoginCode(miniAppID, "alice")
			if err != nil {
				t.Fatal(err)
			}
			return w.phone().post("/p/v1/tickets/redeem", map[string]string{"ticket": ticket, "js_code": code})
		}
		inWebView := func() (int, told, string) {
			return p.post("/checkout/orders/"+order+"/pay", map[string]string{"place": "miniprogram"})
		}
		app.says(200, `{"go_to":"https://clinic.example/visits/8"}`)
		if status, a, _ := inWebView(); status != 200 || a.GoTo != "https://clinic.example/visits/8" {
			t.Errorf("in the web-view: %d %+v", status, a)
		}
		if status, a, _ := redeem(); status != 409 || a.Code != "authorize_first" {
			t.Errorf("in the native page: %d %+v", status, a)
		}
		app.says(200, allow(func(a *sim.Authorization) { a.OpenID = "" }))
		if status, a, _ := inWebView(); status != 200 || a.HandOff == nil || !strings.Contains(string(*a.HandOff), "ticket=") {
			t.Errorf("in the web-view, authorized: %d %+v", status, a)
		}
		if status, a, _ := redeem(); status != 201 || a.HandOff == nil || !strings.Contains(string(*a.HandOff), "mixTradeNo") {
			t.Errorf("in the native page, authorized: %d %+v", status, a)
		}
	})
}

// An app that says nowhere how its medical parts are got takes no insurance on the checkout; by the API it does.
func TestWithoutPrepareURLNoInsuranceOnTheCheckout(t *testing.T) {
	whole(t)
	w := signingIn(t, sqlite(t))
	w.addInsurance()
	w.start()
	p := w.phone()
	if status := p.signIn(entry, "alice"); status != http.StatusSeeOther {
		t.Fatalf("sign in: %d", status)
	}
	order := w.billOrder("visit-1", true)
	status, a, _ := p.post("/checkout/orders/"+order+"/pay", map[string]string{"place": "official_account", "page": "/checkout/orders/" + order})
	if status != http.StatusConflict || a.Code != "insurance_not_online" {
		t.Errorf("%d %+v", status, a)
	}
	w.handedOff(order, w.insuredPay(true)) // by the API
}
