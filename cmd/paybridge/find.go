package main

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/spf13/cobra"
)

// toldFound is an order, payment or refund as the admin listener answers it.
type toldFound struct {
	Kind      string    `json:"kind"`
	Number    string    `json:"number"`
	Order     string    `json:"order"`
	App       string    `json:"app"`
	Reference string    `json:"reference,omitempty"`
	State     string    `json:"state"`
	Amount    int64     `json:"amount"`
	Currency  string    `json:"currency"`
	Account   string    `json:"account,omitempty"`
	CreatedAt time.Time `json:"created_at"`
}

func findCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "find TEXT",
		Short: "Find orders, payments and refunds by any number of theirs, by a running gateway",
		Long: `Looks for what has exactly this number: PayBridge's own, the provider's (transaction_id, out_trade_no, refund_id, out_refund_no), the
app's reference, or the payer's openid. Newest first, a hundred at most.

Exit codes: 0 found; 1 the gateway does not answer, or nothing has it.`,
		Example: "  paybridge find 4200001234202611271234567890 --config paybridge.yaml\n  paybridge find visit-1 --config paybridge.yaml",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			gateway, err := operatorOf(cmd)
			if err != nil {
				return err
			}
			all, err := find(cmd.Context(), gateway, args[0])
			if err != nil {
				return err
			}
			if asJSON {
				return writeJSON(cmd.OutOrStdout(), all)
			}
			for _, f := range all {
				_, err := fmt.Fprintf(cmd.OutOrStdout(), "%-7s  %s  %-18s  %s %s  %s  app %s  reference %q  account %s\n", f.Kind, f.Number, f.State, inYuan(f.Amount), f.Currency,
					clockTime(f.CreatedAt), f.App, f.Reference, f.Account)
				if err != nil {
					return err
				}
			}
			return nil
		},
	}
	configFlags(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "write them as JSON")
	return cmd
}

// find fails where nothing is found.
func find(ctx context.Context, gateway operator, text string) ([]toldFound, error) {
	var page struct {
		Found []toldFound `json:"found"`
	}
	err := refusedAsSuch(gateway.call(ctx, http.MethodGet, "/admin/v1/find?"+url.Values{"q": {text}}.Encode(), &page))
	if err == nil && len(page.Found) == 0 {
		err = fmt.Errorf("no order, payment or refund has %q as its number, reference or openid", text)
	}
	return page.Found, err
}

// clockTime is a moment as a person at this machine reads it.
func clockTime(t time.Time) string { return t.Local().Format("2006-01-02 15:04:05") }
