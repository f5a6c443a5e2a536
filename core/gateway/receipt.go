package gateway

import (
	"context"
	"errors"
	"fmt"

	"github.com/paybridge/paybridge/core/pay"
	"github.com/paybridge/paybridge/ports"
)

// SetReceiptPage chooses, in an operator's name, what the payers of an account see after paying (点金计划). It may be asked again.
// *Unavailable also where nobody knows whether the provider took it.
func (g *Gateway) SetReceiptPage(ctx context.Context, account, name string, page ports.ReceiptPage) error {
	if err := signed(name); err != nil {
		return err
	}
	if page != ports.NoReceipt && page != ports.ProviderReceipt && page != ports.OwnReceipt {
		return &Invalid{"page", "none, provider or own"}
	}
	a, ok := g.settings.Load().accounts[account]
	switch {
	case !ok:
		return fmt.Errorf("account %s: %w", account, ports.ErrNotFound)
	case a.Template:
		return &Invalid{"account", "is a template: name one of the sub merchants that were made from it"}
	case g.Optional == nil:
		return errNoReceiptPage
	}
	ctx, cancel := detached(ctx, syncTime)
	defer cancel()
	o, err := g.Optional.SetReceiptPage(ctx, RouteOf(ports.Entry{Provider: a.Provider}, a, pay.Policy{}), page)
	switch {
	case errors.Is(err, ports.ErrUnimplemented):
		return errNoReceiptPage
	case err != nil:
		return err
	case o.Verdict == pay.Indeterminate:
		return &Unavailable{"nobody knows whether the provider took it; ask the very same again: " + o.String(), askAgain}
	case o.Away():
		return &Unavailable{fmt.Sprintf("the provider was not asked, or answers nobody now: %s", o), max(o.RetryAfter, askAgain)}
	case o.Verdict == pay.Rejected:
		return &pay.Refusal{Code: pay.CodeReceiptPage, Detail: fmt.Sprintf("the provider refused it: %s %s", o, o.Message)}
	}
	g.Log.Info("the receipt page was set", "account", account, "page", page, "by", name)
	return nil
}

var errNoReceiptPage = &pay.Refusal{Code: pay.CodeNotOffered, Detail: "the account's channel shows no page after a payment that could be chosen"}
