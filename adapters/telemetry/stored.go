package telemetry

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Stored is what the database knows. It is asked when the metrics are, so that it is true on every replica.
type Stored struct {
	OpenAlarms func(context.Context) (map[string]int, error) // by kind
	NextDue    func(context.Context) (time.Time, error)      // of the earliest unclaimed row; zero: nothing is due
	Now        func() time.Time                              // the clock that due times go by
}

// askFor is how long the database may take to answer one scrape.
const askFor = 3 * time.Second

// Stored adds the numbers that come from the database.
func (m *Metrics) Stored(s Stored) error { return m.registry.Register(s) }

var (
	openAlarms = prometheus.NewDesc("paybridge_open_alarms", "Alarms that nobody acknowledged, by kind.", []string{"kind"}, nil)
	overdue    = prometheus.NewDesc("paybridge_work_overdue_seconds", "How long the longest waiting due row has waited; 0 when none waits.", nil, nil)
	scraped    = prometheus.NewDesc("paybridge_scrape_error", "1 when the database did not answer this scrape.", nil, nil)
)

// Describe names the metrics, for Prometheus.
func (s Stored) Describe(out chan<- *prometheus.Desc) {
	out <- openAlarms
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
