// Package httpapi is the gateway's HTTP: the public listener (API v1, the providers' notifications, liveness) and the
// admin listener (metrics, readiness in detail, alarms).
//
// openapi.yaml is the contract: types and routes are generated from it, the scope that each call needs and the form
// of each request are read from it at start, and tests hold every answer against it. What a request means is decided
// by core/gateway; here it is only read and answered.
package httpapi
