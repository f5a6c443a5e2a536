package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/paybridge/paybridge/plugins/sdk/conformance"
)

func pluginTestCommand() *cobra.Command {
	var o conformance.Options
	var fixture string
	var verbose, list bool
	cmd := &cobra.Command{
		Use:   "test PLUGIN [ARGUMENT...]",
		Short: "Hold a plugin, in any language, against the contract",
		Long: `Starts the plugin's program as the gateway would, beside a program that plays its provider (the fixture), and looks at
every promise of the contract: what may be repeated, what is verified, what a broken connection means, what stays secret.
For each promise that is broken it says what was seen and what to do. Exit code 1 when one is broken.

docs/adding-a-channel.md tells how to write both programs, docs/plugin-protocol.md what goes between them.`,
		Example: `  paybridge plugin test bin/plugins/wechat-jsapi --fixture "bin/wechatsim fixture"
  paybridge plugin test --fixture "node fixture.mjs" -- node main.mjs
  paybridge plugin test --list`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if list {
				return listPromises(cmd.OutOrStdout())
			}
			o.Plugin, o.Fixture = args, strings.Fields(fixture)
			if len(o.Plugin) == 0 || len(o.Fixture) == 0 {
				return fmt.Errorf("name the plugin's program, and by --fixture the program that plays its provider")
			}
			if verbose {
				o.Output = cmd.ErrOrStderr()
			}
			report, err := conformance.Run(cmd.Context(), o)
			if err != nil {
				return err
			}
			if err := report.Write(cmd.OutOrStdout()); err != nil {
				return err
			}
			if broken := report.Broken(); len(broken) > 0 {
				return fmt.Errorf("%s breaks the contract: %s", report.Plugin, strings.Join(broken, ", "))
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&fixture, "fixture", "", "the program that plays the provider, with its arguments")
	cmd.Flags().StringSliceVar(&o.Only, "only", nil, "look at these promises alone")
	cmd.Flags().BoolVar(&o.Quick, "quick", false, "leave out what waits 12 seconds for the plugin's own time limit")
	cmd.Flags().BoolVar(&verbose, "verbose", false, "show what the plugin and the fixture write")
	cmd.Flags().BoolVar(&list, "list", false, "list the promises")
	return cmd
}

func listPromises(out io.Writer) error {
	for _, p := range conformance.Promises() {
		if _, err := fmt.Fprintf(out, "%-20s %s\n", p.Name, p.Text); err != nil {
			return err
		}
	}
	return nil
}
