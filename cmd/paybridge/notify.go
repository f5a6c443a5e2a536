package main

import (
	"cmp"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/spf13/cobra"
)

// toldMessage is a provider's message as the admin listener answers it.
type toldMessage struct {
	ID         string    `json:"id"`
	Provider   string    `json:"provider"`
	Account    string    `json:"account"`
	Verdict    string    `json:"verdict"`
	Cause      string    `json:"cause,omitempty"`
	Number     string    `json:"number"`
	ReceivedAt time.Time `json:"received_at"`
	Due        time.Time `json:"due,omitzero"`
}

func notifyCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "notify",
		Short: "Look at the providers' messages that were kept, and apply one again",
	}
	cmd.AddCommand(listMessagesCommand(), replayCommand())
	return cmd
}

func listMessagesCommand() *cobra.Command {
	var number, account, verdict string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the verified messages of providers, newest first",
		Long: `Lists the thousand newest messages that were verified and kept: applied, unmatched (nothing here has their number; tried again hourly) or
notice (of no payment). What was not verified is only counted: see the metric paybridge_notifications_total.

Exit codes: 0 done; 1 the gateway does not answer; 2 a filter is wrong.`,
		Example: "  paybridge notify list --verdict unmatched --config paybridge.yaml",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			gateway, err := operatorOf(cmd)
			if err != nil {
				return err
			}
			query := url.Values{"number": {number}, "account": {account}, "verdict": {verdict}}
			var page struct {
				Messages []toldMessage `json:"messages"`
			}
			if err := refusedAsSuch(gateway.call(cmd.Context(), http.MethodGet, "/admin/v1/messages?"+query.Encode(), &page)); err != nil {
				return err
			}
			if asJSON {
				return writeJSON(cmd.OutOrStdout(), page.Messages)
			}
			for _, m := range page.Messages {
				if _, err := fmt.Fprintf(cmd.OutOrStdout(), "%s  %s  %-9s  %s  account %s  %s\n", m.ID, clockTime(m.ReceivedAt), m.Verdict, cmp.Or(m.Number, "-"), m.Account, m.Cause); err != nil {
					return err
				}
			}
			return nil
		},
	}
	configFlags(cmd)
	cmd.Flags().StringVar(&number, "number", "", "about this payment, by the number that the provider has")
	cmd.Flags().StringVar(&account, "account", "", "to this account")
	cmd.Flags().StringVar(&verdict, "verdict", "", "applied, unmatched or notice")
	cmd.Flags().BoolVar(&asJSON, "json", false, "write them as JSON")
	return cmd
}

func replayCommand() *cobra.Command {
	var name string
	cmd := &cobra.Command{
		Use:   "replay ID...",
		Short: "Apply messages again from what was kept of them, in your name",
		Long: `Applies messages again, by the ids that "paybridge notify list" shows, from their stored facts: nothing has to come again. What they say
is checked against the payment as ever, and a message that was applied before changes nothing.

Exit codes: 0 it is applied within moments; 1 the gateway does not answer; 2 there is no such message, or what it said was removed with the
personal data.`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			gateway, err := operatorOf(cmd)
			if err != nil {
				return err
			}
			for _, id := range args {
				var m toldMessage
				err := gateway.send(cmd.Context(), http.MethodPost, "/admin/v1/messages/"+url.PathEscape(id)+"/replay", map[string]string{"name": name}, &m)
				if err = refusedAsSuch(err); err != nil {
					return fmt.Errorf("message %s: %w", id, err)
				}
				if _, err := fmt.Fprintf(cmd.OutOrStdout(), "message %s about %s is applied again\n", m.ID, cmp.Or(m.Number, "-")); err != nil {
					return err
				}
			}
			return nil
		},
	}
	configFlags(cmd)
	cmd.Flags().StringVar(&name, "as", operatorName(), "who does it, for the record")
	return cmd
}
