package main

import (
	"context"
	"fmt"
	"net/http"
	"net/url"

	"github.com/spf13/cobra"

	"github.com/paybridge/paybridge/adapters/config"
	"github.com/paybridge/paybridge/ports"
)

func receiptPageCommand() *cobra.Command {
	var name string
	cmd := &cobra.Command{
		Use:   "receipt-page ACCOUNT none|provider|own",
		Short: "Choose what a sub merchant's payers see after paying (点金计划), by a running gateway",
		Long: `After a payer of a partner's sub merchant (特约商户) has paid, WeChat closes the page that called pay. What comes then is the
gold plan's (点金计划), set for each sub merchant:

  none      WeChat closes the page, and that is all
  provider  WeChat's own receipt, and the page behind it is closed
  own       the gateway's receipt inside of WeChat's page, with a way back to the merchant

For own, register the receipt link (商家小票链接) NOTIFY_BASE/checkout/receipt once on the partner's platform. WeChat takes five
minutes to follow, and lets a plan that was closed be opened again a day later.

Exit codes: 0 done; 1 the gateway or WeChat does not answer: do it again; 2 refused: see why.`,
		Example: "  paybridge receipt-page school-1 own --as ann --config paybridge.yaml",
		Args:    cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, err := loadConfig(cmd)
			if err != nil {
				return err
			}
			if err := setReceiptPage(cmd.Context(), cfg, args[0], ports.ReceiptPage(args[1]), name); err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s: %s. WeChat follows within five minutes.\n", args[0], args[1])
			return err
		},
	}
	configFlags(cmd)
	cmd.Flags().StringVar(&name, "as", operatorName(), "who chooses it, for the log")
	return cmd
}

func setReceiptPage(ctx context.Context, cfg config.Config, account string, page ports.ReceiptPage, name string) error {
	gateway, err := newOperator(cfg)
	if err != nil {
		return err
	}
	return refusedAsSuch(gateway.send(ctx, http.MethodPost, "/admin/v1/accounts/"+url.PathEscape(account)+"/receipt-page", map[string]any{"name": name, "page": page}, &struct{}{}))
}
