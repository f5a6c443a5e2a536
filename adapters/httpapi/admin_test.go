package httpapi

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/paybridge/paybridge/core/pay"
)

func TestAdmin(t *testing.T) {
	t.Parallel()
	const token = "the-admin-token"
	log := &logged{}
	checks := []Check{{Name: "store", OK: true, Blocks: true}, {Name: "plugin wechat-jsapi", Detail: "restarting"}}
	w := start(t)
	if err := w.db.RaiseAlarm(t.Context(), pay.Alarm{Kind: pay.AlarmPaymentDisputed, Number: "1", What: "what"}, time.Now()); err != nil {
		t.Fatal(err)
	}
	admin, err := Admin(AdminOptions{
		Token:   token,
		Metrics: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "metrics") }),
		Checks:  func(context.Context) []Check { return checks },
		Gateway: w.gateway,
		Log:     slog.New(slog.NewTextHandler(log, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	ask := func(method, path, authorization string) *httptest.ResponseRecorder {
		r := httptest.NewRequestWithContext(t.Context(), method, path, nil)
		if authorization != "" {
			r.Header.Set("Authorization", authorization)
		}
		w := httptest.NewRecorder()
		admin.ServeHTTP(w, r)
		return w
	}
	for _, path := range []string{"/metrics", "/readyz", "/admin/v1/alarms", "/nowhere"} {
		for _, wrong := range []string{"", "Bearer", "Bearer the-admin-toke", "Bearer the-admin-token2", "Basic " + token, token} {
			if w := ask("GET", path, wrong); w.Code != 401 || w.Header().Get("WWW-Authenticate") == "" {
				t.Errorf("%s with %q: %d", path, wrong, w.Code)
			}
		}
	}
	bearer := "Bearer " + token
	if w := ask("GET", "/metrics", bearer); w.Code != 200 || w.Body.String() != "metrics" {
		t.Errorf("metrics: %d %s", w.Code, w.Body)
	}
	if w := ask("GET", "/nowhere", bearer); w.Code != 404 || w.Header().Get("Content-Type") != "application/problem+json" {
		t.Errorf("nowhere: %d %s", w.Code, w.Body)
	}
	if w := ask("POST", "/metrics", bearer); w.Code != 405 {
		t.Errorf("a POST of the metrics: %d", w.Code)
	}
	if w := ask("GET", "/admin/v1/alarms", bearer); w.Code != 200 || !strings.HasPrefix(w.Body.String(), `{"open":{"payment.disputed":1},"alarms":[{"id":1,`) {
		t.Errorf("alarms: %d %s", w.Code, w.Body)
	}
	if err := w.db.Close(); err != nil {
		t.Fatal(err)
	} else {
		if w := ask("GET", "/admin/v1/alarms", bearer); w.Code != 500 || strings.Contains(w.Body.String(), "down") {
			t.Errorf("alarms without a database: %d %s", w.Code, w.Body)
		}
	}
	var ready struct {
		Ready  bool
		Checks []Check
	}
	answer := ask("GET", "/readyz", bearer)
	if err := json.Unmarshal(answer.Body.Bytes(), &ready); err != nil || answer.Code != 200 || !ready.Ready || len(ready.Checks) != 2 || ready.Checks[1].Detail != "restarting" {
		t.Errorf("a plugin that is away does not take the others' traffic: %d %s", answer.Code, answer.Body)
	}
	checks[0].OK = false
	if w := ask("GET", "/readyz", bearer); w.Code != 503 || !strings.Contains(w.Body.String(), `"ready":false`) {
		t.Errorf("without a store: %d %s", w.Code, w.Body)
	}
	if strings.Contains(log.String(), token) {
		t.Error("the log has the token")
	}
}

func TestReadiness(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name   string
		checks []Check
		status int
		word   string
	}{
		{"nothing to check", nil, 200, "yes\n"},
		{"all is well", []Check{{Name: "store", OK: true, Blocks: true}}, 200, "yes\n"},
		{"a part is away", []Check{{Name: "plugin a", Detail: "secretly broken"}}, 200, "yes\n"},
		{"R39 the clock is off", []Check{{Name: "clock", Blocks: true, Detail: "secretly broken"}}, 503, "no\n"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			w := start(t, func(o *PublicOptions) { o.Checks = func(context.Context) []Check { return row.checks } })
			if r := w.call("", "GET", "/readyz", ""); r.status != row.status || r.text != row.word {
				t.Errorf("%d %s", r.status, r.text)
			}
			if r := w.call("", "GET", "/livez", ""); r.status != 200 || r.text != "yes\n" {
				t.Errorf("alive: %d %s", r.status, r.text)
			}
		})
	}
}
