package gateway

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/paybridge/paybridge/core/pay"
	"github.com/paybridge/paybridge/ports"
)

// ResolveAbnormal lets the provider send a refund elsewhere that the payer's account could not take, in an operator's name
// (R33). It may be asked again with the same target. *Unavailable also where nobody knows whether the provider took it.
func (g *Gateway) ResolveAbnormal(ctx context.Context, number, name string, to ports.AbnormalTarget) (f pay.Refund, err error) {
	if err := signed(name); err != nil {
		return f, err
	}
	if err := checkTarget(to); err != nil {
		return f, err
	}
	if f, err = g.Store.Refund(ctx, "", number); err != nil {
		return f, err
	}
	p, err := g.Store.Payment(ctx, "", f.Payment)
	if err != nil {
		return f, err
	}
	ctx, cancel := detached(ctx, syncTime)
	defer cancel()
	claim, err := g.claim(ctx, ports.KindRefund, number)
	if errors.Is(err, ports.ErrClaimed) {
		return f, &Unavailable{"the provider is being asked about refund " + number + " at this moment", askAgain}
	} else if err != nil {
		return f, err
	}
	asked := false
	defer func() {
		if !asked {
			g.letGo(ctx, claim)
		}
	}()
	rows, err := g.decide(ctx, byRefund(number), decided(func(rows pay.Rows, now time.Time) (pay.Decision, error) {
		return pay.AskAbnormal(rows, number, pay.AbnormalRefund{Name: name, ToMerchant: to.ToMerchant}, now)
	}))
	if err != nil {
		return f, err
	}
	if f, err = rows.Refund(number); err != nil {
		return f, err
	}
	if g.Optional == nil {
		return f, errNotOffered
	}
	absent := false
	answer := g.callRefund(ctx, p, f, "resolve_abnormal_refund", func(_ ports.Provider, ctx context.Context, p pay.Payment, f pay.Refund) ports.RefundAnswer {
		answer, err := g.Optional.ResolveAbnormalRefund(ctx, p, f, to)
		switch {
		case errors.Is(err, ports.ErrUnimplemented):
			absent = true
			return ports.RefundAnswer{Outcome: pay.Outcome{Verdict: pay.Rejected, Reason: pay.InvalidRequest}}
		case err != nil:
			return ports.RefundAnswer{Outcome: pay.Outcome{Verdict: pay.NotSent, Reason: pay.Unavailable, Message: err.Error()}}
		}
		return answer
	})
	if absent {
		return f, errNotOffered
	}
	asked = true
	if err := g.refundOutcome(ctx, number, answer, pay.AbnormalAnswered, claim); err != nil {
		return f, err
	}
	switch o := answer.Outcome; {
	case o.Verdict == pay.Indeterminate:
		return f, &Unavailable{"nobody knows whether the provider took it; ask the very same again: " + o.String(), askAgain}
	case o.Away():
		return f, &Unavailable{fmt.Sprintf("the provider was not asked, or answers nobody now: %s", o), max(o.RetryAfter, askAgain)}
	case o.Verdict == pay.Rejected:
		return f, &pay.Refusal{Code: pay.CodeRefundNotAbnormal, Detail: fmt.Sprintf("the provider refused it: %s %s", o, o.Message)}
	}
	return g.Store.Refund(ctx, "", number)
}

var errNotOffered = &pay.Refusal{
	Code:   pay.CodeNotOffered,
	Detail: "the refund's channel sends no refund elsewhere by itself: do it on the merchant platform, or give the money back another way and say so by settle-outside",
}

// checkTarget refuses a target that no provider would take.
func checkTarget(to ports.AbnormalTarget) error {
	for _, field := range []struct{ name, text string }{{"bank_type", to.BankType}, {"bank_account", to.BankAccount}, {"real_name", to.RealName}} {
		switch {
		case to.ToMerchant && field.text != "":
			return &Invalid{field.name, "belongs to a card of the payer's; leave it out where the money goes to the merchant"}
		case !to.ToMerchant && (field.text == "" || len(field.text) > 128 || !printable(field.text)):
			return &Invalid{field.name, "1 to 128 bytes of printable text: the bank as the provider names it (CMB_DEBIT), the card's number, its owner"}
		}
	}
	return nil
}
