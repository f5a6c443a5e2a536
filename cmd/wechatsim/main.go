// Command wechatsim plays WeChat Pay on this machine: signed answers, encrypted callbacks, faults on demand.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := root().ExecuteContext(ctx); err != nil {
		stop()
		os.Exit(1)
	}
}
