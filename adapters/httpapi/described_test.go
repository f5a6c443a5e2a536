package httpapi

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/paybridge/paybridge/adapters/weixin"
	"github.com/paybridge/paybridge/core/pay"
	"github.com/paybridge/paybridge/ports"
)

// TestEveryGoodAnswerThatIsDescribedComes walks through a life with every call and every 2xx that openapi.yaml
// describes. That the answers are as described, the world checks with each of them.
func TestEveryGoodAnswerThatIsDescribedComes(t *testing.T) {
	t.Parallel()
	w := start(t)
	const tap = `{"entry":"official-account","payer":{"openid":"o1"}}`
	order := w.order("REG-1")
	w.must(200, clinicKey, "POST", "/v1/orders", `{"reference":"REG-1","amount":1250,"description":"Registration fee"}`)
	w.must(200, clinicKey, "GET", "/v1/orders", "")
	w.must(200, clinicKey, "GET", "/v1/orders/"+order, "")

	payment := w.payment(order)
	w.must(200, clinicKey, "POST", "/v1/orders/"+order+"/payments", tap)
	w.must(200, clinicKey, "POST", "/v1/payments/"+payment+"/close", "")
	w.must(200, clinicKey, "GET", "/v1/payments/"+payment, "")
	w.must(200, clinicKey, "GET", "/v1/payments/"+payment+"/timeline", "")
	w.must(201, clinicKey, "POST", "/v1/orders/"+order+"/tickets", `{"entry":"mini-program"}`)
	w.must(200, clinicKey, "POST", "/v1/orders/"+order+"/close", "")

	w.gateway.Identity = signsPages{w.gateway.Identity}
	w.must(200, clinicKey, "POST", "/v1/page-signatures", `{"entry":"mini-program","url":"https://pay.example/checkout/orders/1"}`)

	shipped := w.paidToShip("REG-4")
	w.must(200, clinicKey, "GET", "/v1/orders/"+shipped+"/fulfilment", "")
	w.must(202, clinicKey, "POST", "/v1/orders/"+shipped+"/fulfilment", `{"method":"virtual"}`)

	order, payment = w.paid("REG-2")
	w.must(200, clinicKey, "POST", "/v1/orders/"+order+"/fulfilment", `{"method":"virtual"}`)
	refund := w.must(202, clinicKey, "POST", "/v1/payments/"+payment+"/refunds", `{"reference":"R1","amount":500}`).number()
	w.must(200, clinicKey, "GET", "/v1/refunds/"+refund, "")
	w.must(202, clinicKey, "POST", "/v1/refunds/"+refund+"/retry", "")
	w.publish()
	if page := w.must(200, clinicKey, "GET", "/v1/events", ""); !strings.Contains(page.text, "order.closed") || !strings.Contains(page.text, "order.paid") {
		t.Errorf("the events are %s", page.text)
	}

	insured := w.must(201, clinicKey, "POST", "/v1/orders", `{"reference":"REG-5","amount":700,"description":"Visit","payer":{"policy":"named","id":"o1"},"bill":{"order_type":"REG_PAY","city_id":"530100",
		"institution":{"name":"First Hospital","number":"1"},"fees":{"total":700,"gov":500,"self":200,"other":0},
		"person":{"name":"n","id_number":"440300190001011237","card_type":"ID_CARD"}}}`).number()
	payment = w.must(201, clinicKey, "POST", "/v1/orders/"+insured+"/payments", `{"entry":"insured","payer":{"openid":"o1"},"medical":{"serial_no":"S1"}}`).number()
	w.channel.says(payment, pay.FactSucceeded)
	w.must(200, clinicKey, "POST", "/v1/payments/"+payment+"/sync", "")
	for reference, said := range map[string]string{"given-back": "", "given-up": "/cancel"} {
		part := w.must(202, clinicKey, "POST", "/v1/payments/"+payment+"/refunds", fmt.Sprintf(`{"reference":%q,"amount":100}`, reference)).number()
		body := ""
		if said == "" {
			body = `{"bureau_refund_no":"REF1","gov":100,"refunded_at":"2026-11-01T10:00:00+08:00"}`
		}
		w.must(202, clinicKey, "POST", "/v1/refunds/"+part+"/legs/insurance"+said, body)
	}

	w.must(200, clinicKey, "POST", "/v1/identities/bind", `{"user_id":"patient-1","entry":"official-account","openid":"o1"}`)
	w.must(200, clinicKey, "POST", "/v1/identities/lookup", `{"user_id":"patient-1"}`)

	order = w.order("REG-3")
	w.channel.ends(&pay.Outcome{}) // from here on the channel does not say what became of a call
	payment = w.must(202, clinicKey, "POST", "/v1/orders/"+order+"/payments", tap).number()
	w.must(202, clinicKey, "POST", "/v1/payments/"+payment+"/sync", "")
	w.must(202, clinicKey, "POST", "/v1/payments/"+payment+"/close", "")
	w.must(202, clinicKey, "POST", "/v1/orders/"+order+"/close", "")

	for path, item := range document(t).Paths.Map() {
		for method, op := range item.Operations() {
			for status := range op.Responses.Map() {
				if answer := fmt.Sprintf("%s %s %s", method, path, status); status[0] == '2' && !w.answers.came[answer] {
					t.Errorf("%s is described and never came", answer)
				}
			}
		}
	}
}

// signsPages has a ticket to sign pages by.
type signsPages struct{ ports.IdentityProvider }

func (signsPages) SignPage(_ context.Context, appID, url string) (ports.PageSignature, error) {
	return ports.PageSignature{AppID: appID, Timestamp: 1, Nonce: "n", Signature: "of " + url}, nil
}

// A page is signed for the app whose entry allows it, and for no other page.
func TestR44_PagesOfOthersAreNotSigned(t *testing.T) {
	t.Parallel()
	w := start(t)
	away := weixin.New(weixin.Options{
		ServerBase: "http://127.0.0.1:1", Cache: w.db, Now: time.Now, Secret: func(string) (string, error) { return "secret", nil },
		SecretOf: func(string) (string, bool) { return "env:WXM", true },
	})
	t.Cleanup(away.Close)
	w.gateway.Identity = away
	ask := func(key, entry, url string) reply {
		return w.call(key, "POST", "/v1/page-signatures", fmt.Sprintf(`{"entry":%q,"url":%q}`, entry, url))
	}
	for _, c := range []struct {
		name, key, entry, url string
		status                int
	}{
		{"another site", clinicKey, "mini-program", "https://evil.example/checkout/", 400},
		{"the gateway's other pages", clinicKey, "mini-program", "https://pay.example/oauth/x", 400},
		{"out of the folder", clinicKey, "mini-program", "https://pay.example/checkout/../oauth/x", 400},
		{"an entry without a secret", clinicKey, "official-account", "https://pay.example/checkout/orders", 400},
		{"an entry of another app", shopKey, "second-account", "https://pay.example/checkout/orders", 400},
		{"WeChat is away", clinicKey, "mini-program", "https://pay.example/checkout/orders#here", 503},
	} {
		if got := ask(c.key, c.entry, c.url); got.status != c.status {
			t.Errorf("%s: %d %s, want %d", c.name, got.status, got.text, c.status)
		}
	}
}
