package pay

import (
	"fmt"
	"time"

	"github.com/paybridge/paybridge/core/money"
)

// The insurance leg of a refund is never sent by us (R31). Created, it waits for the app to say that the hospital refunded it
// at the bureau; processing, the provider has yet to be told of that; succeeded, it was told; closed, the app gave it up.

// BureauRefund is what the insurance bureau gave back, as the app says. Sums are fen.
type BureauRefund struct {
	Number     string    `json:"bureau_refund_no"`
	Gov        int64     `json:"gov"`
	Self       int64     `json:"self"`
	Other      int64     `json:"other"`
	RefundedAt time.Time `json:"refunded_at"`
}

func (l RefundLeg) insurance() bool { return l.LegID == string(LegInsurance) }

// Insurance is the refund's insurance leg, and false where it has none.
func (r Refund) Insurance() (RefundLeg, bool) {
	for _, l := range r.Legs {
		if l.insurance() {
			return l, true
		}
	}
	return RefundLeg{}, false
}

// Cash is the leg that goes back through the provider, and false where all is the bureau's to give back.
func (r Refund) Cash() (RefundLeg, bool) {
	for _, l := range r.Legs {
		if !l.insurance() {
			return l, true
		}
	}
	return RefundLeg{}, len(r.Legs) == 0
}

// leftOfCash is what no refund has taken of the payment's part that the refund's cash comes from (R29).
func (r Refund) leftOfCash(rows Rows, p Payment) int64 {
	left, id := p.Content.Amount.Minor, ""
	if cash, ok := r.Cash(); ok && len(p.Legs) > 1 {
		id = cash.LegID
		for _, leg := range p.Legs {
			if leg.ID == id {
				left = leg.Amount.Minor
			}
		}
	}
	for _, f := range rows.Refunds {
		if f.Payment == p.Number {
			left -= f.takes(id)
		}
	}
	return left
}

// sent is what the provider is asked to give back.
func (r Refund) sent() money.Amount {
	if leg, ok := r.Cash(); ok && len(r.Legs) > 1 {
		return leg.Amount
	}
	return r.Amount
}

// takes is what a refund counts against its payment, or against one leg of it: by its legs where it has an insurance leg, since
// they move by themselves.
func (r Refund) takes(leg string) (sum int64) {
	if _, insured := r.Insurance(); !insured {
		if r.State.Taken() && (leg == "" || len(r.Legs) == 0 || r.Legs[0].LegID == leg) {
			return r.Amount.Minor
		}
		return 0
	}
	for _, l := range r.Legs {
		if l.State.Taken() && (leg == "" || l.LegID == leg) {
			sum += l.Amount.Minor
		}
	}
	return sum
}

// back is what has gone back by a refund.
func (r Refund) back() (sum int64) {
	if _, insured := r.Insurance(); !insured {
		if r.State == RefundSucceeded || r.State == RefundSettledOutside {
			return r.Amount.Minor
		}
		return 0
	}
	for _, l := range r.Legs {
		if l.State == RefundSucceeded || l.State == RefundSettledOutside {
			sum += l.Amount.Minor
		}
	}
	return sum
}

// refundLegs divides what goes back among the payment's legs: as asked for, or, where all that is left goes back, by what is
// left of each. Any other part of a payment of several legs has to be divided by the app.
func refundLegs(rows Rows, p Payment, r RefundRequest, origin Origin) ([]RefundLeg, error) {
	if origin == OriginExternal && len(p.Legs) > 1 { // what was made elsewhere through the provider is of its cash
		return []RefundLeg{{LegID: string(LegSelf), Amount: r.Amount, State: RefundCreated}}, nil
	}
	if len(p.Legs) == 1 && len(r.Legs) == 0 {
		return []RefundLeg{{LegID: p.Legs[0].ID, Amount: r.Amount, State: RefundCreated}}, nil
	}
	var legs []RefundLeg
	var sum int64
	for _, leg := range p.Legs {
		left := leg.Amount.Minor
		for _, f := range rows.Refunds {
			if f.Payment == p.Number {
				left -= f.takes(leg.ID)
			}
		}
		asked, named := r.Legs[leg.ID]
		switch {
		case len(r.Legs) == 0:
			asked = left
		case named && (asked < 1 || asked > left):
			return nil, refuse(CodeRefundExceeds, "%d asked, %d left of leg %s of payment %s", asked, left, leg.ID, p.Number)
		}
		if asked > 0 {
			legs = append(legs, RefundLeg{LegID: leg.ID, Amount: money.Amount{Minor: asked, Currency: r.Amount.Currency}, State: RefundCreated})
			sum += asked
		}
	}
	if sum != r.Amount.Minor || len(r.Legs) > len(legs) {
		return nil, refuse(CodeRefundLegs, "payment %s has several parts: say by legs how much of each goes back, %d in all", p.Number, r.Amount.Minor)
	}
	return legs, nil
}

// legsAs is the refund with its cash leg, or its insurance leg, in a state.
func (r Refund) legsAs(insurance bool, to RefundState) []RefundLeg {
	legs := make([]RefundLeg, len(r.Legs))
	for i, leg := range r.Legs {
		if legs[i] = leg; leg.insurance() == insurance {
			legs[i].State = to
		}
	}
	return legs
}

// whole is the state of a refund of which each leg is where it is; due is when to look again at one that is not over.
func (r Refund) whole(now time.Time) (state RefundState, due time.Time) {
	succeeded := false
	for _, l := range r.Legs {
		switch {
		case l.insurance() && l.State == RefundCreated:
			state, due = RefundProcessing, now.Add(LongestInterval) // it waits for the app
			if len(r.Legs) == 1 {
				state = RefundCreated
			}
		case !l.State.Final():
			return RefundProcessing, now
		case l.State == RefundFailed:
			return RefundFailed, time.Time{}
		case l.State == RefundSucceeded || l.State == RefundSettledOutside:
			succeeded = true
		}
	}
	switch {
	case state != "":
		return state, due
	case succeeded:
		return RefundSucceeded, time.Time{}
	}
	return RefundClosed, time.Time{}
}

// RefundedAtBureau takes the app's word that the hospital refunded the insurance leg at the bureau: the provider is told next.
// Said again with the same content, it decides nothing.
func RefundedAtBureau(rows Rows, number string, b BureauRefund, now time.Time) (Decision, error) {
	r, err := rows.Refund(number)
	if err != nil {
		return Decision{}, err
	}
	leg, insured := r.Insurance()
	switch {
	case !insured:
		return Decision{}, refuse(CodeRefundLeg, "refund %s has no insurance leg", number)
	case leg.Bureau != nil && *leg.Bureau == b:
		return Decision{}, nil
	case leg.State != RefundCreated:
		return Decision{}, refuse(CodeRefundLeg, "the insurance leg of refund %s is %s", number, leg.State)
	case b.Gov < 0 || b.Self < 0 || b.Other < 0 || b.Gov+b.Self+b.Other != leg.Amount.Minor:
		return Decision{}, refuse(CodeRefundLeg, "gov, self and other must come to %d, the insurance leg of refund %s", leg.Amount.Minor, number)
	}
	if err := withinBureau(rows, r, b); err != nil {
		return Decision{}, err
	}
	was := r.State
	r.Legs = r.legsAs(true, RefundProcessing)
	for i := range r.Legs {
		if r.Legs[i].insurance() {
			r.Legs[i].Bureau = &b
		}
	}
	if r.Due = now; was == RefundCreated {
		if _, cash := r.Cash(); !cash {
			r.State = RefundProcessing
		}
	}
	return Decision{}.putRefund(was, r, "the bureau refunded the insurance part")
}

// withinBureau holds each part against what insurance paid of it and what went back before.
func withinBureau(rows Rows, r Refund, b BureauRefund) error {
	p, err := rows.Payment(r.Payment)
	if err != nil || p.Content.Details == nil || p.Content.Details.Medical == nil {
		return err // of a payment whose personal data was removed the sum alone is known
	}
	m := p.Content.Details.Medical
	gov, self, other := b.Gov, b.Self, b.Other
	for _, f := range rows.Refunds {
		leg, insured := f.Insurance()
		if f.Payment == r.Payment && f.Number != r.Number && insured && leg.Bureau != nil && leg.State.Taken() {
			gov, self, other = gov+leg.Bureau.Gov, self+leg.Bureau.Self, other+leg.Bureau.Other
		}
	}
	for _, part := range []struct {
		name        string
		back, taken int64
	}{{"gov", gov, m.Gov}, {"self", self, m.Self}, {"other", other, m.Other}} {
		if part.back > part.taken {
			return refuse(CodeRefundExceeds, "%s: %d would have gone back of %d that insurance paid", part.name, part.back, part.taken)
		}
	}
	return nil
}

// CancelInsuranceLeg frees the sum of an insurance leg that the app will not have refunded after all.
func CancelInsuranceLeg(rows Rows, number string, now time.Time) (Decision, error) {
	r, err := rows.Refund(number)
	if err != nil {
		return Decision{}, err
	}
	leg, insured := r.Insurance()
	switch {
	case !insured:
		return Decision{}, refuse(CodeRefundLeg, "refund %s has no insurance leg", number)
	case leg.State == RefundClosed:
		return Decision{}, nil
	case leg.State != RefundCreated:
		return Decision{}, refuse(CodeRefundLeg, "the insurance leg of refund %s is %s: the bureau has refunded it", number, leg.State)
	}
	return legEnded(rows, r, RefundClosed, "the app gave the insurance part up", now)
}

// RefundReported decides what the provider's answer to the report of an insurance refund means.
func RefundReported(rows Rows, number string, o Outcome, now time.Time) (Decision, error) {
	r, err := rows.Refund(number)
	if err != nil {
		return Decision{}, err
	}
	leg, insured := r.Insurance()
	if !insured || leg.State != RefundProcessing {
		return Decision{}, nil
	}
	if o.Verdict == Accepted {
		return legEnded(rows, r, RefundSucceeded, "the provider was told of the bureau's refund", now)
	}
	var d Decision
	if o.Verdict == Rejected && o.Final() && r.NeedsAttention == "" {
		r.NeedsAttention = "The provider does not take the report of the bureau's refund: " + o.String() + ". Compare its sums with the bureau's."
		d.alarm(AlarmRefundAttention, number, r.NeedsAttention)
	}
	r.Due = later(r.Attempts, o, now)
	r.Attempts++
	return d.putRefund(r.State, r, fmt.Sprintf("report: %s", o))
}

// legEnded ends the insurance leg, and the refund with it where nothing else is left.
func legEnded(rows Rows, r Refund, to RefundState, cause string, now time.Time) (Decision, error) {
	var d Decision
	was := r.State
	p, err := rows.Payment(r.Payment)
	if err != nil {
		return d, err
	}
	r.Legs, r.Attempts = r.legsAs(true, to), 0
	state, due := r.whole(now)
	if cash, ok := r.Cash(); ok && !cash.State.Final() { // the other leg goes on by itself
		state, due = was, r.Due
		if due.IsZero() {
			due = now
		}
	}
	if r.State, r.Due = state, due; state == RefundSucceeded && was != RefundSucceeded {
		if r.SucceededAt.IsZero() {
			r.SucceededAt = now
		}
		d.event(EventRefundSucceeded, r.Number)
	} else if state == RefundClosed && was != RefundClosed {
		d.event(EventRefundClosed, r.Number)
	}
	if d, err = d.putRefund(was, r, cause); err != nil {
		return d, err
	}
	return refundedOrder(d, rows, p)
}
