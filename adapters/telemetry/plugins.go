package telemetry

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
)

// Plugins is what the plugin host knows. It is asked when the metrics are.
type Plugins struct {
	Status  func() []PluginStatus
	Samples func(context.Context) []PluginSample
}

// PluginStatus is how one plugin is doing.
type PluginStatus struct {
	Provider string
	Up       bool
	Restarts int // processes started again after one ended by itself
	InFlight int
}

// PluginSample is one of a plugin's own counters or gauges.
type PluginSample struct {
	Name    string
	Labels  map[string]string
	Value   float64
	Counter bool
}

// Plugins adds the numbers of the plugins.
func (m *Metrics) Plugins(p Plugins) error { return m.registry.Register(p) }

var (
	pluginUp       = prometheus.NewDesc("paybridge_plugin_up", "1 while the provider's plugin process runs and answers.", []string{"provider"}, nil)
	pluginRestarts = prometheus.NewDesc("paybridge_plugin_restarts_total", "Plugin processes started again after they ended by themselves, by provider.", []string{"provider"}, nil)
	pluginInFlight = prometheus.NewDesc("paybridge_plugin_calls_in_flight", "Calls that the provider's plugin is working on.", []string{"provider"}, nil)
)

// Describe says nothing: which metrics there are depends on the plugins, so the collector is an unchecked one.
func (Plugins) Describe(chan<- *prometheus.Desc) {}

// Collect asks the host, for Prometheus.
func (p Plugins) Collect(out chan<- prometheus.Metric) {
	for _, s := range p.Status() {
		up := 0.0
		if s.Up {
			up = 1
		}
		out <- prometheus.MustNewConstMetric(pluginUp, prometheus.GaugeValue, up, s.Provider)
		out <- prometheus.MustNewConstMetric(pluginRestarts, prometheus.CounterValue, float64(s.Restarts), s.Provider)
		out <- prometheus.MustNewConstMetric(pluginInFlight, prometheus.GaugeValue, float64(s.InFlight), s.Provider)
	}
	ctx, cancel := context.WithTimeout(context.Background(), askFor)
	defer cancel()
	for _, s := range p.Samples(ctx) {
		kind := prometheus.GaugeValue
		if s.Counter {
			kind = prometheus.CounterValue
		}
		names := slices.Sorted(maps.Keys(s.Labels))
		values := make([]string, len(names))
		for i, name := range names {
			values[i] = s.Labels[name]
		}
		// What a plugin names is not ours to trust: a name that is none is left out, not a failed scrape.
		if metric, err := prometheus.NewConstMetric(prometheus.NewDesc("paybridge_plugin_own_"+strings.TrimPrefix(s.Name, "plugin_"), "The plugin's own.", names, nil), kind, s.Value, values...); err == nil {
			out <- metric
		}
	}
}
