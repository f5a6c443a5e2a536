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
		if !errors.Is(err, errWouldChange) && !errors.Is(err, errAlarmed) && !errors.Is(err, errDiffers) { // the plan, or the list, has said it
			fmt.Fprintln(os.Stderr, "paybridge: "+err.Error())
		}
		os.Exit(exitCode(err))
	}
}

// exitCode is 2 where a person must change the configuration, 3 where a dry run found something to change, an alarm is open or a statement
// differs, and 1 for everything else.
func exitCode(err error) int {
	var invalid *config.Invalid
	var refused *ports.SettingsRefusal
	var wrong *pluginhost.ConfigError
	var rejected *rejected
	switch {
	case errors.As(err, &invalid), errors.As(err, &refused), errors.As(err, &wrong), errors.As(err, &rejected):
		return 2
	case errors.Is(err, errWouldChange), errors.Is(err, errAlarmed), errors.Is(err, errDiffers):
		return wouldChange
	}
	return 1
}
