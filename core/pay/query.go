package pay

import "time"

// Queried decides what the answer to a query means.
func Queried(rows Rows, number string, a Answer, now time.Time) (Decision, error) {
	p, err := rows.Payment(number)
	if err != nil {
		return Decision{}, err
	}
	if a.ProviderState != nil && a.ProviderState.Version > p.ProviderState.Version { // R35
		p.ProviderState = *a.ProviderState
		rows = with(rows, p)
	}
	switch {
	case a.Outcome.Verdict == Accepted && a.Facts != nil:
		return Settle(rows, number, *a.Facts, FromQuery, now)
	case a.Outcome.Is(NotFound):
		return notFound(rows, p, now)
	case p.State.Final() && p.Disputed == "":
		return Decision{}, nil
	}
	return undecided(p, "query", a.Outcome, now)
}

// notFound ends a payment only when no create of it can come into effect any more (R06).
func notFound(rows Rows, p Payment, now time.Time) (Decision, error) {
	var d Decision
	if p.State.Final() {
		return d, nil
	}
	if sure := settledBy(p.SentAt); now.Before(sure) {
		p.Attempts++
		if p.Due = again(p.Attempts, now); p.Due.After(sure) {
			p.Due = sure
		}
		return d.putPayment(p.State, p, "")
	}
	d, err := closedAtProvider(rows, p, Facts{}, FromQuery, now)
	if err != nil {
		return d, err
	}
	d.Payments[0].Cause = "the provider does not know it"
	return closeOrderWithPayments(rows, d, now)
}
