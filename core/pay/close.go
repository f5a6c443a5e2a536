package pay

import "time"

// CloseOrder decides how an order closes: at once where nobody can pay it, else once its live payment is closed at
// the provider (R23). A closed or closing order decides nothing; a paid one is refused.
func CloseOrder(rows Rows, why CloseReason, now time.Time) (Decision, error) {
	var d Decision
	o := rows.Order
	switch o.State {
	case OrderClosing, OrderClosed:
		return d, nil
	case OrderOpen:
	default:
		return d, refuse(CodeOrderPaid, "order %s is paid; refund its payment %s instead", o.Number, o.SettledBy)
	}
	o.State, o.CloseReason, o.Due = OrderClosed, why, time.Time{}
	for _, p := range rows.Payments {
		if !p.State.Live() {
			continue
		}
		o.State, o.Due = OrderClosing, again(2, now)
		if p.State == PaymentClosing {
			continue
		}
		was := p.State
		p.State, p.Due, p.Attempts = PaymentClosing, now, 0
		var err error
		if d, err = d.putPayment(was, p, "its order closes: "+string(why)); err != nil {
			return d, err
		}
	}
	if o.State == OrderClosed {
		d.event(EventOrderClosed, o.Number)
	}
	return d.putOrder(OrderOpen, o, "closed by "+string(why))
}

// LookAtOrder decides what a due order needs: an open one expires, a closing one waits for its payment.
func LookAtOrder(rows Rows, now time.Time) (Decision, error) {
	o := rows.Order
	switch {
	case o.State == OrderOpen && !now.Before(o.ExpiresAt):
		return CloseOrder(rows, ClosedAsDue, now)
	case o.State == OrderOpen:
		var d Decision
		o.Due = o.ExpiresAt
		return d.putOrder(OrderOpen, o, "")
	case o.State == OrderClosing:
		d, err := closeOrderWithPayments(rows, Decision{}, now)
		if err == nil && d.Empty() {
			o.Due = again(3, now)
			return d.putOrder(OrderClosing, o, "")
		}
		return d, err
	}
	return Decision{}, nil
}

// ClosePayment is the intent to close one payment at the provider; the call comes after its commit.
func ClosePayment(rows Rows, number, why string, now time.Time) (Decision, error) {
	var d Decision
	p, err := rows.Payment(number)
	if err != nil {
		return d, err
	}
	switch p.State {
	case PaymentCreated, PaymentPending:
		was := p.State
		p.State, p.Due, p.Attempts = PaymentClosing, now, 0
		return d.putPayment(was, p, why)
	case PaymentSucceeded:
		return d, refuse(CodeNotCloseable, "payment %s has succeeded; refund it instead", number)
	}
	return d, nil
}

// CloseAnswered decides what the answer to a close means. "Already paid" is no error: the caller queries (R24).
func CloseAnswered(rows Rows, number string, a Answer, now time.Time) (Decision, error) {
	p, err := rows.Payment(number)
	if err != nil {
		return Decision{}, err
	}
	switch {
	case a.Outcome.Verdict == Accepted && a.Facts != nil:
		return Settle(rows, number, *a.Facts, FromClose, now)
	case p.State.Final():
		return Decision{}, nil
	case a.Outcome.Is(NotFound):
		return notFound(rows, p, now)
	}
	return undecided(p, "close", a.Outcome, now)
}
