package telemetry

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/paybridge/paybridge/ports"
)

// Stored is what the database knows. It is asked when the metrics are, so that it is true on every replica.
type Stored struct {
	OpenAlarms func(context.Context) (map[string]int, error) // by kind
	Endpoints  func(context.Context) ([]ports.EndpointStatus, error)
	NextDue    func(context.Context) (time.Time, error) // of the earliest unclaimed row; zero: nothing is due
	Now        func() time.Time                         // the clock that due times go by
}

// askFor is how long the database may take to answer one scrape.
const askFor = 3 * time.Second

// Stored adds the numbers that come from the database.
func (m *Metrics) Stored(s Stored) error { return m.registry.Register(s) }

var (
	openAlarms = prometheus.NewDesc("paybridge_open_alarms", "Alarms that nobody acknowledged, by kind.", []string{"kind"}, nil)
	waiting    = prometheus.NewDesc("paybridge_events_waiting_orders", "Orders with an event that the app's endpoint has not taken, by app.", []string{"app"}, nil)
	failing    = prometheus.NewDesc("paybridge_events_failing_seconds", "How long the oldest of them has failed, by app; 0 where none has.", []string{"app"}, nil)
	overdue    = prometheus.NewDesc("paybridge_work_overdue_seconds", "How long the longest waiting due row has waited; 0 when none waits.", nil, nil)
	scraped    = prometheus.NewDesc("paybridge_scrape_error", "1 when the database did not answer this scrape.", nil, nil)
)

// Describe names the metrics, for Prometheus.
func (s Stored) Describe(out chan<- *prometheus.Desc) {
	out <- openAlarms
	out <- waiting
	out <- failing
	out <- overdue
	out <- scraped
}

// Collect asks the database, for Prometheus.
func (s Stored) Collect(out chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), askFor)
	defer cancel()
	failed := 0.0
	byKind, err := s.OpenAlarms(ctx)
	if err != nil {
		failed = 1
	}
	for kind, n := range byKind {
		out <- prometheus.MustNewConstMetric(openAlarms, prometheus.GaugeValue, float64(n), kind)
	}
	endpoints, err := s.Endpoints(ctx)
	if err != nil {
		failed = 1
	}
	for _, e := range endpoints {
		since := 0.0
		if !e.FailingSince.IsZero() {
			since = max(0, s.Now().Sub(e.FailingSince).Seconds())
		}
		out <- prometheus.MustNewConstMetric(waiting, prometheus.GaugeValue, float64(e.Waiting), e.App)
		out <- prometheus.MustNewConstMetric(failing, prometheus.GaugeValue, since, e.App)
	}
	if due, err := s.NextDue(ctx); err != nil {
		failed = 1
	} else {
		waited := 0.0
		if !due.IsZero() {
			waited = max(0, s.Now().Sub(due).Seconds())
		}
		out <- prometheus.MustNewConstMetric(overdue, prometheus.GaugeValue, waited)
	}
	out <- prometheus.MustNewConstMetric(scraped, prometheus.GaugeValue, failed)
}
