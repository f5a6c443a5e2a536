package main

import (
	"fmt"
	"runtime"

	"github.com/spf13/cobra"
)

func root() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "wechatsim",
		Short: "A WeChat Pay for your machine: it checks what WeChat checks and answers as WeChat answers",
		Long: `wechatsim plays the WeChat Pay v3 API for direct merchants and partners (JSAPI prepay, query, close, refund,
abnormal refund, bills, certificates, security echo, callbacks), because WeChat Pay has no test environment. It
verifies every signature, signs every answer, encrypts and retries callbacks, refuses with WeChat's codes, changes
keys and certificates while it runs, and fails on demand. It needs no account and no network.

Start it, point your SDK's host at the address it prints, use the keys it writes, and pay with curl:

  wechatsim serve --keys-dir ./wechat-keys
  curl -X POST -H 'Content-Type: application/json' -d '{"out_trade_no":"…"}' http://127.0.0.1:9081/control/v1/pay`,
		SilenceUsage: true,
	}
	cmd.AddCommand(serve(), fixtureCommand(), versionCommand())
	return cmd
}

// version is set by the build.
var version = "dev"

func versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version this program was built from",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "wechatsim %s (%s %s/%s)\n", version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
			return err
		},
	}
}
