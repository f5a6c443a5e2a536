package pay

import (
	"errors"
	"strings"
	"testing"
	"time"
)

var (
	accepted    = Outcome{Verdict: Accepted}
	broken      = Outcome{}
	declined    = Outcome{Verdict: Rejected, Reason: Declined, Code: "NO_AUTH"}
	notFoundOut = Outcome{Verdict: Rejected, Reason: NotFound}
)

func TestCreated(t *testing.T) {
	t.Parallel()
	handOff := &HandOff{Kind: "wechat_jsapi", ValidUntil: now.Add(time.Hour)}
	for _, c := range []struct {
		name        string
		payment     PaymentState
		unclear     bool
		answer      Answer
		wantState   PaymentState
		wantHandOff bool
		wantUnclear bool
		wantNow     bool // due at once
	}{
		{name: "accepted", payment: PaymentCreated, answer: Answer{Outcome: accepted, Facts: &unpaidFacts, HandOff: handOff}, wantState: PaymentPending, wantHandOff: true},
		{name: "R03 indeterminate stays as it is", payment: PaymentCreated, answer: Answer{Outcome: broken}, wantState: PaymentCreated, wantUnclear: true},
		{name: "declined", payment: PaymentCreated, answer: Answer{Outcome: declined}, wantState: PaymentFailed},
		{name: "R04 declined after an indeterminate one does not fail it: it is closed", payment: PaymentCreated, unclear: true, answer: Answer{Outcome: declined}, wantState: PaymentClosing, wantUnclear: true, wantNow: true},
		{name: "R04 accepted without facts is indeterminate", payment: PaymentCreated, answer: Answer{Outcome: accepted}, wantState: PaymentCreated, wantUnclear: true},
		{name: "R05 the hand-off dies with a closing payment", payment: PaymentClosing, answer: Answer{Outcome: accepted, Facts: &unpaidFacts, HandOff: handOff}, wantState: PaymentClosing, wantNow: true},
		{name: "R05 and a closed one is closed again", payment: PaymentClosed, answer: Answer{Outcome: accepted, Facts: &unpaidFacts, HandOff: handOff}, wantState: PaymentClosing, wantNow: true},
		{name: "R10 late, after the callback", payment: PaymentSucceeded, answer: Answer{Outcome: accepted, Facts: &unpaidFacts, HandOff: handOff}, wantState: PaymentSucceeded},
		{name: "a conflict asks", payment: PaymentCreated, answer: Answer{Outcome: Outcome{Verdict: Rejected, Reason: Conflict}}, wantState: PaymentCreated, wantNow: true},
		{name: "R36 not sent", payment: PaymentCreated, answer: Answer{Outcome: Outcome{Verdict: NotSent, Reason: Unavailable}}, wantState: PaymentCreated},
		{name: "R36 refused credentials fail nothing", payment: PaymentCreated, answer: Answer{Outcome: Outcome{Verdict: Rejected, Reason: Auth}}, wantState: PaymentCreated},
		{name: "R07 a renewal that is declined: closed, and a new number", payment: PaymentPending, answer: Answer{Outcome: declined}, wantState: PaymentClosing, wantNow: true},
		{name: "a reason never heard of", payment: PaymentCreated, answer: Answer{Outcome: Outcome{Verdict: Rejected, Reason: "moon"}}, wantState: PaymentCreated},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := aPayment(pNumber, c.payment)
			p.Unclear, p.Calling = c.unclear, true
			rows := Rows{Order: anOrder(OrderOpen), Payments: []Payment{p}}
			if c.payment == PaymentSucceeded {
				rows.Order.State, rows.Order.SettledBy, rows.Order.Due = OrderPaid, pNumber, time.Time{}
			}
			d, err := Created(rows, pNumber, c.answer, now)
			if err != nil {
				t.Fatal(err)
			}
			after, _ := d.After(rows).Payment(pNumber)
			check(t, "state", after.State, c.wantState)
			check(t, "hand-off kept", after.HandOff != nil, c.wantHandOff)
			check(t, "unclear", after.Unclear, c.wantUnclear)
			check(t, "due at once", after.Due.Equal(now), c.wantNow)
			if len(d.Payments) > 0 {
				check(t, "calling", after.Calling, false)
			}
			checkDue(t, d.After(rows))
		})
	}
}

func TestR06_NotFound(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		sent  time.Duration // ago
		state PaymentState
		want  PaymentState
	}{
		{"R06 within the call's deadline", 5 * time.Second, PaymentCreated, PaymentCreated},
		{"R06 within the minute after it", 69 * time.Second, PaymentCreated, PaymentCreated},
		{"R06 later", 70 * time.Second, PaymentCreated, PaymentClosed},
		{"R06 later, closing", 70 * time.Second, PaymentClosing, PaymentClosed},
		{"R06 a final state stays", time.Hour, PaymentFailed, PaymentFailed},
	} {
		p := aPayment(pNumber, c.state)
		p.SentAt = now.Add(-c.sent)
		rows := Rows{Order: anOrder(OrderOpen), Payments: []Payment{p}}
		d, err := Queried(rows, pNumber, Answer{Outcome: notFoundOut}, now)
		if err != nil {
			t.Fatal(err)
		}
		after, _ := d.After(rows).Payment(pNumber)
		check(t, c.name, after.State, c.want)
		if sure := p.SentAt.Add(CallTime + Grace); after.State.Live() && after.Due.After(sure) {
			t.Errorf("%s: due %s, after it is sure (%s)", c.name, after.Due, sure)
		}
		checkDue(t, d.After(rows))
	}
}

func TestR06_FoundUnpaidBySweep(t *testing.T) {
	t.Parallel()
	p := aPayment(pNumber, PaymentCreated)
	fixed := p
	fixed.Route.Policy.Renewable = false
	soon := p
	soon.Content.TimeExpire = now.Add(LeastTimeToPay - time.Second)
	for name, c := range map[string]struct {
		payment Payment
		want    PaymentState
	}{"renewable": {p, PaymentPending}, "not renewable": {fixed, PaymentClosing}, "too late to renew": {soon, PaymentClosing}} {
		rows := Rows{Order: anOrder(OrderOpen), Payments: []Payment{c.payment}}
		d, err := Queried(rows, pNumber, Answer{Outcome: accepted, Facts: &unpaidFacts}, now)
		if err != nil {
			t.Fatal(err)
		}
		after, _ := d.After(rows).Payment(pNumber)
		check(t, name, after.State, c.want)
		check(t, name+": hand-off", after.HandOff, nil)
	}
}

func TestAttempt(t *testing.T) {
	t.Parallel()
	valid := &HandOff{Kind: "wechat_jsapi", ValidUntil: now.Add(time.Minute)}
	spent := &HandOff{Kind: "wechat_jsapi", ValidUntil: now}
	with := func(s PaymentState, change func(*Payment)) *Payment {
		p := aPayment(pNumber, s)
		if change != nil {
			change(&p)
		}
		return &p
	}
	same := Want{Entry: "oa", AppID: direct.AppID, OpenID: "o-1"}
	for _, c := range []struct {
		name     string
		order    OrderState
		expires  time.Duration
		payment  *Payment
		want     Want
		wantStep Step
		wantCode string
	}{
		{name: "the first", want: same, wantStep: MakeNew},
		{name: "after a closed one", payment: with(PaymentClosed, nil), want: same, wantStep: MakeNew},
		{name: "R07 a hand-off that is still valid", payment: with(PaymentPending, func(p *Payment) { p.HandOff = valid }), want: same, wantStep: GiveAgain},
		{name: "R07 one that is not", payment: with(PaymentPending, func(p *Payment) { p.HandOff = spent }), want: same, wantStep: SendAgain},
		{name: "R07 not renewable", payment: with(PaymentPending, func(p *Payment) { p.Route.Policy.Renewable = false }), want: same, wantStep: CloseIt},
		{name: "R03 created and unclear", payment: with(PaymentCreated, nil), want: same, wantStep: SendAgain},
		{name: "R07 less than two minutes left", expires: time.Minute, want: same, wantCode: CodeOrderExpired},
		{name: "R08 another entry", payment: with(PaymentPending, nil), want: Want{Entry: "mp", AppID: "wxm", OpenID: "o-1"}, wantStep: CloseIt},
		{name: "R08 while it is being closed", payment: with(PaymentClosing, nil), want: Want{Entry: "mp", AppID: "wxm", OpenID: "o-1"}, wantStep: AskAgain},
		{name: "the first payer owns it", payment: with(PaymentClosed, nil), want: Want{Entry: "oa", AppID: direct.AppID, OpenID: "o-2"}, wantCode: CodePayerNotAllowed},
		{name: "R12 a disputed payment keeps the place", payment: with(PaymentClosed, func(p *Payment) { p.Disputed = "x" }), want: same, wantCode: CodePaymentDisputed},
		{name: "paid", order: OrderPaid, want: same, wantCode: CodeOrderPaid},
		{name: "closed", order: OrderClosed, want: same, wantCode: CodeOrderClosed},
		{name: "closing", order: OrderClosing, want: same, wantCode: CodeOrderClosing},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			rows := Rows{Order: anOrder(OrderOpen)}
			if c.order != "" {
				rows.Order.State = c.order
			}
			if c.expires != 0 {
				rows.Order.ExpiresAt = now.Add(c.expires)
			}
			if c.payment != nil {
				rows.Payments = []Payment{*c.payment}
			}
			step, _, err := Attempt(rows, c.want, now)
			var refusal *Refusal
			if errors.As(err, &refusal) {
				check(t, "code", refusal.Code, c.wantCode)
				return
			}
			check(t, "code", "", c.wantCode)
			check(t, "step", step, c.wantStep)
		})
	}
}

func TestR05_ADeadHandOffIsNotGivenOut(t *testing.T) {
	t.Parallel()
	old := aPayment(pNumber, PaymentPending)
	old.HandOff = &HandOff{Kind: "wechat_jsapi", ValidUntil: now.Add(-time.Minute)}
	rows := Rows{Order: anOrder(OrderOpen), Payments: []Payment{old}}
	d, err := Renew(rows, pNumber, now)
	if err != nil {
		t.Fatal(err)
	}
	rows = d.After(rows)
	check(t, "hand-off once it is sent again", rows.Payments[0].HandOff, nil)

	other := unpaidFacts
	other.AppID = "wx02"
	d, err = Created(rows, pNumber, Answer{Outcome: accepted, Facts: &other, HandOff: &HandOff{Kind: "wechat_jsapi"}}, now)
	if err != nil {
		t.Fatal(err)
	}
	check(t, "R12 hand-off of an answer that contradicts", d.Payments[0].Row.HandOff, nil)
	check(t, "R12 disputed", d.Payments[0].Row.Disputed != "", true)
}

func TestR47_AnIntentDecidedTwiceIsOne(t *testing.T) {
	t.Parallel()
	rows := Rows{Order: anOrder(OrderOpen), Payments: []Payment{aPayment(pNumber, PaymentPending)}}
	d, err := Renew(rows, pNumber, now)
	if err != nil {
		t.Fatal(err)
	}
	if d, err = Renew(d.After(rows), pNumber, now); err != nil || !d.Empty() {
		t.Errorf("a renewal whose commit's answer was lost: %+v, %v", d, err)
	}

	refunds := refundRows(aRefund("r", RefundCreated, 60))
	number := refunds.Refunds[0].Number
	d, _, err = SendRefund(refunds, number, now)
	if err != nil {
		t.Fatal(err)
	}
	d, ready, err := SendRefund(d.After(refunds), number, now)
	if err != nil || !ready || !d.Empty() {
		t.Errorf("a refund whose commit's answer was lost: ready %v, %+v, %v", ready, d, err)
	}

	state := ProviderState{Version: 1, Data: []byte("a")}
	if d, err = Checkpoint(rows, pNumber, state); err != nil {
		t.Fatal(err)
	}
	rows = d.After(rows)
	if d, err = Checkpoint(rows, pNumber, state); err != nil || !d.Empty() {
		t.Errorf("a checkpoint whose commit's answer was lost: %+v, %v", d, err)
	}
	for name, older := range map[string]ProviderState{"R35 older": {}, "R35 the same version, other data": {Version: 1, Data: []byte("b")}} {
		if _, err := Checkpoint(rows, pNumber, older); err == nil {
			t.Errorf("%s: it was taken", name)
		}
	}
}

func TestR05_AReclosingPaymentIsInNobodysWay(t *testing.T) {
	t.Parallel()
	rows := Rows{Order: anOrder(OrderOpen), Payments: []Payment{aPayment(pNumber, PaymentClosed), aPayment(qNumber, PaymentPending)}}
	rows.Payments[1].HandOff = &HandOff{Kind: "wechat_jsapi", ValidUntil: now.Add(time.Hour)}
	d, err := Settle(rows, pNumber, unpaidFacts, FromQuery, now)
	if err != nil {
		t.Fatal(err)
	}
	rows = d.After(rows)
	check(t, "state", rows.Payments[0].State, PaymentClosing)
	check(t, "reclosing", rows.Payments[0].Reclosing, true)
	for _, order := range [][2]int{{0, 1}, {1, 0}} {
		step, p, err := Attempt(Rows{Order: rows.Order, Payments: []Payment{rows.Payments[order[0]], rows.Payments[order[1]]}}, Want{Entry: "oa", AppID: direct.AppID, OpenID: "o-1"}, now)
		if err != nil || step != GiveAgain || p.Number != qNumber {
			t.Errorf("the payer gets step %v of %s, %v; want the other payment's hand-off", step, p.Number, err)
		}
	}
}

func TestR07_ACreateInFlightIsWaitedFor(t *testing.T) {
	t.Parallel()
	p := aPayment(pNumber, PaymentCreated)
	p.Calling, p.Route.Policy.Renewable = true, false
	step, _, err := Attempt(Rows{Order: anOrder(OrderOpen), Payments: []Payment{p}}, Want{Entry: "oa", AppID: direct.AppID, OpenID: "o-1"}, now)
	if err != nil || step != WaitForIt {
		t.Errorf("got step %v, %v", step, err)
	}
}

// WeChat's people find an exchange by its id alone: whoever is told of a refusal has it.
func TestTheAlarmOfARefusalNamesTheRequest(t *testing.T) {
	t.Parallel()
	p := aPayment(pNumber, PaymentCreated)
	p.Calling = true
	refused := declined
	refused.RequestID = "089BBA92AA0610E5-268892709"
	d, err := Created(Rows{Order: anOrder(OrderOpen), Payments: []Payment{p}}, pNumber, Answer{Outcome: refused}, now)
	if err != nil {
		t.Fatal(err)
	}
	if len(d.Alarms) != 1 || d.Alarms[0].Kind != AlarmProviderRejected || !strings.Contains(d.Alarms[0].What, refused.RequestID) {
		t.Errorf("alarms %+v; want one with the request's id", d.Alarms)
	}
}
