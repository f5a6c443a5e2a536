// Command paybridge is the payment gateway: one HTTP API, one plugin process per pay channel.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/paybridge/paybridge/adapters/config"
	"github.com/paybridge/paybridge/adapters/pluginhost"
	"github.com/paybridge/paybridge/ports"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := root().ExecuteContext(ctx); err != nil {
		stop()
		fmt.Fprintln(os.Stderr, "paybridge: "+err.Error())
		os.Exit(exitCode(err))
	}
}

// exitCode is 2 where a person must change the configuration, and 1 for everything else.
func exitCode(err error) int {
	var invalid *config.Invalid
	var refused *ports.SettingsRefusal
	var wrong *pluginhost.ConfigError
	if errors.As(err, &invalid) || errors.As(err, &refused) || errors.As(err, &wrong) {
		return 2
	}
	return 1
}
