package e2e

import (
	"compress/gzip"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	traces "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// spans is a collector of OpenTelemetry's traces.
type spans struct {
	mu   sync.Mutex
	all  []*traces.Span
	text strings.Builder
}

func (s *spans) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body := io.Reader(r.Body)
	if r.Header.Get("Content-Encoding") == "gzip" {
		unzipped, err := gzip.NewReader(r.Body)
		if err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		body = unzipped
	}
	raw, err := io.ReadAll(body)
	var sent collector.ExportTraceServiceRequest
	if err = errors.Join(err, proto.Unmarshal(raw, &sent)); err != nil || r.URL.Path != "/v1/traces" {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.text.Write(raw)
	for _, of := range sent.GetResourceSpans() {
		for _, scope := range of.GetScopeSpans() {
			s.all = append(s.all, scope.GetSpans()...)
		}
	}
	w.Header().Set("Content-Type", "application/x-protobuf")
}

// under is the names of the spans of a trace, each behind the names of those that it lies in.
func (s *spans) under(trace string) (paths []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	byID := map[string]*traces.Span{}
	for _, span := range s.all {
		if hex.EncodeToString(span.GetTraceId()) == trace {
			byID[string(span.GetSpanId())] = span
		}
	}
	for _, span := range byID {
		path := span.GetName()
		for up := byID[string(span.GetParentSpanId())]; up != nil; up = byID[string(up.GetParentSpanId())] {
			path = up.GetName() + " > " + path
		}
		paths = append(paths, path)
	}
	return paths
}

// A request is followed through core, the plugin and the store, below the caller's own span; and neither key nor person is
// in what is exported (R45).
func TestR45_TracesThroughThePlugin(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		w := newWorld(t, db)
		seen := &spans{}
		at := serve(t, seen.ServeHTTP)
		w.start(func(l *launching) {
			l.env = append(l.env, "OTEL_EXPORTER_OTLP_ENDPOINT="+at, "OTEL_BSP_SCHEDULE_DELAY=50")
		})
		order := w.order("visit-1", 100)
		const trace = "4bf92f3577b34da6a3ce929d0e0e4736"
		w.gateways[0].client.Transport = traced{w.gateways[0].client.Transport, "00-" + trace + "-00f067aa0ba902b7-01"}
		payment := w.pay(order).Number
		const root = "POST /v1/orders/{number}/payments"
		await(t, "the spans come", func() error {
			paths := seen.under(trace)
			for _, want := range []string{root, root + " > store transaction", root + " > provider create", root + " > provider create > plugin/CreatePayment"} {
				if !slices.Contains(paths, want) {
					return errors.New("there is no " + want + " in " + strings.Join(paths, ", "))
				}
			}
			return nil
		})
		w.tap(payment)
		w.awaitState("/v1/orders/"+order, "paid")
		w.gateways[0].stop()
		w.wantNoSecret("the traces", seen.text.String())
		if !strings.Contains(seen.text.String(), payment) {
			t.Error("no span names the payment")
		}
	})
}

// traced is an app that traces.
type traced struct {
	next   http.RoundTripper
	parent string
}

func (t traced) RoundTrip(r *http.Request) (*http.Response, error) {
	r.Header.Set("traceparent", t.parent)
	return t.next.RoundTrip(r)
}
