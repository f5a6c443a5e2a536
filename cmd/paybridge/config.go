package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

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
		Long: `Reads the configuration as serve would, with its secrets, and holds accounts and entries against the schemas of
their plugins, which it starts for a moment. Says everything that is wrong: the file, the line, the key and the
remedy. Exit code 2 when something is. A plugin that is not there is told of, and the rest is checked.`,
		Example: "  paybridge config check --config paybridge.yaml",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := loadConfig(cmd)
			if err != nil {
				return err
			}
			return checkConfig(cmd.Context(), cfg, cmd.OutOrStdout())
		},
	}
	configFlags(check)
	cmd.AddCommand(check)
	return cmd
}

// checkConfig says what is wrong with a configuration that was read, as an error, or that it is right.
func checkConfig(ctx context.Context, cfg config.Config, out io.Writer) error {
	unreadable := cfg.UnreadableSecrets()
	if _, _, err := cfg.Rows(); err != nil { // one that is among them: without it there are no rows to hold against a plugin
		return &config.Invalid{Problems: unreadable}
	}
	checked, err := checkPlugins(ctx, cfg)
	if errors.Is(err, fs.ErrNotExist) {
		checked.unchecked, err = []string{"accounts and entries: " + err.Error()}, nil
	}
	if err != nil {
		return err
	}
	for _, what := range checked.unchecked {
		if _, err := fmt.Fprintln(out, "Not checked: "+what); err != nil {
			return err
		}
	}
	if problems := slices.Concat(unreadable, checked.problems); len(problems) > 0 {
		return &config.Invalid{Problems: problems}
	}
	_, err = fmt.Fprintf(out, "The configuration is right: %d apps, %d entries, %d accounts, mode %s, store %s.\n",
		len(cfg.Apps), len(cfg.Entries), len(cfg.Accounts), cfg.Mode, cfg.Store.Driver)
	return err
}
