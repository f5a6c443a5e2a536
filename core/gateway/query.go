package gateway

import (
	"context"
	"errors"
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
// payment that has succeeded, or that is being asked about already, is answered as it stands.
func (g *Gateway) Sync(ctx context.Context, app, number string) (pay.Payment, error) {
	p, err := g.Store.Payment(ctx, app, number)
	if err != nil || (p.State == pay.PaymentSucceeded && p.Disputed == "") {
		return p, err
	}
	ctx, cancel := detached(ctx, syncTime)
	defer cancel()
	claim, err := g.claim(ctx, ports.KindPayment, number)
	if errors.Is(err, ports.ErrClaimed) {
		return g.Store.Payment(context.WithoutCancel(ctx), app, number)
	} else if err != nil {
		return p, err
	}
	return g.query(ctx, number, claim)
}

// query asks the provider about a claimed payment and commits the answer.
func (g *Gateway) query(ctx context.Context, number string, claim ports.Claim) (pay.Payment, error) {
	p, err := g.Store.Payment(ctx, "", number) // as it is now that it is ours
	if err != nil {
		return p, err
	}
	answer := g.call(ctx, p, "query", ports.Provider.QueryPayment)
	return g.outcome(ctx, number, answer, pay.Queried, claim)
}
