package sdk

import (
	"context"
	"fmt"
	"log/slog"
	"runtime"
	"runtime/debug"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// recoverUnary keeps a panic to the call it happened in. The host reads the error as INDETERMINATE, because the
// provider may have been asked before.
func recoverUnary(ctx context.Context, r any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (answer any, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = panicked(info.FullMethod, p)
		}
	}()
	return next(ctx, r)
}

func recoverStream(server any, s grpc.ServerStream, info *grpc.StreamServerInfo, next grpc.StreamHandler) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = panicked(info.FullMethod, p)
		}
	}()
	return next(server, s)
}

// panicked logs the stack. Of the panic's value it tells only what the runtime itself wrote: any other may hold data
// of a payer.
func panicked(method string, value any) error {
	what := fmt.Sprintf("%T", value)
	if e, ok := value.(runtime.Error); ok {
		what = e.Error()
	}
	slog.Error("a call panicked", "method", method, "panic", what, "stack", string(debug.Stack()))
	return status.Errorf(codes.Internal, "the plugin panicked in %s: %s", method, what)
}
