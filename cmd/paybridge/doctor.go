package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/paybridge/paybridge/adapters/config"
	"github.com/paybridge/paybridge/adapters/httpapi"
	"github.com/paybridge/paybridge/cmd/paybridge/doctor"
)

// errUnhealthy makes the exit code of a doctor who found something.
var errUnhealthy = errors.New("something is wrong; the lines above say what to do")

func doctorCommand() *cobra.Command {
	var asJSON bool
	var lang string
	cmd := &cobra.Command{
		Use:   "doctor [ACCOUNT or ENTRY]",
		Short: "Say what is wrong with plugins, accounts and entries, and how to mend it; no money moves",
		Long: `Looks at each plugin, account and entry, or at one of them: whether the plugin serves, whether the provider takes
the account's signature and we its answers, whether keys and certificate fit, whether the clock is right, whether the
notify URL is reachable and a callback comes, and, as far as anybody can know without a payment, whether the app id
is bound to the merchant number.

A running gateway is asked first: it sees the accounts and entries that are in use, and the callbacks.
When none answers at listen.admin, the file's accounts are looked at, and callbacks are not.

Exit code 0: nothing is wrong. 1: something is. 2: the configuration must be changed before anything can be looked at.`,
		Example: `  paybridge doctor --config paybridge.yaml
  paybridge doctor hospital --lang zh --config paybridge.yaml
  paybridge doctor --json --config paybridge.yaml | jq '.findings[] | select(.status == "failed")'`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, err := loadConfig(cmd)
			if err != nil {
				return err
			}
			filter := strings.Join(args, "")
			report, err := askDoctor(cmd.Context(), cfg, filter)
			if err != nil {
				return err
			}
			if filter != "" && len(report.Findings) == 0 {
				return fmt.Errorf("there is no account and no entry %q", filter)
			}
			if asJSON {
				err = writeJSON(cmd.OutOrStdout(), report)
			} else {
				err = report.Write(cmd.OutOrStdout(), lang == "zh")
			}
			if err == nil && !report.Healthy {
				err = errUnhealthy
			}
			return err
		},
	}
	configFlags(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "write the findings as JSON, with the remedies in both languages")
	langFlag(cmd, &lang)
	return cmd
}

// langFlag chooses the language of what is written: that of the environment, unless told.
func langFlag(cmd *cobra.Command, lang *string) {
	cmd.Flags().Var(&language{lang}, "lang", "en or zh; else by LC_ALL and LANG")
	*lang = "en"
	for _, name := range []string{"LANG", "LC_ALL"} {
		if value := os.Getenv(name); value != "" {
			*lang = "en"
			if strings.HasPrefix(value, "zh") {
				*lang = "zh"
			}
		}
	}
}

type language struct{ of *string }

func (l *language) String() string { return "" }
func (l *language) Type() string   { return "language" }
func (l *language) Set(text string) error {
	if text != "en" && text != "zh" {
		return errors.New("en and zh are spoken")
	}
	*l.of = text
	return nil
}

// askDoctor asks the running gateway, and looks alone when there is none.
func askDoctor(ctx context.Context, cfg config.Config, filter string) (r doctor.Report, err error) {
	gateway, err := newOperator(cfg)
	if err != nil {
		return r, err
	}
	gateway.most = httpapi.DoctorTime
	path := "/admin/v1/doctor"
	if filter != "" {
		path += "?only=" + url.QueryEscape(filter)
	}
	if err = gateway.call(ctx, http.MethodPost, path, &r); errors.Is(err, errNoGateway) {
		return examineAlone(ctx, cfg, filter)
	}
	return r, err
}
