package pay

import (
	"fmt"
	"slices"
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

// OfCash is the refund with the due time of what goes back through the provider. One that has no insurance leg is that alone.
func (r Refund) OfCash() Refund {
	if _, insured := r.Insurance(); insured {
		cash, _ := r.Cash()
		r.Due = cash.Due
	}
	return r
}

// scheduled is the opposite of OfCash: the refund is looked at when the first of its legs is due.
func (r Refund) scheduled() Refund {
	if _, insured := r.Insurance(); !insured {
		return r
	}
	cash := r.Due
	r.Legs, r.Due = slices.Clone(r.Legs), time.Time{}
	for i := range r.Legs {
		leg := &r.Legs[i]
		switch {
		case !leg.insurance():
			leg.Due = cash
		case leg.State.Final():
			leg.Due = time.Time{}
		}
		r.Due = Earliest(r.Due, leg.Due)
	}
	return r
}

// Earliest is the first of two times; the zero time is none.
func Earliest(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// NextDue is when to look next at a refund as Rows.Refund and OfCash give it; zero: not again.
func (r Refund) NextDue() time.Time { return r.scheduled().Due }

// cashState is where what goes back through the provider stands.
func (r Refund) cashState() RefundState {
	if _, insured := r.Insurance(); insured {
		if cash, ok := r.Cash(); ok {
			return cash.State
		}
	}
	return r.State
}

// setInsurance moves the insurance leg; due is when to look at it again.
func (r *Refund) setInsurance(to RefundState, due time.Time) {
	r.Legs = slices.Clone(r.Legs)
	for i := range r.Legs {
		if r.Legs[i].insurance() {
			r.Legs[i].State, r.Legs[i].Due = to, due
		}
	}
}

// leftOfCash is what no refund has taken of the payment's part that the refund's cash comes from (R29).
func (r Refund) leftOfCash(rows Rows, p Payment) int64 {
	left, id := p.Total().Minor, ""
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

// awaitsBureau adds a refund that nobody asked for. Of one with an insurance leg the app is told: only the hospital can give that
// part back, at the bureau (R31).
func (d Decision) awaitsBureau(f Refund) Decision {
	d.NewRefunds = append(d.NewRefunds, f)
	if leg, insured := f.Insurance(); insured {
		d.event(EventRefundBureauDue, f.Number)
		d.alarm(AlarmRefundAttention, f.Number, fmt.Sprintf("nobody asked for this refund (%s), and %s of it are insurance's: the hospital has them refunded at the insurance bureau, and says so to this refund", f.Origin, leg.Amount))
	}
	return d
}

// refundLegs divides what goes back among the payment's legs: as asked for, or, where all that is left goes back, by what is
// left of each. Any other part of a payment of several legs has to be divided by the app.
func refundLegs(rows Rows, p Payment, r RefundRequest, origin Origin) ([]RefundLeg, error) {
	if origin == OriginExternal && len(p.Legs) > 1 && len(r.Legs) == 0 { // what was made elsewhere through the provider is of its cash
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

// setCash moves what goes back through the provider; the insurance leg moves by itself.
func (r *Refund) setCash(to RefundState) {
	r.Legs = slices.Clone(r.Legs)
	for i := range r.Legs {
		if !r.Legs[i].insurance() {
			r.Legs[i].State = to
		}
	}
}

// endCash is the refund when nothing more is expected of what goes back through the provider. It is over with that, unless the
// insurance leg is not.
func (r *Refund) endCash(to RefundState) {
	r.setCash(to)
	r.Due = time.Time{}
	r.State = to
	if _, insured := r.Insurance(); insured && to != RefundFailed {
		r.State = r.whole()
	}
}

// refundEnded tells the app where a refund has ended, if it has.
func (d *Decision) refundEnded(was RefundState, r Refund) {
	kind, ends := map[RefundState]EventKind{
		RefundSucceeded: EventRefundSucceeded, RefundFailed: EventRefundFailed, RefundClosed: EventRefundClosed, RefundSettledOutside: EventRefundSettledOutside,
	}[r.State]
	if ends && r.State != was {
		d.event(kind, r.Number)
	}
}

// whole is the state of a refund of which each leg is where it is.
func (r Refund) whole() RefundState {
	var all []RefundState
	for _, l := range r.Legs {
		all = append(all, l.State)
	}
	is := func(s RefundState) bool { return slices.Contains(all, s) }
	switch {
	case is(RefundCreated) && len(all) == 1:
		return RefundCreated
	case is(RefundCreated) || is(RefundProcessing):
		return RefundProcessing
	case is(RefundFailed):
		return RefundFailed
	case is(RefundSettledOutside):
		return RefundSettledOutside
	case is(RefundSucceeded):
		return RefundSucceeded
	}
	return RefundClosed
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
	case leg.State != RefundCreated && leg.State != RefundProcessing: // until the provider has taken it, it can be put right
		return Decision{}, refuse(CodeRefundLeg, "the insurance leg of refund %s is %s", number, leg.State)
	case b.Gov < 0 || b.Self < 0 || b.Other < 0 || b.Gov+b.Self+b.Other != leg.Amount.Minor:
		return Decision{}, refuse(CodeRefundLeg, "gov, self and other must come to %d, the insurance leg of refund %s", leg.Amount.Minor, number)
	}
	if err := withinBureau(rows, r, b); err != nil {
		return Decision{}, err
	}
	was := r.State
	if _, cash := r.Cash(); !cash {
		r.State = RefundProcessing
	}
	r.setInsurance(RefundProcessing, now)
	for i := range r.Legs {
		if l := &r.Legs[i]; l.insurance() {
			l.Bureau, l.Attempts = &b, 0
			r.reportTaken(l)
		}
	}
	return Decision{}.putRefund(was, r, "the bureau refunded the insurance part")
}

// reportTaken is a leg whose report is refused no more: nobody has to see to it.
func (r *Refund) reportTaken(l *RefundLeg) {
	if l.insurance() && l.Refused != "" {
		l.Refused, r.NeedsAttention = "", ""
	}
}

// attended is a refund whose cash needs nobody any more. What the insurance leg needs a person for stays.
func (r *Refund) attended() {
	if leg, _ := r.Insurance(); leg.Refused == "" {
		r.NeedsAttention = ""
	}
}

// withinBureau holds each part against what insurance paid of it and what went back before.
func withinBureau(rows Rows, r Refund, b BureauRefund) error {
	p, err := rows.Payment(r.Payment)
	if err != nil || p.Content.Details == nil || p.Content.Details.Medical == nil {
		return err
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

// CancelInsuranceLeg frees the sum of an insurance leg that the app will not have refunded after all, also when the app had
// said that it was and the provider definitely refuses to take that.
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
	case leg.State != RefundCreated && (leg.State != RefundProcessing || leg.Refused == ""):
		return Decision{}, refuse(CodeRefundLeg, "the insurance leg of refund %s is %s: the bureau has refunded it", number, leg.State)
	}
	return legEnded(rows, r, RefundClosed, "the app gave the insurance part up", now)
}

// RefundReported decides what the provider's answer to the report of an insurance refund means. told is what it was told: where
// the app has said other sums meanwhile, they are told next, and this answer decides nothing.
func RefundReported(rows Rows, number string, told BureauRefund, o Outcome, now time.Time) (Decision, error) {
	r, err := rows.Refund(number)
	if err != nil {
		return Decision{}, err
	}
	leg, insured := r.Insurance()
	switch {
	case insured && leg.State == RefundClosed && o.Verdict == Accepted:
		var d Decision
		d.alarm(AlarmRefundAttention, number, "the app gave its insurance part up while the provider was told of the bureau's refund, and the provider took it: what is left of that part is more here than it is there")
		return d, nil
	case !insured || leg.State != RefundProcessing || *leg.Bureau != told:
		return Decision{}, nil
	}
	if o.Verdict == Accepted {
		return legEnded(rows, r, RefundSucceeded, "the provider was told of the bureau's refund", now)
	}
	var d Decision
	r.setInsurance(RefundProcessing, later(leg.Attempts, o, now))
	for i := range r.Legs {
		if l := &r.Legs[i]; l.insurance() {
			l.Attempts++
			if l.Refused = ""; o.Final() {
				l.Refused = o.String()
			}
		}
	}
	if o.Final() && leg.Refused == "" {
		r.NeedsAttention = "The provider does not take the report of the bureau's refund: " + o.String() + ". Compare its sums with the bureau's and say them again, or give the insurance part up."
		d.alarm(AlarmRefundAttention, number, r.NeedsAttention)
	}
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
	r.setInsurance(to, time.Time{})
	for i := range r.Legs {
		r.reportTaken(&r.Legs[i])
	}
	if cash, ok := r.Cash(); !ok || cash.State == RefundSucceeded || cash.State == RefundClosed { // else its cash says where it is
		r.State = r.whole()
	}
	if r.State == RefundSucceeded && r.SucceededAt.IsZero() {
		r.SucceededAt = now
	}
	d.refundEnded(was, r)
	if d, err = d.putRefund(was, r, cause); err != nil {
		return d, err
	}
	return refundedOrder(d, rows, p)
}
