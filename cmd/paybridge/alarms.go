package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/paybridge/paybridge/adapters/config"
)

// toldAlarm is an alarm as the admin listener answers it.
type toldAlarm struct {
	ID             int64      `json:"id"`
	Kind           string     `json:"kind"`
	Number         string     `json:"number"`
	What           string     `json:"what"`
	English        alarmWords `json:"en"`
	Chinese        alarmWords `json:"zh"`
	RaisedAt       time.Time  `json:"raised_at"`
	AcknowledgedAt time.Time  `json:"acknowledged_at,omitzero"`
	AcknowledgedBy string     `json:"acknowledged_by,omitempty"`
}

type alarmWords struct {
	Title  string `json:"title"`
	Remedy string `json:"remedy"`
}

// errAlarmed makes the exit code where an alarm is open. The list has said it.
var errAlarmed = errors.New("an alarm is open")

func alarmsCommand() *cobra.Command {
	var all, asJSON bool
	var kind, lang string
	cmd := &cobra.Command{
		Use:   "alarms",
		Short: "List what a person has to see, and what to do about it, by a running gateway",
		Long: `Lists the open alarms of a running gateway, newest first: which payment, refund, account, app or channel each is about,
what is the matter, and what to do. An alarm stays open until somebody acknowledges it; if its cause goes on, it comes again.

Exit codes: 0 none is open; 1 the gateway does not answer; 3 one or more are open, for scripts.`,
		Example: "  paybridge alarms --config paybridge.yaml\n  paybridge alarms --all --lang zh --config paybridge.yaml\n  paybridge alarms ack 12 --as ann --config paybridge.yaml",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := loadConfig(cmd)
			if err != nil {
				return err
			}
			found, err := listAlarms(cmd.Context(), cfg, kind, all)
			if err != nil {
				return err
			}
			if asJSON {
				err = writeJSON(cmd.OutOrStdout(), found)
			} else {
				err = tellAlarms(cmd.OutOrStdout(), found, lang == "zh")
			}
			for _, a := range found {
				if err == nil && a.AcknowledgedAt.IsZero() {
					err = errAlarmed
				}
			}
			return err
		},
	}
	configFlags(cmd)
	cmd.Flags().BoolVar(&all, "all", false, "those that were acknowledged as well")
	cmd.Flags().StringVar(&kind, "kind", "", "of this kind alone, as refund.needs_attention")
	cmd.Flags().BoolVar(&asJSON, "json", false, "write them as JSON, with the remedies in both languages")
	langFlag(cmd, &lang)
	cmd.AddCommand(acknowledgeCommand())
	return cmd
}

func acknowledgeCommand() *cobra.Command {
	var name string
	cmd := &cobra.Command{
		Use:   "ack ID...",
		Short: "Acknowledge alarms: somebody has seen to them",
		Long: `Closes alarms in your name, by the numbers that "paybridge alarms" shows. What raised one may raise it anew.

Exit codes: 0 done; 1 the gateway does not answer; 2 there is no such alarm.`,
		Example: "  paybridge alarms ack 12 13 --as ann --config paybridge.yaml",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, err := loadConfig(cmd)
			if err != nil {
				return err
			}
			gateway, err := newOperator(cfg)
			if err != nil {
				return err
			}
			for _, id := range args {
				if _, err := strconv.ParseUint(id, 10, 63); err != nil {
					return &rejected{fmt.Errorf("%q is not the number of an alarm", id)}
				}
				var closed toldAlarm
				err := gateway.send(cmd.Context(), http.MethodPost, "/admin/v1/alarms/"+id+"/acknowledge", map[string]string{"name": name}, &closed)
				if err = refusedAsSuch(err); err != nil {
					return fmt.Errorf("alarm %s: %w", id, err)
				}
				if _, err := fmt.Fprintf(cmd.OutOrStdout(), "%d %s %s: acknowledged by %s\n", closed.ID, closed.Kind, closed.Number, closed.AcknowledgedBy); err != nil {
					return err
				}
			}
			return nil
		},
	}
	configFlags(cmd)
	cmd.Flags().StringVar(&name, "as", operatorName(), "who has seen to them, for the record")
	return cmd
}

// mostAlarms is how many are listed at most, the newest of them.
const mostAlarms = 1000

func listAlarms(ctx context.Context, cfg config.Config, kind string, all bool) ([]toldAlarm, error) {
	gateway, err := newOperator(cfg)
	if err != nil {
		return nil, err
	}
	query := url.Values{"all": {strconv.FormatBool(all)}, "limit": {strconv.Itoa(mostAlarms)}}
	if kind != "" {
		query.Set("kind", kind)
	}
	var page struct {
		Alarms []toldAlarm `json:"alarms"`
	}
	return page.Alarms, refusedAsSuch(gateway.call(ctx, http.MethodGet, "/admin/v1/alarms?"+query.Encode(), &page))
}

// tellAlarms writes them for people.
func tellAlarms(out io.Writer, all []toldAlarm, chinese bool) (err error) {
	line := func(format string, a ...any) {
		if err == nil {
			_, err = fmt.Fprintf(out, format+"\n", a...)
		}
	}
	words := func(english, inChinese string) string {
		if chinese {
			return inChinese
		}
		return english
	}
	if len(all) == 0 {
		line("%s", words("No alarm is open.", "没有未处理的告警。"))
	}
	for _, a := range all {
		text := a.English
		if chinese {
			text = a.Chinese
		}
		line("#%d  %s  %s  %s", a.ID, a.RaisedAt.Local().Format("2006-01-02 15:04:05"), a.Kind, a.Number)
		line("    %s", text.Title)
		line("    %s", a.What)
		line("    → %s", text.Remedy)
		if !a.AcknowledgedAt.IsZero() {
			line("    %s %s, %s", words("acknowledged by", "已确认："), cmp.Or(a.AcknowledgedBy, "?"), a.AcknowledgedAt.Local().Format("2006-01-02 15:04:05"))
		}
		line("")
	}
	return err
}
