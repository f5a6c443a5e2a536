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
		if err != nil || json.Unmarshal(body, &asked) != nil || asked.Type != "payment.prepare" || asked.Data.Order.State != "open" || asked.Data.Order.Amount != 100 || asked.Data.Entry == "" {
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
