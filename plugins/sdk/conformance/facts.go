package conformance

import (
	"encoding/json"
	"slices"
	"time"

	pb "github.com/paybridge/paybridge/plugins/proto/providerv1"
)

func factsOfPayments(p *probe) {
	one := p.start()
	kinds := p.described(one).GetHandOffKinds()
	for _, route := range p.about.Routes {
		r := p.payment(route)
		made := p.created(one, r)
		p.handOff(made.GetHandOff(), kinds)
		p.consistent("CreatePayment", r, made.GetFacts(), pb.PaymentState_PAYMENT_STATE_PENDING)
		p.consistent("QueryPayment of an unpaid trade", r, p.queried(one, r), pb.PaymentState_PAYMENT_STATE_PENDING)
		p.played("pay", p.fixture.Pay(p.ctx, p.trade(r)))
		p.complete("QueryPayment of a paid trade", r, p.queried(one, r))

		unknown := p.payment(route)
		none, err := one.provider.QueryPayment(p.ctx, queryOf(unknown))
		p.notFound("QueryPayment", none.GetOutcome(), err)
	}
}

func (p *probe) notFound(call string, o *pb.Outcome, err error) {
	if err != nil || o.GetVerdict() != pb.Verdict_VERDICT_REJECTED || o.GetReason() != pb.Reason_REASON_NOT_FOUND {
		p.wrong("%s of a number that the provider does not have answers %s: REJECTED with NOT_FOUND is right", call, p.told(o, err))
	}
}

func (p *probe) handOff(h *pb.HandOff, kinds []string) {
	var params map[string]any
	switch {
	case h == nil:
		p.wrong("CreatePayment is ACCEPTED without a hand_off: nobody could pay")
	case !slices.Contains(kinds, h.GetKind()):
		p.wrong("the hand_off's kind is %q, and Describe names %q alone", h.GetKind(), kinds)
	case json.Unmarshal(h.GetParams(), &params) != nil || params == nil:
		p.wrong("the hand_off's params are no JSON object")
	case h.GetValidUntil() != nil && h.GetValidUntil().AsTime().Before(time.Now()):
		p.wrong("the hand_off's valid_until is over already: %s", h.GetValidUntil().AsTime())
	}
}

// consistent holds what facts say, and what they do not leave out, against the payment. What a provider does not say of an
// unpaid trade may be missing.
func (p *probe) consistent(where string, r *pb.CreatePaymentRequest, f *pb.PaymentFacts, state pb.PaymentState) {
	route := r.GetCall().GetRoute()
	if f.GetState() != state {
		p.wrong("%s: the state is %s, want %s", where, stateName(f.GetState()), stateName(state))
	}
	for field, is := range map[string][2]string{
		"number": {f.GetNumber(), r.GetNumber()}, "mchid": {f.GetMchid(), route.GetMchid()},
		"sub_mchid": {f.GetSubMchid(), route.GetSubMchid()}, "app_id": {f.GetAppId(), route.GetAppId()},
		"payer.openid": {f.GetPayer().GetOpenid(), r.GetPayer().GetOpenid()}, "amount.currency": {f.GetAmount().GetCurrency(), p.about.Currency},
	} {
		if is[0] != "" && is[0] != is[1] {
			p.wrong("%s: the facts' %s is %q, the payment's is %q", where, field, is[0], is[1])
		}
	}
	if f.GetAmount() != nil && f.GetAmount().GetMinor() != r.GetAmount().GetMinor() {
		p.wrong("%s: the facts' amount is %d, the payment's is %d minor units", where, f.GetAmount().GetMinor(), r.GetAmount().GetMinor())
	}
}

// complete are the facts of a paid payment: the gateway compares all of these with what it stored (R12).
func (p *probe) complete(where string, r *pb.CreatePaymentRequest, f *pb.PaymentFacts) {
	p.consistent(where, r, f, pb.PaymentState_PAYMENT_STATE_SUCCEEDED)
	p.present(where, map[string]bool{
		"number": f.GetNumber() != "", "mchid": f.GetMchid() != "", "app_id": f.GetAppId() != "", "amount": f.GetAmount() != nil,
		"amount.currency": f.GetAmount().GetCurrency() != "", "provider_id": f.GetProviderId() != "", "paid_at": f.GetPaidAt() != nil,
		"sub_mchid":    f.GetSubMchid() != "" || r.GetCall().GetRoute().GetSubMchid() == "",
		"payer.openid": f.GetPayer().GetOpenid() != "" || r.GetPayer().GetOpenid() == "",
	})
}

func (p *probe) present(where string, fields map[string]bool) {
	for field, there := range fields {
		if !there {
			p.wrong("%s: the facts have no %s", where, field)
		}
	}
}

func factsOfRefunds(p *probe) {
	one := p.start()
	for _, route := range p.about.Routes {
		paid := p.paid(one, route)
		r := p.refundOf(paid, paid.GetAmount().GetMinor()/2)
		p.refundSaid("CreateRefund", r, p.refunded(one, r))
		p.refundSaid("QueryRefund", r, p.queriedRefund(one, r))
		arrived := p.trade(paid)
		p.played("arrive", p.fixture.Arrive(p.ctx, refundAt(arrived, r.GetNumber())))
		p.refundArrived("QueryRefund of an arrived refund", r, p.queriedRefund(one, r))
		if s := p.queried(one, paid).GetState(); s != pb.PaymentState_PAYMENT_STATE_REFUNDED && s != pb.PaymentState_PAYMENT_STATE_SUCCEEDED {
			p.wrong("QueryPayment of a trade with a refund: the state is %s, want REFUNDED or SUCCEEDED", stateName(s))
		}

		none, err := one.provider.QueryRefund(p.ctx, refundQueryOf(p.refundOf(paid, 1)))
		p.notFound("QueryRefund", none.GetOutcome(), err)
	}
}

func (p *probe) queriedRefund(one *process, r *pb.CreateRefundRequest) *pb.RefundFacts {
	a, err := one.provider.QueryRefund(p.ctx, refundQueryOf(r))
	if err != nil || a.GetOutcome().GetVerdict() != pb.Verdict_VERDICT_ACCEPTED || a.GetFacts() == nil {
		p.fatal("QueryRefund of a refund that the provider has answers %s", p.told(a.GetOutcome(), err))
	}
	return a.GetFacts()
}

// refundSaid are complete facts of a refund, wherever it stands.
func (p *probe) refundSaid(where string, r *pb.CreateRefundRequest, f *pb.RefundFacts) {
	route := r.GetCall().GetRoute()
	p.present(where, map[string]bool{
		"number": f.GetNumber() != "", "payment_number": f.GetPaymentNumber() != "", "amount": f.GetAmount() != nil,
		"provider_id": f.GetProviderId() != "", "state": f.GetState() != pb.RefundState_REFUND_STATE_UNSPECIFIED,
	})
	for field, is := range map[string][2]string{
		"number": {f.GetNumber(), r.GetNumber()}, "payment_number": {f.GetPaymentNumber(), r.GetPaymentNumber()},
		"mchid": {f.GetMchid(), route.GetMchid()}, "sub_mchid": {f.GetSubMchid(), route.GetSubMchid()},
		"amount.currency": {f.GetAmount().GetCurrency(), p.about.Currency},
	} {
		if is[0] != "" && is[0] != is[1] {
			p.wrong("%s: the facts' %s is %q, the refund's is %q", where, field, is[0], is[1])
		}
	}
	if f.GetAmount().GetMinor() != r.GetAmount().GetMinor() {
		p.wrong("%s: the facts' amount is %d, the refund's is %d minor units", where, f.GetAmount().GetMinor(), r.GetAmount().GetMinor())
	}
}

func (p *probe) refundArrived(where string, r *pb.CreateRefundRequest, f *pb.RefundFacts) {
	p.refundSaid(where, r, f)
	if f.GetState() != pb.RefundState_REFUND_STATE_SUCCEEDED || f.GetSucceededAt() == nil {
		p.wrong("%s: the state is %s with succeeded_at %v, want SUCCEEDED and a time", where,
			word(pb.RefundState_name, int32(f.GetState()), "REFUND_STATE_"), f.GetSucceededAt())
	}
}

func stateName(s pb.PaymentState) string {
	return word(pb.PaymentState_name, int32(s), "PAYMENT_STATE_")
}
