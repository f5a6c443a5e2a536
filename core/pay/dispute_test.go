package pay

import (
	"errors"
	"strings"
	"testing"

	"github.com/paybridge/paybridge/core/money"
)

// An operator ends a dispute: the trade counts as the payment with what the provider says of it, or goes back whole (R12).
func TestR12_ResolveDispute(t *testing.T) {
	t.Parallel()
	other := func(f func(*Facts)) *Facts { g := paid; f(&g); return &g }
	amount := other(func(f *Facts) { f.Amount = money.CNY(7) })
	refused := Outcome{Verdict: Rejected, Reason: NotFound}
	for _, c := range []struct {
		name        string
		order       OrderState
		settledBy   string
		payment     PaymentState
		facts       *Facts
		outcome     Outcome
		refund      bool
		wantCode    string
		wantOrder   OrderState // empty: it did not move
		wantPayment PaymentState
		wantTotal   int64
		wantAppID   string
		wantRefund  int64
		wantStays   bool // disputed
	}{
		{name: "adopted with another amount", order: OrderOpen, payment: PaymentPending, facts: amount, wantOrder: OrderPaid, wantPayment: PaymentSucceeded, wantTotal: 7},
		{name: "adopted with another app id", order: OrderOpen, payment: PaymentCreated, facts: other(func(f *Facts) { f.AppID = "wx02" }),
			wantOrder: OrderPaid, wantPayment: PaymentSucceeded, wantTotal: 100, wantAppID: "wx02"},
		{name: "adopted, and its order is paid already", order: OrderPaid, settledBy: qNumber, payment: PaymentClosed, facts: amount, wantPayment: PaymentSucceeded, wantTotal: 7, wantRefund: 7},
		{name: "adopted unpaid", order: OrderOpen, payment: PaymentPending, facts: other(func(f *Facts) { f.State, f.Amount = FactUnpaid, money.CNY(7) }),
			wantPayment: PaymentPending, wantTotal: 7},
		{name: "adopted closed", order: OrderOpen, payment: PaymentPending, facts: other(func(f *Facts) { f.State, f.Amount = FactClosed, money.CNY(7) }),
			wantPayment: PaymentClosed, wantTotal: 7},
		{name: "adopted after it had succeeded", order: OrderPaid, settledBy: pNumber, payment: PaymentSucceeded, facts: amount, wantPayment: PaymentSucceeded, wantTotal: 7},
		{name: "given back: the order stays open", order: OrderOpen, payment: PaymentPending, facts: amount, refund: true, wantPayment: PaymentSucceeded, wantTotal: 7, wantRefund: 7},
		{name: "given back: a closing order closes", order: OrderClosing, payment: PaymentClosing, facts: amount, refund: true,
			wantOrder: OrderClosed, wantPayment: PaymentSucceeded, wantTotal: 7, wantRefund: 7},
		{name: "given back after it had succeeded", order: OrderPaid, settledBy: pNumber, payment: PaymentSucceeded, facts: amount, refund: true,
			wantPayment: PaymentSucceeded, wantTotal: 7, wantRefund: 7},
		{name: "nothing to give back", order: OrderOpen, payment: PaymentPending, facts: other(func(f *Facts) { f.State, f.Amount = FactUnpaid, money.CNY(7) }), refund: true, wantCode: CodePaymentNotPaid},
		{name: "some of it went back", order: OrderOpen, payment: PaymentPending, facts: other(func(f *Facts) { f.Refunded, f.Amount = true, money.CNY(7) }), refund: true, wantCode: CodeRefundUnknown},
		{name: "another merchant's", order: OrderOpen, payment: PaymentPending, facts: other(func(f *Facts) { f.MchID = "1900000002" }), wantCode: CodeTradeNotOurs},
		{name: "another sub merchant's", order: OrderOpen, payment: PaymentPending, facts: other(func(f *Facts) { f.SubMchID = "1900000003" }), refund: true, wantCode: CodeTradeNotOurs},
		{name: "another number", order: OrderOpen, payment: PaymentPending, facts: other(func(f *Facts) { f.Number = qNumber }), wantCode: CodeTradeNotOurs},
		{name: "another currency", order: OrderOpen, payment: PaymentPending, facts: other(func(f *Facts) { f.Amount.Currency = "USD" }), wantCode: CodeTradeNotOurs},
		{name: "the provider does not say how much", order: OrderOpen, payment: PaymentPending, facts: other(func(f *Facts) { f.Amount = money.Amount{} }), wantCode: CodeTradeNotOurs},
		{name: "the query agrees meanwhile", order: OrderOpen, payment: PaymentPending, facts: &paid, refund: true, wantOrder: OrderPaid, wantPayment: PaymentSucceeded, wantTotal: 100},
		{name: "the provider does not answer", order: OrderOpen, payment: PaymentPending, outcome: Outcome{Verdict: NotSent}, wantPayment: PaymentPending, wantTotal: 100, wantStays: true},
		{name: "the provider does not know it", order: OrderOpen, payment: PaymentPending, outcome: refused, wantPayment: PaymentPending, wantTotal: 100, wantStays: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := aPayment(pNumber, c.payment)
			p.Disputed, p.Due = "the provider says otherwise", now
			rows := Rows{Order: anOrder(c.order), Payments: []Payment{p}}
			if rows.Order.SettledBy = c.settledBy; c.settledBy == qNumber {
				rows.Payments = append(rows.Payments, aPayment(qNumber, PaymentSucceeded))
			}
			a := Answer{Outcome: c.outcome, Facts: c.facts}
			if c.facts != nil {
				a.Outcome.Verdict = Accepted
			}
			d, err := ResolveDispute(rows, pNumber, a, Resolution{Name: "li", Reason: "seen at the till", Refund: c.refund}, now)
			if c.wantCode != "" {
				if refusal := new(Refusal); !errors.As(err, &refusal) || refusal.Code != c.wantCode {
					t.Errorf("got %v, want %s", err, c.wantCode)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			after := d.After(rows)
			got, _ := after.Payment(pNumber)
			check(t, "payment", got.State, c.wantPayment)
			check(t, "total", got.Total().Minor, c.wantTotal)
			check(t, "asked for", got.Content.Amount.Minor, 100)
			check(t, "leg", got.Legs[0].Amount.Minor, c.wantTotal)
			check(t, "disputed", got.Disputed != "", c.wantStays)
			if c.wantAppID != "" {
				check(t, "app id", got.Adopted.AppID, c.wantAppID)
			}
			if c.wantOrder == "" {
				c.wantOrder = c.order
			}
			check(t, "order", after.Order.State, c.wantOrder)
			var back int64
			for _, r := range d.NewRefunds {
				back += r.Amount.Minor
			}
			check(t, "refund", back, c.wantRefund)
			checkDue(t, after)
			if got.Adopted == nil {
				return
			}
			if cause := d.Payments[0].Cause; !strings.Contains(cause, "by li: seen at the till") {
				t.Errorf("the audit says %q", cause)
			}
			if again, err := Settle(after, pNumber, *c.facts, FromNotification, now); err != nil || len(again.Alarms) != 0 { // the same said once more contradicts nothing
				t.Errorf("the same facts again: %+v, %v", again, err)
			}
		})
	}
}
