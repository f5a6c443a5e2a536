package gateway

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/paybridge/paybridge/core/pay"
	"github.com/paybridge/paybridge/ports"
)

// ResolveDispute ends a payment's dispute by an operator's decision, on what the provider says of its trade now (R12). It gives the
// payment as it stands then. A payment that is not disputed, or a trade that nobody here can decide about, is a *pay.Refusal; a provider
// that does not answer, or another call of the payment under way, an *Unavailable.
func (g *Gateway) ResolveDispute(ctx context.Context, number string, r pay.Resolution) (pay.Payment, error) {
	if err := signed(r.Name); err != nil {
		return pay.Payment{}, err
	}
	if err := reasoned(r.Reason, "why it is decided so"); err != nil {
		return pay.Payment{}, err
	}
	p, err := g.Store.Payment(ctx, "", number)
	switch {
	case err != nil:
		return p, err
	case p.Disputed == "":
		return p, &pay.Refusal{Code: pay.CodePaymentNotDisputed, Detail: fmt.Sprintf("payment %s is %s, and nothing contradicts it", number, p.State)}
	}
	ctx, cancel := detached(ctx, syncTime)
	defer cancel()
	claim, err := g.claim(ctx, ports.KindPayment, number)
	if errors.Is(err, ports.ErrClaimed) {
		return p, &Unavailable{"the provider is being asked about payment " + number + " at this moment", askAgain}
	} else if err != nil {
		return p, err
	}
	answer := g.call(ctx, p, "query", ports.Provider.QueryPayment)
	p, err = g.outcome(ctx, number, answer, func(rows pay.Rows, number string, a pay.Answer, now time.Time) (pay.Decision, error) {
		return pay.ResolveDispute(rows, number, a, r, now)
	}, claim)
	switch o := answer.Outcome; {
	case err != nil:
		g.letGo(ctx, claim)
		return p, err
	case p.Disputed != "":
		return p, &Unavailable{fmt.Sprintf("payment %s could not be asked about, so nothing was decided: %s", number, o), max(o.RetryAfter, askAgain)}
	}
	return p, nil
}

// reasoned refuses what an operator does without a reason that the audit can keep.
func reasoned(reason, what string) error {
	if reason == "" || len(reason) > 200 || !printable(reason) {
		return &Invalid{"reason", what + ", in 1 to 200 bytes of printable text; the audit keeps it, so no card number and no name of a payer"}
	}
	return nil
}
