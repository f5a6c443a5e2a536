package pay

import (
	"fmt"
	"time"

	"github.com/paybridge/paybridge/core/money"
)

// Source is where facts come from. Only a query ends a dispute.
type Source string

// The sources.
const (
	FromCreate       Source = "create"
	FromQuery        Source = "query"
	FromClose        Source = "close"
	FromNotification Source = "notification"
)

// Settle decides what verified facts mean for a payment, its order and the order's other payments. Facts may come
// twice, late, out of order, or contradict us; seen again, they decide nothing but when to look again. It fails only
// on a state that we have never heard of.
func Settle(rows Rows, number string, f Facts, from Source, now time.Time) (Decision, error) {
	p, err := rows.Payment(number)
	if err != nil {
		return Decision{}, err
	}
	if why := contradiction(p, f); why != "" {
		return dispute(p, why, now)
	}
	agreed := p.Disputed != "" && from == FromQuery // R12: it ends by a query that matches
	if agreed {
		p.Disputed = ""
	}
	var d Decision
	switch {
	case f.LegsOnly:
		d, err = legMoved(rows, p, f, from, now)
	case f.State == FactUnpaid:
		p.Legs = legsSaid(p.Legs, f)
		d, err = unpaid(rows, p, f, from, now)
	case f.State == FactClosed:
		p.Legs = legsSaid(p.Legs, f)
		d, err = closedAtProvider(rows, p, f, from, now)
	case f.State == FactFailed:
		d, err = failedAtProvider(rows, p, f, from, now)
	case f.State == FactSucceeded:
		d, err = succeed(rows, p, f, from, now)
	default:
		d, err = undecidedState(p, f, from, now)
	}
	if err != nil {
		return Decision{}, err
	}
	if agreed && len(d.Payments) == 0 { // its state is final and stays
		p.Due = time.Time{}
		if d, err = d.putPayment(p.State, p, ""); err != nil {
			return Decision{}, err
		}
	}
	if agreed && d.Payments[0].Cause == "" {
		d.Payments[0].Cause = "the dispute is over: a query agrees"
	}
	return closeOrderWithPayments(rows, d, now)
}

// unpaid is a create's answer, or a query that finds the trade there and not paid.
func unpaid(rows Rows, p Payment, f Facts, from Source, now time.Time) (Decision, error) {
	var d Decision
	switch p.State {
	case PaymentCreated:
		if from == FromCreate || renewableFor(p, now) { // R06: found by a sweep, the payer's next tap renews it
			p.State, p.Attempts, p.Due = PaymentPending, 0, again(0, now)
			return d.putPayment(PaymentCreated, p, "accepted by the provider ("+string(from)+")")
		}
		p.State, p.Due = PaymentClosing, now
		return d.putPayment(PaymentCreated, p, "found unpaid and not renewable")
	case PaymentPending:
		p.Attempts++
		p.Due = again(p.Attempts, now)
		return d.putPayment(PaymentPending, p, "")
	case PaymentClosing: // R05: close it, at once
		if (from == FromQuery || from == FromClose) && p.Route.Policy.NoClose && now.After(closedWithoutClose(p)) { // R25
			return closedAtProvider(rows, p, f, from, now)
		}
		p.Attempts++
		if p.Due = now; from != FromCreate {
			p.Due = again(p.Attempts, now)
		}
		return d.putPayment(PaymentClosing, p, "")
	case PaymentClosed: // R05: a late create got through
		p.State, p.Reclosing, p.Due = PaymentClosing, true, now
		return d.putPayment(PaymentClosed, p, "found payable after it was closed here")
	default:
		return d, nil // R10: an answer that comes after the callback undoes nothing
	}
}

// undecidedState is a state that we do not know, or a message that says none: it decides nothing, and the provider is asked again,
// because of a message at once. A payment that counts as closed is closed once more, which asks how it stands.
func undecidedState(p Payment, f Facts, from Source, now time.Time) (Decision, error) {
	was, cause := p.State, fmt.Sprintf("the provider says %q, which decides nothing", f.State)
	p.Due = again(p.Attempts, now)
	p.Attempts++
	if from == FromNotification {
		p.Due, p.Attempts, cause = now, 0, "the provider sent a message that decides nothing: it is asked"
	}
	switch {
	case p.State == PaymentClosed && from == FromNotification:
		p.State, p.Reclosing = PaymentClosing, true
	case p.State.Final():
		return Decision{}, nil
	}
	return Decision{}.putPayment(was, p, cause)
}

// renewableFor tells whether the same number and content may be sent again: the provider allows it and enough time
// is left (R07).
func renewableFor(p Payment, now time.Time) bool {
	return p.Route.Policy.Renewable && (p.Content.Details == nil || p.Content.Details.Medical == nil) && p.Content.TimeExpire.Sub(now) >= LeastTimeToPay+CallTime
}

func ended(p Payment, to PaymentState, from Source, now time.Time) (Decision, error) {
	var d Decision
	if !p.State.Live() {
		return d, nil
	}
	was := p.State
	p.State, p.Due = to, time.Time{}
	if p.Disputed != "" {
		p.Due = again(p.Attempts, now)
	}
	if to == PaymentFailed {
		d.event(EventPaymentFailed, p.Number)
	} else {
		d.event(EventPaymentClosed, p.Number)
	}
	return d.putPayment(was, p, string(to)+" at the provider ("+string(from)+")")
}

func succeed(rows Rows, p Payment, f Facts, from Source, now time.Time) (Decision, error) {
	if p.State == PaymentSucceeded {
		return learnRefund(rows, Decision{}, p, f, now)
	}
	d, p, err := collected(p, f, from, now)
	if err != nil {
		return d, err
	}
	o := rows.Order
	switch {
	case f.Refunded && (o.SettledBy != "" || o.State == OrderClosed): // it went back already, if not all of it
		return learnRefund(rows, d, p, f, now)
	case o.SettledBy != "": // R19
		return giveBack(rows, d, p, OriginDuplicate, now)
	case o.State == OrderClosed && p.Route.LatePay != LateAccept: // R20
		return giveBack(rows, d, p, OriginLate, now)
	}
	wasOrder := o.State
	o.State, o.SettledBy, o.PaidAt, o.Due, o.CloseReason = OrderPaid, p.Number, p.SucceededAt, time.Time{}, ""
	if d, err = d.putOrder(wasOrder, o, "payment "+p.Number); err != nil {
		return d, err
	}
	d.event(EventOrderPaid, o.Number)
	if wanted, ok := expected(p, now); ok {
		d.NewFulfilments = append(d.NewFulfilments, wanted)
	}
	for _, other := range rows.Payments { // R18: nobody can pay twice what is paid
		if other.Number == p.Number || (other.State != PaymentCreated && other.State != PaymentPending) {
			continue
		}
		wasOther := other.State
		other.State, other.Due, other.Attempts = PaymentClosing, now, 0
		if d, err = d.putPayment(wasOther, other, "the order is paid by "+p.Number); err != nil {
			return d, err
		}
	}
	return learnRefund(rows, d, p, f, now)
}

// collected moves a payment to succeeded, whatever that means for its order.
func collected(p Payment, f Facts, from Source, now time.Time) (Decision, Payment, error) {
	was := p.State
	p.State, p.ProviderID, p.PayerTotal, p.SucceededAt = PaymentSucceeded, f.ProviderID, f.PayerTotal, f.PaidAt
	p.Due, p.Attempts = time.Time{}, 0
	if p.SucceededAt.IsZero() {
		p.SucceededAt = now
	}
	if p.Disputed != "" {
		p.Due = now
	}
	p.Legs = legsAfter(p.Legs, f)
	d, err := Decision{}.putPayment(was, p, "paid ("+string(from)+")")
	d.event(EventPaymentSucceeded, p.Number)
	return d, p, err
}

func legsAfter(legs []Leg, f Facts) []Leg {
	after := make([]Leg, len(legs))
	for i, leg := range legs {
		after[i] = leg
		after[i].State = PaymentSucceeded
		if len(legs) == 1 {
			after[i].ProviderID = f.ProviderID
		}
		for _, said := range f.Legs {
			if said.ID == leg.ID && said.ProviderID != "" {
				after[i].ProviderID = said.ProviderID
			}
		}
	}
	return after
}

// closeOrderWithPayments lets a closing order close once nobody can pay it any more (R23).
func closeOrderWithPayments(rows Rows, d Decision, now time.Time) (Decision, error) {
	after := d.After(rows)
	if after.Order.State != OrderClosing {
		return d, nil
	}
	for _, p := range after.Payments {
		if p.State.Live() {
			return d, nil
		}
	}
	o := after.Order
	o.State, o.Due = OrderClosed, time.Time{}
	d.event(EventOrderClosed, o.Number)
	return d.putOrder(OrderClosing, o, "nobody can pay it any more")
}

// dispute leaves every state alone: the provider is asked again, and a person is told (R12).
func dispute(p Payment, why string, now time.Time) (Decision, error) {
	var d Decision
	cause := "disputed: " + why
	if p.Disputed == why {
		cause = ""
	} else {
		d.alarm(AlarmPaymentDisputed, p.Number, why+". The provider is asked again; if it stays, adopt or refund the trade: paybridge dispute resolve.")
	}
	p.Disputed, p.HandOff = why, nil
	p.Attempts++
	p.Due = again(p.Attempts, now)
	return d.putPayment(p.State, p, cause)
}

// contradiction says how facts differ from what was asked for, or nothing. What an unpaid answer leaves out is not
// held against it; money must be said to be ours in every part.
func contradiction(p Payment, f Facts) string {
	paid, appID := f.State == FactSucceeded, p.Route.AppID
	if p.Adopted != nil {
		appID = p.Adopted.AppID
	}
	for _, c := range []struct{ what, said, asked string }{
		{"number", f.Number, p.OutTradeNo()},
		{"merchant", f.MchID, p.Route.MchID},
		{"sub merchant", f.SubMchID, p.Route.SubMchID},
		{"app id", f.AppID, appID},
	} {
		if c.said != c.asked && (paid || c.said != "") {
			return fmt.Sprintf("the provider says %s %q, asked with %q", c.what, c.said, c.asked)
		}
	}
	if !f.LegsOnly && f.Amount != p.Total() && (paid || f.Amount != money.Amount{}) {
		return fmt.Sprintf("the provider says %s, asked for %s", f.Amount, p.Total())
	}
	for _, said := range f.Legs {
		for _, leg := range p.Legs {
			if leg.ID == said.ID && leg.Amount != said.Amount {
				return fmt.Sprintf("the provider says %s for leg %s, asked for %s", said.Amount, leg.ID, leg.Amount)
			}
		}
	}
	return ""
}
