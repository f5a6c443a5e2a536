package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/paybridge/paybridge/adapters/config"
	"github.com/paybridge/paybridge/adapters/httpapi"
	"github.com/paybridge/paybridge/adapters/pluginhost"
)

func pluginCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "plugin", Short: "Look after the plugins, one process per pay channel"}
	cmd.AddCommand(pluginListCommand(), pluginInspectCommand(), pluginRestartCommand(), pluginLockCommand(), pluginTestCommand(), pluginNewCommand())
	return cmd
}

func pluginLockCommand() *cobra.Command {
	return &cobra.Command{
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
	}
}

// listed is a pinned plugin, and how it does in the gateway that runs.
type listed struct {
	pluginhost.Pin
	Running *httpapi.Plugin `json:"running,omitempty"` // nil: no gateway runs, or it runs with another plugins.lock
}

func pluginListCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the pinned plugins, and how each does in the running gateway",
		Long: `Lists what plugins.lock pins: name, version, SHA-256. Where a gateway answers at listen.admin, its word on each:
serving, unhealthy (it runs and does not say that it is well), down (it is started again), quarantined (it exited 5
times in 10 minutes and is not started any more).`,
		Example: "  paybridge plugin list --config paybridge.yaml",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := loadConfig(cmd)
			if err != nil {
				return err
			}
			lock, err := pluginhost.ReadLock(cfg.Plugins.Lock)
			if err != nil {
				return err
			}
			running, err := runningPlugins(cmd.Context(), cfg)
			away := errors.Is(err, errNoGateway)
			if err != nil && !away {
				return err
			}
			all := []listed{}
			for _, pin := range lock.Plugins {
				row := listed{Pin: pin}
				if p, ok := running[pin.Name]; ok {
					row.Running = &p
				}
				all = append(all, row)
			}
			if asJSON {
				return writeJSON(cmd.OutOrStdout(), all)
			}
			return writePlugins(cmd.OutOrStdout(), all, away)
		},
	}
	configFlags(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "write JSON")
	return cmd
}

func writePlugins(out io.Writer, all []listed, away bool) error {
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(t, "NAME\tVERSION\tSHA256\tSTATE\tRESTARTS\tACCOUNTS") // an error comes again at Flush
	for _, p := range all {
		digest, state, restarts, accounts := "not pinned", "unknown", "", ""
		if p.SHA256 != "" {
			digest = p.SHA256[:12]
		}
		if r := p.Running; r != nil {
			state, restarts, accounts = string(r.State), fmt.Sprint(r.Restarts), usable(r.Accounts)
		}
		_, _ = fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\n", p.Name, p.Version, digest, state, restarts, accounts)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for _, p := range all {
		if r := p.Running; r != nil && r.Problem != "" {
			if _, err := fmt.Fprintf(out, "\n%s: %s\n", p.Name, r.Problem); err != nil {
				return err
			}
		}
	}
	if away {
		_, err := fmt.Fprintln(out, "\nNo gateway answers at listen.admin, so the states are not known.")
		return err
	}
	return nil
}

// usable is how many of a plugin's accounts are in use: "2 of 3 in use".
func usable(accounts map[string]string) string {
	used := 0
	for _, problem := range accounts {
		if problem == "" {
			used++
		}
	}
	return fmt.Sprintf("%d of %d in use", used, len(accounts))
}

// runningPlugins asks the running gateway, by name. An error wraps errNoGateway when there is none.
func runningPlugins(ctx context.Context, cfg config.Config) (map[string]httpapi.Plugin, error) {
	gateway, err := newOperator(cfg)
	if err != nil {
		return nil, err
	}
	var answer struct{ Plugins []httpapi.Plugin }
	if err := gateway.call(ctx, http.MethodGet, "/admin/v1/plugins", &answer); err != nil {
		return nil, err
	}
	all := map[string]httpapi.Plugin{}
	for _, p := range answer.Plugins {
		all[p.Provider] = p
	}
	return all, nil
}

// inspected is all that is known of one plugin.
type inspected struct {
	Pin         pluginhost.Pin         `json:"pin"`
	Description pluginhost.Description `json:"description"`
	Running     *httpapi.Plugin        `json:"running,omitempty"`
}

func pluginInspectCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "inspect NAME",
		Short: "Say what a plugin can do and what its accounts and entries need",
		Long: `Starts the pinned plugin for a moment, in a folder of its own, and asks it: what it hands to payers, what it offers
beside payments and refunds, what its provider allows of refunds, and the JSON Schemas of an account, an entry's
options and a payment's details. In a schema, what is "writeOnly" is a secret: write where it is, env:NAME or
file:path. Where a gateway answers at listen.admin, its word on the plugin and its accounts.`,
		Example: "  paybridge plugin inspect wechat-jsapi --config paybridge.yaml\n  paybridge plugin inspect wechat-jsapi --json --config paybridge.yaml | jq .description.account_schema",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, err := loadConfig(cmd)
			if err != nil {
				return err
			}
			about, err := inspect(cmd.Context(), cfg, args[0])
			if err != nil {
				return err
			}
			if asJSON {
				return writeJSON(cmd.OutOrStdout(), about)
			}
			return about.write(cmd.OutOrStdout())
		},
	}
	configFlags(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "write JSON")
	return cmd
}

func inspect(ctx context.Context, cfg config.Config, name string) (about inspected, err error) {
	lock, err := pluginhost.ReadLock(cfg.Plugins.Lock)
	if err != nil {
		return about, err
	}
	for _, pin := range lock.Plugins {
		if pin.Name == name {
			about.Pin = pin
		}
	}
	err = withPlugins(ctx, cfg, []string{name}, func(host *pluginhost.Host, failed map[string]error) error {
		if failed[name] != nil {
			return failed[name]
		}
		about.Description, err = host.Describe(name)
		return err
	})
	if err != nil {
		return about, err
	}
	running, err := runningPlugins(ctx, cfg)
	if p, ok := running[name]; ok {
		about.Running = &p
	}
	if errors.Is(err, errNoGateway) {
		err = nil
	}
	return about, err
}

func (a inspected) write(out io.Writer) error {
	d := a.Description
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	row := func(name string, value any) { _, _ = fmt.Fprintf(t, "%s\t%v\n", name, value) } // an error comes again at Flush
	row("name", d.Name)
	row("version", d.Version)
	row("summary", d.Summary)
	row("binary", a.Pin.Path)
	row("sha256", a.Pin.SHA256)
	row("hand-offs", strings.Join(d.HandOffKinds, ", "))
	services := make([]string, len(d.Services))
	for i, s := range d.Services {
		services[i] = string(s)
	}
	row("services", strings.Join(services, ", "))
	row("legs", strings.Join(d.LegKinds, ", "))
	row("renewable", d.Renewable)
	row("closes", d.Closes)
	row("paid until closed", d.PaidUntilClosed)
	row("notifications", "signed in the "+d.NotificationAuth)
	row("refunds", fmt.Sprintf("at most %d, within %s, %s apart (0: no limit known)", d.RefundCount, text(d.RefundAge), text(d.RefundInterval)))
	if r := a.Running; r != nil {
		row("state", r.State)
		row("restarts", r.Restarts)
		if r.Problem != "" {
			row("problem", r.Problem)
		}
		for _, account := range slices.Sorted(maps.Keys(r.Accounts)) {
			problem := r.Accounts[account]
			if problem == "" {
				problem = "in use"
			}
			row("account "+account, problem)
		}
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for _, s := range []struct {
		of     string
		schema json.RawMessage
	}{{"an account", d.AccountSchema}, {"an entry's options", d.EntrySchema}, {"a payment's details", d.DetailsSchema}} {
		if len(s.schema) == 0 {
			continue
		}
		if _, err := fmt.Fprintf(out, "\nschema of %s\n", s.of); err != nil {
			return err
		}
		if err := writeJSON(out, s.schema); err != nil {
			return err
		}
	}
	return nil
}

func text(d pluginhost.Duration) string {
	b, _ := d.MarshalText() // never fails
	return string(b)
}

func pluginRestartCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "restart NAME",
		Short: "Start a plugin again that is in quarantine",
		Long: `A plugin that exits 5 times in 10 minutes is put into quarantine: it is not started any more, an alarm is raised, its
payments and refunds wait. Mend what made it exit, then call this; a new generation of one of its accounts and a restart
of the gateway do the same. Several gateways each have a quarantine of their own: call it for each. A plugin that runs
is left alone. A new version of a plugin comes with a restart of the gateway.`,
		Example: "  paybridge plugin restart wechat-jsapi --config paybridge.yaml",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, err := loadConfig(cmd)
			if err != nil {
				return err
			}
			gateway, err := newOperator(cfg)
			if err != nil {
				return err
			}
			var answer struct{ Released bool }
			if err := gateway.call(cmd.Context(), http.MethodPost, "/admin/v1/plugins/"+url.PathEscape(args[0])+"/restart", &answer); err != nil {
				return err
			}
			said := "Plugin " + args[0] + " is in no quarantine; nothing was done."
			if answer.Released {
				said = "Plugin " + args[0] + " is started again; `paybridge plugin list` shows how it does."
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), said)
			return err
		},
	}
	configFlags(cmd)
	return cmd
}

// writeJSON writes JSON for people and programs.
func writeJSON(out io.Writer, v any) error {
	e := json.NewEncoder(out)
	e.SetIndent("", "  ")
	return e.Encode(v)
}
