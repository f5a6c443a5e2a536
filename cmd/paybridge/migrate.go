package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"
)

func migrateCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "migrate",
		Short: "Bring the database to this version's form, while no gateway runs",
		Long: `Applies the migrations that the database has not seen, in order, each in a transaction. It goes forward only.
It refuses while a gateway uses the database: stop it, or, with several replicas, all of them.`,
		Example: "  paybridge migrate --config paybridge.yaml",
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
			if err := s.Exclusive(cmd.Context()); err != nil {
				return err
			}
			if err := s.Migrate(cmd.Context()); err != nil {
				return err
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), "The database is up to date.")
			return err
		},
	}
	configFlags(cmd)
	return cmd
}
