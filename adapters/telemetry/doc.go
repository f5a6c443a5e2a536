// Package telemetry is what people and machines see of the gateway from outside: its log lines, without secrets, and
// its Prometheus metrics. It holds no global state; what it counts it is told by functions that fit the observers of
// core/gateway and the adapters.
package telemetry
