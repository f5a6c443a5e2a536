package telemetry

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

func TestTracesAreOffUntilTheEnvironmentSaysWhereTheyGo(t *testing.T) {
	t.Parallel()
	const endpoint = "http://127.0.0.1:1"
	for _, row := range []struct {
		name  string
		env   map[string]string
		on    bool
		fails bool
	}{
		{name: "nothing is said"},
		{name: "an endpoint", env: map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint}, on: true},
		{name: "an endpoint of traces", env: map[string]string{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": endpoint}, on: true},
		{name: "by grpc", env: map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, on: true},
		{name: "by what is not there", env: map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, "OTEL_EXPORTER_OTLP_PROTOCOL": "http/json"}, fails: true},
		{name: "no exporter", env: map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, "OTEL_TRACES_EXPORTER": "none"}},
		{name: "disabled", env: map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, "OTEL_SDK_DISABLED": "true"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			traces, err := NewTraces(t.Context(), "1", func(name string) string { return row.env[name] })
			if (err != nil) != row.fails || (traces != nil) != row.on {
				t.Fatalf("traces %v, %v", traces, err)
			}
			if traces == nil {
				return
			}
			if err := traces.Close(t.Context()); err != nil { // nothing was traced, so nothing is sent
				t.Error(err)
			}
		})
	}
}

// What the background does makes no trace, and a caller's traceparent that is none is no fault.
func TestInsideATrace(t *testing.T) {
	t.Parallel()
	traces, err := NewTraces(t.Context(), "1", func(name string) string {
		return map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"}[name]
	})
	if err != nil {
		t.Fatal(err)
	}
	if ctx, end := traces.Inside(t.Context(), "x"); ctx != t.Context() {
		t.Error("a trace began")
	} else {
		end(nil)
	}
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
	r.Header.Set("traceparent", "nonsense")
	ctx, end := traces.Request(r)
	if inside, endInside := traces.Inside(ctx, "x"); inside == ctx {
		t.Error("the request is no trace")
	} else {
		endInside(nil)
	}
	end("GET", "/x", 200)
}
