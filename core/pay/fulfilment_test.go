package pay

import (
	"errors"
	"testing"
	"time"
)

var visit = FulfilmentContent{Method: FulfilmentVirtual, Description: "Outpatient visit"}

// fulfilling is a paid order whose fulfilment stands somewhere.
func fulfilling(state FulfilmentState, change func(*Fulfilment)) Rows {
	o, p := anOrder(OrderPaid), aPayment(pNumber, PaymentSucceeded)
	o.SettledBy, p.SucceededAt, p.ProviderID, p.Route.FulfilmentDays = pNumber, now, "4200", 3
	f, _ := expected(p, now)
	f.State = state
	if state != FulfilmentAwaited {
		f.Content, f.FulfilledAt = visit, now
	}
	if change != nil {
		change(&f)
	}
	return Rows{Order: o, Payments: []Payment{p}, Fulfilments: []Fulfilment{f}}
}

func TestAPaymentThatPaysAnOrderWantsItsFulfilment(t *testing.T) {
	t.Parallel()
	for days, want := range map[int]int{0: 0, 3: 1} {
		p := aPayment(pNumber, PaymentPending)
		p.Route.FulfilmentDays = days
		rows := Rows{Order: anOrder(OrderOpen), Payments: []Payment{p}}
		d, err := Settle(rows, pNumber, paid, FromNotification, now)
		if err != nil || len(d.NewFulfilments) != want {
			t.Fatalf("with %d days: %+v, %v", days, d.NewFulfilments, err)
		}
		again, err := Settle(d.After(rows), pNumber, paid, FromQuery, now)
		if err != nil || len(again.NewFulfilments) != 0 {
			t.Errorf("seen again with %d days: %+v, %v", days, again.NewFulfilments, err)
		}
		if want == 1 {
			f := d.NewFulfilments[0]
			check(t, "state", f.State, FulfilmentAwaited)
			check(t, "deadline", f.Deadline, now.AddDate(0, 0, 3))
			check(t, "due", f.Due, f.Deadline)
		}
	}
	late := aPayment(qNumber, PaymentPending) // R19: it goes back, so nothing is shipped for it
	late.Route.FulfilmentDays = 3
	rows := fulfilling(FulfilmentAwaited, nil)
	rows.Payments = append(rows.Payments, late)
	facts := paid
	facts.Number = qNumber
	d, err := Settle(rows, qNumber, facts, FromNotification, now)
	if err != nil || len(d.NewFulfilments) != 0 || len(d.NewRefunds) != 1 {
		t.Errorf("a duplicate: %+v, %v", d, err)
	}
}

func TestFulfil(t *testing.T) {
	t.Parallel()
	better := FulfilmentContent{Method: FulfilmentPickUp, Description: "Medicine"}
	for _, c := range []struct {
		name    string
		rows    Rows
		say     FulfilmentContent
		want    FulfilmentState // empty: nothing is decided
		refused string
	}{
		{"not paid", Rows{Order: anOrder(OrderOpen)}, visit, "", CodeOrderNotPaid},
		{"the entry has no such duty", func() Rows { r := fulfilling(FulfilmentAwaited, nil); r.Fulfilments = nil; return r }(), visit, "", ""},
		{"the money went back", fulfilling(FulfilmentNotNeeded, nil), visit, "", ""},
		{"for the first time", fulfilling(FulfilmentAwaited, nil), visit, FulfilmentReporting, ""},
		{"again, before it was sent", fulfilling(FulfilmentReporting, nil), visit, "", ""},
		{"again, while it is sent", fulfilling(FulfilmentReporting, func(f *Fulfilment) { f.Sent = true }), visit, "", ""},
		{"again, when it is reported", fulfilling(FulfilmentReported, func(f *Fulfilment) { f.Reports = 1 }), visit, "", ""},
		{"otherwise, before it was sent", fulfilling(FulfilmentReporting, nil), better, FulfilmentReporting, ""},
		{"otherwise, while it is sent", fulfilling(FulfilmentReporting, func(f *Fulfilment) { f.Sent = true }), better, "", CodeFulfilmentUnderWay},
		{"corrected", fulfilling(FulfilmentReported, func(f *Fulfilment) { f.Reports = 1 }), better, FulfilmentReporting, ""},
		{"corrected a second time", fulfilling(FulfilmentReported, func(f *Fulfilment) { f.Reports = 2 }), better, "", CodeFulfilmentFinal},
		{"the same after it was refused", fulfilling(FulfilmentRefused, func(f *Fulfilment) { f.Refusal = "no" }), visit, FulfilmentReporting, ""},
		{"better after it was refused", fulfilling(FulfilmentRefused, func(f *Fulfilment) { f.Refusal = "no" }), better, FulfilmentReporting, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			at := now.Add(time.Minute)
			d, err := Fulfil(c.rows, c.say, at)
			var refusal *Refusal
			errors.As(err, &refusal)
			switch {
			case c.refused != "":
				if refusal == nil || refusal.Code != c.refused {
					t.Errorf("%v, want %s", err, c.refused)
				}
			case err != nil:
				t.Fatal(err)
			case c.want == "":
				if !d.Empty() {
					t.Errorf("decides %+v", d)
				}
			default:
				f, _ := d.After(c.rows).Fulfilment(pNumber)
				check(t, "state", f.State, c.want)
				check(t, "content", f.Content, c.say)
				check(t, "due", f.Due, at)
				check(t, "said at", f.FulfilledAt, at)
				check(t, "refusal", f.Refusal, "")
			}
		})
	}
}

func TestLookAtFulfilment(t *testing.T) {
	t.Parallel()
	deadline := now.AddDate(0, 0, 3)
	wholly := func(r Rows) Rows {
		back := aRefund("r", RefundSucceeded, 100)
		r.Refunds = []Refund{back}
		return r
	}
	for _, c := range []struct {
		name    string
		rows    Rows
		at      time.Time
		want    FulfilmentState
		due     time.Time
		marks   bool // as sent
		alarmed bool
	}{
		{name: "too early", rows: fulfilling(FulfilmentAwaited, nil), at: now, want: FulfilmentAwaited, due: deadline},
		{name: "nobody said anything", rows: fulfilling(FulfilmentAwaited, nil), at: deadline, want: FulfilmentAwaited, due: deadline.Add(24 * time.Hour), alarmed: true},
		{name: "nobody mended it", rows: fulfilling(FulfilmentRefused, nil), at: deadline, want: FulfilmentRefused, due: deadline.Add(24 * time.Hour), alarmed: true},
		{name: "a correction was refused", rows: fulfilling(FulfilmentRefused, func(f *Fulfilment) { f.Reports = 1 }), at: deadline, want: FulfilmentRefused, due: deadline.Add(24 * time.Hour)},
		{name: "the money went back", rows: wholly(fulfilling(FulfilmentAwaited, nil)), at: deadline, want: FulfilmentNotNeeded},
		{name: "the money went back before it was sent", rows: wholly(fulfilling(FulfilmentReporting, nil)), at: now, want: FulfilmentNotNeeded},
		{name: "to be sent", rows: fulfilling(FulfilmentReporting, func(f *Fulfilment) { f.Due = now }), at: now, want: FulfilmentReporting, due: now, marks: true},
		{name: "was sent", rows: fulfilling(FulfilmentReporting, func(f *Fulfilment) { f.Sent, f.Due = true, now }), at: now, want: FulfilmentReporting, due: now},
		{name: "reported", rows: fulfilling(FulfilmentReported, nil), at: now, want: FulfilmentReported},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			before, _ := c.rows.Fulfilment(pNumber)
			d, err := LookAtFulfilment(c.rows, pNumber, c.at)
			if err != nil {
				t.Fatal(err)
			}
			f, _ := d.After(c.rows).Fulfilment(pNumber)
			check(t, "state", f.State, c.want)
			check(t, "due", f.Due, c.due)
			check(t, "marked as sent", f.Sent && !before.Sent, c.marks)
			check(t, "an alarm", len(d.Alarms) == 1 && d.Alarms[0].Kind == AlarmOrderUnfulfilled, c.alarmed)
		})
	}
}

func TestFulfilmentAnswered(t *testing.T) {
	t.Parallel()
	deadline := now.AddDate(0, 0, 3)
	for _, c := range []struct {
		name    string
		answer  FulfilmentAnswer
		at      time.Time
		want    FulfilmentState
		reports int
		asked   bool // before it is sent again
		due     time.Time
		alarm   string
	}{
		{name: "taken", answer: FulfilmentAnswer{Verdict: FulfilmentTaken}, want: FulfilmentReported, reports: 1},
		{name: "refused", answer: FulfilmentAnswer{Verdict: FulfilmentBad, Detail: "no"}, want: FulfilmentRefused, due: deadline, alarm: AlarmFulfilmentStuck},
		{name: "refunded", answer: FulfilmentAnswer{Verdict: FulfilmentRefunded}, want: FulfilmentNotNeeded},
		{name: "unclear", answer: FulfilmentAnswer{Detail: "time-out"}, want: FulfilmentReporting, asked: true, due: now.Add(10 * time.Second)},
		{name: "not taken", answer: FulfilmentAnswer{Verdict: FulfilmentNotTaken, Detail: "busy"}, want: FulfilmentReporting, due: now.Add(10 * time.Second)},
		{name: "no secret", answer: FulfilmentAnswer{Verdict: FulfilmentNotTaken, Detail: "secret", Alarm: true}, want: FulfilmentReporting, due: now.Add(10 * time.Second), alarm: AlarmFulfilmentStuck},
		{name: "unclear, and late", answer: FulfilmentAnswer{Detail: "time-out"}, at: deadline.Add(time.Hour), want: FulfilmentReporting, asked: true, due: deadline.Add(time.Hour + 10*time.Second), alarm: AlarmOrderUnfulfilled},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if c.at.IsZero() {
				c.at = now
			}
			rows := fulfilling(FulfilmentReporting, func(f *Fulfilment) { f.Sent = true })
			d, err := FulfilmentAnswered(rows, pNumber, c.answer, c.at)
			if err != nil {
				t.Fatal(err)
			}
			f, _ := d.After(rows).Fulfilment(pNumber)
			check(t, "state", f.State, c.want)
			check(t, "reports", f.Reports, c.reports)
			check(t, "asked first", f.Sent, c.asked)
			check(t, "due", f.Due, c.due)
			alarm := ""
			if len(d.Alarms) > 0 {
				alarm = d.Alarms[0].Kind
			}
			check(t, "alarm", alarm, c.alarm)
			late, err := FulfilmentAnswered(fulfilling(FulfilmentReported, nil), pNumber, c.answer, c.at)
			if err != nil || !late.Empty() {
				t.Errorf("an answer that comes when it is decided: %+v, %v", late, err)
			}
		})
	}
}
