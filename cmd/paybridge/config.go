package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/paybridge/paybridge/adapters/config"
)

// configFlags gives a command the flags of the configuration.
func configFlags(cmd *cobra.Command) {
	cmd.Flags().String("config", os.Getenv("PAYBRIDGE_CONFIG"), "the configuration, YAML (also PAYBRIDGE_CONFIG)")
	config.AddFlags(cmd.Flags())
}

// loadConfig reads file, environment and flags. Relative paths in the file start at its own folder.
func loadConfig(cmd *cobra.Command) (config.Config, error) {
	file, err := cmd.Flags().GetString("config")
	if err != nil {
		return config.Config{}, err
	}
	dir := ""
	if file != "" {
		dir = filepath.Dir(file)
	}
	return config.Load(config.Source{File: file, Dir: dir, Environ: os.Environ(), Flags: cmd.Flags()})
}

func configCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "config", Short: "Look at the configuration"}
	check := &cobra.Command{
		Use:   "check",
		Short: "Say whether the configuration is right, without touching the database or the network",
		Long: `Reads the configuration as serve would, with its secrets, and says everything that is wrong with it: the
file, the line, the key and the remedy. Exit code 2 when something is.`,
		Example: "  paybridge config check --config paybridge.yaml",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := loadConfig(cmd)
			if err != nil {
				return err
			}
			rows, _, err := cfg.Rows()
			if err != nil {
				return err
			}
			for _, a := range cfg.Accounts {
				if _, err := cfg.ResolveConfig(a.Config); err != nil {
					return fmt.Errorf("account %s: %w", a.Name, err)
				}
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "The configuration is right: %d apps, %d entries, %d accounts, mode %s, store %s.\n",
				len(rows.Apps), len(rows.Entries), len(rows.Accounts), cfg.Mode, cfg.Store.Driver)
			return err
		},
	}
	configFlags(check)
	cmd.AddCommand(check)
	return cmd
}
