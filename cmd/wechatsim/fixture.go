package main

import (
	"errors"

	"github.com/spf13/cobra"

	"github.com/paybridge/paybridge/plugins/sdk/fixture"
	"github.com/paybridge/paybridge/plugins/wechat/sim/simfixture"
)

func fixtureCommand() *cobra.Command {
	var insured bool
	cmd := &cobra.Command{
		Use:   "fixture",
		Short: "Play WeChat Pay for PayBridge's conformance kit, until standard input ends",
		Long: `Serves what the kit asks of a provider (docs/plugin-protocol.md, "The fixture"): the address is the one line that it
writes. For plugins that speak to WeChat Pay.`,
		Example: "  paybridge plugin test bin/plugins/wechat-jsapi --fixture \"bin/wechatsim fixture\"",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			start := simfixture.Start
			if insured {
				start = simfixture.StartInsured
			}
			p, err := start(cmd.Context())
			if err != nil {
				return err
			}
			return errors.Join(fixture.Serve(p), p.Close())
		},
	}
	cmd.Flags().BoolVar(&insured, "insured", false, "payments are bills, for plugins of medical insurance")
	return cmd
}
