package conformance

import (
	"google.golang.org/protobuf/proto"

	pb "github.com/paybridge/paybridge/plugins/proto/providerv1"
)

func repeatCreate(p *probe) {
	one, renewable := p.start(), false
	renewable = p.described(one).GetRenewable()
	r := p.payment(p.about.Routes[0])
	p.created(one, r)
	for _, again := range []*process{one, p.start()} { // the gateway may have been restarted in between
		a, err := p.create(p.ctx, again, r)
		switch {
		case err == nil && renewable && a.GetOutcome().GetVerdict() == pb.Verdict_VERDICT_ACCEPTED && a.GetHandOff() != nil:
		case renewable:
			p.wrong("CreatePayment, repeated, answers %s: Describe says renewable, so it must be ACCEPTED with a hand_off", p.told(a.GetOutcome(), err))
		case err == nil && (a.GetOutcome().GetVerdict() == pb.Verdict_VERDICT_ACCEPTED || a.GetOutcome().GetReason() == pb.Reason_REASON_CONFLICT):
		default:
			p.wrong("CreatePayment, repeated, answers %s: ACCEPTED, or REJECTED with CONFLICT, is right", p.told(a.GetOutcome(), err))
		}
	}
	if l := p.ledger(r); !l.Found || l.Amount != r.GetAmount().GetMinor() {
		p.wrong("after three calls of CreatePayment the provider's trade of that number is %+v", l)
	}
	p.played("pay", p.fixture.Pay(p.ctx, p.trade(r)))
	a, err := p.create(p.ctx, one, r)
	o := a.GetOutcome()
	alive := o.GetReason() != pb.Reason_REASON_INVALID_REQUEST && o.GetReason() != pb.Reason_REASON_DECLINED
	if err != nil || !alive || o.GetVerdict() == pb.Verdict_VERDICT_ACCEPTED && a.GetFacts().GetState() == pb.PaymentState_PAYMENT_STATE_PENDING {
		p.wrong("CreatePayment, repeated when the payer has paid, answers %s, %s: REJECTED with CONFLICT, or ACCEPTED with the facts of a paid trade, is "+
			"right; INVALID_REQUEST and DECLINED would end a payment that was paid", p.told(o, err), stateName(a.GetFacts().GetState()))
	}
	if !p.ledger(r).Paid {
		p.wrong("a repeated CreatePayment undid that the trade was paid")
	}
}

func repeatClose(p *probe) {
	one := p.start()
	if p.described(one).GetCloseSupport() == pb.CloseSupport_CLOSE_SUPPORT_NONE {
		p.skip("Describe says that its provider closes nothing")
	}
	r := p.payment(p.about.Routes[0])
	p.created(one, r)
	for range 2 {
		a, err := one.provider.ClosePayment(p.ctx, closeOf(r))
		if err != nil || a.GetOutcome().GetVerdict() != pb.Verdict_VERDICT_ACCEPTED || a.GetFacts().GetState() != pb.PaymentState_PAYMENT_STATE_CLOSED {
			p.wrong("ClosePayment of an unpaid trade answers %s, %s: ACCEPTED and CLOSED is right, each time",
				p.told(a.GetOutcome(), err), stateName(a.GetFacts().GetState()))
		}
		if !p.ledger(r).Closed {
			p.wrong("ClosePayment has answered, and the provider's trade is not closed")
		}
	}
	p.consistent("QueryPayment of a closed trade", r, p.queried(one, r), pb.PaymentState_PAYMENT_STATE_CLOSED)

	paid := p.paid(one, p.about.Routes[0])
	a, err := one.provider.ClosePayment(p.ctx, closeOf(paid))
	o, s := a.GetOutcome(), a.GetFacts().GetState()
	found := o.GetVerdict() == pb.Verdict_VERDICT_ACCEPTED && s == pb.PaymentState_PAYMENT_STATE_SUCCEEDED
	conflict := o.GetVerdict() == pb.Verdict_VERDICT_REJECTED && o.GetReason() == pb.Reason_REASON_CONFLICT
	if err != nil || !found && !conflict {
		p.wrong("ClosePayment of a paid trade answers %s, %s: ACCEPTED with the facts of a paid trade, or REJECTED with CONFLICT, is right",
			p.told(o, err), stateName(s))
	}
	if !p.ledger(paid).Paid {
		p.wrong("ClosePayment undid that the trade was paid")
	}
}

func repeatRefund(p *probe) {
	one := p.start()
	paid := p.paid(one, p.about.Routes[0])
	r := p.refundOf(paid, paid.GetAmount().GetMinor()/3)
	p.refunded(one, r)
	for _, again := range []*process{one, p.start()} {
		p.refundSaid("CreateRefund, repeated", r, p.refunded(again, r))
	}
	p.played("arrive", p.fixture.Arrive(p.ctx, refundAt(p.trade(paid), r.GetNumber())))
	p.refundSaid("CreateRefund, repeated when it has arrived", r, p.refunded(one, r))
	p.oneRefund(paid, r)
}

// oneRefund holds the provider's refunds of a payment against the one that was asked for.
func (p *probe) oneRefund(paid *pb.CreatePaymentRequest, r *pb.CreateRefundRequest) {
	l := p.ledger(paid)
	if len(l.Refunds) != 1 || len(refundNumbers(l, r.GetNumber())) != 1 || l.Refunds[0].Amount != r.GetAmount().GetMinor() {
		p.wrong("one refund of %d minor units was asked for, and the provider has %+v", r.GetAmount().GetMinor(), l.Refunds)
	}
}

func conflict(p *probe) {
	one := p.start()
	r := p.payment(p.about.Routes[0])
	p.created(one, r)
	other := proto.CloneOf(r)
	other.Amount = p.amount(r.GetAmount().GetMinor() + 1)
	other.Legs[0].Amount, other.Details = other.GetAmount(), p.details(other.GetAmount().GetMinor())
	a, err := p.create(p.ctx, one, other)
	p.conflicts("CreatePayment with another amount", a.GetOutcome(), err)
	if l := p.ledger(r); l.Amount != r.GetAmount().GetMinor() {
		p.wrong("a second CreatePayment changed the trade's amount from %d to %d", r.GetAmount().GetMinor(), l.Amount)
	}

	p.played("pay", p.fixture.Pay(p.ctx, p.trade(r)))
	refund := p.refundOf(r, 100)
	p.refunded(one, refund)
	twice := proto.CloneOf(refund)
	twice.Amount = p.amount(101)
	b, err := one.provider.CreateRefund(p.ctx, twice)
	p.conflicts("CreateRefund with another amount", b.GetOutcome(), err)
	p.oneRefund(r, refund)
}

func (p *probe) conflicts(call string, o *pb.Outcome, err error) {
	if err != nil || o.GetVerdict() != pb.Verdict_VERDICT_REJECTED || o.GetReason() != pb.Reason_REASON_CONFLICT {
		p.wrong("%s under a number that is in use answers %s: REJECTED with CONFLICT is right", call, p.told(o, err))
	}
}

// checkpoints resumes a payment from each of its states, in another process, and runs the last step once more.
func checkpoints(p *probe) {
	one := p.start()
	r := p.payment(p.about.Routes[0])
	first, err := one.provider.CreatePayment(p.ctx, r)
	switch {
	case err != nil:
		p.fatal("CreatePayment: %v", err)
	case first.GetOutcome().GetVerdict() != pb.Verdict_VERDICT_CHECKPOINT:
		p.skip("it makes a payment in one call, and answers no CHECKPOINT")
	}
	p.keep(r, first.GetProviderState())
	resumed := proto.CloneOf(r)
	p.created(p.start(), r)
	if a, err := p.create(p.ctx, one, resumed); err != nil || a.GetOutcome().GetVerdict() != pb.Verdict_VERDICT_ACCEPTED {
		p.wrong("CreatePayment, resumed twice from one provider_state, answers %s the second time", p.told(a.GetOutcome(), err))
	}
	if l := p.ledger(r); !l.Found || l.Amount != r.GetAmount().GetMinor() {
		p.wrong("after it was resumed the provider's trade is %+v", l)
	}
}
