package gateway

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/paybridge/paybridge/core/pay"
	"github.com/paybridge/paybridge/ports"
)

// Payment reads one payment of an app.
func (g *Gateway) Payment(ctx context.Context, app, number string) (pay.Payment, error) {
	return g.Store.Payment(ctx, app, number)
}

// Timeline is what happened to a payment and its refunds, oldest first.
func (g *Gateway) Timeline(ctx context.Context, app, payment string) ([]ports.AuditRow, error) {
	p, err := g.Store.Payment(ctx, app, payment)
	if err != nil {
		return nil, err
	}
	return g.Store.Timeline(ctx, p.Order, p.Number)
}

// syncTime is how long a sync waits for another call of the payment before it answers what is known.
const syncTime = 12 * time.Second

// Sync asks the provider where a payment stands, now: the payer came back, or an app wants to be sure (R17). A
// payment that has succeeded is answered as it stands. asked is false where the answer is only what was known before:
// another call of the payment is under way, or nobody knows what the provider would say. A provider that was not
// reached, or that answers nobody now, is an *Unavailable (R36).
func (g *Gateway) Sync(ctx context.Context, app, number string) (p pay.Payment, asked bool, err error) {
	p, err = g.Store.Payment(ctx, app, number)
	if err != nil || (p.State == pay.PaymentSucceeded && p.Disputed == "") {
		return p, err == nil, err
	}
	ctx, cancel := detached(ctx, syncTime)
	defer cancel()
	claim, err := g.claim(ctx, ports.KindPayment, number)
	if errors.Is(err, ports.ErrClaimed) {
		p, err = g.Store.Payment(context.WithoutCancel(ctx), app, number)
		return p, false, err
	} else if err != nil {
		return p, false, err
	}
	p, o, err := g.query(ctx, number, claim)
	switch {
	case err != nil:
		return p, false, err
	case o.Away():
		return p, false, &Unavailable{fmt.Sprintf("payment %s could not be asked about: %s", number, o), max(o.RetryAfter, askAgain)}
	}
	return p, o.Verdict == pay.Accepted || o.Is(pay.NotFound), nil
}

// query asks the provider about a claimed payment and commits the answer, whose outcome it tells.
func (g *Gateway) query(ctx context.Context, number string, claim ports.Claim) (pay.Payment, pay.Outcome, error) {
	p, err := g.Store.Payment(ctx, "", number) // as it is now that it is ours
	if err != nil {
		return p, pay.Outcome{}, err
	}
	answer := g.call(ctx, p, "query", ports.Provider.QueryPayment)
	p, err = g.outcome(ctx, number, answer, pay.Queried, claim)
	return p, answer.Outcome, err
}
