package main

import (
	"fmt"
	"runtime"

	"github.com/spf13/cobra"
)

// version is set by the build.
var version = "dev"

func root() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "paybridge",
		Short: "A self-hosted payment gateway for teams whose customers pay inside WeChat",
		Long: `PayBridge takes payments through the entries of a hospital, school or shop, and gives money back through
the plugin, app id and merchant number that took it.

To look at it, with a simulated WeChat and no account of any kind:

  paybridge dev

To run it, write a configuration (configs/production.example.yaml explains every key), then

  paybridge config check --config paybridge.yaml
  paybridge doctor --config paybridge.yaml
  paybridge migrate --config paybridge.yaml
  paybridge serve --config paybridge.yaml`,
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	cmd.AddCommand(serveCommand(), applyCommand(), subMerchantsCommand(), receiptPageCommand(), alarmsCommand(), reconcileCommand(), disputeCommand(), findCommand(), explainCommand(), refundCommand(), closeCommand(), notifyCommand(), reportCommand(), devCommand(), demoCommand(), migrateCommand(), recoverCommand(), importCommand(), configCommand(),
		pluginCommand(), doctorCommand(), secretsCommand(), crashpointsCommand(), soakCommand(), versionCommand())
	return cmd
}

func versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version this program was built from",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "paybridge %s (%s %s/%s)\n", version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
			return err
		},
	}
}
