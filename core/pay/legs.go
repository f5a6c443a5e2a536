package pay

import (
	"slices"
	"time"
)

// legStates is what a provider says of a leg, as the leg's state. What is not here decides nothing.
var legStates = map[FactState]PaymentState{
	FactUnpaid:    PaymentPending,
	FactSucceeded: PaymentSucceeded,
	FactClosed:    PaymentClosed,
	FactFailed:    PaymentFailed,
}

// legsSaid is the legs as facts say that they stand. What was paid stays paid: an older answer undoes nothing (R10).
func legsSaid(legs []Leg, f Facts) []Leg {
	after := slices.Clone(legs)
	for i, leg := range after {
		for _, said := range f.Legs {
			state, known := legStates[said.State]
			if said.ID != leg.ID || !known || leg.State == PaymentSucceeded && state != PaymentSucceeded {
				continue
			}
			after[i].State = state
			if said.ProviderID != "" {
				after[i].ProviderID = said.ProviderID
			}
		}
	}
	return after
}

// legMoved is facts that tell of some legs and not of the payment: the trade of the self-paid part of a mixed payment settles
// that leg alone (R22). The payment is paid once all are.
func legMoved(rows Rows, p Payment, f Facts, from Source, now time.Time) (Decision, error) {
	before := p.Legs
	p.Legs = legsSaid(p.Legs, f)
	if slices.Equal(before, p.Legs) {
		return Decision{}, nil
	}
	paid := !slices.ContainsFunc(p.Legs, func(l Leg) bool { return l.State != PaymentSucceeded })
	switch {
	case paid && p.State != PaymentSucceeded:
		f.PaidAt = paidOr(f.PaidAt, now)
		return succeed(with(rows, p), p, f, from, now)
	case p.State == PaymentClosed: // money came to a part of what was closed: the provider is asked what became of the rest
		p.State, p.Reclosing, p.Due = PaymentClosing, true, now
		return Decision{}.putPayment(PaymentClosed, p, "a part was paid after it was closed here")
	case p.State == PaymentFailed: // R32: of what was over a part is paid after all
		d, err := Decision{}.putPayment(p.State, p, "a part was paid after the payment had failed")
		if err != nil {
			return d, err
		}
		return incomplete(rows, d, p, f, now)
	}
	if p.State.Live() {
		p.Due = now // the whole follows its parts closely, and only the provider can tell of it
	}
	return Decision{}.putPayment(p.State, p, "a part moved ("+string(from)+")")
}

func paidOr(at, now time.Time) time.Time {
	if at.IsZero() {
		return now
	}
	return at
}

// failedAtProvider ends a payment of several legs only when each of them has ended: while one is still payable it is closed
// first. What was taken goes back (R32).
func failedAtProvider(rows Rows, p Payment, f Facts, from Source, now time.Time) (Decision, error) {
	p.Legs = legsSaid(p.Legs, f)
	payable := slices.ContainsFunc(p.Legs, func(l Leg) bool { return l.State == PaymentCreated || l.State == PaymentPending })
	switch {
	case len(p.Legs) > 1 && payable && p.State.Live():
		was := p.State
		if p.State = PaymentClosing; was == PaymentClosing {
			p.Due = again(p.Attempts, now)
			p.Attempts++
			return Decision{}.putPayment(was, p, "")
		}
		p.Due, p.Attempts = now, 0
		return Decision{}.putPayment(was, p, "a part failed; what is still payable of it is closed first")
	case !p.State.Live():
		return Decision{}, nil
	}
	d, err := ended(p, PaymentFailed, from, now)
	if err != nil || len(p.Legs) == 1 {
		return d, err
	}
	return incomplete(rows, d, p, f, now)
}

// closedAtProvider ends a payment that nobody can pay any more. One of which a part was taken has failed, and that part goes
// back (R32).
func closedAtProvider(rows Rows, p Payment, f Facts, from Source, now time.Time) (Decision, error) {
	taken := slices.ContainsFunc(p.Legs, func(l Leg) bool { return l.State == PaymentSucceeded })
	if !taken || !p.State.Live() {
		return ended(p, PaymentClosed, from, now)
	}
	d, err := ended(p, PaymentFailed, from, now)
	if err != nil {
		return d, err
	}
	return incomplete(rows, d, p, f, now)
}

// incomplete gives back what was taken of a payment that failed: the insurance leg too, which is the hospital's to refund at the
// bureau. A leg that the provider reversed by itself is recorded and not refunded again (R31).
func incomplete(rows Rows, d Decision, p Payment, f Facts, now time.Time) (Decision, error) {
	back := RefundRequest{Reference: "~" + string(OriginIncomplete), Reason: string(OriginIncomplete), Legs: map[string]int64{}}
	back.Amount.Currency = p.Total().Currency
	for _, leg := range p.Legs {
		known := slices.ContainsFunc(rows.Refunds, func(r Refund) bool {
			return r.Payment == p.Number && slices.ContainsFunc(r.Legs, func(l RefundLeg) bool { return l.LegID == leg.ID })
		})
		reversed := slices.ContainsFunc(f.Legs, func(l LegFacts) bool { return l.ID == leg.ID && l.Refunded })
		switch {
		case leg.State != PaymentSucceeded || known:
		case reversed:
			r, err := newRefund(rows, p, RefundRequest{Reference: "~external:" + leg.ID, Amount: leg.Amount, Legs: map[string]int64{leg.ID: leg.Amount.Minor}}, OriginExternal, now)
			if err != nil {
				return d, err
			}
			r.State, r.Due, r.SucceededAt, r.Legs[0].State, r.Legs[0].Due = RefundSucceeded, time.Time{}, now, RefundSucceeded, time.Time{}
			d.NewRefunds = append(d.NewRefunds, r)
			d.alarm(AlarmRefundExternal, p.Number, "the provider gave the "+leg.ID+" part of a failed payment back by itself")
		default:
			back.Legs[leg.ID] = leg.Amount.Minor
			back.Amount.Minor += leg.Amount.Minor
		}
	}
	if back.Amount.Minor == 0 {
		return d, nil
	}
	if slices.ContainsFunc(rows.Refunds, func(r Refund) bool { return r.Payment == p.Number && r.Reference == back.Reference }) {
		for leg := range back.Legs { // the other part went back before: this is the one that is left
			back.Reference += ":" + leg
		}
	}
	r, err := newRefund(rows, p, back, OriginIncomplete, now)
	if err != nil {
		return d, err
	}
	return d.awaitsBureau(r), nil
}
