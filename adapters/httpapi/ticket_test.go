package httpapi

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/paybridge/paybridge/core/identity"
	"github.com/paybridge/paybridge/core/pay"
)

// ticket is a ticket for an order of the clinic's, as its own page in a web-view gets it.
func (p *payers) ticket(order string) string {
	p.t.Helper()
	r := p.must(201, clinicKey, "POST", "/v1/orders/"+order+"/tickets", `{"entry":"native"}`)
	params := r.json["hand_off"].(map[string]any)
	if params["kind"] != "miniprogram_page" {
		p.t.Fatalf("the hand-off is %s", r.text)
	}
	page, query, _ := strings.Cut(params["params"].(map[string]any)["url"].(string), "?")
	values, err := url.ParseQuery(query)
	if err != nil || page != "/pages/paybridge/pay" || values.Get("number") != order {
		p.t.Fatalf("the page is %s", r.text)
	}
	return values.Get("ticket")
}

// redeem is what the native pay page sends.
func (b *browser) redeem(ticket, code string, headers ...string) reply {
	b.t.Helper()
	return b.do(http.MethodPost, "/p/v1/tickets/redeem", fmt.Sprintf(`{"ticket":%q,"js_code":%q}`, ticket, code), append([]string{"Content-Type", "application/json"}, headers...)...)
}

// text is the one value that a query of the database answers.
func (p *payers) text(query string) (value string) {
	p.t.Helper()
	if err := p.db.DB().QueryRowContext(p.t.Context(), query).Scan(&value); err != nil {
		p.t.Fatal(err)
	}
	return value
}

func (p *payers) openOrder(reference string) string {
	p.t.Helper()
	return p.must(201, clinicKey, "POST", "/v1/orders", fmt.Sprintf(
		`{"reference":%q,"amount":1250,"description":"Registration fee","return_url":"https://www.clinic.example/registration/7"}`, reference)).number()
}

// The native page learns of the ticket whom it is for and how to pay; who pays is whom WeChat names.
func TestATicketIsRedeemed(t *testing.T) {
	t.Parallel()
	p := startPayers(t)
	native := p.browser("en")
	order := p.openOrder("REG-1")
	ticket := p.ticket(order)
	r := native.redeem(ticket, p.jsCode(miniApp, "alice"))
	if r.status != 201 || r.json["order"] != order || r.json["amount"] != 1250.0 || r.json["currency"] != "CNY" ||
		r.json["description"] != "Registration fee" || r.json["return_url"] != "https://www.clinic.example/registration/7" || r.json["hand_off"] == nil {
		t.Fatalf("%d %s", r.status, r.text)
	}
	again := native.redeem(ticket, p.jsCode(miniApp, "alice"))
	if again.status != 200 || fmt.Sprint(again.json["hand_off"]) != fmt.Sprint(r.json["hand_off"]) {
		t.Errorf("again, by the same payer: %d %s; want %s", again.status, again.text, r.text)
	}
	p.ahead.Store(int64(time.Minute + time.Second))
	if r := native.redeem(ticket, p.jsCode(miniApp, "alice")); r.status != 410 || r.code() != "ticket_spent" {
		t.Errorf("a minute later: %d %s", r.status, r.text)
	}
	if r := native.redeem(p.ticket(order), p.jsCode(miniApp, "alice")); r.status != 200 {
		t.Errorf("another ticket of the order goes on with its payment: %d %s", r.status, r.text)
	}
	if cookie := r.header.Get("Set-Cookie"); cookie != "" { // it pays, and is signed in nowhere
		t.Errorf("the native page was given %s", cookie)
	}
}

// A request that comes again, as it is, brings the code that WeChat has answered once and answers no second time.
func TestR43_TheAcceptedCodeIsAnsweredAgainWithoutWeChat(t *testing.T) {
	t.Parallel()
	p := startPayers(t)
	order := p.openOrder("REG-1")
	ticket, code := p.ticket(order), p.jsCode(miniApp, "alice")
	answers := make(chan reply)
	for range 6 {
		go func() { answers <- p.browser("en").redeem(ticket, code) }()
	}
	for range 6 { // the first may still be being written down
		if r := <-answers; r.status >= 300 {
			t.Errorf("at once: %d %s", r.status, r.text)
		}
	}
	first := p.browser("en").redeem(ticket, code)
	if first.status != 200 || first.json["hand_off"] == nil {
		t.Fatalf("later: %d %s", first.status, first.text)
	}
	newer := p.jsCode(miniApp, "alice")
	for _, code := range []string{newer, newer} {
		if r := p.browser("en").redeem(ticket, code); r.status != 200 || fmt.Sprint(r.json["hand_off"]) != fmt.Sprint(first.json["hand_off"]) {
			t.Errorf("by a newer code: %d %s, want %s", r.status, r.text, first.text)
		}
	}
	if n := p.text("select count(*) from payments"); n != "1" {
		t.Errorf("there are %s payments", n)
	}
	if r := p.browser("en").redeem(p.ticket(order), code); r.status != 409 || r.code() != "code_used" {
		t.Errorf("for another ticket: %d %s", r.status, r.text)
	}
	p.ahead.Store(int64(time.Minute + time.Second))
	if r := p.browser("en").redeem(ticket, newer); r.status != 410 || r.code() != "ticket_spent" {
		t.Errorf("a minute later: %d %s", r.status, r.text)
	}
}

// R43, R44: each input that must not pass has its status, its code, and words in both languages.
func TestR43_TicketsThatAreNotRedeemed(t *testing.T) {
	t.Parallel()
	p := startPayers(t)
	order := p.openOrder("REG-1")
	mine := p.ticket(order)
	if r := p.browser("en").redeem(mine, p.jsCode(miniApp, "alice")); r.status != 201 {
		t.Fatalf("%d %s", r.status, r.text)
	}
	const (
		invalid, invalidEN = "支付凭证无效，请返回订单页重新支付。", "The ticket is not valid. Go back to the order and pay from there."
		spent, spentEN     = "支付凭证已失效，请返回订单页查看结果或重新支付。", "The ticket is spent. Go back to the order: see how it stands, or pay again."
		code, codeEN       = "微信登录凭证无效或已过期，请重试。", "WeChat's sign-in code is not valid, or has expired. Try again."
		form, formEN       = "请求格式不正确。", "The request is malformed."
	)
	paid := p.openOrder("REG-2")
	ofPaid := p.ticket(paid)
	payment := p.browser("en").redeem(ofPaid, p.jsCode(miniApp, "bob"))
	if payment.status != 201 {
		t.Fatalf("%d %s", payment.status, payment.text)
	}
	number := p.text("select number from payments where order_number = '" + paid + "'")
	p.channel.says(number, pay.FactSucceeded)
	p.must(200, clinicKey, "POST", "/v1/payments/"+number+"/sync", "")
	named := p.must(201, clinicKey, "POST", "/v1/orders", `{"reference":"REG-3","amount":5,"description":"x","payer":{"policy":"named","id":"o-somebody"}}`).number()
	for _, row := range []struct {
		name                   string
		do                     func(b *browser) reply
		status                 int
		code, chinese, english string
	}{
		{"forged", func(b *browser) reply { return b.redeem(identity.NewToken(), p.jsCode(miniApp, "alice")) }, 404, "ticket_invalid", invalid, invalidEN},
		{"another's", func(b *browser) reply { return b.redeem(mine, p.jsCode(miniApp, "bob")) }, 404, "ticket_invalid", invalid, invalidEN},
		{"a web-view's token", func(b *browser) reply { return b.redeem(b.enterToken(), p.jsCode(miniApp, "alice")) }, 404, "ticket_invalid", invalid, invalidEN},
		{"an order that names somebody else", func(b *browser) reply { return b.redeem(p.ticket(named), p.jsCode(miniApp, "alice")) }, 404, "ticket_invalid", invalid, invalidEN},
		{"js_code forged", func(b *browser) reply { return b.redeem(p.ticket(order), "forged") }, 400, "code_invalid", code, codeEN},
		{"js_code of another app id", func(b *browser) reply { return b.redeem(p.ticket(order), p.jsCode(accountApp, "alice")) }, 400, "code_invalid", code, codeEN},
		{"order paid", func(b *browser) reply { return b.redeem(ofPaid, p.jsCode(miniApp, "bob")) }, 409, "order_paid", "订单已支付，无需重复付款。", "The order is paid. Do not pay again."},
		{"no ticket", func(b *browser) reply { return b.redeem("", p.jsCode(miniApp, "alice")) }, 400, "invalid_request", form, formEN},
		{"no js_code", func(b *browser) reply { return b.redeem(mine, "") }, 400, "invalid_request", form, formEN},
		{"a name twice", func(b *browser) reply {
			return b.do("POST", "/p/v1/tickets/redeem", `{"ticket":"a","ticket":"b","js_code":"c"}`, "Content-Type", "application/json")
		}, 400, "invalid_request", form, formEN},
		{"from another site's page", func(b *browser) reply { return b.redeem(mine, "x", "Sec-Fetch-Site", "cross-site") }, 403, "foreign_origin",
			"请求来自其他网站，已拒绝。", "The request came from another site and was refused."},
		{"too late", func(b *browser) reply {
			late := p.ticket(order)
			p.ahead.Store(int64(10 * time.Minute))
			defer p.ahead.Store(0)
			return b.redeem(late, p.jsCode(miniApp, "alice"))
		}, 410, "ticket_spent", spent, spentEN},
	} {
		for lang, words := range map[string]string{"zh-CN": row.chinese, "en": row.english} {
			r := row.do(p.browser(lang))
			if r.status != row.status || r.code() != row.code || r.json["detail"] != words {
				t.Errorf("%s: %d %s\nwant %d %s %s", row.name, r.status, r.text, row.status, row.code, words)
			}
		}
	}
}

// Two replicas, two taps: one payment.
func TestR07_ATicketRedeemedAtOnceMakesOnePayment(t *testing.T) {
	t.Parallel()
	p := startPayers(t)
	order := p.openOrder("REG-1")
	ticket := p.ticket(order)
	answers := make(chan reply)
	for range 6 {
		code := p.jsCode(miniApp, "alice")
		go func() { answers <- p.browser("en").redeem(ticket, code) }()
	}
	made := 0
	for range 6 {
		switch r := <-answers; r.status {
		case 201:
			made++
		case 200, 202:
		default:
			t.Errorf("%d %s", r.status, r.text)
		}
	}
	if made != 1 {
		t.Errorf("%d payments were made", made)
	}
	if n := p.text("select count(*) from payments"); n != "1" {
		t.Errorf("there are %s payments", n)
	}
}

// A ticket is for a mini program's entry that can tell who redeems it.
func TestTicketsThatAreNotMade(t *testing.T) {
	t.Parallel()
	p := startPayers(t)
	order := p.openOrder("REG-1")
	for entry, want := range map[string]string{"account": "an official account's", "silent-mini": "has no secret", "nowhere": "is not an entry of this app"} {
		r := p.call(clinicKey, "POST", "/v1/orders/"+order+"/tickets", fmt.Sprintf(`{"entry":%q}`, entry))
		if r.status != 400 || !strings.Contains(r.text, want) {
			t.Errorf("%s: %d %s", entry, r.status, r.text)
		}
	}
	p.must(200, clinicKey, "POST", "/v1/orders/"+order+"/close", "")
	if r := p.call(clinicKey, "POST", "/v1/orders/"+order+"/tickets", `{"entry":"native"}`); r.status != 409 || r.code() != "order_closed" {
		t.Errorf("of a closed order: %d %s", r.status, r.text)
	}
}
