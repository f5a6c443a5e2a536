package telemetry

import (
	"database/sql"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/paybridge/paybridge/core/pay"
	"github.com/paybridge/paybridge/ports"
)

// Metrics is one gateway's metrics, in a registry of their own. Its methods are safe for concurrent use and fit the
// observers of core/gateway, adapters/httpapi and adapters/pluginhost.
type Metrics struct {
	// Known says which accounts are configured here, by provider and account. It is set before anything is served;
	// while it is nil, no account is known.
	Known func(provider, account string) bool

	registry *prometheus.Registry

	requests      *prometheus.HistogramVec
	calls         *prometheus.HistogramVec
	notifications *prometheus.CounterVec
	claimed       *prometheus.CounterVec
	events        *prometheus.CounterVec
	breakers      *prometheus.GaugeVec
	clock         *prometheus.GaugeVec
}

// New makes the metrics, with those of the Go runtime and the process. version is the gateway's.
func New(version string) *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "paybridge_http_request_seconds", Help: "Requests answered, by listener, method, route template and status.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 25},
		}, []string{"listener", "method", "route", "status"}),
		calls: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "paybridge_provider_call_seconds", Help: "Calls to providers, plugin hop included, by provider, call, verdict and reason.",
			Buckets: []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
		}, []string{"provider", "call", "verdict", "reason"}),
		notifications: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "paybridge_notifications_total", Help: "Providers' messages, by what became of them and why they were refused.",
		}, []string{"provider", "account", "verdict", "cause"}),
		claimed: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "paybridge_work_claimed_total", Help: "Due rows that this replica took to work on, by kind.",
		}, []string{"kind"}),
		events: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "paybridge_events_total", Help: "Events sent to apps' endpoints, by app and whether they were taken.",
		}, []string{"app", "taken"}),
		breakers: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "paybridge_account_breaker_open", Help: "1 while this replica's work leaves the account alone, since it does not get through to its provider.",
		}, []string{"account"}),
		clock: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "paybridge_clock_offset_seconds", Help: "The provider's clock minus ours, at its last answer. WeChat refuses more than 300.",
		}, []string{"provider"}),
	}
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "paybridge_build_info", Help: "1; the label says which version runs.", ConstLabels: prometheus.Labels{"version": version},
	})
	build.Set(1)
	m.registry.MustRegister(m.requests, m.calls, m.notifications, m.claimed, m.events, m.breakers, m.clock, build,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// Handler serves the metrics in Prometheus' format. A database that is down is told in paybridge_scrape_error and
// hides nothing else.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{ErrorHandling: promhttp.ContinueOnError, MaxRequestsInFlight: 4})
}

// Request counts an answered request. route is a template, never a path; empty where none matched.
func (m *Metrics) Request(listener, method, route string, status int, took time.Duration) {
	m.requests.WithLabelValues(listener, method, route, strconv.Itoa(status)).Observe(took.Seconds())
}

// ProviderCall counts a call to a provider.
func (m *Metrics) ProviderCall(provider, call string, o pay.Outcome, took time.Duration) {
	m.calls.WithLabelValues(provider, call, o.Verdict.String(), string(o.Reason)).Observe(took.Seconds())
}

// ProviderTime notes the provider's clock minus ours.
func (m *Metrics) ProviderTime(provider string, offset time.Duration) {
	m.clock.WithLabelValues(provider).Set(offset.Seconds())
}

// Notification counts a provider's message. Provider and account come from a path that anybody can write, in any
// bytes and length: those that are not Known count as "other".
func (m *Metrics) Notification(provider, account, verdict, cause string) {
	if m.Known == nil || !m.Known(provider, account) {
		provider, account = "other", "other"
	}
	m.notifications.WithLabelValues(provider, account, verdict, cause).Inc()
}

// Work counts due rows that were claimed.
func (m *Metrics) Work(kind ports.Kind, claimed int) {
	m.claimed.WithLabelValues(string(kind)).Add(float64(claimed))
}

// Event counts an event that was sent to an app's endpoint.
func (m *Metrics) Event(app string, taken bool) {
	m.events.WithLabelValues(app, strconv.FormatBool(taken)).Inc()
}

// Breaker notes that an account's circuit breaker opened or closed.
func (m *Metrics) Breaker(account string, open bool) {
	value := 0.0
	if open {
		value = 1
	}
	m.breakers.WithLabelValues(account).Set(value)
}

// Database adds the numbers of a connection pool, under its name.
func (m *Metrics) Database(name string, db *sql.DB) error {
	return m.registry.Register(collectors.NewDBStatsCollector(db, name))
}
