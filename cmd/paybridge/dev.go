package main

import (
	"cmp"
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/paybridge/paybridge/adapters/config"
	"github.com/paybridge/paybridge/cmd/paybridge/firstpage"
)

func devCommand() *cobra.Command {
	var dir, clinic, weChat, control string
	var speed float64
	cmd := &cobra.Command{
		Use:   "dev",
		Short: "Run a gateway with a simulated WeChat and a page that explains itself",
		Long: `Starts the gateway on SQLite, its plugins, and a simulated WeChat that signs and encrypts as the real one does.
No account, no network. Open the page that it prints, create an order, pay it, refund it.

Beside them run docs/examples/clinic, a small shop that takes money through the gateway, and a simulated phone, a page
on which you are its payer: in an official account, in a mini program's web-view, or in another browser.

Everything is kept in one folder; delete it to begin anew.`,
		Example: "  paybridge dev\n  paybridge dev --listen.public 127.0.0.1:9000 --speed 60   # an hour of WeChat's a minute",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			where, err := filepath.Abs(dir)
			if err != nil {
				return err
			}
			p, err := openPlayground(cmd.Context(), playgroundOptions{
				dir: where, flags: cmd.Flags(), logTo: cmd.ErrOrStderr(), clinic: clinic,
				simulatorFlags: []string{"--listen", weChat, "--control-listen", control, "--speed", fmt.Sprint(speed)},
				pages: func(sim *simulator, adminURL string) options {
					return options{mount: firstpage.Mount(firstpage.Options{
						ControlURL: sim.ControlURL, PhoneURL: sim.PhoneURL, APIKey: devKey, Entry: devEntry, AdminURL: adminURL, Version: version,
					})}
				},
			})
			if err != nil {
				return err
			}
			if _, err := fmt.Fprint(cmd.OutOrStdout(), lines(
				"",
				"PayBridge is ready. Open  "+p.baseURL+"/",
				"",
				"  API        "+p.baseURL+"/v1   key "+devKey+", entry "+devEntry,
				"  operator   http://"+p.admin.Addr().String()+"/metrics and /readyz",
				"  phone      "+cmp.Or(p.simulator.PhoneURL, "none (--clinic)")+"   (be the payer of the clinic)",
				"  WeChat     "+p.simulator.ControlURL+"/control/v1/   (simulated: pay, faults, clock, ledger)",
				"  folder     "+where+"   (delete it to begin anew)",
				"",
				"Try:  curl -s "+p.baseURL+"/v1/orders -H 'Authorization: Bearer "+devKey+"' -H 'Content-Type: application/json' \\",
				`        -d '{"reference":"visit-1","amount":1250,"description":"Outpatient visit"}'`,
				"",
				"Ctrl-C stops everything.",
			)); err != nil {
				return err
			}
			return p.run(cmd.Context())
		},
	}
	config.AddFlags(cmd.Flags())
	cmd.Flags().StringVar(&dir, "data", "data/dev", "folder for the database and the keys")
	cmd.Flags().StringVar(&clinic, "clinic", "127.0.0.1:8090", "address of the example clinic, which the simulated phone opens; empty: neither")
	cmd.Flags().StringVar(&weChat, "wechat-listen", "127.0.0.1:9080", "address of the simulated WeChat's API")
	cmd.Flags().StringVar(&control, "control-listen", "127.0.0.1:9081", "address of its control API and of the phone (no login: keep it on loopback)")
	cmd.Flags().Float64Var(&speed, "speed", 1, "how many times as fast as this machine's clock the simulated WeChat's runs")
	return cmd
}
