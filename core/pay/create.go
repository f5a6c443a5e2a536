package pay

import (
	"bytes"
	"errors"
	"fmt"
	"time"
)

// Answer is what a provider answered to a call about a payment.
type Answer struct {
	Outcome       Outcome
	Facts         *Facts // with an accepted outcome
	HandOff       *HandOff
	ProviderState *ProviderState // nil: unchanged
	// NotPayableAfter is when the hand-off cannot be paid any more; zero: not said.
	NotPayableAfter time.Time
}

// Created decides what the answer to a create means. The hand-off is kept only where the payment is pending
// afterwards: any other is thrown away (R05).
func Created(rows Rows, number string, a Answer, now time.Time) (Decision, error) {
	p, err := rows.Payment(number)
	if err != nil {
		return Decision{}, err
	}
	p.Calling = false
	if a.ProviderState != nil && a.ProviderState.Version > p.ProviderState.Version { // R35
		p.ProviderState = *a.ProviderState
	}
	switch {
	case a.Outcome.Verdict == Accepted && a.Facts != nil:
		p.HandOff = a.HandOff
		if a.NotPayableAfter.After(p.NotPayableAfter) { // the last of what was handed out counts
			p.NotPayableAfter = a.NotPayableAfter
		}
		return Settle(with(rows, p), number, *a.Facts, FromCreate, now)
	case p.State.Final():
		return Decision{}, nil // R10
	case a.Outcome.Final() && p.State != PaymentClosing && (p.Unclear || p.State == PaymentPending || p.ProviderState.Version > 0):
		// R04: it decides nothing by itself, or only of the last of several steps, and asking for it again helps nobody.
		// What is at the provider is closed, and the payer's next tap makes a new number.
		was := p.State
		p.State, p.Due, p.Attempts = PaymentClosing, now, 0
		return Decision{}.putPayment(was, p, "create: "+a.Outcome.String())
	case a.Outcome.Final() && p.State == PaymentCreated:
		var d Decision
		p.State, p.Due = PaymentFailed, time.Time{}
		d.event(EventPaymentFailed, number)
		d.alarm(AlarmProviderRejected, number, fmt.Sprintf("%s (request %s)", a.Outcome, a.Outcome.RequestID))
		if d, err = d.putPayment(PaymentCreated, p, "create: "+a.Outcome.String()); err != nil {
			return d, err
		}
		return closeOrderWithPayments(rows, d, now)
	}
	return undecided(p, "create", a.Outcome, now)
}

// undecided keeps the state and moves the due time. An indeterminate create is remembered for ever: no later
// rejection of the same number can decide alone (R04).
func undecided(p Payment, call string, o Outcome, now time.Time) (Decision, error) {
	var d Decision
	if (o.Verdict == Indeterminate || o.Verdict == Accepted) && call == "create" {
		p.Unclear = true
	}
	if o.Is(Auth) {
		d.alarm(AlarmPaymentAuth, p.Route.Account, "the provider refuses the account's credentials: "+o.String()+". Check its key, serial and clock.")
	}
	p.Due = later(p.Attempts, o, now)
	p.Attempts++
	if o.Is(Conflict) || (o.Final() && call == "create") { // the state at the provider is not what we think: ask it
		p.Due = now
	}
	return d.putPayment(p.State, p, call+": "+o.String())
}

// with is the rows with one payment replaced by what is known of it in memory.
func with(rows Rows, p Payment) Rows {
	after := make([]Payment, len(rows.Payments))
	for i, q := range rows.Payments {
		if after[i] = q; q.Number == p.Number {
			after[i] = p
		}
	}
	rows.Payments = after
	return rows
}

// ErrNotRenewable says that a payment may not be sent again: the caller closes it and makes a new one (R07).
var ErrNotRenewable = errors.New("the payment may not be sent again")

// Renew is the intent to send a created or pending payment's stored content once more, under its own number (R03, R07).
// now names the intent: decided again with the same, it decides nothing.
func Renew(rows Rows, number string, now time.Time) (Decision, error) {
	p, err := rows.Payment(number)
	if err != nil {
		return Decision{}, err
	}
	if p.Calling && p.SentAt.Equal(now) {
		return Decision{}, nil // this very intent is written already; the commit's answer was lost (R47)
	}
	if (p.State != PaymentCreated && p.State != PaymentPending) || !renewableFor(p, now) || p.Disputed != "" {
		return Decision{}, fmt.Errorf("payment %s is %s: %w", number, p.State, ErrNotRenewable)
	}
	var d Decision
	p.Unclear = p.Unclear || p.Calling // the process that sent it died before it could say what came of it
	p.HandOff = nil                    // what is given out from here on comes from the new answer
	p.Calling, p.SentAt, p.Due = true, now, now.Add(Hold)
	return d.putPayment(p.State, p, "sent again")
}

// Checkpoint keeps what a plugin has to remember before it goes on with a call. An older state never replaces a newer
// one (R35).
func Checkpoint(rows Rows, number string, state ProviderState) (Decision, error) {
	p, err := rows.Payment(number)
	if err != nil {
		return Decision{}, err
	}
	if state.Version == p.ProviderState.Version && bytes.Equal(state.Data, p.ProviderState.Data) {
		return Decision{}, nil // written already; the commit's answer was lost (R47)
	}
	if state.Version <= p.ProviderState.Version {
		return Decision{}, fmt.Errorf("payment %s: the plugin's state %d is not newer than %d", number, state.Version, p.ProviderState.Version)
	}
	p.ProviderState = state
	return Decision{}.putPayment(p.State, p, "")
}

// Remember adds to a decision what a plugin wants to remember of a payment, where that is newer (R35): an answer about a
// refund brings it too.
func Remember(rows Rows, d Decision, payment string, state *ProviderState) (Decision, error) {
	if state == nil {
		return d, nil
	}
	p, err := d.After(rows).Payment(payment)
	if err != nil || state.Version <= p.ProviderState.Version {
		return d, err
	}
	for i := range d.Payments {
		if d.Payments[i].Row.Number == payment {
			d.Payments[i].Row.ProviderState = *state
			return d, nil
		}
	}
	p.ProviderState = *state
	return d.putPayment(p.State, p, "")
}
