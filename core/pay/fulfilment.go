package pay

import (
	"fmt"
	"time"
)

// Fulfilment is what an app did for an order that was paid in a mini program, and its report to WeChat (订单发货管理): without
// one WeChat keeps the money of such an order back. It belongs to the payment that paid the order, and is expected from then
// on, where the payment's entry has the duty.
type Fulfilment struct {
	Number  string // the payment's
	Order   string
	App     string
	Account string // the payment's, for fair shares

	State   FulfilmentState
	Content FulfilmentContent // zero before the app said anything
	// FulfilledAt is when the app said so, to the millisecond. WeChat takes a correction only with a later time.
	FulfilledAt time.Time
	Reports     int    // how many WeChat has taken: 0, 1, or 2 after a correction
	Sent        bool   // a call was committed and its outcome was not: WeChat is asked before anything is sent again
	Attempts    int    // calls that decided nothing, since the last one that did
	Refusal     string // why WeChat refused it; empty: it did not

	Deadline   time.Time // by then it should be reported
	CreatedAt  time.Time
	ReportedAt time.Time // when WeChat took the last report; zero before
	Due        time.Time
}

// FulfilmentState is where a fulfilment stands. See fulfilmentMoves for what may follow what.
type FulfilmentState string

// The states of a fulfilment.
const (
	FulfilmentAwaited   FulfilmentState = "awaited"    // the app has not said anything
	FulfilmentReporting FulfilmentState = "reporting"  // the app has, and WeChat is being told
	FulfilmentReported  FulfilmentState = "reported"   // WeChat has taken it
	FulfilmentRefused   FulfilmentState = "refused"    // WeChat refused it; the app may say it better
	FulfilmentNotNeeded FulfilmentState = "not_needed" // the money went back, or the entry has no such duty
)

var fulfilmentMoves = map[FulfilmentState][]FulfilmentState{
	FulfilmentAwaited:   {FulfilmentReporting, FulfilmentNotNeeded},
	FulfilmentReporting: {FulfilmentReported, FulfilmentRefused, FulfilmentNotNeeded},
	FulfilmentRefused:   {FulfilmentReporting, FulfilmentNotNeeded},
	FulfilmentReported:  {FulfilmentReporting}, // corrected, once
}

// FulfilmentMethod is how the payer gets what was paid for.
type FulfilmentMethod string

// The methods.
const (
	FulfilmentExpress  FulfilmentMethod = "express"   // by a carrier, with a tracking number
	FulfilmentSameCity FulfilmentMethod = "same_city" // by the merchant or a local courier
	FulfilmentVirtual  FulfilmentMethod = "virtual"   // nothing is shipped: a visit, a course, a fee
	FulfilmentPickUp   FulfilmentMethod = "pick_up"   // the payer comes for it
)

// FulfilmentContent is what the app says. The same content again is the same fulfilment.
type FulfilmentContent struct {
	Method         FulfilmentMethod
	Description    string // what it was: 1 to 120 characters, shown to the payer by WeChat
	Carrier        string // WeChat's id of the carrier (SF, ZTO); with express only
	TrackingNumber string // with express only
	ReceiverPhone  string // masked but for the last four digits; WeChat wants it where the carrier is SF
}

// mostReports is how many reports WeChat takes of one trade: the first, and one that corrects it.
const mostReports = 2

// unfulfilledAgain is how long after an alarm about an order without a report the next look is.
const unfulfilledAgain = 24 * time.Hour

// Fulfilment finds the fulfilment of a payment of the rows.
func (r Rows) Fulfilment(number string) (f Fulfilment, ok bool) {
	for _, f := range r.Fulfilments {
		if f.Number == number {
			return f, true
		}
	}
	return f, false
}

// expected is the fulfilment that a payment's entry wants once the payment has paid its order.
func expected(p Payment, now time.Time) (Fulfilment, bool) {
	days := p.Route.FulfilmentDays
	if days == 0 {
		return Fulfilment{}, false
	}
	deadline := p.SucceededAt.AddDate(0, 0, days)
	return Fulfilment{
		Number: p.Number, Order: p.Order, App: p.App, Account: p.Route.Account, State: FulfilmentAwaited,
		Deadline: deadline, CreatedAt: now, Due: deadline,
	}, true
}

// Fulfil decides what it means that the app fulfilled the order. Where nothing has to be reported it decides nothing. It is
// refused with CodeOrderNotPaid, CodeFulfilmentUnderWay, or CodeFulfilmentFinal.
func Fulfil(rows Rows, c FulfilmentContent, now time.Time) (Decision, error) {
	if rows.Order.SettledBy == "" {
		return Decision{}, refuse(CodeOrderNotPaid, "order %s is %s; say that it is fulfilled once it is paid", rows.Order.Number, rows.Order.State)
	}
	f, wanted := rows.Fulfilment(rows.Order.SettledBy)
	was, cause := f.State, "the app fulfilled it: "+string(c.Method)
	switch {
	case !wanted || f.State == FulfilmentNotNeeded:
		return Decision{}, nil
	case f.Content == c && (f.State == FulfilmentReporting || f.State == FulfilmentReported):
		return Decision{}, nil
	case f.State == FulfilmentReporting && f.Sent:
		return Decision{}, &Refusal{Code: CodeFulfilmentUnderWay, RetryAfter: CallTime,
			Detail: "what was said before is being reported; ask again once that is decided"}
	case f.Reports >= mostReports:
		return Decision{}, refuse(CodeFulfilmentFinal, "WeChat has taken a report and its one correction; it takes no more")
	case f.Reports > 0:
		cause = "the app corrects it: " + string(c.Method)
	}
	f.State, f.Content, f.FulfilledAt, f.Refusal, f.Attempts, f.Due = FulfilmentReporting, c, now.Truncate(time.Millisecond), "", 0, now
	return Decision{}.putFulfilment(was, f, cause)
}

// LookAtFulfilment decides what a due fulfilment needs. One that is being reported is marked as sent, which has to be committed
// before the call; one that is not there in time is an alarm.
func LookAtFulfilment(rows Rows, number string, now time.Time) (d Decision, err error) {
	f, p, err := rows.fulfilmentOf(number)
	if err != nil {
		return d, err
	}
	was := f.State
	switch {
	case was == FulfilmentNotNeeded || was == FulfilmentReported:
		f.Due = time.Time{}
		return d.putFulfilment(was, f, "")
	case was == FulfilmentReporting && f.Sent:
		return d, nil
	case wentBack(rows, p):
		f.State, f.Due = FulfilmentNotNeeded, time.Time{}
		return d.putFulfilment(was, f, "the money went back")
	case was == FulfilmentReporting:
		f.Sent = true
		return d.putFulfilment(was, f, "")
	case f.Reports > 0: // a correction was refused; what it was to correct stands
		f.Due = now.Add(unfulfilledAgain)
		return d.putFulfilment(was, f, "")
	case now.Before(f.Deadline):
		f.Due = f.Deadline
		return d.putFulfilment(was, f, "")
	}
	d.alarm(AlarmOrderUnfulfilled, f.Number, unfulfilled(f))
	f.Due = now.Add(unfulfilledAgain)
	return d.putFulfilment(was, f, "not reported in time")
}

func unfulfilled(f Fulfilment) string {
	return fmt.Sprintf("order %s of app %s was paid by %s and should have been reported by %s", f.Order, f.App, f.Number, f.Deadline.Format(time.RFC3339))
}

// FulfilmentVerdict is what WeChat made of a report.
type FulfilmentVerdict string

// The verdicts. The zero value decides nothing.
const (
	FulfilmentUnclear  FulfilmentVerdict = ""         // it may have been taken
	FulfilmentNotTaken FulfilmentVerdict = "not_sent" // surely not taken, and the same report later is right
	FulfilmentTaken    FulfilmentVerdict = "taken"
	FulfilmentBad      FulfilmentVerdict = "refused"
	FulfilmentRefunded FulfilmentVerdict = "refunded" // there is nothing to report any more
)

// FulfilmentAnswer is a verdict and what WeChat says with it.
type FulfilmentAnswer struct {
	Verdict FulfilmentVerdict
	Detail  string // for people
	Alarm   bool   // a person has to mend something before the report gets through
}

// FulfilmentAnswered decides what WeChat's answer about a report means.
func FulfilmentAnswered(rows Rows, number string, a FulfilmentAnswer, now time.Time) (d Decision, err error) {
	f, _, err := rows.fulfilmentOf(number)
	if err != nil || f.State != FulfilmentReporting {
		return d, err
	}
	cause := ""
	switch a.Verdict {
	case FulfilmentTaken:
		f.State, f.Reports, f.ReportedAt, f.Sent, f.Attempts, f.Due = FulfilmentReported, f.Reports+1, now, false, 0, time.Time{}
		cause = "reported to WeChat"
	case FulfilmentRefunded:
		f.State, f.Sent, f.Due = FulfilmentNotNeeded, false, time.Time{}
		cause = "refunded, says WeChat"
	case FulfilmentBad:
		f.State, f.Sent, f.Refusal, f.Due = FulfilmentRefused, false, a.Detail, laterOf(f.Deadline, now.Add(unfulfilledAgain))
		cause = "refused by WeChat: " + a.Detail
		d.alarm(AlarmFulfilmentStuck, f.Number, "order "+f.Order+": "+a.Detail)
	default:
		f.Sent = a.Verdict != FulfilmentNotTaken
		f.Due = again(f.Attempts, now)
		f.Attempts++
		switch {
		case a.Alarm:
			d.alarm(AlarmFulfilmentStuck, f.Number, "order "+f.Order+": "+a.Detail)
		case now.After(f.Deadline):
			d.alarm(AlarmOrderUnfulfilled, f.Number, unfulfilled(f)+"; "+a.Detail)
		}
	}
	return d.putFulfilment(FulfilmentReporting, f, cause)
}

// fulfilmentOf finds a fulfilment and its payment.
func (r Rows) fulfilmentOf(number string) (Fulfilment, Payment, error) {
	p, err := r.Payment(number)
	if err != nil {
		return Fulfilment{}, p, err
	}
	f, ok := r.Fulfilment(number)
	if !ok {
		return f, p, fmt.Errorf("payment %s has no fulfilment", number)
	}
	return f, p, nil
}

// wentBack tells whether nothing of a payment is left with the merchant.
func wentBack(rows Rows, p Payment) bool {
	left := p.Total().Minor
	for _, r := range rows.Refunds {
		if r.Payment == p.Number && (r.State == RefundSucceeded || r.State == RefundSettledOutside) {
			left -= r.Amount.Minor
		}
	}
	return left <= 0
}

func laterOf(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// putFulfilment adds a fulfilment's move, checked against the table.
func (d Decision) putFulfilment(from FulfilmentState, f Fulfilment, cause string) (Decision, error) {
	d.Fulfilments = append(d.Fulfilments, Move[Fulfilment, FulfilmentState]{from, f, cause})
	return d, allowed("fulfilment of", f.Number, fulfilmentMoves, from, f.State)
}
