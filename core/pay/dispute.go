package pay

import (
	"cmp"
	"slices"
	"time"

	"github.com/paybridge/paybridge/core/money"
)

// Resolution is what an operator decides of a disputed payment (R12).
type Resolution struct {
	Name   string // who decides it
	Reason string
	Refund bool // give all of it back; else it is adopted
}

func (r Resolution) cause() string {
	if r.Refund {
		return "given back by " + r.Name + ": " + r.Reason
	}
	return "adopted by " + r.Name + ": " + r.Reason
}

// ResolveDispute ends a dispute by an operator's decision, on what a query says of the trade at this moment (R12). The payment is then
// of the amount and the app id that the provider says. Adopted, it counts as any other; given back, it does not pay its order. A trade of
// another merchant or number is nobody's here to decide about: refused. Where the query agrees by itself, or gets no answer, the
// decision is that of the query.
func ResolveDispute(rows Rows, number string, a Answer, r Resolution, now time.Time) (Decision, error) {
	p, err := rows.Payment(number)
	if err != nil {
		return Decision{}, err
	}
	if p.Disputed == "" || a.Outcome.Verdict != Accepted || a.Facts == nil || contradiction(p, *a.Facts) == "" {
		return Queried(rows, number, a, now)
	}
	if a.ProviderState != nil && a.ProviderState.Version > p.ProviderState.Version { // R35
		p.ProviderState = *a.ProviderState
	}
	f := *a.Facts
	p = adopted(p, f)
	switch why := contradiction(p, f); {
	case why != "" || p.Total().Currency != p.Content.Amount.Currency:
		return Decision{}, refuse(CodeTradeNotOurs, "%s: with that it is not the trade of payment %s, and its account could not refund it", cmp.Or(why, "the provider says "+f.Amount.String()), number)
	case !r.Refund:
		d, err := Settle(with(rows, p), number, f, FromQuery, now)
		return because(d, r), err
	case f.State != FactSucceeded:
		return Decision{}, refuse(CodePaymentNotPaid, "payment %s is %s at the provider: nothing was taken; adopt it, and it ends as any other", number, cmp.Or(f.State, "in a state that decides nothing"))
	case f.Refunded && !slices.ContainsFunc(rows.Refunds, func(r Refund) bool { return r.Payment == number }):
		return Decision{}, refuse(CodeRefundUnknown, "the provider says that some of payment %s went back already: adopt it, the statement tells how much", number)
	}
	var d Decision
	if p.State == PaymentSucceeded {
		d, err = Settle(with(rows, p), number, f, FromQuery, now)
	} else {
		p.Disputed = ""
		d, p, err = collected(p, f, FromQuery, now)
	}
	if err != nil {
		return d, err
	}
	if d, err = giveBack(d.After(rows), because(d, r), p, OriginDisputed, now); err != nil {
		return d, err
	}
	return closeOrderWithPayments(rows, d, now)
}

// adopted is a payment that is of what the provider says.
func adopted(p Payment, f Facts) Payment {
	is := Adopted{Amount: p.Total(), AppID: cmp.Or(f.AppID, p.Route.AppID)}
	if (f.Amount != money.Amount{}) {
		is.Amount = f.Amount
	}
	p.Adopted, p.Legs = &is, slices.Clone(p.Legs)
	if len(p.Legs) == 1 {
		p.Legs[0].Amount = is.Amount
	}
	for i := range p.Legs {
		for _, said := range f.Legs {
			if said.ID == p.Legs[i].ID {
				p.Legs[i].Amount = said.Amount
			}
		}
	}
	return p
}

func because(d Decision, r Resolution) Decision {
	if len(d.Payments) > 0 {
		d.Payments[0].Cause = r.cause()
	}
	return d
}
