package sdk

import (
	"context"
	"path"
	"runtime"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/status"

	pb "github.com/paybridge/paybridge/plugins/proto/providerv1"
)

// meter counts calls by method and result, and sums their time. The host reads it by Diagnostics.Stats and shows it
// beside its own numbers; what lies between the two is the hop.
type meter struct {
	mu     sync.Mutex
	calls  map[callKey]callSum
	flying int
}

type callKey struct{ method, result string }

type callSum struct {
	count   int64
	seconds float64
}

func newMeter() *meter { return &meter{calls: map[callKey]callSum{}} }

func (m *meter) unary(ctx context.Context, r any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
	done := m.start(info.FullMethod)
	answer, err := next(ctx, r)
	done(resultOf(answer, err))
	return answer, err
}

func (m *meter) stream(server any, s grpc.ServerStream, info *grpc.StreamServerInfo, next grpc.StreamHandler) error {
	done := m.start(info.FullMethod)
	err := next(server, s)
	done(resultOf(nil, err))
	return err
}

func (m *meter) start(method string) (done func(result string)) {
	begun := time.Now()
	m.mu.Lock()
	m.flying++
	m.mu.Unlock()
	return func(result string) {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.flying--
		k := callKey{path.Base(method), result}
		s := m.calls[k]
		s.count++
		s.seconds += time.Since(begun).Seconds()
		m.calls[k] = s
	}
}

// resultOf is the verdict of an answer that has one, else the gRPC code.
func resultOf(answer any, err error) string {
	if err != nil {
		return status.Code(err).String()
	}
	if o, ok := answer.(interface{ GetOutcome() *pb.Outcome }); ok {
		return o.GetOutcome().GetVerdict().String()
	}
	return "OK"
}

func (m *meter) samples() []*pb.Sample {
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	m.mu.Lock()
	defer m.mu.Unlock()
	out := []*pb.Sample{
		{Name: "plugin_calls_in_flight", Value: float64(m.flying)},
		{Name: "plugin_goroutines", Value: float64(runtime.NumGoroutine())},
		{Name: "plugin_heap_bytes", Value: float64(memory.HeapAlloc)},
	}
	for k, s := range m.calls {
		labels := map[string]string{"method": k.method, "result": k.result}
		out = append(out,
			&pb.Sample{Name: "plugin_calls_total", Labels: labels, Value: float64(s.count), Counter: true},
			&pb.Sample{Name: "plugin_call_seconds_total", Labels: labels, Value: s.seconds, Counter: true})
	}
	return out
}

type diagnosticsServer struct {
	pb.UnimplementedDiagnosticsServer
	meter *meter
}

func (s *diagnosticsServer) Stats(context.Context, *pb.StatsRequest) (*pb.StatsResponse, error) {
	return &pb.StatsResponse{Samples: s.meter.samples()}, nil
}
