package httpapi

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/gorilla/mux"

	"github.com/paybridge/paybridge/core/pay"
)

func TestClientAddress(t *testing.T) {
	t.Parallel()
	s := &service{proxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}}
	for _, row := range []struct {
		name, peer string
		forwarded  []string
		want       string
	}{
		{"no proxy", "203.0.113.7:1234", nil, "203.0.113.7"},
		{"a stranger who claims to be another", "203.0.113.7:1234", []string{"192.0.2.1"}, "203.0.113.7"},
		{"through a proxy", "10.0.0.1:1234", []string{"203.0.113.7"}, "203.0.113.7"},
		{"a payer who claims to be another, through a proxy", "10.0.0.1:1234", []string{"192.0.2.1, 203.0.113.7"}, "203.0.113.7"},
		{"through two proxies", "10.0.0.1:1234", []string{"192.0.2.1, 203.0.113.7, 10.0.0.2"}, "203.0.113.7"},
		{"in two headers", "10.0.0.1:1234", []string{"192.0.2.1", "203.0.113.7, 10.0.0.2"}, "203.0.113.7"},
		{"a proxy that says nothing", "10.0.0.1:1234", nil, "10.0.0.1"},
		{"a proxy that forwards nonsense", "10.0.0.1:1234", []string{"203.0.113.7, unknown"}, "10.0.0.1"},
		{"version 6", "[fd00::1]:1234", []string{"2001:db8::7"}, "2001:db8::7"},
		{"version 4 in 6", "[::ffff:10.0.0.1]:1234", []string{"::ffff:203.0.113.7"}, "203.0.113.7"},
		{"no address at all", "@", nil, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			r := httptest.NewRequestWithContext(t.Context(), "GET", "/", nil)
			r.RemoteAddr = row.peer
			r.Header["X-Forwarded-For"] = row.forwarded
			if got := s.client(r); got != row.want {
				t.Errorf("%q, want %q", got, row.want)
			}
		})
	}
}

func FuzzClientAddress(f *testing.F) {
	s := &service{proxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}
	f.Add("10.0.0.1:1", "203.0.113.7, 10.0.0.2")
	f.Add("[fe80::1%eth0]:1", "")
	f.Fuzz(func(t *testing.T, peer, forwarded string) {
		r := &http.Request{RemoteAddr: peer, Header: http.Header{"X-Forwarded-For": {forwarded}}}
		if got := s.client(r); got != "" {
			if _, err := netip.ParseAddr(got); err != nil {
				t.Errorf("%q is no address", got)
			}
		}
	})
}

func TestRequestIDs(t *testing.T) {
	t.Parallel()
	w := start(t)
	for given, echoed := range map[string]bool{
		"a-Z_0.9": true, strings.Repeat("x", 64): true, strings.Repeat("x", 65): false, "": false, "a b": false, `a"b`: false,
	} {
		r := w.call("", "GET", "/livez", "", "X-Request-Id", given)
		if got := r.header.Get("X-Request-Id"); (got == given) != echoed || got == "" {
			t.Errorf("%q became %q", given, got)
		}
	}
}

// TestR45_LogsSayWhatWasAskedAndNotByWhom holds the access log against everything in the requests that is not for it.
func TestR45_LogsSayWhatWasAskedAndNotByWhom(t *testing.T) {
	t.Parallel()
	w := start(t)
	order := w.order("REG-1")
	w.must(201, clinicKey, "POST", "/v1/orders/"+order+"/payments", `{"entry":"official-account","payer":{"openid":"openid-of-somebody"}}`)
	w.call("wrong-key", "GET", "/v1/orders/"+order, "")
	w.call(clinicKey, "GET", "/nowhere/secret-token?x=secret-query", "")
	log := w.log.String()
	for _, secret := range []string{clinicKey, "wrong-key", "openid-of-somebody", order, "prepay_id", "secret-token", "secret-query", "REG-1"} {
		if strings.Contains(log, secret) {
			t.Errorf("the log has %q:\n%s", secret, log)
		}
	}
	routes := map[string]string{}
	for lines := bufio.NewScanner(strings.NewReader(log)); lines.Scan(); {
		var line struct{ Method, Route, App, Code, Client string }
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			t.Fatal(err)
		}
		routes[line.Method+" "+line.Route] = line.App + " " + line.Code
		if line.Client != "127.0.0.1" {
			t.Errorf("client %q", line.Client)
		}
	}
	for call, want := range map[string]string{
		"POST /v1/orders":                   "clinic ",
		"POST /v1/orders/{number}/payments": "clinic ",
		"GET /v1/orders/{number}":           " unauthenticated",
		"GET ":                              " not_found",
	} {
		if routes[call] != want {
			t.Errorf("%s is logged with %q, want %q", call, routes[call], want)
		}
	}
}

func TestPanicsArePromptlyAnswered(t *testing.T) {
	t.Parallel()
	w := start(t, func(o *PublicOptions) {
		o.Mount = func(r *mux.Router) {
			r.HandleFunc("/boom/{token}", func(http.ResponseWriter, *http.Request) { panic(errors.New("kaboom")) })
			r.HandleFunc("/beyond/{token}", func(_ http.ResponseWriter, r *http.Request) { _ = r.URL.Path[len(r.URL.Path)] })
		}
	})
	r := w.call("", "GET", "/boom/1", "")
	if r.status != 500 || r.code() != "internal" || strings.Contains(r.text, "kaboom") {
		t.Errorf("%d %s", r.status, r.text)
	}
	if log := w.log.String(); !strings.Contains(log, `"panic":"*errors.errorString"`) || !strings.Contains(log, r.header.Get("X-Request-Id")) || !strings.Contains(log, "trace_test.go") {
		t.Errorf("the log does not tell the cause, the request and the place:\n%s", log)
	}
	if strings.Contains(w.log.String(), "kaboom") {
		t.Errorf("R45: the log has the panic's value, which may be a payer's:\n%s", w.log)
	}
	if seen := <-w.seen; seen.Route != "/boom/{token}" || seen.Status != 500 {
		t.Errorf("observed %+v", seen)
	}
	if w.call("", "GET", "/beyond/1", ""); !strings.Contains(w.log.String(), "index out of range") {
		t.Errorf("the log does not tell the runtime's own words:\n%s", w.log)
	}
}

func TestRoutesThatAreNone(t *testing.T) {
	t.Parallel()
	w := start(t)
	for _, row := range []struct {
		method, path string
		status       int
		allow        string
	}{
		{"GET", "/", 404, ""},
		{"GET", "/v1", 404, ""},
		{"GET", "/v1/orders/", 404, ""},
		{"GET", "/v1//orders", 404, ""},
		{"GET", "/v1/orders/1/close/2", 404, ""},
		{"GET", "/v1/../livez", 404, ""},
		{"GET", "/metrics", 404, ""},
		{"GET", "/admin/v1/alarms", 404, ""},
		{"DELETE", "/v1/orders", 405, "GET, POST"},
		{"GET", "/v1/orders/1/close", 405, "POST"},
		{"GET", "/notify/channel/hospital", 405, "POST"},
		{"POST", "/livez", 405, "GET, HEAD"},
		{"BREW", "/livez", 405, "GET, HEAD"},
	} {
		r := w.call(clinicKey, row.method, row.path, "")
		if r.status != row.status || r.header.Get("Allow") != row.allow || r.header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s %s: %d, allow %q, %s", row.method, row.path, r.status, r.header.Get("Allow"), r.text)
		}
	}
}

func TestBodiesAreBoundedAndOfTheirType(t *testing.T) {
	t.Parallel()
	w := start(t)
	const body = `{"reference":"r","amount":1,"description":"d"}`
	padded := body + strings.Repeat(" ", bodyLimit-len(body))
	for _, row := range []struct {
		name, path, body, contentType string
		status                        int
		code                          string
	}{
		{"as large as may be", "/v1/orders", padded, "application/json", 201, ""},
		{"a byte larger", "/v1/orders", padded + " ", "application/json", 413, "body_too_large"},
		{"with a charset", "/v1/orders", body, "Application/JSON; charset=UTF-8", 200, ""},
		{"in another charset", "/v1/orders", body, "application/json; charset=gbk", 415, "unsupported_media_type"},
		{"a form", "/v1/orders", "reference=r", "application/x-www-form-urlencoded", 415, "unsupported_media_type"},
		{"where none is taken", "/v1/orders/" + strings.Repeat("1", 32) + "/close", "{}", "application/json", 400, "invalid_request"},
	} {
		r := w.call(clinicKey, "POST", row.path, row.body, "Content-Type", row.contentType)
		if r.status != row.status || r.code() != row.code {
			t.Errorf("%s: %d %s", row.name, r.status, r.text)
		}
	}
	r := w.call(clinicKey, "GET", "/v1/orders?refrence=r", "")
	if r.status != 400 || !strings.Contains(r.text, "refrence") {
		t.Errorf("a misspelt parameter: %d %s", r.status, r.text)
	}
}

// TestANumberThatIsNoneIsNotLookedFor holds that what is no number never comes to the database, which is away here.
func TestANumberThatIsNoneIsNotLookedFor(t *testing.T) {
	t.Parallel()
	w := start(t)
	if err := w.db.Close(); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/v1/orders/%s", "/v1/payments/%s", "/v1/payments/%s/timeline", "/v1/refunds/%s"} {
		for _, number := range []string{"1", "%00", "%ff", strings.Repeat("1", 31) + "%0A", strings.Repeat("1", 33), strings.Repeat("a", 32), strings.Repeat("1", 10000)} {
			if r := w.call(clinicKey, "GET", strings.Replace(path, "%s", number, 1), ""); r.status != 404 || r.code() != "not_found" {
				t.Errorf("GET %s with %.40q: %d %s", path, number, r.status, r.text)
			}
		}
	}
	if r := w.call(clinicKey, "POST", "/v1/orders/%00/close", ""); r.status != 404 || r.code() != "not_found" {
		t.Errorf("close: %d %s", r.status, r.text)
	}
}

// TestMetricsAreByRoute holds that a request is counted by its template: a label for each number would be endless.
func TestMetricsAreByRoute(t *testing.T) {
	t.Parallel()
	w := start(t)
	w.call(clinicKey, "GET", "/v1/orders/"+strings.Repeat("1", 32), "")
	if seen := <-w.seen; seen.Listener != "public" || seen.Method != "GET" || seen.Route != "/v1/orders/{number}" || seen.Status != 404 {
		t.Errorf("observed %+v", seen)
	}
}

func TestServerIsBounded(t *testing.T) {
	t.Parallel()
	s := Server(http.NotFoundHandler(), slog.New(slog.NewTextHandler(io.Discard, nil)))
	if s.ReadHeaderTimeout == 0 || s.ReadTimeout == 0 || s.IdleTimeout == 0 || s.MaxHeaderBytes == 0 || s.WriteTimeout <= 2*pay.CallTime {
		t.Errorf("%+v", s)
	}
}

// TestACallerWhoHasGoneIsNoFault holds that nothing is alarmed about, or counted as ours, when a client hangs up.
func TestACallerWhoHasGoneIsNoFault(t *testing.T) {
	t.Parallel()
	log := &logged{}
	var seen Request
	s := &service{log: slog.New(slog.NewJSONHandler(log, nil)), observe: func(r Request) { seen = r }}
	ctx, cancel := context.WithCancel(t.Context())
	handler := s.traced("public", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		cancel()
		s.fail(w, r, errors.New("read order: context canceled"))
	}))
	handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(ctx, "GET", "/", nil))
	if seen.Status != statusCallerGone || strings.Contains(log.String(), "ERROR") {
		t.Errorf("observed %+v, logged %s", seen, log)
	}
}
