package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/paybridge/paybridge/adapters/pluginhost"
)

func pluginCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "plugin", Short: "Look after the plugins, one process per pay channel"}
	cmd.AddCommand(&cobra.Command{
		Use:   "lock DIR",
		Short: "Pin the plugins of a folder: start each once, ask who it is, write plugins.lock with its hash",
		Long: `Writes DIR/plugins.lock: name, version and SHA-256 of each executable there. The build calls it; the gateway
starts no other bytes than those that are pinned.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			lock, err := pluginhost.WriteLock(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			for _, p := range lock.Plugins {
				if _, err := fmt.Fprintf(cmd.OutOrStdout(), "pinned %s %s  sha256 %.12s…\n", p.Name, p.Version, p.SHA256); err != nil {
					return err
				}
			}
			return nil
		},
	})
	return cmd
}
