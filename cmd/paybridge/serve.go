package main

import (
	"context"
	"errors"

	"github.com/spf13/cobra"
)

func serveCommand() *cobra.Command {
	var hold bool
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run the gateway",
		Long: `Serves the API and the providers' notifications on listen.public, metrics and readiness on listen.admin, and
works on what is due, until SIGTERM or SIGINT. Calls in flight get shutdown_grace to end; what is unfinished
then is a row with a due time, and goes on after the next start.

On start the apps, entries and accounts of the configuration are applied, once per content. Exit code 2 says
that the configuration must be changed: stored payments still need what it leaves out.`,
		Example: "  paybridge serve --config paybridge.yaml\n  paybridge serve --config paybridge.yaml --hold   # after a restore: no refunds, no events",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := loadConfig(cmd)
			if err != nil {
				return err
			}
			o := options{hold: hold, logTo: cmd.ErrOrStderr()}
			s, err := open(cmd.Context(), cfg, o)
			if err != nil {
				return err
			}
			return errors.Join(s.serve(cmd.Context(), o), s.close(context.WithoutCancel(cmd.Context())))
		},
	}
	configFlags(cmd)
	cmd.Flags().BoolVar(&hold, "hold", false, "send no refunds, and no events to apps, until it is started without")
	return cmd
}
