package pay

import (
	"fmt"
	"time"

	"github.com/paybridge/paybridge/core/money"
	"github.com/paybridge/paybridge/core/tradeno"
)

// SendRefund is the intent to send a refund, or to send it again under its own number. ready is false where it has to
// wait: held, too soon after another refund, behind a failed one that the provider may know after all (R28), or no
// longer covered by its payment. now names the intent: decided again with the same, it decides nothing and is ready.
func SendRefund(rows Rows, number string, now time.Time) (d Decision, ready bool, err error) {
	r, err := rows.Refund(number)
	if err != nil {
		return d, false, err
	}
	p, err := rows.Payment(r.Payment)
	if err != nil {
		return d, false, err
	}
	if r.Calling && r.SentAt.Equal(now) {
		return d, true, nil // this very intent is written already; the commit's answer was lost (R47)
	}
	wait := func(until time.Time) (Decision, bool, error) {
		r.Due = until
		d, err = d.putRefund(r.State, r, "")
		return d, false, err
	}
	if _, cash := r.Cash(); !cash {
		return d, false, nil // R31: it waits for the app
	}
	switch {
	case r.Origin == OriginExternal:
		return d, false, fmt.Errorf("refund %s was made elsewhere: it is never sent", number)
	case r.Hold:
		return wait(now.Add(LongestInterval))
	}
	if d, waits, err := behindFailed(rows, r, now); waits || err != nil {
		if err == nil {
			r.Due = again(0, now)
			d, err = d.putRefund(r.State, r, "")
		}
		return d, false, err
	}
	if free := earliest(rows, p, number, now); free.After(now) {
		return wait(free)
	}
	was := r.State
	if r.leftOfCash(rows, p) < 0 {
		d, err := uncovered(r, now)
		return d, false, err
	}
	r.Unclear = r.Unclear || r.Calling // the process that sent it died before it could say what came of it
	r.State, r.Calling, r.Absent, r.SentAt, r.Due = RefundProcessing, true, false, now, now.Add(Hold)
	r.setCash(RefundProcessing)
	d, err = d.putRefund(was, r, "sent")
	return d, true, err
}

// behindFailed tells whether another refund of the payment failed and the provider may know it after all; the worker is
// told to ask for each of them (R28).
func behindFailed(rows Rows, r Refund, now time.Time) (d Decision, waits bool, err error) {
	for _, f := range rows.Refunds {
		if f.Payment != r.Payment || f.Number == r.Number || f.State != RefundFailed || f.Absent {
			continue
		}
		waits = true
		if f = f.OfCash(); f.Due.IsZero() {
			f.Due = now
			if d, err = d.putRefund(f.State, f, ""); err != nil {
				return d, waits, err
			}
		}
	}
	return d, waits, nil
}

// uncovered is a refund whose sum went back another way before it was sent. One that surely never happened is closed;
// for one that may have happened a person has to look.
func uncovered(r Refund, now time.Time) (Decision, error) {
	var d Decision
	was := r.State
	d.alarm(AlarmRefundAttention, r.Number, "what is left of its payment no longer covers it: other refunds of the payment succeeded meanwhile")
	if r.Unclear || r.Calling {
		r.Due = now.Add(LongestInterval)
		return d.putRefund(was, r, "")
	}
	r.endCash(RefundClosed)
	d.refundEnded(was, r)
	return d.putRefund(was, r, "what is left of the payment no longer covers it")
}

// RefundAnswered decides what the answer to a refund's create means.
func RefundAnswered(rows Rows, number string, o Outcome, f *RefundFacts, now time.Time) (Decision, error) {
	r, err := rows.Refund(number)
	if err != nil {
		return Decision{}, err
	}
	r.Calling = false
	if o.Verdict == Accepted && f != nil {
		return SettleRefund(withRefund(rows, r), number, *f, FromCreate, now)
	}
	if r.cashState() != RefundProcessing {
		return Decision{}, nil // a callback was faster
	}
	var d Decision
	was, cause := r.State, "create: "+o.String()
	if o.Verdict != Indeterminate && o.Verdict != Accepted {
		r.ProviderError = o.String()
	}
	switch {
	case o.Final() && !r.Unclear:
		r.endCash(RefundFailed)
		d.refundEnded(was, r)
		if r.owed() {
			d.alarm(AlarmRefundAttention, number, "a refund that the gateway owes the payer ("+string(r.Origin)+") was refused: "+o.String()+". Mend the cause and retry it, or give the money back another way.")
		}
		return d.putRefund(was, r, cause)
	case o.Verdict == Indeterminate || o.Verdict == Accepted:
		r.Unclear = true
	case !r.Unclear && !o.Is(Conflict): // it surely did not happen: the next step is to send it again
		r.SentAt = time.Time{}
	}
	if o.NeedsAttention != "" {
		r.NeedsAttention = o.NeedsAttention
		d.alarm(AlarmRefundAttention, number, o.NeedsAttention)
	}
	r.Due = later(r.Attempts, o, now)
	r.Attempts++
	return d.putRefund(was, r, cause)
}

// RefundQueried decides what the answer to a refund's query means.
func RefundQueried(rows Rows, number string, o Outcome, f *RefundFacts, now time.Time) (Decision, error) {
	r, err := rows.Refund(number)
	if err != nil {
		return Decision{}, err
	}
	if o.Verdict == Accepted && f != nil {
		return SettleRefund(rows, number, *f, FromQuery, now)
	}
	var d Decision
	if o.Is(NotFound) {
		switch state := r.cashState(); {
		case state == RefundFailed: // R28: a new one may go out
			r.Absent, r.Due = true, time.Time{}
			return d.putRefund(r.State, r, "a query confirms that the provider does not know it")
		case state == RefundSettledOutside:
			r.Due = time.Time{}
			return d.putRefund(r.State, r, "the provider does not know it")
		case state != RefundProcessing:
			return d, nil
		case r.Origin == OriginExternal: // never sent by us
			r.Due = again(r.Attempts, now)
			r.Attempts++
			return d.putRefund(r.State, r, "")
		case now.Before(settledBy(r.SentAt)): // also where it was accepted: a query may lag behind
			r.Attempts++
			if r.Due = again(r.Attempts, now); r.Due.After(settledBy(r.SentAt)) {
				r.Due = settledBy(r.SentAt)
			}
			return d.putRefund(r.State, r, "")
		}
		// R04: nothing sent before can come into effect any more; what the same number is answered next decides.
		r.Unclear, r.Calling, r.SentAt, r.Due = false, false, time.Time{}, now
		return d.putRefund(r.State, r, "the provider does not know it: sent again under the same number")
	}
	switch r.cashState() {
	case RefundProcessing, RefundFailed:
	case RefundSettledOutside:
		return askedDaily(d, r, now)
	default:
		return d, nil
	}
	r.Due = later(r.Attempts, o, now)
	r.Attempts++
	return d.putRefund(r.State, r, "query: "+o.String())
}

// askedDaily keeps asking about a refund that was settled outside while the provider had it.
func askedDaily(d Decision, r Refund, now time.Time) (Decision, error) {
	r.Due = now.Add(settledOutsideAsk)
	return d.putRefund(r.State, r, "")
}

// SettleRefund decides what verified facts mean for a refund and its order.
func SettleRefund(rows Rows, number string, f RefundFacts, from Source, now time.Time) (Decision, error) {
	r, err := rows.Refund(number)
	if err != nil {
		return Decision{}, err
	}
	p, err := rows.Payment(r.Payment)
	if err != nil {
		return Decision{}, err
	}
	var d Decision
	if why := refundContradiction(p, r, f); why != "" {
		d.alarm(AlarmRefundDisputed, number, why)
		if r.cashState().Final() {
			return d, nil
		}
		r.Attempts++
		r.Due = again(r.Attempts, now)
		return d.putRefund(r.State, r, "disputed: "+why)
	}
	was, cash := r.State, r.cashState()
	if cash == RefundSettledOutside {
		if f.State == RefundFactSucceeded {
			d.alarm(AlarmRefundRevived, number, "an operator had said that its money went back another way, and now the provider paid it back as well: the payer has it twice")
		}
		switch {
		case r.Due.IsZero(): // it had ended there before
			return d, nil
		case f.State == RefundFactProcessing, f.State == "":
			return askedDaily(d, r, now)
		}
		r.Due = time.Time{} // an abnormal one goes on by a person's hand alone
		return d.putRefund(was, r, "at the provider it is "+string(f.State)+" ("+string(from)+")")
	}
	r.ProviderID = f.ProviderID
	if f.Account != "" {
		r.Account = f.Account
	}
	switch f.State {
	case RefundFactSucceeded:
		if cash == RefundSucceeded {
			return d, nil
		}
		if cash == RefundFailed || cash == RefundClosed {
			d.alarm(AlarmRefundRevived, number, "it was "+string(cash)+" here and the provider paid it back after all")
		}
		r.attended()
		r.SucceededAt = f.SucceededAt
		if r.SucceededAt.IsZero() {
			r.SucceededAt = now
		}
		r.endCash(RefundSucceeded)
		d.refundEnded(was, r)
		if d, err = d.putRefund(was, r, "succeeded ("+string(from)+")"); err != nil {
			return d, err
		}
		return refundedOrder(d, rows, p)
	case RefundFactClosed:
		if cash == RefundFailed { // R28: it will not come into effect
			r.Absent, r.Due = true, time.Time{}
			return d.putRefund(was, r, "closed at the provider ("+string(from)+")")
		}
		if cash != RefundProcessing && cash != RefundCreated {
			return d, nil
		}
		r.endCash(RefundClosed)
		d.refundEnded(was, r)
		if r.owed() {
			d.alarm(AlarmRefundAttention, number, "a refund that the gateway owes the payer ("+string(r.Origin)+") was closed by the provider: its money did not go back. Refund the payment under a reference of yours, or give the money back another way.")
		}
		return d.putRefund(was, r, "closed by the provider ("+string(from)+")")
	case RefundFactAbnormal, RefundFactProcessing:
		return refundUnderWay(r, f, from, now)
	}
	if cash.Final() {
		return d, nil
	}
	// A state that we do not know decides nothing: the provider is asked again.
	r.Due = again(r.Attempts, now)
	r.Attempts++
	return d.putRefund(was, r, fmt.Sprintf("the provider says %q, which decides nothing", f.State))
}

// refundUnderWay is a refund that the provider works on, or cannot deliver without a person (R33).
func refundUnderWay(r Refund, f RefundFacts, from Source, now time.Time) (Decision, error) {
	var d Decision
	was, cause := r.State, ""
	switch r.cashState() {
	case RefundFailed: // it is there after all: its sum is taken again
		r.State, r.Absent, cause = RefundProcessing, false, "the provider has it after all ("+string(from)+")"
		if r.SentAt.IsZero() {
			r.SentAt = now
		}
		r.setCash(RefundProcessing)
		d.alarm(AlarmRefundRevived, r.Number, "it had failed here and the provider works on it")
	case RefundProcessing:
		if from == FromCreate {
			r.Attempts, r.Unclear, cause = 0, true, "accepted by the provider" // from here on a refusal decides nothing alone
		}
	default:
		return d, nil
	}
	if f.State == RefundFactAbnormal && r.NeedsAttention == "" {
		r.NeedsAttention = "The money could not be delivered to the payer's account. Give it back by the provider's abnormal refund, or another way."
		cause = "abnormal at the provider (" + string(from) + ")"
		d.alarm(AlarmRefundAttention, r.Number, r.NeedsAttention)
	}
	r.Due = again(r.Attempts, now)
	r.Attempts++
	return d.putRefund(was, r, cause)
}

// refundedOrder lets the order follow the refunds of the payment that paid it, and of no other.
func refundedOrder(d Decision, rows Rows, p Payment) (Decision, error) {
	after := d.After(rows)
	o := after.Order
	if o.SettledBy != p.Number {
		return d, nil
	}
	var back int64
	for _, r := range after.Refunds {
		if r.Payment == p.Number {
			back += r.back()
		}
	}
	if back == 0 {
		return d, nil
	}
	was := o.State
	if o.State = OrderPartiallyRefunded; back >= p.Total().Minor {
		o.State = OrderRefunded
	}
	if was == o.State || was == OrderRefunded {
		return d, nil
	}
	return d.putOrder(was, o, fmt.Sprintf("%d of %s went back", back, p.Total()))
}

// RetryRefund submits a failed refund again under its own number, its sum taken again, or brings the next try of one
// that waits forward.
func RetryRefund(rows Rows, number string, now time.Time) (Decision, error) {
	var d Decision
	r, err := rows.Refund(number)
	if err != nil {
		return d, err
	}
	p, err := rows.Payment(r.Payment)
	if err != nil {
		return d, err
	}
	if leg, insured := r.Insurance(); insured && leg.State == RefundProcessing {
		r.setInsurance(leg.State, now)
	}
	was := r.State
	switch was {
	case RefundCreated, RefundProcessing:
		r.Hold = false // a person says so
		if free := earliest(rows, p, number, now); r.Due.After(free) && !r.Calling {
			r.Due = free
		}
		return d.putRefund(was, r, "")
	case RefundFailed:
		if left := r.leftOfCash(rows, p); r.sent().Minor > left {
			return d, refuse(CodeRefundExceeds, "%s asked, %d left of payment %s", r.sent(), left, p.Number)
		}
		r.State, r.Due, r.SentAt, r.Attempts, r.ProviderError = RefundProcessing, earliest(rows, p, number, now), time.Time{}, 0, ""
		r.setCash(RefundProcessing)
		return d.putRefund(was, r, "retried")
	}
	return d, refuse(CodeRefundNotRetryable, "refund %s is %s", number, was)
}

// ExternalRefund records a refund of our payment that somebody made elsewhere: on the merchant platform, or by an
// earlier system (R15). It is matched by the provider's number and never sent.
func ExternalRefund(rows Rows, payment string, f RefundFacts, now time.Time) (Decision, error) {
	p, err := rows.Payment(payment)
	if err != nil {
		return Decision{}, err
	}
	r, err := newRefund(rows, p, RefundRequest{Reference: "~external:" + f.ProviderID, Amount: f.Amount}, OriginExternal, now)
	if err != nil {
		return Decision{}, err
	}
	d := Decision{}
	r.ProviderID, r.Account, r.SentAt = f.ProviderID, f.Account, now
	if ofPayment(f.Number, p.Number) {
		r.Number = f.Number // ours, of rows that were lost: whoever gives its reference again finds it (R28)
	} else {
		r.ProviderNumber = f.Number
	}
	switch f.State {
	case RefundFactSucceeded:
		r.State, r.Due, r.SucceededAt = RefundSucceeded, time.Time{}, f.SucceededAt
	case RefundFactClosed:
		r.State, r.Due = RefundClosed, time.Time{}
	default:
		r.State, r.Due = RefundProcessing, again(1, now)
	}
	r.setCash(r.State)
	d.NewRefunds = []Refund{r}
	d.alarm(AlarmRefundExternal, p.Number, "the provider tells of a refund "+f.Number+" that was not made here")
	return refundedOrder(d, rows, p)
}

// ofPayment tells whether a number is one that we would have given to a refund of this payment.
func ofPayment(refund, payment string) bool {
	r, err := tradeno.Parse(refund)
	if err != nil || r.Kind != tradeno.Refund {
		return false
	}
	p, err := tradeno.Parse(payment)
	return err == nil && r.Method == p.Method && r.ProductType == p.ProductType && r.At.Equal(p.At) && r.Installation == p.Installation
}

func refundContradiction(p Payment, r Refund, f RefundFacts) string {
	for _, c := range []struct{ what, said, asked string }{
		{"refund number", f.Number, r.OutRefundNo()},
		{"payment number", f.Payment, p.OutTradeNo()},
		{"merchant", f.MchID, p.Route.MchID},
		{"sub merchant", f.SubMchID, p.Route.SubMchID},
	} {
		if c.said != c.asked && c.said != "" {
			return fmt.Sprintf("the provider says %s %q, asked with %q", c.what, c.said, c.asked)
		}
	}
	paid := f.State == RefundFactSucceeded
	if paid && f.Number == "" {
		return "the provider says that it succeeded, but not which"
	}
	if (paid || f.Amount != money.Amount{}) && f.Amount != r.sent() && !r.AmountUnknown {
		return fmt.Sprintf("the provider says %s, asked for %s", f.Amount, r.sent())
	}
	return ""
}

// owed tells whether the gateway itself gives the money back: no app asked for it, so none sees to it when it fails.
func (r Refund) owed() bool { return r.Origin != OriginAPI && r.Origin != OriginExternal }

// withRefund is the rows with one refund replaced by what is known of it in memory.
func withRefund(rows Rows, r Refund) Rows {
	after := make([]Refund, len(rows.Refunds))
	for i, q := range rows.Refunds {
		if after[i] = q; q.Number == r.Number {
			after[i] = r
		}
	}
	rows.Refunds = after
	return rows
}
