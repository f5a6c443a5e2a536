package pay

import (
	"testing"
	"time"

	"github.com/paybridge/paybridge/core/money"
)

var (
	now    = time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC)
	direct = Route{
		Provider: "wechat-jsapi", Entry: "oa", Account: "main", MchID: "1900000001", AppID: "wx01", Method: "01",
		NotifyBase: "https://pay.example.com", LatePay: LateRefund,
		Policy: Policy{Renewable: true, RefundCount: 50, RefundAge: 365 * 24 * time.Hour, RefundInterval: time.Minute},
	}
	paid        = Facts{State: FactSucceeded, Number: pNumber, MchID: "1900000001", AppID: "wx01", Amount: money.CNY(100), ProviderID: "4200", PaidAt: now}
	unpaidFacts = Facts{State: FactUnpaid}
	closedFacts = Facts{State: FactClosed}
)

// Numbers that are well formed, so that refund numbers can be derived from them.
const (
	pNumber = "01100202603011000000000012345675"
	qNumber = "01100202603011000000000076543215"
)

func anOrder(s OrderState) Order {
	o := Order{Number: "order", App: "shop", Amount: money.CNY(100), State: s, Payer: PayerFirst, ExpiresAt: now.Add(2 * time.Hour)}
	if s == OrderOpen || s == OrderClosing {
		o.Due = o.ExpiresAt
	}
	return o
}

func aPayment(number string, s PaymentState) Payment {
	p := Payment{
		Number: number, Order: "order", App: "shop", Route: direct, State: s, SentAt: now.Add(-5 * time.Second),
		Content: Content{Amount: money.CNY(100), OpenID: "o-1", TimeExpire: now.Add(2 * time.Hour)},
		Legs:    []Leg{{ID: "self", Kind: LegSelf, Amount: money.CNY(100), State: PaymentCreated}},
	}
	if s.Live() {
		p.Due = now
	}
	return p
}

func TestSettle(t *testing.T) {
	t.Parallel()
	other := func(f func(*Facts)) Facts { g := paid; f(&g); return g }
	for _, c := range []struct {
		name           string
		order          OrderState
		settledBy      string
		late           LatePay
		payment        PaymentState
		second         PaymentState // another payment of the order
		facts          Facts
		from           Source
		disputed       string
		wantOrder      OrderState // empty: it did not move
		wantPayment    PaymentState
		wantSecond     PaymentState
		wantRefund     Origin
		wantAlarm      string
		wantUndisputed bool
	}{
		{name: "R10 callback before the create answered", order: OrderOpen, payment: PaymentCreated, facts: paid, from: FromNotification,
			wantOrder: OrderPaid, wantPayment: PaymentSucceeded},
		{name: "R10 the create answers late", order: OrderPaid, settledBy: pNumber, payment: PaymentSucceeded, facts: unpaidFacts, from: FromCreate},
		{name: "R11 the same callback again", order: OrderPaid, settledBy: pNumber, payment: PaymentSucceeded, facts: paid, from: FromNotification},
		{name: "R12 another amount", order: OrderOpen, payment: PaymentPending, facts: other(func(f *Facts) { f.Amount = money.CNY(1) }), from: FromNotification,
			wantPayment: PaymentPending, wantAlarm: AlarmPaymentDisputed},
		{name: "R12 another currency", order: OrderOpen, payment: PaymentPending, facts: other(func(f *Facts) { f.Amount.Currency = "USD" }), from: FromQuery,
			wantPayment: PaymentPending, wantAlarm: AlarmPaymentDisputed},
		{name: "R12 another merchant", order: OrderOpen, payment: PaymentPending, facts: other(func(f *Facts) { f.MchID = "1900000002" }), from: FromQuery,
			wantPayment: PaymentPending, wantAlarm: AlarmPaymentDisputed},
		{name: "R12 a sub merchant where there is none", order: OrderOpen, payment: PaymentPending, facts: other(func(f *Facts) { f.SubMchID = "1" }), from: FromQuery,
			wantPayment: PaymentPending, wantAlarm: AlarmPaymentDisputed},
		{name: "R12 another app id", order: OrderOpen, payment: PaymentPending, facts: other(func(f *Facts) { f.AppID = "wx02" }), from: FromNotification,
			wantPayment: PaymentPending, wantAlarm: AlarmPaymentDisputed},
		{name: "R12 another number", order: OrderOpen, payment: PaymentPending, facts: other(func(f *Facts) { f.Number = "x" }), from: FromCreate,
			wantPayment: PaymentPending, wantAlarm: AlarmPaymentDisputed},
		{name: "R12 another amount of the leg", order: OrderOpen, payment: PaymentPending, facts: other(func(f *Facts) { f.Legs = []LegFacts{{ID: "self", Amount: money.CNY(99)}} }), from: FromQuery,
			wantPayment: PaymentPending, wantAlarm: AlarmPaymentDisputed},
		{name: "R12 a query that agrees ends the dispute", order: OrderOpen, payment: PaymentPending, disputed: "x", facts: paid, from: FromQuery,
			wantOrder: OrderPaid, wantPayment: PaymentSucceeded, wantUndisputed: true},
		{name: "R12 a callback that agrees does not", order: OrderOpen, payment: PaymentPending, disputed: "x", facts: paid, from: FromNotification,
			wantOrder: OrderPaid, wantPayment: PaymentSucceeded},
		{name: "R05 found payable after it was closed here", order: OrderOpen, payment: PaymentClosed, facts: unpaidFacts, from: FromCreate,
			wantPayment: PaymentClosing},
		{name: "R05 accepted while it is being closed", order: OrderOpen, payment: PaymentClosing, facts: unpaidFacts, from: FromCreate,
			wantPayment: PaymentClosing},
		{name: "R17 a query finds it paid", order: OrderOpen, payment: PaymentPending, facts: paid, from: FromQuery,
			wantOrder: OrderPaid, wantPayment: PaymentSucceeded},
		{name: "R18 the other attempt is closed", order: OrderOpen, payment: PaymentClosed, second: PaymentPending, facts: paid, from: FromNotification,
			wantOrder: OrderPaid, wantPayment: PaymentSucceeded, wantSecond: PaymentClosing},
		{name: "R19 a second attempt was paid too", order: OrderPaid, settledBy: qNumber, payment: PaymentClosing, facts: paid, from: FromNotification,
			wantPayment: PaymentSucceeded, wantRefund: OriginDuplicate},
		{name: "R20 paid after closing, refunded", order: OrderClosed, payment: PaymentClosed, facts: paid, late: LateRefund, from: FromNotification,
			wantPayment: PaymentSucceeded, wantRefund: OriginLate},
		{name: "R20 paid after closing, accepted", order: OrderClosed, payment: PaymentClosed, facts: paid, late: LateAccept, from: FromNotification,
			wantOrder: OrderPaid, wantPayment: PaymentSucceeded},
		{name: "R21 a query speaks of a refund that is not ours", order: OrderOpen, payment: PaymentPending, facts: other(func(f *Facts) { f.Refunded = true }), from: FromQuery,
			wantOrder: OrderPaid, wantPayment: PaymentSucceeded, wantRefund: OriginExternal, wantAlarm: AlarmRefundExternal},
		{name: "R23 paid while closing", order: OrderClosing, payment: PaymentClosing, facts: paid, from: FromQuery,
			wantOrder: OrderPaid, wantPayment: PaymentSucceeded},
		{name: "R23 the order closes with its payment", order: OrderClosing, payment: PaymentClosing, facts: closedFacts, from: FromClose,
			wantOrder: OrderClosed, wantPayment: PaymentClosed},
		{name: "R23 the order waits for its other payment", order: OrderClosing, payment: PaymentClosing, second: PaymentClosing, facts: closedFacts, from: FromClose,
			wantPayment: PaymentClosed},
		{name: "closed seen again", order: OrderClosed, payment: PaymentClosed, facts: closedFacts, from: FromQuery},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := aPayment(pNumber, c.payment)
			p.Route.LatePay, p.Disputed = c.late, c.disputed
			rows := Rows{Order: anOrder(c.order), Payments: []Payment{p}}
			rows.Order.SettledBy = c.settledBy
			if c.second != "" {
				rows.Payments = append(rows.Payments, aPayment(qNumber, c.second))
			}
			d, err := Settle(rows, pNumber, c.facts, c.from, now)
			if err != nil {
				t.Fatal(err)
			}
			check(t, "order", moved(d.Orders, func(m Move[Order, OrderState]) (string, OrderState) { return "order", m.Row.State }, "order"), c.wantOrder)
			check(t, "payment", paymentAfter(d, pNumber), c.wantPayment)
			check(t, "other payment", paymentAfter(d, qNumber), c.wantSecond)
			var origin Origin
			if len(d.NewRefunds) > 0 {
				origin = d.NewRefunds[0].Origin
			}
			check(t, "refund", origin, c.wantRefund)
			var alarm string
			if len(d.Alarms) > 0 {
				alarm = d.Alarms[0].Kind
			}
			check(t, "alarm", alarm, c.wantAlarm)
			if c.disputed != "" {
				after, _ := d.After(rows).Payment(pNumber)
				check(t, "dispute over", after.Disputed == "", c.wantUndisputed)
			}
			checkDue(t, d.After(rows))
		})
	}
}

func TestAnUnknownStateDecidesNothing(t *testing.T) {
	t.Parallel()
	for _, s := range []PaymentState{PaymentCreated, PaymentPending, PaymentClosing, PaymentClosed, PaymentSucceeded} {
		rows := Rows{Order: anOrder(OrderOpen), Payments: []Payment{aPayment(pNumber, s)}}
		d, err := Settle(rows, pNumber, Facts{State: "half"}, FromQuery, now)
		if err != nil {
			t.Fatal(err)
		}
		after, _ := d.After(rows).Payment(pNumber)
		check(t, "state", after.State, s)
		if s.Live() {
			check(t, "asked again", after.Due, again(0, now))
		}
	}
}

// A message that says no state is a reason to ask at once; a payment that counts as closed may have been paid all the same.
func TestAMessageThatDecidesNothingIsAskedAbout(t *testing.T) {
	t.Parallel()
	for s, want := range map[PaymentState]PaymentState{
		PaymentCreated: PaymentCreated, PaymentPending: PaymentPending, PaymentClosing: PaymentClosing, PaymentClosed: PaymentClosing, PaymentSucceeded: PaymentSucceeded,
	} {
		rows := Rows{Order: anOrder(OrderOpen), Payments: []Payment{aPayment(pNumber, s)}}
		d, err := Settle(rows, pNumber, Facts{Number: pNumber, MchID: "1900000001"}, FromNotification, now)
		if err != nil {
			t.Fatal(err)
		}
		after, _ := d.After(rows).Payment(pNumber)
		check(t, string(s), after.State, want)
		if want.Live() {
			check(t, string(s)+" is asked about", after.Due, now)
		}
		check(t, string(s)+" is closed once more", after.Reclosing, s == PaymentClosed)
	}
}

func check[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

func moved[R any, S ~string](moves []Move[R, S], of func(Move[R, S]) (string, S), number string) S {
	for _, m := range moves {
		if n, s := of(m); n == number {
			return s
		}
	}
	return ""
}

func paymentAfter(d Decision, number string) PaymentState {
	return moved(d.Payments, func(m Move[Payment, PaymentState]) (string, PaymentState) { return m.Row.Number, m.Row.State }, number)
}

func refundAfter(d Decision, number string) RefundState {
	return moved(d.Refunds, func(m Move[Refund, RefundState]) (string, RefundState) { return m.Row.Number, m.Row.State }, number)
}

// checkDue holds what the database refuses: nothing unfinished without a due time (R40).
func checkDue(t *testing.T, rows Rows) {
	t.Helper()
	if s := rows.Order.State; (s == OrderOpen || s == OrderClosing) && rows.Order.Due.IsZero() {
		t.Errorf("R40: the order is %s and not due", s)
	}
	for _, p := range rows.Payments {
		if (p.State.Live() || p.Disputed != "") && p.Due.IsZero() {
			t.Errorf("R40: payment %s is %s and not due", p.Number, p.State)
		}
	}
	for _, r := range rows.Refunds {
		if !r.State.Final() && r.Due.IsZero() {
			t.Errorf("R40: refund %s is %s and not due", r.Number, r.State)
		}
	}
}
