package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"
)

func secretsCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "secrets", Short: "Look after what the database keeps encrypted"}
	cmd.AddCommand(resealCommand())
	return cmd
}

func resealCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "reseal",
		Short: "Encrypt everything that an older key of secrets.keys encrypted with the first one",
		Long: `Callback bodies, their facts, the channels' own memory of payments and the secrets that operators gave at run time are
encrypted in the database. To change the key:

  1. Add the new key to secrets.keys, second, on every gateway, and restart them: all can read what it will encrypt.
  2. Make it the first, and restart them: what is new is encrypted with it.
  3. paybridge secrets reseal: what is old is encrypted with it too.
  4. Take the old key out of secrets.keys, and restart.

It may be stopped at any time and run again. On PostgreSQL gateways may run meanwhile; SQLite belongs to one process, so
the gateway must be stopped for it.`,
		Example: "  paybridge secrets reseal --config paybridge.yaml",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			cfg, err := loadConfig(cmd)
			if err != nil {
				return err
			}
			s, err := openStore(cmd.Context(), cfg, nil)
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, s.Close()) }()
			key := cfg.Secrets.Keys[0].ID
			n, err := s.Reseal(cmd.Context(), func(n int64) {
				_, _ = fmt.Fprintf(cmd.ErrOrStderr(), "%d values are encrypted again\n", n) // only to watch
			})
			if err != nil {
				return fmt.Errorf("%w; %d values are encrypted again, and the command goes on from there: keep all keys", err, n)
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "Everything is encrypted with key %s; %d values were with an older one, which can go.\n", key, n)
			return err
		},
	}
	configFlags(cmd)
	return cmd
}
