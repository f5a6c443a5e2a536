package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/paybridge/paybridge/core/gateway"
)

func crashpointsCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "crashpoints",
		Short: "List the points at which a test build can be made to die",
		Long: `A binary built with the tag crashpoints kills itself at the point that PAYBRIDGE_CRASH_AT names, after
passing it as often as the number behind a colon says: PAYBRIDGE_CRASH_AT=after-provider-call:3. The release
binary does not contain the means.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			for _, point := range gateway.CrashPoints() {
				if _, err := fmt.Fprintln(cmd.OutOrStdout(), point); err != nil {
					return err
				}
			}
			return nil
		},
	}
}
