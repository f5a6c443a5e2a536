// Package ports is what the use cases ask of the world, in core's types. It knows no gRPC, no SQL and no HTTP. Each
// port has one contract suite that all of its adapters pass.
package ports
