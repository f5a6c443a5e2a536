package pluginhost

import (
	"context"

	pb "github.com/paybridge/paybridge/plugins/proto/providerv1"
)

// maxSamples is the most that is read of one plugin.
const maxSamples = 500

// Sample is one value of a plugin's own counters, named and labelled as in Prometheus' text format.
type Sample struct {
	Name    string
	Labels  map[string]string
	Value   float64
	Counter bool // it only grows while the process lives
}

// Samples asks each plugin for its counters (Diagnostics.Stats), labelled with its provider. One that does not answer
// within ctx, or has none, is left out.
func (h *Host) Samples(ctx context.Context) []Sample {
	h.mu.Lock()
	var up []*running
	var names []string
	for name, i := range h.instances {
		if r, _ := i.current(); r != nil {
			up, names = append(up, r), append(names, name)
		}
	}
	h.mu.Unlock()
	var out []Sample
	for n, r := range up {
		answer, err := pb.NewDiagnosticsClient(r.conn).Stats(ctx, &pb.StatsRequest{})
		if err != nil {
			continue
		}
		for _, s := range answer.GetSamples()[:min(len(answer.GetSamples()), maxSamples)] {
			labels := map[string]string{}
			for k, v := range s.GetLabels() {
				labels[clean(k, 64)] = clean(v, 64)
			}
			labels["provider"] = names[n]
			out = append(out, Sample{clean(s.GetName(), 64), labels, s.GetValue(), s.GetCounter()})
		}
	}
	return out
}
