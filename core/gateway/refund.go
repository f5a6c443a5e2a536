package gateway

import (
	"context"
	"strings"
	"time"

	"github.com/paybridge/paybridge/core/pay"
	"github.com/paybridge/paybridge/ports"
)

// Refund commits a refund, to be sent by the worker at once, or answers the one that has this reference already and
// the same content (R28). The route is the payment's own (R27).
func (g *Gateway) Refund(ctx context.Context, app, payment string, r pay.RefundRequest) (f pay.Refund, created bool, err error) {
	switch {
	case r.Reference == "" || len(r.Reference) > 64 || strings.HasPrefix(r.Reference, "~") || !printable(r.Reference):
		return f, false, &Invalid{"reference", "1 to 64 bytes of printable text that do not begin with ~"}
	case r.Amount.Payable() != nil:
		return f, false, &Invalid{"amount", "whole fen, at least 1, in the payment's currency"}
	case len(r.Reason) > 80 || !printable(r.Reason):
		return f, false, &Invalid{"reason", "at most 80 bytes of printable text, shown to the payer"}
	}
	p, err := g.Store.Payment(ctx, app, payment)
	if err != nil {
		return f, false, err
	}
	r.NotifyURL = g.notifyURL(p.Route)
	_, err = g.decide(ctx, byPayment(payment), decided(func(rows pay.Rows, now time.Time) (d pay.Decision, err error) {
		f, d, err = pay.RequestRefund(rows, payment, r, now)
		created = len(d.NewRefunds) > 0
		return d, err
	}))
	return f, created, err
}

// GetRefund reads one refund of an app.
func (g *Gateway) GetRefund(ctx context.Context, app, number string) (pay.Refund, error) {
	return g.Store.Refund(ctx, app, number)
}

// RetryRefund submits a failed refund again under its own number, or brings the next try of a waiting one forward.
func (g *Gateway) RetryRefund(ctx context.Context, app, number string) (pay.Refund, error) {
	return g.moveRefund(ctx, app, number, func(rows pay.Rows, now time.Time) (pay.Decision, error) {
		return pay.RetryRefund(rows, number, now)
	})
}

// refund takes a claimed refund one step on: sends it, or asks what became of it.
func (g *Gateway) refund(ctx context.Context, claim ports.Claim) error {
	number := claim.Number
	f, err := g.Store.Refund(ctx, "", number)
	if err != nil {
		return err
	}
	p, err := g.Store.Payment(ctx, "", f.Payment)
	if err != nil {
		return err
	}
	if until := g.breakers.openUntil(p.Route.Account); until.After(g.Clock.Now()) {
		return g.Store.Unclaim(ctx, claim, until)
	}
	f = f.OfCash()
	if leg, ok := f.Insurance(); ok { // each leg has its own time
		_, both := f.Cash()
		switch now := g.Clock.Now(); {
		case leg.State == pay.RefundProcessing && !leg.Due.After(now):
			return g.reportRefund(ctx, p, f, *leg.Bureau, claim)
		case leg.State == pay.RefundCreated && !leg.Due.After(now) && (f.Due.IsZero() || f.Due.After(now)): // it waits for the app
			return g.Store.Unclaim(ctx, claim, pay.Earliest(f.Due, now.Add(pay.LongestInterval)))
		case !both || f.Due.IsZero() || f.Due.After(now):
			return g.Store.Unclaim(ctx, claim, f.NextDue())
		}
	}
	switch {
	case f.State == pay.RefundSettledOutside && !f.Due.IsZero(): // the provider had it, and may yet pay it
	case f.State.Final() && (f.State != pay.RefundFailed || f.Absent): // nothing to ask; a callback was faster than the claim
		return g.Store.Unclaim(ctx, claim, time.Time{})
	case f.State == pay.RefundCreated || (f.State == pay.RefundProcessing && f.SentAt.IsZero()):
		return g.sendRefund(ctx, p, claim)
	}
	answer := g.callRefund(ctx, p, f, "query_refund", ports.Provider.QueryRefund)
	return g.refundOutcome(ctx, number, answer, pay.RefundQueried, claim)
}

// sendRefund commits the intent to send, sends, and commits what came of it.
func (g *Gateway) sendRefund(ctx context.Context, p pay.Payment, claim ports.Claim) error {
	number := claim.Number
	var ready bool
	sentAt := g.intent()
	rows, err := g.decide(ctx, byRefund(number), decided(func(rows pay.Rows, _ time.Time) (d pay.Decision, err error) {
		d, ready, err = pay.SendRefund(rows, number, sentAt)
		return d, err
	}))
	if err != nil {
		return err
	}
	f, err := rows.Refund(number)
	if err != nil {
		return err
	}
	if !ready {
		return g.Store.Unclaim(ctx, claim, f.NextDue())
	}
	crashPoint(crashAfterIntent)
	answer := g.callRefund(ctx, p, f, "create_refund", ports.Provider.CreateRefund)
	crashPoint(crashAfterCall)
	return g.refundOutcome(ctx, number, answer, pay.RefundAnswered, claim)
}

func (g *Gateway) callRefund(ctx context.Context, p pay.Payment, f pay.Refund, name string, method func(ports.Provider, context.Context, pay.Payment, pay.Refund) ports.RefundAnswer) ports.RefundAnswer {
	provider, err := g.Providers.For(p.Route) // the frozen route, never today's config (R27)
	if err != nil {
		return ports.RefundAnswer{Outcome: pay.Outcome{Verdict: pay.NotSent, Reason: pay.Unavailable, Message: err.Error()}}
	}
	ctx, cancel := context.WithTimeout(ctx, pay.CallTime)
	defer cancel()
	ctx, end := g.span(ctx, "provider "+name, f.Number)
	defer end(nil)
	began := g.Clock.Now()
	answer := method(provider, ctx, p, f)
	g.observe(ctx, p.Route, name, answer.Outcome, began, answer.ProviderTime)
	return answer
}

func (g *Gateway) refundOutcome(ctx context.Context, number string, a ports.RefundAnswer, meaning func(pay.Rows, string, pay.Outcome, *pay.RefundFacts, time.Time) (pay.Decision, error), claim ports.Claim) error {
	ctx, cancel := detached(ctx, commitTime)
	defer cancel()
	crashPoint(crashBeforeOutcome)
	_, err := g.decideSurely(ctx, byRefund(number), decided(func(rows pay.Rows, now time.Time) (pay.Decision, error) {
		d, err := meaning(rows, number, a.Outcome, a.Facts, now)
		if err != nil {
			return d, err
		}
		f, err := rows.Refund(number)
		if err != nil {
			return d, err
		}
		d.RequestID = a.Outcome.RequestID
		return pay.Remember(rows, d, f.Payment, a.ProviderState)
	}), claim)
	crashPoint(crashAfterOutcome)
	return err
}

// reportRefund tells the provider what the bureau gave back. It may be told again: the last one counts.
func (g *Gateway) reportRefund(ctx context.Context, p pay.Payment, f pay.Refund, b pay.BureauRefund, claim ports.Claim) error {
	called, cancel := context.WithTimeout(ctx, pay.CallTime)
	defer cancel()
	began := g.Clock.Now()
	o, err := g.Optional.ReportRefund(called, p, ports.RefundReport{
		Number: f.OutRefundNo(), LegID: string(pay.LegInsurance), Gov: b.Gov, Self: b.Self, Other: b.Other,
		RefundedAt: b.RefundedAt, BureauRefundNo: b.Number,
	})
	if err != nil { // nothing was sent
		o = pay.Outcome{Verdict: pay.NotSent, Reason: pay.Unavailable, Message: err.Error()}
	}
	g.observe(ctx, p.Route, "report_refund", o, began, time.Time{})
	ctx, end := detached(ctx, commitTime)
	defer end()
	_, err = g.decideSurely(ctx, byRefund(f.Number), decided(func(rows pay.Rows, now time.Time) (pay.Decision, error) {
		return pay.RefundReported(rows, f.Number, b, o, now)
	}), claim)
	return err
}

// RefundedAtBureau takes the app's word that the hospital refunded a refund's insurance leg at the bureau.
func (g *Gateway) RefundedAtBureau(ctx context.Context, app, number string, b pay.BureauRefund) (pay.Refund, error) {
	now := g.Clock.Now()
	switch {
	case b.Number == "" || len(b.Number) > 64 || !printable(b.Number):
		return pay.Refund{}, &Invalid{"bureau_refund_no", "1 to 64 bytes of printable text"}
	case b.RefundedAt.IsZero() || b.RefundedAt.After(now.Add(time.Hour)):
		return pay.Refund{}, &Invalid{"refunded_at", "when the bureau gave it back, not in the future"}
	}
	b.RefundedAt = b.RefundedAt.UTC().Truncate(time.Second)
	return g.moveRefund(ctx, app, number, func(rows pay.Rows, now time.Time) (pay.Decision, error) {
		return pay.RefundedAtBureau(rows, number, b, now)
	})
}

// CancelInsuranceLeg frees the sum of an insurance leg that the app gives up.
func (g *Gateway) CancelInsuranceLeg(ctx context.Context, app, number string) (pay.Refund, error) {
	return g.moveRefund(ctx, app, number, func(rows pay.Rows, now time.Time) (pay.Decision, error) {
		return pay.CancelInsuranceLeg(rows, number, now)
	})
}

// moveRefund decides about one refund of an app.
func (g *Gateway) moveRefund(ctx context.Context, app, number string, decision func(pay.Rows, time.Time) (pay.Decision, error)) (pay.Refund, error) {
	f, err := g.Store.Refund(ctx, app, number)
	if err != nil {
		return f, err
	}
	rows, err := g.decide(ctx, byRefund(number), decided(decision))
	if err != nil {
		return f, err
	}
	return rows.Refund(number)
}
