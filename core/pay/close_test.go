package pay

import (
	"errors"
	"testing"
	"time"
)

func TestCloseOrder(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name        string
		order       OrderState
		payment     PaymentState // empty: none
		wantOrder   OrderState
		wantPayment PaymentState // empty: it did not move
		wantEvent   EventKind
		wantCode    string
	}{
		{name: "R23 nobody can pay: closed at once", order: OrderOpen, wantOrder: OrderClosed, wantEvent: EventOrderClosed},
		{name: "R23 after a closed attempt", order: OrderOpen, payment: PaymentClosed, wantOrder: OrderClosed, wantEvent: EventOrderClosed},
		{name: "R23 a live payment is closed at the provider first", order: OrderOpen, payment: PaymentPending, wantOrder: OrderClosing, wantPayment: PaymentClosing},
		{name: "R23 one that was just made too", order: OrderOpen, payment: PaymentCreated, wantOrder: OrderClosing, wantPayment: PaymentClosing},
		{name: "R23 asked again while closing", order: OrderClosing, payment: PaymentClosing, wantOrder: OrderClosing},
		{name: "R23 asked again when closed", order: OrderClosed, wantOrder: OrderClosed},
		{name: "R23 paid", order: OrderPaid, payment: PaymentSucceeded, wantOrder: OrderPaid, wantCode: CodeOrderPaid},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			rows := Rows{Order: anOrder(c.order)}
			if c.payment != "" {
				rows.Payments = []Payment{aPayment(pNumber, c.payment)}
			}
			d, err := CloseOrder(rows, ClosedByApp, now)
			var refusal *Refusal
			if errors.As(err, &refusal) {
				check(t, "code", refusal.Code, c.wantCode)
				return
			}
			check(t, "code", "", c.wantCode)
			after := d.After(rows)
			check(t, "order", after.Order.State, c.wantOrder)
			check(t, "payment", paymentAfter(d, pNumber), c.wantPayment)
			var event EventKind
			if len(d.Events) > 0 {
				event = d.Events[0].Kind
			}
			check(t, "event", event, c.wantEvent)
			checkDue(t, after)
		})
	}
}

func TestR26_ExpiryCloses(t *testing.T) {
	t.Parallel()
	rows := Rows{Order: anOrder(OrderOpen), Payments: []Payment{aPayment(pNumber, PaymentPending)}}
	d, err := LookAtOrder(rows, rows.Order.ExpiresAt)
	if err != nil {
		t.Fatal(err)
	}
	check(t, "order", d.After(rows).Order.State, OrderClosing)
	check(t, "reason", d.After(rows).Order.CloseReason, ClosedAsDue)
	check(t, "payment", paymentAfter(d, pNumber), PaymentClosing)

	d, err = LookAtOrder(rows, rows.Order.ExpiresAt.Add(-time.Second))
	if err != nil {
		t.Fatal(err)
	}
	check(t, "a second before", d.After(rows).Order.State, OrderOpen)
	checkDue(t, d.After(rows))
}

func TestCloseAnswered(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		sent    time.Duration // ago
		answer  Answer
		want    PaymentState
		wantNow bool // due at once
	}{
		{name: "closed", answer: Answer{Outcome: accepted, Facts: &closedFacts}, want: PaymentClosed},
		{name: "R24 already paid is a conflict: ask", answer: Answer{Outcome: Outcome{Verdict: Rejected, Reason: Conflict}}, want: PaymentClosing, wantNow: true},
		{name: "indeterminate", answer: Answer{}, want: PaymentClosing},
		{name: "refused", answer: Answer{Outcome: declined}, want: PaymentClosing},
		{name: "R06 not found too early", sent: time.Second, answer: Answer{Outcome: notFoundOut}, want: PaymentClosing},
		{name: "R06 not found later", sent: 70 * time.Second, answer: Answer{Outcome: notFoundOut}, want: PaymentClosed},
	} {
		p := aPayment(pNumber, PaymentClosing)
		p.SentAt = now.Add(-c.sent)
		rows := Rows{Order: anOrder(OrderOpen), Payments: []Payment{p}}
		d, err := CloseAnswered(rows, pNumber, c.answer, now)
		if err != nil {
			t.Fatal(err)
		}
		after, _ := d.After(rows).Payment(pNumber)
		check(t, c.name, after.State, c.want)
		check(t, c.name+": due at once", after.Due.Equal(now), c.wantNow)
		checkDue(t, d.After(rows))
	}
}

func TestRenew(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		change func(*Payment)
		want   error
	}{
		{"pending", func(*Payment) {}, nil},
		{"R07 less than two minutes left", func(p *Payment) { p.Content.TimeExpire = now.Add(LeastTimeToPay - 1) }, ErrNotRenewable},
		{"R07 not renewable", func(p *Payment) { p.Route.Policy.Renewable = false }, ErrNotRenewable},
		{"closing", func(p *Payment) { p.State = PaymentClosing }, ErrNotRenewable},
		{"R12 disputed", func(p *Payment) { p.Disputed = "x" }, ErrNotRenewable},
	} {
		p := aPayment(pNumber, PaymentPending)
		c.change(&p)
		d, err := Renew(Rows{Order: anOrder(OrderOpen), Payments: []Payment{p}}, pNumber, now)
		if !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", c.name, err, c.want)
		}
		if err == nil && (!d.Payments[0].Row.Calling || !d.Payments[0].Row.SentAt.Equal(now)) {
			t.Errorf("%s: the intent is not written down: %+v", c.name, d.Payments[0].Row)
		}
	}

	died := aPayment(pNumber, PaymentCreated)
	died.Calling = true
	d, err := Renew(Rows{Order: anOrder(OrderOpen), Payments: []Payment{died}}, pNumber, now)
	if err != nil {
		t.Fatal(err)
	}
	check(t, "R04 whoever sent it before died: unclear", d.Payments[0].Row.Unclear, true)
}

func TestMoveTables(t *testing.T) {
	t.Parallel()
	for _, s := range []PaymentState{PaymentCreated, PaymentPending, PaymentClosing, PaymentClosed, PaymentFailed} {
		if err := allowed("payment", "n", paymentMoves, s, PaymentSucceeded); err != nil {
			t.Errorf("money moves late: %v", err)
		}
	}
	for _, bad := range [][2]PaymentState{{PaymentSucceeded, PaymentClosed}, {PaymentFailed, PaymentPending}, {PaymentClosed, PaymentPending}, {PaymentPending, PaymentCreated}} {
		if allowed("payment", "n", paymentMoves, bad[0], bad[1]) == nil {
			t.Errorf("a payment moved from %s to %s", bad[0], bad[1])
		}
	}
	for _, bad := range [][2]OrderState{{OrderPaid, OrderClosed}, {OrderClosed, OrderOpen}, {OrderRefunded, OrderPartiallyRefunded}} {
		if allowed("order", "n", orderMoves, bad[0], bad[1]) == nil {
			t.Errorf("an order moved from %s to %s", bad[0], bad[1])
		}
	}
	for _, bad := range [][2]RefundState{{RefundSucceeded, RefundFailed}, {RefundClosed, RefundProcessing}, {RefundSettledOutside, RefundSucceeded}} {
		if allowed("refund", "n", refundMoves, bad[0], bad[1]) == nil {
			t.Errorf("a refund moved from %s to %s", bad[0], bad[1])
		}
	}
}

func TestR25_UnpaidWithoutACloseCountsAsClosed(t *testing.T) {
	t.Parallel()
	made := now.Add(-3 * time.Hour)
	for _, c := range []struct {
		name   string
		policy Policy
		said   time.Time // not_payable_after of the create's answer
		now    time.Time
		from   Source
		want   PaymentState
	}{
		{"R25 within ten minutes of what the provider said", Policy{NoClose: true}, made, made.Add(10 * time.Minute), FromQuery, PaymentClosing},
		{"R25 later", Policy{NoClose: true}, made, made.Add(10*time.Minute + 1), FromQuery, PaymentClosed},
		{"R25 a notification is no query", Policy{NoClose: true}, made, now, FromNotification, PaymentClosing},
		{"R25 what was said goes before the policy", Policy{NoClose: true, NotPayableAfter: time.Minute}, now, now, FromQuery, PaymentClosing},
		{"R25 by the policy, since it was sent", Policy{NoClose: true, NotPayableAfter: time.Minute}, time.Time{}, made.Add(11*time.Minute + 1), FromQuery, PaymentClosed},
		{"R25 by its time_expire", Policy{NoClose: true}, time.Time{}, now.Add(2*time.Hour + 10*time.Minute), FromQuery, PaymentClosing},
		{"R25 and later than that", Policy{NoClose: true}, time.Time{}, now.Add(2*time.Hour + 10*time.Minute + 1), FromQuery, PaymentClosed},
		{"R26 where there is a close, only that ends it", Policy{}, made, now, FromQuery, PaymentClosing},
	} {
		p := aPayment(pNumber, PaymentClosing)
		p.Route.Policy, p.NotPayableAfter, p.SentAt = c.policy, c.said, made
		rows := Rows{Order: anOrder(OrderOpen), Payments: []Payment{p}}
		d, err := Settle(rows, pNumber, unpaidFacts, c.from, c.now)
		if err != nil {
			t.Fatal(err)
		}
		after, _ := d.After(rows).Payment(pNumber)
		check(t, c.name, after.State, c.want)
		checkDue(t, d.After(rows))
		rows = d.After(rows)
		if d, err = Settle(rows, pNumber, paid, FromQuery, c.now); err != nil {
			t.Fatal(err)
		}
		after, _ = d.After(rows).Payment(pNumber)
		check(t, c.name+", and then it is paid", after.State, PaymentSucceeded)
	}
}

// Two hand-offs may be in the payer's hands: the one that lives longer counts.
func TestR25_TheLastHandOffCounts(t *testing.T) {
	t.Parallel()
	rows := Rows{Order: anOrder(OrderOpen), Payments: []Payment{aPayment(pNumber, PaymentPending)}}
	for _, minutes := range []int{30, 10} {
		until := now.Add(time.Duration(minutes) * time.Minute)
		d, err := Created(rows, pNumber, Answer{Outcome: accepted, Facts: &unpaidFacts, NotPayableAfter: until}, now)
		if err != nil {
			t.Fatal(err)
		}
		rows = d.After(rows)
	}
	check(t, "not payable after", rows.Payments[0].NotPayableAfter, now.Add(30*time.Minute))
}
