package httpapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/url"
	"strings"
	"testing"
)

func TestBodies(t *testing.T) {
	t.Parallel()
	calls, err := readContract()
	if err != nil {
		t.Fatal(err)
	}
	const order, payment, refund = "POST /v1/orders", "POST /v1/orders/{number}/payments", "POST /v1/payments/{number}/refunds"
	for _, row := range []struct {
		name, call, body string
		wrong            string // fields, and what is wrong; empty: nothing
	}{
		{"the least order", order, `{"reference":"r","amount":1,"description":"d"}`, ""},
		{"every field", order, `{"reference":"r","amount":10000000000,"currency":"CNY","description":"挂号费","product_type":"07",` +
			`"expires_at":"2026-03-01T09:30:00.5+08:00","payer":{"policy":"named","id":"o1"},"return_url":"https://a.example/b?c=d","metadata":{"A":"1","a":""}}`, ""},
		{"nothing", order, ``, "body must be one well-formed JSON object"},
		{"not JSON", order, `{`, "body must be one well-formed JSON object"},
		{"two values", order, `{} {}`, "body must be one well-formed JSON object"},
		{"not an object", order, `[]`, "body must be an object"},
		{"null", order, `null`, "body must be an object"},
		{"not UTF-8", order, "{\"reference\":\"\xff\"}", "body must be UTF-8"},
		{"everything is missing", order, `{}`, "amount is required; description is required; reference is required"},
		{"an unknown field", order, `{"reference":"r","amount":1,"description":"d","gift":{}}`, "gift is not a field of this call"},
		{"an unknown field below", order, `{"reference":"r","amount":1,"description":"d","payer":{"policy":"first","name":"x"}}`, "payer.name is not a field of this call"},
		{"a field in another case", order, `{"Reference":"r","amount":1,"description":"d"}`, "Reference is not a field of this call; reference is required"},
		{"a field twice", order, `{"reference":"r","amount":1,"amount":2,"description":"d"}`, `body must not have the name "amount" twice in one object`},
		{"a field twice below", order, `{"reference":"r","amount":1,"description":"d","metadata":{"a":"1","a":"2"}}`, `body must not have the name "a" twice in one object`},
		{"no money", order, `{"reference":"r","amount":0,"description":"d"}`, "amount must be at least 1"},
		{"too much", order, `{"reference":"r","amount":10000000001,"description":"d"}`, "amount must be at most 10000000000"},
		{"half a fen", order, `{"reference":"r","amount":1.5,"description":"d"}`, "amount must be a whole number"},
		{"yuan as text", order, `{"reference":"r","amount":"12.50","description":"d"}`, "amount must be a whole number"},
		{"another currency", order, `{"reference":"r","amount":1,"currency":"USD","description":"d"}`, "currency must be one of CNY"},
		{"our own reference", order, `{"reference":"~late","amount":1,"description":"d"}`, `reference must match ^[^~\x00-\x1f\x7f][^\x00-\x1f\x7f]*$`},
		{"a long reference", order, `{"reference":"` + strings.Repeat("r", 65) + `","amount":1,"description":"d"}`, "reference must have at most 64 characters"},
		{"a NUL", order, `{"reference":"r","amount":1,"description":"a\u0000b"}`, `description must match ^[^\x00-\x1f\x7f]*$`},
		{"a time without a zone", order, `{"reference":"r","amount":1,"description":"d","expires_at":"2026-03-01 09:30"}`, "expires_at must be an RFC 3339 time, as in 2026-03-01T09:30:00+08:00"},
		{"an unknown policy", order, `{"reference":"r","amount":1,"description":"d","payer":{"policy":"all"}}`, "payer.policy must be one of named first anyone"},
		{"a script for a return address", order, `{"reference":"r","amount":1,"description":"d","return_url":"javascript:x"}`, `return_url must match ^https?://[^\x00-\x20\x7f]+$`},
		{"several at once", order, `{"reference":"","amount":-1,"description":"d"}`, "amount must be at least 1; reference must have at least 1 characters"},
		{"a payment", payment, `{"entry":"official-account","payer":{"openid":"o1"},"client_ip":"2001:db8::1"}`, ""},
		{"a payment's unknown field", payment, `{"entry":"e","gift":{}}`, "gift is not a field of this call"},
		{"a payment's own amount", payment, `{"entry":"e","payer":{"openid":"o1"},"amount":1}`, "amount is not a field of this call"},
		{"a payment's own merchant", payment, `{"entry":"e","payer":{"openid":"o1"},"mchid":"1900000109"}`, "mchid is not a field of this call"},
		{"a payer without openid", payment, `{"entry":"e","payer":{}}`, "payer.openid is required"},
		{"a refund", refund, `{"reference":"r","amount":5,"reason":"取消"}`, ""},
		{"a refund by leg", refund, `{"reference":"r","amount":5,"legs":[]}`, "legs does not have the form that the API's description gives it"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			err := checkBody(calls[row.call].body, []byte(row.body))
			got := ""
			if err != nil {
				got = sortedFields(t, err)
			}
			if got != row.wrong {
				t.Errorf("%s\nwant %s", got, row.wrong)
			}
		})
	}
}

func sortedFields(t *testing.T, err error) string {
	t.Helper()
	var wrong invalid
	if !errors.As(err, &wrong) {
		t.Fatalf("%T: %v", err, err)
	}
	return wrong.Error()
}

func TestQueries(t *testing.T) {
	t.Parallel()
	calls, err := readContract()
	if err != nil {
		t.Fatal(err)
	}
	const list, get = "GET /v1/orders", "GET /v1/orders/{number}"
	for _, row := range []struct{ call, query, wrong string }{
		{list, "", ""},
		{list, "reference=REG-1&state=open&created_after=2026-03-01T00:00:00%2B08:00&cursor=abc&limit=100", ""},
		{list, "refrence=REG-1", "refrence is not a parameter of this call"},
		{list, "state=lost", "state must be one of open closing closed paid partially_refunded refunded"},
		{list, "limit=0", "limit must be at least 1"},
		{list, "limit=101", "limit must be at most 100"},
		{list, "limit=1e2", "limit must be a whole number"},
		{list, "limit=1&limit=2", "limit must be given once"},
		{list, "created_after=yesterday", "created_after must be an RFC 3339 time, as in 2026-03-01T09:30:00+08:00"},
		{list, "cursor=%00", "cursor must match ^[A-Za-z0-9._~=-]+$"},
		{list, "a;b", "query must be well-formed name=value pairs joined by &"},
		{get, "app=other", "app is not a parameter of this call"},
	} {
		t.Run(row.call+"?"+row.query, func(t *testing.T) {
			t.Parallel()
			got := ""
			if err := checkQuery(calls[row.call], &url.URL{RawQuery: row.query}); err != nil {
				got = err.Error()
			}
			if got != row.wrong {
				t.Errorf("%s\nwant %s", got, row.wrong)
			}
		})
	}
}

// FuzzBody holds that a body which passes the form says nothing that the generated decoder would overlook.
func FuzzBody(f *testing.F) {
	calls, err := readContract()
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range []string{
		`{"reference":"r","amount":1,"description":"d"}`,
		`{"reference":"r","amount":1e3,"description":"d","metadata":{"a":"b"},"payer":{"policy":"first"}}`,
		`{"reference":"r","amount":1,"amount":2,"description":"d"}`,
		`{"entry":"e","payer":{"openid":"o"},"client_ip":"::1"}`,
		`{"reference":"\ud800","amount":5,"reason":"x"}`, `[[[[`, `null`, "\xff", `{"":{}}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		for call, into := range map[string]func() any{
			"POST /v1/orders":                    func() any { return new(OrderRequest) },
			"POST /v1/orders/{number}/payments":  func() any { return new(PaymentRequest) },
			"POST /v1/payments/{number}/refunds": func() any { return new(RefundRequest) },
		} {
			if checkBody(calls[call].body, body) != nil {
				continue
			}
			strict := json.NewDecoder(bytes.NewReader(body))
			strict.DisallowUnknownFields()
			if err := strict.Decode(into()); err != nil && !strings.Contains(err.Error(), "cannot unmarshal number") {
				t.Errorf("%s passes %q, which does not decode: %v", call, body, err)
			}
		}
	})
}
