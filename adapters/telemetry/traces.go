package telemetry

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// Traces follow a request from HTTP through core, the plugin and the store (OpenTelemetry). Its methods fit the hooks of
// core/gateway and the adapters. A span has a name, a number and whether it failed; no parameter, no body, no person.
type Traces struct {
	provider *sdktrace.TracerProvider
	tracer   trace.Tracer
	carried  propagation.TraceContext
}

// NewTraces makes traces that are exported by OTLP, as OpenTelemetry's environment variables say: endpoint, protocol
// (http/protobuf or grpc), headers, sampler. Where they name no endpoint there are none, and it returns nil: then nothing
// is hooked in, and nothing is paid for it.
func NewTraces(ctx context.Context, version string, getenv func(string) string) (*Traces, error) {
	first := func(names ...string) string {
		for _, name := range names {
			if value := getenv(name); value != "" {
				return value
			}
		}
		return ""
	}
	endpoint := first("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
	if endpoint == "" || strings.EqualFold(getenv("OTEL_SDK_DISABLED"), "true") || getenv("OTEL_TRACES_EXPORTER") == "none" {
		return nil, nil //nolint:nilnil // off is a good answer
	}
	var client otlptrace.Client
	switch protocol := first("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"); protocol {
	case "", "http/protobuf":
		client = otlptracehttp.NewClient()
	case "grpc":
		client = otlptracegrpc.NewClient()
	default:
		return nil, fmt.Errorf("OTEL_EXPORTER_OTLP_PROTOCOL is %q; it may be http/protobuf or grpc", protocol)
	}
	exporter, err := otlptrace.New(ctx, client)
	if err != nil {
		return nil, fmt.Errorf("export traces: %w", err)
	}
	named, err := resource.New(ctx,
		resource.WithAttributes(attribute.String("service.name", "paybridge"), attribute.String("service.version", version)),
		resource.WithTelemetrySDK(), resource.WithFromEnv()) // OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES win
	if err != nil {
		return nil, fmt.Errorf("name the service for traces: %w", err)
	}
	provider := sdktrace.NewTracerProvider(sdktrace.WithBatcher(exporter), sdktrace.WithResource(named))
	return &Traces{provider: provider, tracer: provider.Tracer("github.com/paybridge/paybridge")}, nil
}

// Close sends what is left.
func (t *Traces) Close(ctx context.Context) error { return t.provider.Shutdown(ctx) }

// Span begins a part of a trace, or a trace. number is the order, payment or refund that it is about; empty: none.
func (t *Traces) Span(ctx context.Context, name, number string) (inside context.Context, end func(error)) {
	ctx, span := t.tracer.Start(ctx, name)
	if number != "" {
		span.SetAttributes(attribute.String("paybridge.number", number))
	}
	return ctx, ending(span)
}

// Inside begins a part of a trace where there is one: what the background does every second makes none.
func (t *Traces) Inside(ctx context.Context, name string) (inside context.Context, end func(error)) {
	if !trace.SpanContextFromContext(ctx).IsValid() {
		return ctx, func(error) {}
	}
	ctx, span := t.tracer.Start(ctx, name)
	return ctx, ending(span)
}

// ending ends a span. What an error says is in the log, which looks for secrets; a span says that there was one.
func ending(span trace.Span) func(error) {
	return func(err error) {
		if err != nil {
			span.SetStatus(codes.Error, "see the log")
		}
		span.End()
	}
}

// Request begins the span of a request, below the caller's where it names one (traceparent).
func (t *Traces) Request(r *http.Request) (inside context.Context, end func(method, route string, status int)) {
	ctx := t.carried.Extract(r.Context(), propagation.HeaderCarrier(r.Header))
	ctx, span := t.tracer.Start(ctx, "request", trace.WithSpanKind(trace.SpanKindServer))
	return ctx, func(method, route string, code int) {
		span.SetName(strings.TrimSpace(method + " " + route))
		span.SetAttributes(attribute.String("http.request.method", method), attribute.String("http.route", route), attribute.Int("http.response.status_code", code))
		if code >= http.StatusInternalServerError {
			span.SetStatus(codes.Error, "")
		}
		span.End()
	}
}

// PluginCalls makes a span of each call to a plugin that is part of a trace, and tells the plugin of it (traceparent).
func (t *Traces) PluginCalls() grpc.DialOption {
	return grpc.WithChainUnaryInterceptor(func(ctx context.Context, method string, request, answer any, conn *grpc.ClientConn, invoke grpc.UnaryInvoker, options ...grpc.CallOption) error {
		if !trace.SpanContextFromContext(ctx).IsValid() {
			return invoke(ctx, method, request, answer, conn, options...)
		}
		ctx, span := t.tracer.Start(ctx, "plugin"+method[strings.LastIndexByte(method, '/'):], trace.WithSpanKind(trace.SpanKindClient))
		defer span.End()
		carrier := propagation.MapCarrier{}
		t.carried.Inject(ctx, carrier)
		for name, value := range carrier {
			ctx = metadata.AppendToOutgoingContext(ctx, name, value)
		}
		err := invoke(ctx, method, request, answer, conn, options...)
		span.SetAttributes(attribute.String("rpc.grpc.status_code", status.Code(err).String()))
		if err != nil {
			span.SetStatus(codes.Error, "see the log")
		}
		return err
	})
}
