package gateway

import (
	"context"
	"errors"
	"time"

	"github.com/paybridge/paybridge/core/pay"
	"github.com/paybridge/paybridge/ports"
)

// CloseOrder closes an order once its live payment is closed at the provider (R23). It waits for that as long as one
// call takes; an order that is still closing then is answered as it stands, and work goes on.
func (g *Gateway) CloseOrder(ctx context.Context, app, number string) (pay.Order, error) {
	o, err := g.Store.Order(ctx, app, number)
	if err != nil {
		return o, err
	}
	ctx, cancel := detached(ctx, requestTime)
	defer cancel()
	why := pay.ClosedByApp
	if operator(ctx) != "" {
		why = pay.ClosedByOperator
	}
	rows, err := g.decide(ctx, byOrder(number), decided(func(rows pay.Rows, now time.Time) (pay.Decision, error) {
		return pay.CloseOrder(rows, why, now)
	}))
	if err != nil {
		return o, err
	}
	for _, p := range rows.Payments {
		if p.State != pay.PaymentClosing {
			continue
		}
		var paid *pay.Refusal // money won the race: the order says so below
		if _, err := g.closeNow(ctx, p.Number, "its order closes"); err != nil && !errors.As(err, &paid) && !errors.Is(err, ports.ErrClaimed) && !errors.Is(err, ports.ErrUnavailable) {
			return rows.Order, err
		}
	}
	if o, err = g.Store.Order(context.WithoutCancel(ctx), app, number); err == nil && o.SettledBy != "" {
		return o, &pay.Refusal{Code: pay.CodeOrderPaid, Detail: "order " + number + " was paid by " + o.SettledBy + " while it was being closed"}
	}
	return o, err
}

// ClosePayment closes one payment at its provider; the order stays open.
func (g *Gateway) ClosePayment(ctx context.Context, app, number string) (pay.Payment, error) {
	p, err := g.Store.Payment(ctx, app, number)
	if err != nil {
		return p, err
	}
	ctx, cancel := detached(ctx, requestTime)
	defer cancel()
	cause := "closed by the app"
	if operator(ctx) != "" {
		cause = "closed by an operator"
	}
	closed, err := g.closeNow(ctx, number, cause)
	if errors.Is(err, ports.ErrClaimed) || errors.Is(err, ports.ErrUnavailable) {
		return g.Store.Payment(context.WithoutCancel(ctx), app, number)
	}
	return closed, err
}

// closeNow commits the intent to close a payment, claims it, and asks the provider.
func (g *Gateway) closeNow(ctx context.Context, number, why string) (pay.Payment, error) {
	rows, err := g.decide(ctx, byPayment(number), decided(func(rows pay.Rows, now time.Time) (pay.Decision, error) {
		return pay.ClosePayment(rows, number, why, now)
	}))
	if err != nil {
		return pay.Payment{}, err
	}
	if p, err := rows.Payment(number); err != nil || p.State != pay.PaymentClosing {
		return p, err
	}
	claim, err := g.claim(ctx, ports.KindPayment, number)
	if err != nil {
		return pay.Payment{}, err
	}
	return g.close(ctx, number, claim)
}

// close asks the provider to close a claimed payment and commits the answer. Where the provider's state is not what
// we think (it may have been paid), it is asked in the same claim (R24).
func (g *Gateway) close(ctx context.Context, number string, claim ports.Claim) (pay.Payment, error) {
	p, err := g.Store.Payment(ctx, "", number)
	if err != nil {
		return p, err
	}
	if p.State != pay.PaymentClosing {
		return p, g.Store.Unclaim(ctx, claim, g.Clock.Now())
	}
	crashPoint(crashAfterIntent)
	answer := g.call(ctx, p, "close", ports.Provider.ClosePayment)
	crashPoint(crashAfterCall)
	if !answer.Outcome.Is(pay.Conflict) {
		return g.outcome(ctx, number, answer, pay.CloseAnswered, claim)
	}
	if p, err = g.outcome(ctx, number, answer, pay.CloseAnswered); err != nil {
		return p, err
	}
	p, _, err = g.query(ctx, number, claim)
	return p, err
}
