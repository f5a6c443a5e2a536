package pay

import (
	"fmt"
	"slices"
	"time"

	"github.com/paybridge/paybridge/core/money"
	"github.com/paybridge/paybridge/core/tradeno"
)

// RefundRequest is what an app asks to go back.
type RefundRequest struct {
	Reference string
	Amount    money.Amount
	Reason    string
	Legs      map[string]int64 // minor units by leg; nil: of one leg, or all that is left of each
	NotifyURL string           // where the provider tells of it; empty: where it told of the payment
}

// RequestRefund decides about a new refund. When the reference is taken by the same content, that refund is the
// answer and the decision is empty; other content is refused, and so is whatever R29 and R30 forbid, before the
// provider is asked.
func RequestRefund(rows Rows, payment string, r RefundRequest, now time.Time) (Refund, Decision, error) {
	p, err := rows.Payment(payment)
	if err != nil {
		return Refund{}, Decision{}, err
	}
	var made int
	for _, f := range rows.Refunds {
		if f.Payment != payment {
			continue
		}
		if f.Reference == r.Reference {
			if f.Amount != r.Amount || f.Reason != r.Reason || !sameLegs(f, r.Legs) {
				return f, Decision{}, refuse(CodeReferenceReused, "refund %s has the reference %q with other content", f.Number, r.Reference)
			}
			return f, Decision{}, nil
		}
		if f.AmountUnknown && asks(r, f) {
			return f, Decision{}, refuse(CodeRefundUnknown, "refund %s was made elsewhere and its amount is not known yet", f.Number)
		}
		if f.State.Taken() {
			made++
		}
	}
	if f, d, err := adopt(rows, payment, r); err != nil || f.Number != "" {
		return f, d, err
	}
	if err := refundable(rows, p, r.Amount, made, now); err != nil {
		return Refund{}, Decision{}, err
	}
	f, err := newRefund(rows, p, r, OriginAPI, now)
	if err != nil {
		return f, Decision{}, err
	}
	return f, Decision{NewRefunds: []Refund{f}}, nil
}

// asks tells whether a request is for a leg that another refund is of. One that names no leg is for all.
func asks(r RefundRequest, f Refund) bool {
	return len(r.Legs) == 0 || len(f.Legs) == 0 || slices.ContainsFunc(f.Legs, func(l RefundLeg) bool { return r.Legs[l.LegID] > 0 })
}

// adopt finds the refund that this reference made before our rows were lost, and that the provider has told of since:
// it was recorded as made elsewhere, under the very number that the reference gives (R28).
func adopt(rows Rows, payment string, r RefundRequest) (Refund, Decision, error) {
	number, err := tradeno.ForRefund(payment, r.Reference, func(string) bool { return false })
	if err != nil {
		return Refund{}, Decision{}, err
	}
	for _, f := range rows.Refunds {
		if f.Payment != payment || f.Origin != OriginExternal || f.OutRefundNo() != number {
			continue
		}
		asked := r.Amount
		insurance := r.Legs[string(LegInsurance)]
		if asked.Minor -= insurance; f.Amount != asked {
			return f, Decision{}, refuse(CodeReferenceReused, "refund %s has the reference %q with other content", number, r.Reference)
		}
		f.Reference, f.Origin, f.Reason = r.Reference, OriginAPI, r.Reason
		d, err := Decision{}.putRefund(f.State, f, "recovered: it was made by this reference")
		return f, d, err
	}
	return Refund{}, Decision{}, nil
}

func refundable(rows Rows, p Payment, amount money.Amount, made int, now time.Time) error {
	switch limits := p.Route.Policy; {
	case p.State != PaymentSucceeded:
		return refuse(CodePaymentNotPaid, "payment %s is %s: nothing was taken", p.Number, p.State)
	case limits.RefundCount > 0 && made >= limits.RefundCount:
		return refuse(CodeRefundTooMany, "payment %s has %d refunds, the most that its provider allows", p.Number, made)
	case limits.RefundAge > 0 && now.Sub(p.SucceededAt) > limits.RefundAge:
		return refuse(CodeRefundTooLate, "payment %s was paid at %s; its provider refunds for %d days", p.Number, p.SucceededAt.Format(time.RFC3339), int(limits.RefundAge.Hours()/24))
	}
	left := p.Total().Minor - taken(rows, p.Number)
	if amount.Currency != p.Total().Currency || amount.Minor > left || amount.Minor <= 0 {
		return refuse(CodeRefundExceeds, "%s asked, %d %s left of payment %s", amount, left, p.Total().Currency, p.Number)
	}
	return nil
}

// taken is the sum, in minor units, of a payment's refunds that count against it (R29).
func taken(rows Rows, payment string) int64 {
	var sum int64
	for _, f := range rows.Refunds {
		if f.Payment == payment {
			sum += f.takes("")
		}
	}
	return sum
}

// newRefund makes the row: its number derived, its notify URL frozen, its due time after the provider's least time
// between two refunds of one payment (R30).
func newRefund(rows Rows, p Payment, r RefundRequest, origin Origin, now time.Time) (Refund, error) {
	number, err := tradeno.ForRefund(p.Number, r.Reference, func(n string) bool {
		for _, f := range rows.Refunds {
			if f.Number == n {
				return true
			}
		}
		return false
	})
	if err != nil {
		return Refund{}, fmt.Errorf("number the refund %q of payment %s: %w", r.Reference, p.Number, err)
	}
	legs, err := refundLegs(rows, p, r, origin)
	if err != nil {
		return Refund{}, err
	}
	notify := r.NotifyURL
	if notify == "" {
		notify = p.Route.NotifyURL()
	}
	f := Refund{
		Number: number, Payment: p.Number, Order: p.Order, App: p.App, Reference: r.Reference, Amount: r.Amount,
		Legs:   legs,
		Reason: r.Reason, NotifyURL: notify, Origin: origin, State: RefundCreated, CreatedAt: now,
		Due: earliest(rows, p, "", now),
	}
	f.setInsurance(RefundCreated, now.Add(LongestInterval)) // it waits for the app
	return f.scheduled(), nil
}

// sameLegs tells whether a repeated request divides the sum as the refund does. One that does not say divides it alike.
func sameLegs(f Refund, legs map[string]int64) bool {
	if len(legs) == 0 {
		return true
	}
	for _, l := range f.Legs {
		if legs[l.LegID] != l.Amount.Minor {
			return false
		}
	}
	return len(legs) == len(f.Legs)
}

// earliest is when the provider would take another refund of the payment, or now.
func earliest(rows Rows, p Payment, except string, now time.Time) time.Time {
	at := now
	for _, f := range rows.Refunds {
		if f.Payment != p.Number || f.Number == except || f.SentAt.IsZero() {
			continue
		}
		if free := f.SentAt.Add(p.Route.Policy.RefundInterval); free.After(at) {
			at = free
		}
	}
	return at
}

// giveBack refunds by itself what has not gone back of a payment: nobody asked for it, and its order has no use for it (R19, R20).
func giveBack(rows Rows, d Decision, p Payment, origin Origin, now time.Time) (Decision, error) {
	left := p.Total()
	if left.Minor -= taken(rows, p.Number); left.Minor < 1 {
		return d, nil
	}
	f, err := newRefund(rows, p, RefundRequest{Reference: "~" + string(origin), Amount: left, Reason: string(origin)}, origin, now)
	if err != nil {
		return d, err
	}
	return d.awaitsBureau(f), nil
}

// learnRefund records that the provider speaks of a refund of which we know nothing: of an amount that only the bill
// tells (R21). An insurance part that was reported to it elsewhere is for the app to tell of.
func learnRefund(rows Rows, d Decision, p Payment, f Facts, now time.Time) (Decision, error) {
	if !f.Refunded {
		return d, nil
	}
	_, ofCash := Refund{Legs: []RefundLeg{{LegID: p.Legs[0].ID}}}.Cash()
	cash, insurance := ofCash || len(p.Legs) > 1, false
	if said := slices.ContainsFunc(f.Legs, func(l LegFacts) bool { return l.Refunded }); said {
		cash = false
		for _, l := range f.Legs {
			cash = cash || l.Refunded && l.ID != string(LegInsurance)
			insurance = insurance || l.Refunded && l.ID == string(LegInsurance)
		}
	}
	for _, r := range rows.Refunds {
		if r.Payment != p.Number {
			continue
		}
		if leg, insured := r.Insurance(); insured && leg.Bureau != nil {
			insurance = false // we said so
		}
		if _, ofCash := r.Cash(); ofCash && (!r.SentAt.IsZero() || r.Origin == OriginExternal) {
			cash = false // ours, or known already
		}
	}
	if insurance {
		d.alarm(AlarmRefundExternal, p.Number, "the provider says that the insurance part of this payment was refunded, and was not told so by us. Refund that part here too and say what the bureau gave back.")
	}
	if !cash {
		return d, nil
	}
	r, err := newRefund(rows, p, RefundRequest{Reference: "~external", Amount: money.Amount{Currency: p.Total().Currency}}, OriginExternal, now)
	if err != nil {
		return d, err
	}
	r.AmountUnknown, r.State, r.Due, r.SucceededAt = true, RefundSucceeded, time.Time{}, now
	r.Legs[0].State = RefundSucceeded
	d.NewRefunds = append(d.NewRefunds, r)
	d.alarm(AlarmRefundExternal, p.Number, "the provider says that this payment was refunded, but not by us. Its bill tells the amount; until then it cannot be refunded here.")
	return d, nil
}
