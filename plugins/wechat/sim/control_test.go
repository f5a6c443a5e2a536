package sim_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/paybridge/paybridge/plugins/wechat/sim"
)

// control calls the control API as curl would.
func control(t testing.TB, url, method, path, body string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url+"/control/v1"+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

// TestControlAPI goes through every call once, in the order a person might.
func TestControlAPI(t *testing.T) {
	t.Parallel()
	s := stopped(t)
	c := newClient(t, s, "1900000001")
	server := httptest.NewServer(s.Control(sim.ControlOptions{}))
	t.Cleanup(server.Close)
	prepay := func(number string) func() {
		return func() { c.prepaid(number) }
	}
	refund := func(number string) func() {
		return func() {
			advance(t, s, 2*time.Minute)
			c.must(http.MethodPost, refundPath, c.back("CONTROL001", number, 10))
		}
	}
	for _, r := range []struct {
		before             func()
		method, path, body string
		status             int
		says               string
	}{
		{nil, "GET", "/health", "", 200, `"status":"ok"`},
		{nil, "GET", "/overview", "", 200, `"counts":{"callbacks":0,`},
		{nil, "GET", "/merchants", "", 200, `"mchid":"1900000002"`},
		{nil, "GET", "/users", "", 200, "oA1-alice"},
		{nil, "POST", "/users", `{"app_id":"wxa000000000000001","openid":"oNew","name":"dora"}`, 200, "oNew"},
		{nil, "POST", "/users", `{"app_id":"wx0","openid":"oNew2"}`, 400, "there is no app wx0"},
		{prepay("CONTROL001"), "POST", "/cancel", `{"out_trade_no":"CONTROL001"}`, 200, `"err_msg":"get_brand_wcpay_request:cancel"`},
		{nil, "POST", "/fail", `{"out_trade_no":"CONTROL001"}`, 200, `"trade_state":"NOTPAY"`},
		{nil, "POST", "/pay", `{"out_trade_no":"CONTROL001","openid":"oNew"}`, 409, `"code":"other_payer"`},
		{nil, "POST", "/pay", `{"out_trade_no":"CONTROL001"}`, 200, `"trade_state":"SUCCESS"`},
		{nil, "POST", "/pay", `{"out_trade_no":"CONTROL001"}`, 409, `"code":"already_paid"`},
		{nil, "POST", "/pay", `{"out_trade_no":"CONTROL009"}`, 404, `"code":"no_such_trade"`},
		{nil, "POST", "/pay", `{"number":"CONTROL001"}`, 400, `unknown field`},
		{nil, "POST", "/callbacks/CONTROL001/resend", `{"times":3}`, 200, `{"statuses":[0,0,0]}`},
		{nil, "POST", "/callbacks/CONTROL001/resend", `{"times":0}`, 400, "1 to 1000"},
		{nil, "POST", "/callbacks/CONTROL009/resend", "", 404, "not_found"},
		{nil, "GET", "/trades/CONTROL001", "", 200, `"transaction_id":"42`},
		{nil, "GET", "/trades/CONTROL001?mchid=1900000002", "", 400, "has no trade"},
		{nil, "GET", "/trades/CONTROL009", "", 404, "not_found"},
		{prepay("CONTROL002"), "POST", "/trades/CONTROL002/expire", "", 200, "expires_at"},
		{nil, "POST", "/pay", `{"out_trade_no":"CONTROL002"}`, 409, `"code":"trade_expired"`},
		{refund("R1"), "POST", "/refunds/R1/abnormal", "", 200, `"status":"ABNORMAL"`},
		{nil, "POST", "/refunds/R1/success", "", 200, `"status":"SUCCESS"`},
		{nil, "POST", "/refunds/R1/success", "", 400, "SUCCESS already"},
		{refund("R2"), "POST", "/refunds/R2/close", "", 200, `"status":"CLOSED"`},
		{nil, "POST", "/refunds/R9/close", "", 404, "not_found"},
		{nil, "POST", "/faults", `{"kind":"slow","delay":"1ms"}`, 200, `"id":"fault-1"`},
		{nil, "POST", "/faults", `{"kind":"nonsense"}`, 400, "there is no fault"},
		{nil, "PUT", "/faults", `[{"id":"mine","kind":"refusal","path":"/never"}]`, 200, `"rules":[{"id":"mine"`},
		{nil, "GET", "/faults", "", 200, `"kinds":{`},
		{nil, "DELETE", "/faults/mine", "", 200, `"rules":[]`},
		{nil, "DELETE", "/faults", "", 200, `"rules":[]`},
		{nil, "GET", "/clock", "", 200, `"speed":0`},
		{nil, "PUT", "/clock", `{"now":"2000-01-01T00:00:00Z"}`, 400, "forward only"},
		{nil, "PUT", "/clock", `{"speed":-1}`, 400, "between 0"},
		{nil, "PUT", "/clock", `{"speed":2,"now":"2100-01-01T00:00:00Z"}`, 200, `"now":"2100-01-01T`},
		{nil, "POST", "/clock/advance", `{"by":"2h"}`, 200, `"now":"2100-01-01T02`},
		{nil, "POST", "/clock/advance", `{"by":"soon"}`, 400, "invalid duration"},
		{nil, "POST", "/drain", "", 200, `"speed":2`},
		{nil, "GET", "/ledger", "", 200, `"out_trade_no":"CONTROL001"`},
		{nil, "GET", "/requests", "", 200, `"seq":1,`},
		{nil, "GET", "/requests?after=1", "", 200, `[{"seq":2,`},
		{nil, "GET", "/requests?after=99", "", 200, `[]`},
		{nil, "GET", "/requests?after=x", "", 400, "not a request's number"},
		{nil, "POST", "/reset", "", 200, "{}"},
		{nil, "GET", "/ledger", "", 200, `"trades":[]`},
	} {
		if r.before != nil {
			r.before()
		}
		if status, body := control(t, server.URL, r.method, r.path, r.body); status != r.status || !strings.Contains(body, r.says) {
			t.Errorf("%s %s %s: %d %s, want %d with %s", r.method, r.path, r.body, status, body, r.status, r.says)
		}
	}
}

// TestControlAPIInABrowser: only the allowed origin's page may call, and no form can.
func TestControlAPIInABrowser(t *testing.T) {
	t.Parallel()
	s := stopped(t)
	handler := s.Control(sim.ControlOptions{AllowOrigin: "http://127.0.0.1:8080"})
	for _, r := range []struct {
		name, method, origin, contentType string
		status                            int
		allowed                           string
	}{
		{"preflight of the page", "OPTIONS", "http://127.0.0.1:8080", "", 204, "http://127.0.0.1:8080"},
		{"the page", "POST", "http://127.0.0.1:8080", "application/json", 200, "http://127.0.0.1:8080"},
		{"preflight of another page", "OPTIONS", "http://evil.example", "", 405, ""},
		{"a form of another page", "POST", "http://evil.example", "text/plain", 415, ""},
		{"a form", "POST", "", "application/x-www-form-urlencoded", 415, ""},
	} {
		w := httptest.NewRecorder()
		request := httptest.NewRequest(r.method, "/control/v1/reset", nil)
		request.Header.Set("Origin", r.origin)
		request.Header.Set("Content-Type", r.contentType)
		handler.ServeHTTP(w, request)
		if w.Code != r.status || w.Header().Get("Access-Control-Allow-Origin") != r.allowed {
			t.Errorf("%s: %d, allowed %q", r.name, w.Code, w.Header().Get("Access-Control-Allow-Origin"))
		}
	}
}

// TestControlAPITellsNoSecrets: keys are in the keys folder, not on the wire.
func TestControlAPITellsNoSecrets(t *testing.T) {
	t.Parallel()
	s := stopped(t)
	server := httptest.NewServer(s.Control(sim.ControlOptions{}))
	t.Cleanup(server.Close)
	for _, path := range []string{"/health", "/merchants", "/users", "/ledger", "/clock", "/faults", "/overview", "/platform-certificates"} {
		_, body := control(t, server.URL, http.MethodGet, path, "")
		if !json.Valid([]byte(body)) {
			t.Errorf("%s: not JSON: %s", path, body)
		}
		for _, m := range s.Merchants() {
			if strings.Contains(body, m.APIv3Key) || strings.Contains(body, "PRIVATE KEY") {
				t.Errorf("%s tells a secret", path)
			}
		}
	}
}
