package httpapi

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/paybridge/paybridge/core/pay"
	"github.com/paybridge/paybridge/ports"
)

func TestOrders(t *testing.T) {
	t.Parallel()
	w := start(t)
	const body = `{"reference":"REG-1","amount":1250,"description":"挂号费","payer":{"policy":"anyone"},"metadata":{"Department":"7"}}`
	made := w.must(201, clinicKey, "POST", "/v1/orders", body)
	if made.json["state"] != "open" || made.json["amount"] != 1250.0 || made.json["currency"] != "CNY" || made.json["product_type"] != "00" ||
		made.json["description"] != "挂号费" || fmt.Sprint(made.json["metadata"]) != "map[Department:7]" {
		t.Errorf("made %s", made.text)
	}
	if again := w.must(200, clinicKey, "POST", "/v1/orders", body); again.text != made.text {
		t.Errorf("again %s\nmade %s", again.text, made.text)
	}
	if r := w.must(409, clinicKey, "POST", "/v1/orders", strings.Replace(body, "1250", "1251", 1)); r.code() != pay.CodeReferenceReused {
		t.Errorf("other content: %s", r.text)
	}
	if r := w.must(201, shopKey, "POST", "/v1/orders", body); r.number() == made.number() {
		t.Error("two apps share an order by its reference")
	}
	if r := w.must(200, clinicReads, "GET", "/v1/orders/"+made.number(), ""); r.text != made.text {
		t.Errorf("read %s", r.text)
	}
	if r := w.must(200, clinicKey, "POST", "/v1/orders/"+made.number()+"/close", ""); r.json["state"] != "closed" || r.json["close_reason"] != "app" {
		t.Errorf("closed %s", r.text)
	}
	if r := w.must(200, clinicKey, "POST", "/v1/orders/"+made.number()+"/close", ""); r.json["state"] != "closed" {
		t.Errorf("closed again %s", r.text)
	}
}

// TestGatewaysOwnChecks holds that what only core checks comes out as the same kind of problem as what the form checks.
func TestGatewaysOwnChecks(t *testing.T) {
	t.Parallel()
	w := start(t)
	order := w.order("REG-1")
	for _, row := range []struct{ path, body, field string }{
		{"/v1/orders", `{"reference":"r","amount":1,"description":"` + strings.Repeat("费", 50) + `"}`, "description"},
		{"/v1/orders", `{"reference":"r","amount":1,"description":"d","expires_at":"2020-01-01T00:00:00Z"}`, "expires_at"},
		{"/v1/orders", `{"reference":"r","amount":1,"description":"d","payer":{"policy":"first","id":"o1"}}`, "payer.id"},
		{"/v1/orders", `{"reference":"r","amount":1e3,"description":"d"}`, "body"},
		{"/v1/orders/" + order + "/payments", `{"entry":"official-account"}`, "payer.openid"},
		{"/v1/orders/" + order + "/payments", `{"entry":"nowhere","payer":{"openid":"o1"}}`, "entry"},
		{"/v1/orders/" + order + "/payments", `{"entry":"official-account","payer":{"openid":"o1"},"client_ip":"1.2.3"}`, "client_ip"},
	} {
		r := w.must(400, clinicKey, "POST", row.path, row.body)
		if got := fmt.Sprint(r.json["errors"]); r.code() != "invalid_request" || !strings.Contains(got, "field:"+row.field) {
			t.Errorf("%s: %s, want field %s", row.body, r.text, row.field)
		}
	}
}

func TestListOrders(t *testing.T) {
	t.Parallel()
	w := start(t)
	for n := range 5 {
		w.order(fmt.Sprint("REG-", n))
	}
	w.must(201, shopKey, "POST", "/v1/orders", `{"reference":"other","amount":1,"description":"d"}`)
	var seen []string
	for path := "/v1/orders?limit=2"; path != ""; {
		page := w.must(200, clinicKey, "GET", path, "")
		for _, o := range page.json["orders"].([]any) {
			seen = append(seen, o.(map[string]any)["reference"].(string))
		}
		cursor, _ := page.json["next_cursor"].(string)
		if path = ""; cursor != "" {
			path = "/v1/orders?limit=2&cursor=" + cursor
		}
	}
	if got := strings.Join(seen, " "); got != "REG-4 REG-3 REG-2 REG-1 REG-0" {
		t.Errorf("paged through %s", got)
	}
	if r := w.must(200, clinicKey, "GET", "/v1/orders?reference=REG-3", ""); strings.Count(r.text, `"number"`) != 1 {
		t.Errorf("by reference %s", r.text)
	}
	if r := w.must(200, clinicKey, "GET", "/v1/orders?state=paid", ""); strings.TrimSpace(r.text) != `{"orders":[]}` {
		t.Errorf("none are paid, yet %s", r.text)
	}
	if r := w.must(400, clinicKey, "GET", "/v1/orders?cursor=abc", ""); !strings.Contains(r.text, "field\":\"cursor") {
		t.Errorf("a made-up cursor: %s", r.text)
	}
}

func TestPayments(t *testing.T) {
	t.Parallel()
	w := start(t)
	order := w.order("REG-1")
	path := "/v1/orders/" + order + "/payments"
	const first = `{"entry":"official-account","payer":{"openid":"o1"},"client_ip":"203.0.113.7"}`
	made := w.must(201, clinicKey, "POST", path, first)
	handOff, _ := made.json["hand_off"].(map[string]any)
	if made.json["state"] != "pending" || made.json["mchid"] != "1900000001" || made.json["appid"] != "wxa" || handOff["kind"] != "wechat_jsapi" {
		t.Fatalf("made %s", made.text)
	}
	if again := w.must(200, clinicKey, "POST", path, first); again.number() != made.number() || again.json["hand_off"] == nil {
		t.Errorf("again %s", again.text)
	}
	if r := w.must(200, clinicReads, "GET", "/v1/payments/"+made.number(), ""); r.json["hand_off"] != nil {
		t.Errorf("a key that may only read was given a hand-off: %s", r.text)
	}
	w.channel.says(made.number(), pay.FactSucceeded)
	if r := w.must(200, clinicKey, "POST", "/v1/payments/"+made.number()+"/sync", ""); r.json["state"] != "succeeded" || r.json["payer_total"] != 1250.0 || r.json["succeeded_at"] == nil {
		t.Errorf("synced %s", r.text)
	}
	if r := w.must(200, clinicKey, "GET", "/v1/orders/"+order, ""); r.json["state"] != "paid" || r.json["settled_by"] != made.number() || r.json["paid_at"] == nil {
		t.Errorf("order %s", r.text)
	}
	for path, code := range map[string]string{
		path:                             pay.CodeOrderPaid,
		"/v1/orders/" + order + "/close": pay.CodeOrderPaid,
		"/v1/payments/" + made.number() + "/close": pay.CodeNotCloseable,
	} {
		body := ""
		if strings.HasSuffix(path, "/payments") {
			body = first
		}
		if r := w.must(409, clinicKey, "POST", path, body); r.code() != code {
			t.Errorf("%s: %s, want %s", path, r.text, code)
		}
	}
	timeline := w.must(200, clinicReads, "GET", "/v1/payments/"+made.number()+"/timeline", "")
	var moves []string
	for _, e := range timeline.json["entries"].([]any) {
		moves = append(moves, e.(map[string]any)["to"].(string))
	}
	if got := strings.Join(moves, " "); got != "created pending succeeded" {
		t.Errorf("timeline %s: %s", got, timeline.text)
	}
}

func TestOutcomeUnknownIsAccepted(t *testing.T) {
	t.Parallel()
	w := start(t)
	order := w.order("REG-1")
	const body = `{"entry":"official-account","payer":{"openid":"o1"}}`
	w.channel.ends(&pay.Outcome{})
	r := w.must(202, clinicKey, "POST", "/v1/orders/"+order+"/payments", body)
	if r.json["state"] != "created" || r.json["hand_off"] != nil || r.header.Get("Retry-After") == "" {
		t.Errorf("%v %s", r.header, r.text)
	}
	if r := w.must(202, clinicKey, "POST", "/v1/payments/"+r.number()+"/close", ""); r.json["state"] != "closing" || r.header.Get("Retry-After") == "" {
		t.Errorf("%v %s", r.header, r.text)
	}
	if r := w.must(202, clinicKey, "POST", "/v1/orders/"+order+"/close", ""); r.json["state"] != "closing" || r.header.Get("Retry-After") == "" {
		t.Errorf("%v %s", r.header, r.text)
	}
}

// TestR36_AwayIs503 is a plugin that is down here, and a provider that refuses for now: nothing fails for it.
func TestR36_AwayIs503(t *testing.T) {
	t.Parallel()
	w := start(t)
	order := w.order("REG-1")
	const body = `{"entry":"official-account","payer":{"openid":"o1"}}`
	w.channel.ends(&pay.Outcome{Verdict: pay.Rejected, Reason: pay.RateLimited, RetryAfter: 30 * time.Second})
	if r := w.must(503, clinicKey, "POST", "/v1/orders/"+order+"/payments", body); r.code() != "unavailable" || r.header.Get("Retry-After") != "30" {
		t.Errorf("%v %s", r.header, r.text)
	}
	w.channel.ends(nil)
	w.channel.leaves(true)
	if r := w.must(503, clinicKey, "POST", "/v1/orders/"+order+"/payments", body); r.code() != "unavailable" || r.header.Get("Retry-After") == "" {
		t.Errorf("%v %s", r.header, r.text)
	}
	w.channel.leaves(false)
	if r := w.call(clinicKey, "POST", "/v1/orders/"+order+"/payments", body); r.status != 200 || r.json["state"] != "pending" {
		t.Errorf("once it is back: %d %s", r.status, r.text)
	}
}

// TestSyncTellsWhoAnswered holds that 200 is the provider's word, and nobody else's.
func TestSyncTellsWhoAnswered(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name       string
		outcome    *pay.Outcome // of the query
		change     func(w *world, payment string)
		status     int
		retryAfter string
	}{
		{name: "the provider answers", status: 200},
		{name: "it knows no such trade", outcome: &pay.Outcome{Verdict: pay.Rejected, Reason: pay.NotFound}, status: 200},
		{name: "its answer is lost", outcome: &pay.Outcome{}, status: 202, retryAfter: "2"},
		{name: "its answer makes no sense", outcome: &pay.Outcome{Verdict: pay.Rejected, Reason: pay.InvalidRequest}, status: 202, retryAfter: "2"},
		{name: "another call is under way", status: 202, retryAfter: "2", change: func(w *world, payment string) {
			if _, err := w.db.Claim(w.t.Context(), ports.KindPayment, payment, time.Minute, time.Now()); err != nil {
				w.t.Fatal(err)
			}
			w.gateway.Stop() // nobody waits for the other call any more
		}},
		{name: "R36 the plugin is down", status: 503, retryAfter: "5", change: func(w *world, _ string) { w.channel.leaves(true) }},
		{name: "R36 the call was not sent", outcome: &pay.Outcome{Verdict: pay.NotSent, Reason: pay.Unavailable}, status: 503, retryAfter: "5"},
		{name: "R36 the account's credentials are refused", outcome: &pay.Outcome{Verdict: pay.Rejected, Reason: pay.Auth}, status: 503, retryAfter: "5"},
		{name: "R36 the provider is away", outcome: &pay.Outcome{Verdict: pay.Rejected, Reason: pay.Unavailable}, status: 503, retryAfter: "5"},
		{name: "R36 too many calls", outcome: &pay.Outcome{Verdict: pay.Rejected, Reason: pay.RateLimited, RetryAfter: 30 * time.Second}, status: 503, retryAfter: "30"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			w := start(t)
			payment := w.payment(w.order("REG-1"))
			w.channel.says(payment, pay.FactSucceeded) // which only an answer can tell
			w.channel.ends(row.outcome)
			if row.change != nil {
				row.change(w, payment)
			}
			r := w.must(row.status, clinicReads, "POST", "/v1/payments/"+payment+"/sync", "")
			if got := r.header.Get("Retry-After"); got != row.retryAfter {
				t.Errorf("Retry-After %q, want %q", got, row.retryAfter)
			}
			state := "pending"
			if row.status == 200 && row.outcome == nil {
				state = "succeeded"
			}
			if got := w.must(200, clinicReads, "GET", "/v1/payments/"+payment, "").json["state"]; got != state {
				t.Errorf("the payment is %v, want %s", got, state)
			}
			if row.status == 202 && r.json["state"] != state {
				t.Errorf("answered %s", r.text)
			}
		})
	}
}

func TestAnotherEntryIsRefusedWhileTheFirstIsUnresolved(t *testing.T) {
	t.Parallel()
	w := start(t)
	order := w.order("REG-1")
	w.payment(order)
	w.channel.ends(&pay.Outcome{})
	r := w.must(409, clinicKey, "POST", "/v1/orders/"+order+"/payments", `{"entry":"second-account","payer":{"openid":"o1"}}`)
	if r.code() != pay.CodePreviousUnresolved || r.header.Get("Retry-After") == "" {
		t.Errorf("%v %s", r.header, r.text)
	}
}

func TestRefunds(t *testing.T) {
	t.Parallel()
	w := start(t)
	_, payment := w.paid("REG-1")
	path := "/v1/payments/" + payment + "/refunds"
	made := w.must(202, clinicKey, "POST", path, `{"reference":"R1","amount":500,"reason":"取消"}`)
	if made.json["state"] != "created" || made.json["origin"] != "api" || made.json["amount"] != 500.0 || made.header.Get("Retry-After") == "" {
		t.Errorf("made %s", made.text)
	}
	if again := w.must(202, clinicKey, "POST", path, `{"reference":"R1","amount":500,"reason":"取消"}`); again.text != made.text {
		t.Errorf("again %s", again.text)
	}
	for body, code := range map[string]string{
		`{"reference":"R1","amount":501}`: pay.CodeReferenceReused,
		`{"reference":"R2","amount":751}`: pay.CodeRefundExceeds,
	} {
		if r := w.must(409, clinicKey, "POST", path, body); r.code() != code {
			t.Errorf("%s: %s, want %s", body, r.text, code)
		}
	}
	if r := w.must(200, clinicReads, "GET", "/v1/refunds/"+made.number(), ""); r.text != made.text {
		t.Errorf("read %s", r.text)
	}
	w.must(202, clinicKey, "POST", "/v1/refunds/"+made.number()+"/retry", "")
	if r := w.must(409, clinicKey, "POST", "/v1/payments/"+w.payment(w.order("REG-2"))+"/refunds", `{"reference":"R1","amount":5}`); r.code() != pay.CodePaymentNotPaid {
		t.Errorf("unpaid: %s", r.text)
	}
}

func TestKeys(t *testing.T) {
	t.Parallel()
	w := start(t)
	number := strings.Repeat("0", 32)
	calls, err := readContract()
	if err != nil {
		t.Fatal(err)
	}
	for call, op := range calls {
		method, path, _ := strings.Cut(strings.ReplaceAll(call, "{number}", number), " ")
		body := ""
		if op.body != nil {
			body = `{`
		}
		for _, row := range []struct {
			name, key, header string
			status            int
			code              string
		}{
			{"no key", "", "", 401, "unauthenticated"},
			{"a wrong key", "clinic-ke", "", 401, "unauthenticated"},
			{"a hash for a key", hashed(clinicKey), "", 401, "unauthenticated"},
			{"another scheme", "", "Basic " + clinicKey, 401, "unauthenticated"},
			{"a long key", strings.Repeat("k", longestKey+1), "", 401, "unauthenticated"},
		} {
			var headers []string
			if row.header != "" {
				headers = []string{"Authorization", row.header}
			}
			if r := w.call(row.key, method, path, body, headers...); r.status != row.status || r.code() != row.code || r.header.Get("WWW-Authenticate") == "" {
				t.Errorf("%s with %s: %d %s", call, row.name, r.status, r.text)
			}
		}
		r := w.call(clinicReads, method, path, body)
		if mayNot := r.status == http.StatusForbidden && r.code() == "scope_missing"; mayNot != (op.scope != "read") {
			t.Errorf("%s with a key that may only read: %d %s", call, r.status, r.text)
		}
	}
}

// TestR41_AnotherAppsNumberIs404 asks every call that openapi.yaml has with a number, with the key of an app that does
// not own it. A call that this table does not know fails.
func TestR41_AnotherAppsNumberIs404(t *testing.T) {
	t.Parallel()
	w := start(t)
	order, payment := w.paid("REG-1")
	open := w.order("REG-2")
	refund := w.must(202, clinicKey, "POST", "/v1/payments/"+payment+"/refunds", `{"reference":"R1","amount":5}`).number()
	known := map[string]struct{ number, body string }{
		"GET /v1/orders/{number}":           {order, ""},
		"POST /v1/orders/{number}/close":    {open, ""},
		"POST /v1/orders/{number}/payments": {open, `{"entry":"official-account","payer":{"openid":"o1"}}`},
		"POST /v1/orders/{number}/tickets":  {open, `{"entry":"mini-program"}`},

		"GET /v1/orders/{number}/fulfilment":  {order, ""},
		"POST /v1/orders/{number}/fulfilment": {order, `{"method":"virtual"}`},

		"GET /v1/payments/{number}":          {payment, ""},
		"GET /v1/payments/{number}/timeline": {payment, ""},
		"POST /v1/payments/{number}/sync":    {payment, ""},
		"POST /v1/payments/{number}/close":   {payment, ""},
		"POST /v1/payments/{number}/refunds": {payment, `{"reference":"R2","amount":5}`},
		"GET /v1/refunds/{number}":           {refund, ""},
		"POST /v1/refunds/{number}/retry":    {refund, ""},

		"POST /v1/refunds/{number}/legs/insurance":        {refund, `{"bureau_refund_no":"REF1","gov":1,"refunded_at":"2026-11-01T10:00:00+08:00"}`},
		"POST /v1/refunds/{number}/legs/insurance/cancel": {refund, ""},
	}
	calls, err := readContract()
	if err != nil {
		t.Fatal(err)
	}
	for call := range calls {
		if !strings.Contains(call, "{") {
			continue
		}
		row, ok := known[call]
		if !ok {
			t.Errorf("%s is not in this test's table", call)
			continue
		}
		method, path, _ := strings.Cut(strings.ReplaceAll(call, "{number}", row.number), " ")
		theirs := w.call(shopKey, method, path, row.body)
		if theirs.status != 404 || theirs.code() != "not_found" {
			t.Errorf("%s of another app: %d %s", call, theirs.status, theirs.text)
		}
		nobodys := w.call(shopKey, method, strings.ReplaceAll(path, row.number, strings.Repeat("9", 32)), row.body)
		if nobodys.status != theirs.status || nobodys.json["detail"] != theirs.json["detail"] {
			t.Errorf("%s tells another app's number from nobody's: %s, %s", call, theirs.text, nobodys.text)
		}
		if r := w.call(clinicKey, method, path, row.body); r.status == 404 {
			t.Errorf("%s is 404 for its own app as well: %s", call, r.text)
		}
	}
	if r := w.must(200, shopKey, "GET", "/v1/orders", ""); strings.TrimSpace(r.text) != `{"orders":[]}` {
		t.Errorf("another app's list shows %s", r.text)
	}
	for _, reference := range []string{"REG-1", "REG-2"} {
		if r := w.must(200, shopKey, "GET", "/v1/orders?reference="+reference, ""); strings.Contains(r.text, reference) {
			t.Errorf("another app finds it by reference: %s", r.text)
		}
	}
}

// TestR41_NothingOfAnotherAppLeaks asks every call of openapi.yaml, with every number of the clinic's in the place of each
// number, whatever kind it is of, with the key of another app and with a key that may do nothing. Calls with a number are
// 404 or 403, and no answer shows anything of the clinic's. It is made from the document: a new call is in it at once.
func TestR41_NothingOfAnotherAppLeaks(t *testing.T) {
	t.Parallel()
	w := start(t)
	order, payment := w.paid("CLINIC-1")
	refund := w.must(202, clinicKey, "POST", "/v1/payments/"+payment+"/refunds", `{"reference":"CLINIC-2","amount":5,"reason":"CLINIC-3"}`).number()
	numbers := []string{order, payment, refund, w.order("CLINIC-4")}
	secrets := append([]string{"CLINIC-", "Registration fee", "clinic", "o1"}, numbers...)
	before := w.must(200, clinicKey, "GET", "/v1/payments/"+payment+"/timeline", "").text
	spec := document(t)
	for path, item := range spec.Paths.Map() {
		for method, op := range item.Operations() {
			body := ""
			if op.RequestBody != nil {
				body = bodyFor(t, op.RequestBody.Value.Content["application/json"].Schema.Value)
			}
			paths := []string{path}
			if strings.Contains(path, "{") {
				if paths = nil; strings.Count(path, "{") != 1 || !strings.Contains(path, "{number}") {
					t.Errorf("%s %s names something else than a number: this test does not know what another app has there", method, path)
				}
				for _, number := range numbers {
					paths = append(paths, strings.ReplaceAll(path, "{number}", number))
				}
			}
			for _, asked := range paths {
				for who, key := range map[string]string{"another app": shopKey, "a key without scopes": mayNothing} {
					r := w.call(key, method, asked, body)
					if strings.Contains(path, "{") && r.status != 404 && r.status != 403 || key == mayNothing && r.status != 403 {
						t.Errorf("%s: %s %s answers %d %s", who, method, asked, r.status, r.text)
					}
					for _, secret := range secrets {
						if strings.Contains(strings.ReplaceAll(r.text, body, ""), secret) {
							t.Errorf("%s: %s %s shows %s: %s", who, method, asked, secret, r.text)
						}
					}
				}
			}
		}
	}
	if after := w.must(200, clinicKey, "GET", "/v1/payments/"+payment+"/timeline", "").text; after != before {
		t.Errorf("another app's calls did something:\n%s\n%s", before, after)
	}
}

// bodyFor is the least body that a schema takes.
func bodyFor(t *testing.T, schema *openapi3.Schema) string {
	t.Helper()
	text, err := json.Marshal(leastOf(schema))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func leastOf(schema *openapi3.Schema) any {
	switch {
	case len(schema.Enum) > 0:
		return schema.Enum[0]
	case schema.Type.Is("object"):
		fields := map[string]any{}
		for _, name := range schema.Required {
			if fields[name] = leastOf(schema.Properties[name].Value); name == "entry" { // one that both apps may use
				if fields[name] = "official-account"; schema.Properties["payer"] != nil {
					fields["payer"] = map[string]any{"openid": "of-the-shop"}
				}
			}
		}
		return fields
	case schema.Type.Is("integer"):
		return 1
	case schema.Type.Is("boolean"):
		return false
	case schema.Type.Is("array"):
		return []any{}
	case schema.Format == "date-time":
		return "2026-03-01T09:30:00+08:00"
	}
	return "shop"
}
