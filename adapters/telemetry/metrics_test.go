package telemetry

import (
	"context"
	"errors"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/paybridge/paybridge/core/pay"
	"github.com/paybridge/paybridge/ports"
)

func TestMetricsSayWhatHappened(t *testing.T) {
	t.Parallel()
	m := New("1.2.3")
	m.Request("public", "POST", "/v1/orders/{number}/payments", 201, 40*time.Millisecond)
	m.ProviderCall("wechat-jsapi", "create", pay.Outcome{Verdict: pay.Rejected, Reason: pay.RateLimited}, time.Second)
	m.ProviderTime("wechat-jsapi", -90*time.Second)
	m.Known = func(_, account string) bool { return account == "clinic" }
	m.Notification("wechat-jsapi", "clinic", "refused", "signature")
	m.Work(ports.KindRefund, 3)
	m.Event("shop", true)
	m.Event("shop", false)
	m.Breaker("clinic", true)
	m.Breaker("hospital", true)
	m.Breaker("hospital", false)
	if err := m.Plugins(Plugins{
		Status: func() []PluginStatus { return []PluginStatus{{Provider: "wechat-jsapi", Up: true, Restarts: 1}} },
		Samples: func(context.Context) []PluginSample {
			return []PluginSample{
				{Name: "plugin_calls_total", Labels: map[string]string{"provider": "wechat-jsapi", "call": "create"}, Value: 3, Counter: true},
				{Name: "not a name"},
			}
		},
	}); err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 3, 1, 9, 30, 0, 0, time.UTC)
	stored := Stored{
		OpenAlarms: func(context.Context) (map[string]int, error) { return map[string]int{pay.AlarmPaymentDisputed: 2}, nil },
		NextDue:    func(context.Context) (time.Time, error) { return now.Add(-90 * time.Second), nil },
		Now:        func() time.Time { return now },
		Endpoints: func(context.Context) ([]ports.EndpointStatus, error) {
			return []ports.EndpointStatus{{App: "shop", Waiting: 3, Failing: 1, FailingSince: now.Add(-time.Minute)}, {App: "clinic", Waiting: 1}}, nil
		},
	}
	if err := m.Stored(stored); err != nil {
		t.Fatal(err)
	}
	page := scrape(t, m)
	for _, want := range []string{
		`paybridge_build_info{version="1.2.3"} 1`,
		`paybridge_http_request_seconds_count{listener="public",method="POST",route="/v1/orders/{number}/payments",status="201"} 1`,
		`paybridge_provider_call_seconds_count{call="create",provider="wechat-jsapi",reason="rate_limited",verdict="rejected"} 1`,
		`paybridge_clock_offset_seconds{provider="wechat-jsapi"} -90`,
		`paybridge_notifications_total{account="clinic",cause="signature",provider="wechat-jsapi",verdict="refused"} 1`,
		`paybridge_work_claimed_total{kind="refund"} 3`,
		`paybridge_events_total{app="shop",taken="false"} 1`,
		`paybridge_account_breaker_open{account="clinic"} 1`,
		`paybridge_account_breaker_open{account="hospital"} 0`,
		`paybridge_plugin_restarts_total{provider="wechat-jsapi"} 1`,
		`paybridge_plugin_own_calls_total{call="create",provider="wechat-jsapi"} 3`,
		`paybridge_open_alarms{kind="payment.disputed"} 2`,
		`paybridge_events_waiting_orders{app="shop"} 3`,
		`paybridge_events_failing_seconds{app="shop"} 60`,
		`paybridge_events_failing_seconds{app="clinic"} 0`,
		`paybridge_work_overdue_seconds 90`,
		`paybridge_scrape_error 0`,
	} {
		if !strings.Contains(page, want+"\n") {
			t.Errorf("missing %s", want)
		}
	}
	if t.Failed() {
		t.Log(page)
	}
}

func TestTheDatabaseIsDown(t *testing.T) {
	t.Parallel()
	m := New("1")
	down := errors.New("down")
	if err := m.Stored(Stored{
		OpenAlarms: func(context.Context) (map[string]int, error) { return nil, down },
		NextDue:    func(context.Context) (time.Time, error) { return time.Time{}, down },
		Endpoints:  func(context.Context) ([]ports.EndpointStatus, error) { return nil, down },
		Now:        time.Now,
	}); err != nil {
		t.Fatal(err)
	}
	page := scrape(t, m)
	if !strings.Contains(page, "paybridge_scrape_error 1\n") || !strings.Contains(page, "go_goroutines") {
		t.Errorf("the rest is not told, or the failure is not:\n%s", page)
	}
}

func TestOnlyKnownAccountsAreLabels(t *testing.T) {
	t.Parallel()
	m := New("1")
	tell := func() {
		m.Notification("wechat-jsapi", "clinic", "applied", "")
		for _, madeUp := range []string{"clinic2", "", "\xff", "a\x00b", strings.Repeat("x", 1<<16)} {
			m.Notification("wechat-jsapi", madeUp, "unavailable", "plugin")
			m.Notification(madeUp, "clinic", "unavailable", "plugin")
		}
	}
	tell() // as nobody said which are known
	m.Known = func(provider, account string) bool { return provider == "wechat-jsapi" && account == "clinic" }
	tell()
	page := scrape(t, m)
	for _, want := range []string{
		`paybridge_notifications_total{account="clinic",cause="",provider="wechat-jsapi",verdict="applied"} 1`,
		`paybridge_notifications_total{account="other",cause="",provider="other",verdict="applied"} 1`,
		`paybridge_notifications_total{account="other",cause="plugin",provider="other",verdict="unavailable"} 20`,
	} {
		if !strings.Contains(page, want+"\n") {
			t.Errorf("missing %s", want)
		}
	}
	if n := strings.Count(page, "\npaybridge_notifications_total{"); n != 3 {
		t.Errorf("%d series, want 3:\n%s", n, page)
	}
}

func scrape(t *testing.T, m *Metrics) string {
	t.Helper()
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), "GET", "/metrics", nil))
	if w.Code != 200 {
		t.Fatalf("status %d: %s", w.Code, w.Body)
	}
	return w.Body.String()
}
