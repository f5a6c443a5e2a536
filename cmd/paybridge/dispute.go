package main

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"github.com/spf13/cobra"
)

func disputeCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "dispute",
		Short: "Decide about payments that contradict what the provider says",
	}
	cmd.AddCommand(resolveCommand())
	return cmd
}

func resolveCommand() *cobra.Command {
	var name, reason string
	var adopt, refund bool
	cmd := &cobra.Command{
		Use:   "resolve NUMBER",
		Short: "Adopt the disputed trade of a payment, or give it back, in your name",
		Long: `A payment is disputed when the provider says something else of its trade than was asked: another amount, another app id. It keeps its
order's place until the provider's answer agrees, or somebody decides. "paybridge alarms --kind payment.disputed" lists them.

The gateway asks the provider once more and decides on what it says now:

  --adopt   the trade is the payment, with the amount and app id that the provider says. Paid, it pays the order.
  --refund  all of it goes back, and the order stays as it is.

A trade of another merchant, or in another currency, cannot be adopted or refunded here.

Exit codes: 0 decided; 1 the gateway or the provider does not answer; 2 the payment is not disputed, or its trade allows it not.`,
		Example: "  paybridge dispute resolve 01100202611280234041279926396833 --adopt --reason 'the cashier changed the price' --config paybridge.yaml",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if adopt == refund {
				return &rejected{errors.New("say either --adopt or --refund")}
			}
			gateway, err := operatorOf(cmd)
			if err != nil {
				return err
			}
			how := "adopt"
			if refund {
				how = "refund"
			}
			var payment struct {
				Number, State, Currency string
				Amount                  int64
			}
			err = gateway.send(cmd.Context(), http.MethodPost, "/admin/v1/payments/"+url.PathEscape(args[0])+"/resolve-dispute", map[string]string{"name": name, "reason": reason, "how": how}, &payment)
			if err = refusedAsSuch(err); err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "payment %s: %s, %s %s\n", payment.Number, payment.State, inYuan(payment.Amount), payment.Currency)
			return err
		},
	}
	configFlags(cmd)
	cmd.Flags().BoolVar(&adopt, "adopt", false, "the trade is the payment")
	cmd.Flags().BoolVar(&refund, "refund", false, "give all of it back")
	cmd.Flags().StringVar(&name, "as", operatorName(), "who decides, for the record")
	cmd.Flags().StringVar(&reason, "reason", "", "why, for the record")
	return cmd
}
