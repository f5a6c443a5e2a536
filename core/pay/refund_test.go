package pay

import (
	"errors"
	"testing"
	"time"

	"github.com/paybridge/paybridge/core/money"
)

func aRefund(reference string, s RefundState, fen int64) Refund {
	r, err := newRefund(Rows{}, aPayment(pNumber, PaymentSucceeded), RefundRequest{Reference: reference, Amount: money.CNY(fen)}, OriginAPI, now)
	if err != nil {
		panic(err)
	}
	r.State = s
	if s != RefundCreated {
		r.SentAt = now.Add(-10 * time.Minute)
	}
	if s.Final() {
		r.Due = time.Time{}
	}
	return r
}

func refundRows(refunds ...Refund) Rows {
	p := aPayment(pNumber, PaymentSucceeded)
	p.SucceededAt = now.Add(-time.Hour)
	o := anOrder(OrderPaid)
	o.SettledBy = pNumber
	return Rows{Order: o, Payments: []Payment{p}, Refunds: refunds}
}

func TestRequestRefund(t *testing.T) {
	t.Parallel()
	fifty := make([]Refund, 0, 50)
	for i := range 50 {
		fifty = append(fifty, aRefund("ref-"+string(rune('A'+i)), RefundSucceeded, 1))
	}
	unknown := aRefund("~external", RefundSucceeded, 0)
	unknown.AmountUnknown = true
	for _, c := range []struct {
		name     string
		rows     Rows
		change   func(*Payment)
		request  RefundRequest
		wantCode string
		wantNew  bool
	}{
		{name: "R29 the whole", rows: refundRows(), request: RefundRequest{Reference: "r", Amount: money.CNY(100)}, wantNew: true},
		{name: "R29 one fen too many", rows: refundRows(), request: RefundRequest{Reference: "r", Amount: money.CNY(101)}, wantCode: CodeRefundExceeds},
		{name: "R29 what is left", rows: refundRows(aRefund("a", RefundProcessing, 60)), request: RefundRequest{Reference: "r", Amount: money.CNY(40)}, wantNew: true},
		{name: "R29 an unclear one keeps its sum", rows: refundRows(aRefund("a", RefundProcessing, 60)), request: RefundRequest{Reference: "r", Amount: money.CNY(41)}, wantCode: CodeRefundExceeds},
		{name: "R29 a closed one gives it back", rows: refundRows(aRefund("a", RefundClosed, 60)), request: RefundRequest{Reference: "r", Amount: money.CNY(100)}, wantNew: true},
		{name: "R29 another currency", rows: refundRows(), request: RefundRequest{Reference: "r", Amount: money.Amount{Minor: 1, Currency: "USD"}}, wantCode: CodeRefundExceeds},
		{name: "R28 the same again", rows: refundRows(aRefund("r", RefundProcessing, 60)), request: RefundRequest{Reference: "r", Amount: money.CNY(60)}},
		{name: "R28 other content", rows: refundRows(aRefund("r", RefundProcessing, 60)), request: RefundRequest{Reference: "r", Amount: money.CNY(61)}, wantCode: CodeReferenceReused},
		{name: "R30 not paid", rows: refundRows(), change: func(p *Payment) { p.State = PaymentPending }, request: RefundRequest{Reference: "r", Amount: money.CNY(1)}, wantCode: CodePaymentNotPaid},
		{name: "R30 too many", rows: refundRows(fifty...), request: RefundRequest{Reference: "r", Amount: money.CNY(1)}, wantCode: CodeRefundTooMany},
		{name: "R30 too late", rows: refundRows(), change: func(p *Payment) { p.SucceededAt = now.Add(-366 * 24 * time.Hour) }, request: RefundRequest{Reference: "r", Amount: money.CNY(1)}, wantCode: CodeRefundTooLate},
		{name: "R21 one of unknown amount", rows: refundRows(unknown), request: RefundRequest{Reference: "r", Amount: money.CNY(1)}, wantCode: CodeRefundUnknown},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if c.change != nil {
				c.change(&c.rows.Payments[0])
			}
			r, d, err := RequestRefund(c.rows, pNumber, c.request, now)
			var refusal *Refusal
			if errors.As(err, &refusal) {
				check(t, "code", refusal.Code, c.wantCode)
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			check(t, "code", "", c.wantCode)
			check(t, "made", len(d.NewRefunds) == 1, c.wantNew)
			check(t, "amount", r.Amount, c.request.Amount)
		})
	}
}

func TestRefundAnswered(t *testing.T) {
	t.Parallel()
	processing := RefundFacts{State: RefundFactProcessing, ProviderID: "5030"}
	done := RefundFacts{State: RefundFactSucceeded, ProviderID: "5030", SucceededAt: now}
	abnormal := RefundFacts{State: RefundFactAbnormal, ProviderID: "5030"}
	early := settledBy(now.Add(-10 * time.Second))
	for _, c := range []struct {
		name      string
		query     bool
		state     RefundState
		unclear   bool
		sentAgo   time.Duration
		outcome   Outcome
		facts     *RefundFacts
		want      RefundState
		wantOrder OrderState
		wantNext  string // "send" or "ask"; empty: nothing
		wantDue   time.Time
		wantAlarm string
	}{
		{name: "accepted", state: RefundProcessing, outcome: accepted, facts: &processing, want: RefundProcessing, wantNext: "ask"},
		{name: "R04 accepted, and not found by a query that lags", query: true, state: RefundProcessing, sentAgo: 10 * time.Second, outcome: notFoundOut, want: RefundProcessing, wantNext: "ask"},
		{name: "R28 failed here, closed there", query: true, state: RefundFailed, outcome: accepted, facts: &RefundFacts{State: RefundFactClosed}, want: RefundFailed},
		{name: "a state never heard of", query: true, state: RefundProcessing, outcome: accepted, facts: &RefundFacts{State: "half"}, want: RefundProcessing, wantNext: "ask", wantDue: again(0, now)},
		{name: "done", query: true, state: RefundProcessing, outcome: accepted, facts: &done, want: RefundSucceeded, wantOrder: OrderPartiallyRefunded},
		{name: "done, seen again", query: true, state: RefundSucceeded, outcome: accepted, facts: &done, want: RefundSucceeded},
		{name: "declined", state: RefundProcessing, outcome: declined, want: RefundFailed},
		{name: "R04 declined after an unclear one", state: RefundProcessing, unclear: true, outcome: declined, want: RefundProcessing, wantNext: "ask"},
		{name: "R28 indeterminate", state: RefundProcessing, outcome: broken, want: RefundProcessing, wantNext: "ask"},
		{name: "R04 not found too early", query: true, state: RefundProcessing, unclear: true, sentAgo: 10 * time.Second, outcome: notFoundOut, want: RefundProcessing, wantNext: "ask", wantDue: again(1, now)},
		{name: "R04 not found later: the same number again", query: true, state: RefundProcessing, unclear: true, sentAgo: 70 * time.Second, outcome: notFoundOut, want: RefundProcessing, wantNext: "send", wantDue: now},
		{name: "rate limited", state: RefundProcessing, outcome: Outcome{Verdict: Rejected, Reason: RateLimited, RetryAfter: time.Hour}, want: RefundProcessing, wantNext: "send", wantDue: now.Add(time.Hour)},
		{name: "R36 not sent", state: RefundProcessing, outcome: Outcome{Verdict: NotSent}, want: RefundProcessing, wantNext: "send"},
		{name: "R33 abnormal", query: true, state: RefundProcessing, outcome: accepted, facts: &abnormal, want: RefundProcessing, wantNext: "ask", wantAlarm: AlarmRefundAttention},
		{name: "R33 not enough money", state: RefundProcessing, outcome: Outcome{Verdict: Rejected, Reason: Unavailable, NeedsAttention: "recharge"}, want: RefundProcessing, wantNext: "send", wantAlarm: AlarmRefundAttention},
		{name: "failed here, done there", query: true, state: RefundFailed, outcome: accepted, facts: &done, want: RefundSucceeded, wantOrder: OrderPartiallyRefunded, wantAlarm: AlarmRefundRevived},
		{name: "another amount", query: true, state: RefundProcessing, outcome: accepted, facts: &RefundFacts{State: RefundFactSucceeded, Amount: money.CNY(1)}, want: RefundProcessing, wantNext: "ask", wantAlarm: AlarmRefundDisputed},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := aRefund("r", c.state, 60)
			r.Unclear = c.unclear
			if c.sentAgo != 0 {
				r.SentAt = now.Add(-c.sentAgo)
			}
			rows := refundRows(r)
			facts := c.facts
			if facts != nil { // what the row leaves out is as it was asked for
				said := *facts
				said.Number = r.Number
				if said.Amount == (money.Amount{}) {
					said.Amount = r.Amount
				}
				facts = &said
			}
			decide := RefundAnswered
			if c.query {
				decide = RefundQueried
			}
			d, err := decide(rows, r.Number, c.outcome, facts, now)
			if err != nil {
				t.Fatal(err)
			}
			after, _ := d.After(rows).Refund(r.Number)
			check(t, "state", after.State, c.want)
			next := ""
			if !after.State.Final() {
				if next = "ask"; after.SentAt.IsZero() {
					next = "send"
				}
			}
			check(t, "next", next, c.wantNext)
			if !c.wantDue.IsZero() {
				check(t, "due", after.Due, c.wantDue)
			}
			if c.wantDue.After(early) && c.sentAgo == 10*time.Second {
				t.Errorf("due %s, after it is sure (%s)", c.wantDue, early)
			}
			check(t, "order", moved(d.Orders, func(m Move[Order, OrderState]) (string, OrderState) { return "order", m.Row.State }, "order"), c.wantOrder)
			var alarm string
			if len(d.Alarms) > 0 {
				alarm = d.Alarms[0].Kind
			}
			check(t, "alarm", alarm, c.wantAlarm)
			checkDue(t, d.After(rows))
		})
	}
}

func TestSendRefund(t *testing.T) {
	t.Parallel()
	held := aRefund("r", RefundCreated, 50)
	held.Hold = true
	recent := aRefund("a", RefundSucceeded, 10)
	recent.SentAt = now.Add(-20 * time.Second)
	absent := aRefund("a", RefundFailed, 100)
	absent.Absent = true
	for _, c := range []struct {
		name      string
		refund    Refund
		others    []Refund
		wantReady bool
		want      RefundState
		wantDue   time.Time
	}{
		{"the first call commits processing", aRefund("r", RefundCreated, 50), nil, true, RefundProcessing, time.Time{}},
		{"held", held, nil, false, RefundCreated, now.Add(LongestInterval)},
		{"R30 a minute after the one before", aRefund("r", RefundCreated, 50), []Refund{recent}, false, RefundCreated, now.Add(40 * time.Second)},
		{"R28 behind a failed one", aRefund("r", RefundCreated, 50), []Refund{aRefund("a", RefundFailed, 100)}, false, RefundCreated, again(0, now)},
		{"R28 behind two", aRefund("r", RefundCreated, 50), []Refund{aRefund("a", RefundFailed, 100), aRefund("b", RefundFailed, 100)}, false, RefundCreated, again(0, now)},
		{"R28 that the provider does not know", aRefund("r", RefundCreated, 50), []Refund{absent}, true, RefundProcessing, time.Time{}},
		{"R29 no longer covered", aRefund("r", RefundCreated, 50), []Refund{aRefund("a", RefundSucceeded, 60)}, false, RefundClosed, time.Time{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			rows := refundRows(append(c.others, c.refund)...)
			d, ready, err := SendRefund(rows, c.refund.Number, now)
			if err != nil {
				t.Fatal(err)
			}
			after, _ := d.After(rows).Refund(c.refund.Number)
			check(t, "ready", ready, c.wantReady)
			check(t, "state", after.State, c.want)
			if !c.wantDue.IsZero() {
				check(t, "due", after.Due, c.wantDue)
			}
			for _, f := range d.After(rows).Refunds {
				if f.State == RefundFailed && !f.Absent && !f.Due.Equal(now) {
					t.Errorf("R28: nobody asks for the failed refund %s", f.Number)
				}
			}
			checkDue(t, d.After(rows))
		})
	}
}

func TestR28_AFailedRefundIsAskedForAgainAfterEachTry(t *testing.T) {
	t.Parallel()
	f := aRefund("a", RefundFailed, 60)
	rows := refundRows(f)
	d, err := RefundQueried(rows, f.Number, notFoundOut, nil, now)
	if err != nil {
		t.Fatal(err)
	}
	rows = d.After(rows)
	check(t, "absent", rows.Refunds[0].Absent, true)
	for _, step := range []func() (Decision, error){
		func() (Decision, error) { return RetryRefund(rows, f.Number, now) },
		func() (Decision, error) { d, _, err := SendRefund(rows, f.Number, now); return d, err },
		func() (Decision, error) { return RefundAnswered(rows, f.Number, declined, nil, now) },
	} {
		if d, err = step(); err != nil {
			t.Fatal(err)
		}
		rows = d.After(rows)
	}
	check(t, "state", rows.Refunds[0].State, RefundFailed)
	check(t, "absent after it was sent again", rows.Refunds[0].Absent, false)
}

func TestAnExternalRefundIsNeverSent(t *testing.T) {
	t.Parallel()
	d, err := ExternalRefund(refundRows(), pNumber, RefundFacts{State: RefundFactAbnormal, Number: "by-hand-1", ProviderID: "5030", Amount: money.CNY(50)}, now)
	if err != nil {
		t.Fatal(err)
	}
	rows := d.After(refundRows())
	number := rows.Refunds[0].Number
	if d, err = RefundQueried(rows, number, notFoundOut, nil, now.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	after, _ := d.After(rows).Refund(number)
	if after.SentAt.IsZero() {
		t.Error("the next step would be to send it")
	}
	if _, ready, err := SendRefund(rows, number, now); ready || err == nil {
		t.Error("it was made ready to be sent")
	}
}

func TestUncoveredRefund(t *testing.T) {
	t.Parallel()
	clear := aRefund("r", RefundProcessing, 60)
	clear.SentAt = time.Time{}
	unclear := clear
	unclear.Unclear = true
	for name, c := range map[string]struct {
		refund Refund
		want   RefundState
	}{"surely never sent": {clear, RefundClosed}, "it may have happened": {unclear, RefundProcessing}} {
		rows := refundRows(aRefund("a", RefundSucceeded, 60), c.refund)
		d, ready, err := SendRefund(rows, c.refund.Number, now)
		if err != nil || ready {
			t.Fatalf("%s: ready %v, %v", name, ready, err)
		}
		check(t, name, refundAfter(d, c.refund.Number), c.want)
		check(t, name+": alarms", len(d.Alarms), 1)
		checkDue(t, d.After(rows))
	}
}

func TestRetryRefund(t *testing.T) {
	t.Parallel()
	rows := refundRows(aRefund("r", RefundFailed, 60), aRefund("a", RefundSucceeded, 50))
	if _, err := RetryRefund(rows, rows.Refunds[0].Number, now); err == nil {
		t.Error("R29: a retry took a sum that is no longer there")
	}
	rows = refundRows(aRefund("r", RefundFailed, 60))
	d, err := RetryRefund(rows, rows.Refunds[0].Number, now)
	if err != nil {
		t.Fatal(err)
	}
	check(t, "R28 retried under its own number", refundAfter(d, rows.Refunds[0].Number), RefundProcessing)
}

func TestR15_ExternalRefund(t *testing.T) {
	t.Parallel()
	rows := refundRows()
	d, err := ExternalRefund(rows, pNumber, RefundFacts{State: RefundFactSucceeded, Number: "by-hand-1", ProviderID: "5030", Amount: money.CNY(100)}, now)
	if err != nil {
		t.Fatal(err)
	}
	r := d.NewRefunds[0]
	check(t, "number at the provider", r.OutRefundNo(), "by-hand-1")
	check(t, "state", r.State, RefundSucceeded)
	check(t, "order", d.Orders[0].Row.State, OrderRefunded)
	if _, _, err := RequestRefund(d.After(rows), pNumber, RefundRequest{Reference: "r", Amount: money.CNY(1)}, now); err == nil {
		t.Error("R29: what went back elsewhere was refunded again")
	}
}

func TestR28_TheRowsWereLost(t *testing.T) {
	t.Parallel()
	request := RefundRequest{Reference: "r", Amount: money.CNY(60)}
	first, _, err := RequestRefund(refundRows(), pNumber, request, now)
	if err != nil {
		t.Fatal(err)
	}
	d, err := ExternalRefund(refundRows(), pNumber, RefundFacts{State: RefundFactSucceeded, Number: first.Number, ProviderID: "5030", Amount: request.Amount}, now)
	if err != nil {
		t.Fatal(err)
	}
	lost := d.After(refundRows())
	again, d, err := RequestRefund(lost, pNumber, request, now)
	if err != nil {
		t.Fatal(err)
	}
	check(t, "made anew", len(d.NewRefunds), 0)
	check(t, "number at the provider", again.OutRefundNo(), first.Number)
	check(t, "reference", again.Reference, "r")
	if _, _, err := RequestRefund(lost, pNumber, RefundRequest{Reference: "r", Amount: money.CNY(61)}, now); err == nil {
		t.Error("the same reference was taken with another amount")
	}
}

func TestR21_WhatWentBackAlreadyIsNotGivenBackAgain(t *testing.T) {
	t.Parallel()
	refunded := paid
	refunded.Refunded = true
	for name, order := range map[string]Order{"R19 a duplicate": anOrder(OrderPaid), "R20 late": anOrder(OrderClosed)} {
		if order.State == OrderPaid {
			order.SettledBy = qNumber
		}
		d, err := Settle(Rows{Order: order, Payments: []Payment{aPayment(pNumber, PaymentClosed)}}, pNumber, refunded, FromQuery, now)
		if err != nil {
			t.Fatal(err)
		}
		check(t, name+": refunds", len(d.NewRefunds), 1)
		check(t, name+": origin", d.NewRefunds[0].Origin, OriginExternal)
		check(t, name+": alarms", len(d.Alarms), 1)
	}
}

func TestR33_ARefundThatNobodyAskedForDoesNotFailInSilence(t *testing.T) {
	t.Parallel()
	for origin, want := range map[Origin]int{OriginAPI: 0, OriginExternal: 0, OriginDuplicate: 1, OriginLate: 1, OriginIncomplete: 1, OriginDisputed: 1} {
		f := aRefund("r", RefundProcessing, 60)
		f.Origin = origin
		closed := RefundFacts{State: RefundFactClosed, Number: f.Number, ProviderID: "5030", Amount: f.Amount}
		for how, decide := range map[string]func() (Decision, error){
			"refused": func() (Decision, error) { return RefundAnswered(refundRows(f), f.Number, declined, nil, now) },
			"closed":  func() (Decision, error) { return SettleRefund(refundRows(f), f.Number, closed, FromQuery, now) },
		} {
			d, err := decide()
			if err != nil {
				t.Fatal(err)
			}
			check(t, string(origin)+" "+how+": alarms", len(d.Alarms), want)
		}
	}
}

func TestR35_ARefundsAnswerBringsProviderState(t *testing.T) {
	t.Parallel()
	state := func(version int64, data string) *ProviderState {
		return &ProviderState{Version: version, Data: []byte(data)}
	}
	for _, c := range []struct {
		name  string
		moves bool // the decision moves the payment too
		said  *ProviderState
		want  string
	}{
		{"a newer one", false, state(3, "new"), "new"},
		{"a newer one beside a move of the payment", true, state(3, "new"), "new"},
		{"none", true, nil, "old"},
		{"R35 an older one", false, state(1, "older"), "old"},
		{"R35 the same version", true, state(2, "other"), "old"},
	} {
		rows := refundRows(aRefund("r", RefundProcessing, 60))
		rows.Payments[0].ProviderState = *state(2, "old")
		var d Decision
		if c.moves {
			var err error
			p := rows.Payments[0]
			p.Attempts = 7
			if d, err = d.putPayment(p.State, p, ""); err != nil {
				t.Fatal(err)
			}
		}
		d, err := Remember(rows, d, rows.Payments[0].Number, c.said)
		if err != nil {
			t.Fatal(err)
		}
		after := d.After(rows).Payments[0]
		check(t, c.name, string(after.ProviderState.Data), c.want)
		check(t, c.name+": the move stays", after.Attempts == 7, c.moves)
		check(t, c.name+": moves", len(d.Payments) <= 1, true)
	}
}
