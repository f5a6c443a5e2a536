package pay

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/paybridge/paybridge/core/money"
)

// FuzzSequence plays answers, callbacks and requests against one order in any order, and checks after every step what
// must be true whatever happens.
func FuzzSequence(f *testing.F) {
	for seed := range uint64(200) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, seed uint64) {
		play(t, rand.New(rand.NewPCG(seed, 1)))
	})
}

func play(t *testing.T, r *rand.Rand) {
	rows := Rows{Order: anOrder(OrderOpen), Payments: []Payment{aPayment(pNumber, PaymentCreated), aPayment(qNumber, PaymentClosed)}}
	if r.IntN(2) == 0 {
		rows.Payments[0].Route.LatePay, rows.Payments[1].Route.LatePay = LateAccept, LateAccept
	}
	rows.Payments[0].Route.FulfilmentDays = r.IntN(2)
	at := now
	var story []string
	for step := range 30 {
		at = at.Add(time.Duration(r.IntN(120)) * time.Second)
		what, d, err := anything(r, rows, at)
		story = append(story, what)
		if err != nil {
			var refusal *Refusal
			if errors.As(err, &refusal) {
				continue
			}
			t.Fatalf("step %d: %v\n%v", step, err, story)
		}
		after := d.After(rows)
		if broken := holds(rows, after, d); broken != "" {
			t.Fatalf("step %d: %s\n%v", step, broken, story)
		}
		rows = after
	}
}

func anything(r *rand.Rand, rows Rows, at time.Time) (string, Decision, error) {
	p := rows.Payments[r.IntN(2)]
	facts := Facts{State: []FactState{FactUnpaid, FactSucceeded, FactClosed, FactFailed}[r.IntN(4)], Number: p.Number, MchID: p.Route.MchID, AppID: p.Route.AppID, Amount: money.CNY(100), ProviderID: "4200" + p.Number}
	if r.IntN(8) == 0 {
		facts.Amount = money.CNY(1)
	}
	outcome := []Outcome{{}, accepted, declined, notFoundOut, {Verdict: Rejected, Reason: Conflict}, {Verdict: NotSent}, {Verdict: Rejected, Reason: Auth}}[r.IntN(7)]
	answer := Answer{Outcome: outcome, Facts: &facts, HandOff: &HandOff{Kind: "wechat_jsapi", ValidUntil: at.Add(time.Hour)}}
	about := func(name string) string {
		return fmt.Sprintf("%s of %.3s: %v %s %d\n", name, p.Number[20:], outcome, facts.State, facts.Amount.Minor)
	}
	switch r.IntN(13) {
	case 10, 11, 12:
		return fulfilled(r, rows, at)
	case 0:
		d, err := Settle(rows, p.Number, facts, FromNotification, at)
		return about("notification"), d, err
	case 1:
		d, err := Created(rows, p.Number, answer, at)
		return about("create"), d, err
	case 2:
		d, err := Queried(rows, p.Number, answer, at)
		return about("query"), d, err
	case 3:
		d, err := CloseAnswered(rows, p.Number, answer, at)
		return about("close"), d, err
	case 4:
		d, err := CloseOrder(rows, ClosedByApp, at)
		return "the app closes the order\n", d, err
	case 5:
		d, err := LookAtOrder(rows, at)
		return "the order is due\n", d, err
	case 6:
		_, d, err := RequestRefund(rows, p.Number, RefundRequest{Reference: fmt.Sprint(r.IntN(6)), Amount: money.CNY(int64(1 + r.IntN(60)))}, at)
		return about("a refund asked for"), d, err
	}
	if len(rows.Refunds) == 0 {
		return "", Decision{}, nil
	}
	f := rows.Refunds[r.IntN(len(rows.Refunds))]
	said := RefundFacts{State: []RefundFactState{RefundFactProcessing, RefundFactSucceeded, RefundFactClosed, RefundFactAbnormal}[r.IntN(4)], Number: f.Number, ProviderID: "5030" + f.Number}
	about = func(name string) string {
		return fmt.Sprintf("%s of refund %s: %v %s\n", name, f.Reference, outcome, said.State)
	}
	if f.State == RefundCreated || (f.State == RefundProcessing && f.SentAt.IsZero()) {
		d, _, err := SendRefund(rows, f.Number, at)
		return about("sending"), d, err
	}
	if f.State != RefundProcessing { // nobody asks the provider about it, and it cannot have changed its mind
		d, err := RetryRefund(rows, f.Number, at)
		return about("retry"), d, err
	}
	if f.Calling {
		d, err := RefundAnswered(rows, f.Number, outcome, &said, at)
		return about("answer"), d, err
	}
	d, err := RefundQueried(rows, f.Number, outcome, &said, at)
	return about("query"), d, err
}

// fulfilled is a step of the order's fulfilment.
func fulfilled(r *rand.Rand, rows Rows, at time.Time) (string, Decision, error) {
	if len(rows.Fulfilments) == 0 {
		d, err := Fulfil(rows, visit, at)
		return "the app fulfils\n", d, err
	}
	number := rows.Fulfilments[0].Number
	switch r.IntN(3) {
	case 0:
		d, err := Fulfil(rows, FulfilmentContent{Method: []FulfilmentMethod{FulfilmentVirtual, FulfilmentPickUp, FulfilmentSameCity}[r.IntN(3)]}, at)
		return "the app fulfils\n", d, err
	case 1:
		d, err := LookAtFulfilment(rows, number, at)
		return "the fulfilment is due\n", d, err
	}
	verdict := []FulfilmentVerdict{FulfilmentUnclear, FulfilmentNotTaken, FulfilmentTaken, FulfilmentBad, FulfilmentRefunded}[r.IntN(5)]
	if !rows.Fulfilments[0].Sent {
		return "", Decision{}, nil // nothing was asked
	}
	d, err := FulfilmentAnswered(rows, number, FulfilmentAnswer{Verdict: verdict}, at)
	return fmt.Sprintf("WeChat says of the fulfilment %q\n", verdict), d, err
}

// holds is what must be true after every step; it returns what is not.
func holds(before, after Rows, d Decision) string {
	o := after.Order
	settled, err := after.Payment(o.SettledBy)
	switch paid := o.State == OrderPaid || o.State == OrderPartiallyRefunded || o.State == OrderRefunded; {
	case paid && (err != nil || settled.State != PaymentSucceeded):
		return "the order is paid by a payment that did not succeed"
	case !paid && o.SettledBy != "":
		return "the order is settled and not paid"
	case before.Order.SettledBy != "" && o.SettledBy != before.Order.SettledBy:
		return "another payment settled the order"
	case (o.State == OrderOpen || o.State == OrderClosing) && o.Due.IsZero():
		return "R40: the order is not due"
	}
	for _, p := range after.Payments {
		if (p.State.Live() || p.Disputed != "") && p.Due.IsZero() {
			return "R40: payment " + p.Number + " is not due"
		}
		if sum := taken(after, p.Number); sum > p.Content.Amount.Minor {
			return fmt.Sprintf("R29: %d of %d go back", sum, p.Content.Amount.Minor)
		}
		if p.HandOff != nil && p.State != PaymentPending {
			return "R05: payment " + p.Number + " is " + string(p.State) + " and has a hand-off"
		}
		if p.State == PaymentSucceeded && p.Number != o.SettledBy && !refunded(after, p.Number) {
			return "R19: payment " + p.Number + " succeeded beside the one that settled the order, and does not go back"
		}
	}
	for _, r := range after.Refunds {
		if !r.State.Final() && r.Due.IsZero() {
			return "R40: refund " + r.Number + " is not due"
		}
	}
	if len(after.Fulfilments) > 1 {
		return "an order is fulfilled twice"
	}
	for _, f := range after.Fulfilments {
		if f.State != FulfilmentReported && f.State != FulfilmentNotNeeded && f.Due.IsZero() {
			return "R40: the fulfilment is " + string(f.State) + " and not due"
		}
		if f.Reports > mostReports {
			return "WeChat was told a third time"
		}
	}
	told := 0
	for _, e := range d.Events {
		if e.Kind == EventOrderPaid {
			told++
		}
	}
	if told > 1 || (told == 1 && before.Order.SettledBy != "") {
		return "R19: order.paid was told twice"
	}
	return ""
}

func refunded(rows Rows, payment string) bool {
	for _, r := range rows.Refunds {
		if r.Payment == payment && (r.Origin == OriginDuplicate || r.Origin == OriginLate) {
			return true
		}
	}
	return false
}
