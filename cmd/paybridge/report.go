package main

import (
	"encoding/csv"
	"fmt"
	"net/http"
	"net/url"
	"strconv"

	"github.com/spf13/cobra"
)

func reportCommand() *cobra.Command {
	var from, to string
	cmd := &cobra.Command{
		Use:   "report",
		Short: "Write for finance what came in and went back, by day, account, app and entry",
		Long: `Writes a CSV of what the provider's statements say: payments and their sum (gross), refunds and theirs, the fee that the provider keeps,
and what is left (net), in yuan. Only days whose statement was compared are in it ("paybridge reconcile").

Exit codes: 0 done; 1 the gateway does not answer; 2 a day is refused.`,
		Example: "  paybridge report --date 2026-11-01 --to 2026-11-30 --config paybridge.yaml > november.csv",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			gateway, err := operatorOf(cmd)
			if err != nil {
				return err
			}
			if to == "" {
				to = from
			}
			var page struct {
				Sums []struct {
					Day      string `json:"day"`
					Account  string `json:"account"`
					App      string `json:"app"`
					Entry    string `json:"entry"`
					Payments int64  `json:"payments"`
					Gross    int64  `json:"gross"`
					Refunds  int64  `json:"refunds"`
					Refunded int64  `json:"refunded"`
					FeeMilli int64  `json:"fee_milli"`
				} `json:"sums"`
			}
			if err := refusedAsSuch(gateway.call(cmd.Context(), http.MethodGet, "/admin/v1/statements/sums?"+url.Values{"from": {from}, "to": {to}}.Encode(), &page)); err != nil {
				return err
			}
			rows := [][]string{{"day", "account", "app", "entry", "payments", "gross_yuan", "refunds", "refunded_yuan", "fee_yuan", "net_yuan"}}
			for _, s := range page.Sums {
				rows = append(rows, []string{
					s.Day, s.Account, s.App, s.Entry, strconv.FormatInt(s.Payments, 10), inYuan(s.Gross), strconv.FormatInt(s.Refunds, 10), inYuan(s.Refunded),
					milliInYuan(s.FeeMilli), milliInYuan((s.Gross-s.Refunded)*1000 - s.FeeMilli),
				})
			}
			return csv.NewWriter(cmd.OutOrStdout()).WriteAll(rows)
		},
	}
	configFlags(cmd)
	cmd.Flags().StringVar(&from, "date", yesterday(), "the day, in Shanghai, or the first of several")
	cmd.Flags().StringVar(&to, "to", "", "the last day")
	return cmd
}

// milliInYuan writes thousandths of a fen exactly, as statements have fees.
func milliInYuan(milli int64) string {
	sign := ""
	if milli < 0 {
		sign, milli = "-", -milli
	}
	return fmt.Sprintf("%s%d.%05d", sign, milli/100_000, milli%100_000)
}
