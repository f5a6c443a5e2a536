package main

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/spf13/cobra"
)

func refundCommand() *cobra.Command {
	var name, reference, reason, amount string
	var legs map[string]string
	cmd := &cobra.Command{
		Use:   "refund PAYMENT",
		Short: "Refund a payment in your name, by a running gateway",
		Long: `Gives money of a payment back, through the plugin, app id and merchant that took it, as the app would. The same reference again is the
same refund, so the command may be repeated; another refund of the payment needs another --reference.

Exit codes: 0 the refund is made, and is sent; 1 the gateway does not answer; 2 the rules do not allow it, and why is said.`,
		Example: "  paybridge refund 01100202611280234041279926396833 --amount 12.50 --reason 'visit cancelled' --config paybridge.yaml",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			gateway, err := operatorOf(cmd)
			if err != nil {
				return err
			}
			in := map[string]any{"name": name, "reference": cmp.Or(reference, "operator-"+time.Now().Format(time.DateOnly)), "reason": reason}
			fen, err := inFen(amount)
			if err != nil {
				return &rejected{fmt.Errorf("--amount: %w", err)}
			}
			in["amount"] = fen
			parts := map[string]int64{}
			for leg, text := range legs {
				if parts[leg], err = inFen(text); err != nil {
					return &rejected{fmt.Errorf("--leg %s: %w", leg, err)}
				}
			}
			if in["legs"] = parts; len(parts) == 0 {
				delete(in, "legs")
			}
			var made struct {
				Number, State, Reference, Currency string
				Amount                             int64
			}
			err = gateway.send(cmd.Context(), http.MethodPost, "/admin/v1/payments/"+url.PathEscape(args[0])+"/refunds", in, &made)
			if err = refusedAsSuch(err); err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "refund %s of %s %s, reference %s: %s\n", made.Number, inYuan(made.Amount), made.Currency, made.Reference, made.State)
			return err
		},
	}
	configFlags(cmd)
	cmd.Flags().StringVar(&amount, "amount", "", "how much, in yuan, as 12.50")
	cmd.Flags().StringToStringVar(&legs, "leg", nil, "of a payment in parts how much of each, as --leg self=10.00 --leg insurance=2.50")
	cmd.Flags().StringVar(&reason, "reason", "", "why; the payer reads it")
	cmd.Flags().StringVar(&reference, "reference", "", "of this refund, once for each payment (default operator-TODAY)")
	cmd.Flags().StringVar(&name, "as", operatorName(), "who refunds, for the record")
	cmd.AddCommand(retryCommand())
	return cmd
}

func retryCommand() *cobra.Command {
	return actCommand("retry REFUND", "Send a refund again in your name: one that failed, or waits", "/admin/v1/refunds/%s/retry", "refund",
		"Submits a failed refund again, under its own number, or brings the next try of one that waits forward.")
}

func closeCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "close",
		Short: "Close an order, or one payment of it, in your name",
	}
	cmd.AddCommand(
		actCommand("order NUMBER", "Close an order in your name", "/admin/v1/orders/%s/close", "order",
			"Closes an order that is not paid, with its payment at the provider: nobody can pay it any more."),
		actCommand("payment NUMBER", "Close a payment in your name; its order stays open", "/admin/v1/payments/%s/close", "payment",
			"Closes a payment that is not paid at its provider. The order stays open for another one."))
	return cmd
}

// actCommand is a command that needs a number and a name.
func actCommand(use, short, path, what, long string) *cobra.Command {
	var name string
	cmd := &cobra.Command{
		Use:   use,
		Short: short,
		Long:  long + "\n\nExit codes: 0 done, and the state that it is in is said; 1 the gateway does not answer; 2 its state does not allow it.",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			gateway, err := operatorOf(cmd)
			if err != nil {
				return err
			}
			var after struct{ Number, State string }
			err = gateway.send(cmd.Context(), http.MethodPost, fmt.Sprintf(path, url.PathEscape(args[0])), map[string]string{"name": name}, &after)
			if err = refusedAsSuch(err); err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s %s: %s\n", what, after.Number, after.State)
			return err
		},
	}
	configFlags(cmd)
	cmd.Flags().StringVar(&name, "as", operatorName(), "who does it, for the record")
	return cmd
}

// inFen reads yuan with at most two decimals.
func inFen(yuan string) (fen int64, err error) {
	whole, cents, point := 0, 0, -1
	for i, c := range yuan {
		switch {
		case c == '.' && point < 0 && i > 0:
			point = i
		case c < '0' || c > '9' || point >= 0 && i-point > 2 || i > 15:
			return 0, errNoYuan
		case point < 0:
			whole = whole*10 + int(c-'0')
		default:
			cents = cents*10 + int(c-'0')
		}
	}
	if yuan == "" || point == len(yuan)-1 {
		return 0, errNoYuan
	}
	if point == len(yuan)-2 && point > 0 {
		cents *= 10
	}
	return int64(whole)*100 + int64(cents), nil
}

var errNoYuan = errors.New("give yuan with at most two decimals, as 12.50")
