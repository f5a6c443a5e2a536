package pay

import (
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
		return Settle(with(rows, p), number, *a.Facts, FromCreate, now)
	case p.State.Final():
		return Decision{}, nil // R10
	case a.Outcome.Final() && p.State == PaymentCreated && !p.Unclear:
		var d Decision
		p.State, p.Due = PaymentFailed, time.Time{}
		d.event(EventPaymentFailed, number)
		d.alarm(AlarmProviderRejected, number, fmt.Sprintf("%s: %s (request %s)", a.Outcome, a.Outcome.Message, a.Outcome.RequestID))
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
	if o.Verdict == Indeterminate && call == "create" {
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
func Renew(rows Rows, number string, now time.Time) (Decision, error) {
	p, err := rows.Payment(number)
	if err != nil {
		return Decision{}, err
	}
	if (p.State != PaymentCreated && p.State != PaymentPending) || !renewableFor(p, now) || p.Disputed != "" {
		return Decision{}, fmt.Errorf("payment %s is %s: %w", number, p.State, ErrNotRenewable)
	}
	var d Decision
	p.Unclear = p.Unclear || p.Calling // the process that sent it died before it could say what came of it
	p.Calling, p.SentAt, p.Due = true, now, now.Add(CallTime+30*time.Second)
	return d.putPayment(p.State, p, "sent again")
}

// Checkpoint keeps what a plugin has to remember before it goes on with a call. An older state never replaces a newer
// one (R35).
func Checkpoint(rows Rows, number string, state ProviderState) (Decision, error) {
	p, err := rows.Payment(number)
	if err != nil {
		return Decision{}, err
	}
	if state.Version <= p.ProviderState.Version {
		return Decision{}, fmt.Errorf("payment %s: the plugin's state %d is not newer than %d", number, state.Version, p.ProviderState.Version)
	}
	p.ProviderState = state
	return Decision{}.putPayment(p.State, p, "")
}
