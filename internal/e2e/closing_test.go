package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/paybridge/paybridge/plugins/wechat/sim"
)

const closePath = "/close"

// wantTrade holds a trade at WeChat against the state that it should be in.
func (w *world) wantTrade(number string, state sim.TradeState) {
	w.t.Helper()
	if trade, err := w.sim.Trade(mchID, number); err != nil || trade.State != state {
		w.t.Errorf("trade %s is %q, %v; want %s", number, trade.State, err, state)
	}
}

// twoEntries is a world whose second entry has another app id of the same merchant.
func twoEntries(t *testing.T, db database) *world {
	w := newWorld(t, db)
	w.addEntry(entryAt(w.base, clinic, account, appID2))
	return w
}

// payLate pays a closed trade all the same, as WeChat now and then lets a payer do.
func (w *world) payLate(payment string) {
	w.t.Helper()
	w.fault(sim.Fault{Kind: sim.ClosedPaid, Number: payment, Count: 1})
	w.tap(payment)
}

// onlyRefund is the one refund of a payment, when there is one.
func (w *world) onlyRefund(payment, reference string) string {
	w.t.Helper()
	where := " from refunds where payment = '" + payment + "' and reference = '" + reference + "'"
	w.awaitCount(1, "select count(*)"+where)
	return w.text("select number" + where)
}

// A hand-off that comes when its order is closing already is thrown away, and the trade is closed.
func TestR05_HandOffOfAClosingPayment(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		w := newWorld(t, db)
		g := w.start()
		order := w.order("visit-1", 100)
		w.fault(sim.Fault{Kind: sim.Slow, Path: "POST /v3/pay/transactions/jsapi", Count: 1, Delay: sim.Duration(5 * time.Second)})
		opened := make(chan answer, 1)
		go func() {
			a, err := g.try("POST", "/v1/orders/"+order+"/payments", payBy(entry, payer))
			if err != nil {
				t.Error(err)
			}
			opened <- a
		}()
		w.awaitRequests(1)
		w.want(w.api("POST", "/v1/orders/"+order+"/close", nil), http.StatusOK, http.StatusAccepted)
		if a := <-opened; a.HandOff != nil || a.status != http.StatusAccepted {
			t.Errorf("the payer was answered %s; want 202 without a hand-off", a)
		}
		w.awaitState("/v1/orders/"+order, "closed")
		w.wantCount(1, "select count(*) from payments where state = 'closed' and hand_off = ''")
		w.wantTrade(w.text("select number from payments"), sim.Closed)
	})
}

func TestR07_TwentyTapsAtOnce(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		w := newWorld(t, db)
		gateways := w.startAll()
		order := w.order("visit-1", 100)
		answers := make([]answer, 20)
		together(len(answers), len(answers), func(i int) {
			a, err := gateways[i%len(gateways)].try("POST", "/v1/orders/"+order+"/payments", payBy(entry, payer))
			if err != nil || a.HandOff == nil {
				t.Errorf("tap %d: %v %s; want a hand-off", i, err, a)
				return
			}
			answers[i] = a
		})
		if t.Failed() {
			return
		}
		for i, a := range answers {
			if a.Number != answers[0].Number || handOff(t, a) != handOff(t, answers[0]) {
				t.Errorf("tap %d was answered %s, the first %s: two hand-offs", i, a, answers[0])
			}
		}
		w.wantLedger(answers[0].Number)
	})
}

// A hand-off that is no longer valid is renewed under the same number with the same content.
func TestR07_RenewedUnderTheSameNumber(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		w := newWorld(t, db)
		w.start()
		order := w.order("visit-1", 100)
		first := w.pay(order)
		db.exec(t, "update payments set hand_off = ''")
		second := w.pay(order)
		if second.Number != first.Number || handOff(t, second) == handOff(t, first) {
			t.Errorf("answered %s after %s; want the same number with a fresh hand-off", second, first)
		}
		if err := w.sim.VerifyHandOff(handOff(t, second)); err != nil {
			t.Error(err)
		}
		w.wantLedger(first.Number)
	})
}

func TestR08_AnotherEntryClosesTheFirst(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		w := twoEntries(t, db)
		w.start()
		order := w.order("visit-1", 100)
		first := w.pay(order).Number

		w.fault(sim.Fault{Kind: sim.ErrorNotExecuted, Path: closePath})
		for range 2 { // while nobody knows what became of the first
			a := w.api("POST", "/v1/orders/"+order+"/payments", payBy(clinic, payer2))
			w.wantRefused(a, "previous_attempt_unresolved")
			if a.retryAfter == "" {
				t.Errorf("without Retry-After: %s", a)
			}
		}
		w.wantState("/v1/payments/"+first, "closing")
		w.wantCount(1, "select count(*) from payments")

		w.sim.ClearFault("")
		second := w.payAs(order, clinic, payer2).Number
		w.wantState("/v1/payments/"+first, "closed")
		w.wantTrade(first, sim.Closed)
		w.tap(second)
		w.awaitState("/v1/orders/"+order, "paid")
		w.wantOnce(1)
		w.wantLedger(first, second)
	})
}

func TestR08_AnotherPersonClosesTheFirst(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		w := newWorld(t, db)
		w.start()
		anyone := newOrder("anyone", 100)
		anyone["payer"] = map[string]string{"policy": "anyone"}
		order := w.want(w.api("POST", "/v1/orders", anyone), http.StatusCreated).Number
		first := w.pay(order).Number
		second := w.payAs(order, entry, strings.Replace(payer, "alice-0", "carol-0", 1)).Number
		w.wantTrade(first, sim.Closed)
		w.wantTrade(second, sim.NotPaid)
		w.wantState("/v1/payments/"+first, "closed")

		mine := w.order("first", 100) // the default policy: the first payer owns it
		w.pay(mine)
		w.wantRefused(w.api("POST", "/v1/orders/"+mine+"/payments", payBy(entry, strings.Replace(payer, "alice-0", "carol-0", 1))), "payer_not_allowed")
	})
}

// The closed first attempt is paid all the same: it pays the order, and the live second one is closed at WeChat.
func TestR18_TheOtherAttemptIsClosed(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		w := twoEntries(t, db)
		w.start()
		order := w.order("visit-1", 100)
		first := w.pay(order).Number
		second := w.payAs(order, clinic, payer2).Number
		w.payLate(first)
		w.awaitState("/v1/orders/"+order, "paid")
		w.awaitState("/v1/payments/"+second, "closed")
		w.wantTrade(second, sim.Closed)
		if o := w.api("GET", "/v1/orders/"+order, nil); o.SettledBy != first {
			t.Errorf("the order is settled by %s, want %s", o.SettledBy, first)
		}
		w.wantOnce(1)
	})
}

// Both attempts are paid: the later is given back by itself.
func TestR19_BothAttemptsPaid(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		w := twoEntries(t, db)
		w.start()
		order := w.order("visit-1", 100)
		first := w.pay(order).Number
		second := w.payAs(order, clinic, payer2).Number
		w.tap(second)
		w.awaitState("/v1/orders/"+order, "paid")
		w.payLate(first)
		w.awaitState("/v1/payments/"+first, "succeeded")
		refund := w.onlyRefund(first, "~duplicate")
		w.awaitState("/v1/refunds/"+refund, "succeeded")
		if made, ok := w.sim.Ledger().Refund(refund); !ok || made.OutTradeNo != first || made.Amount != 100 {
			t.Errorf("WeChat made the refund %+v; want all of %s", made, first)
		}
		w.wantState("/v1/orders/"+order, "paid")
		w.wantCount(1, "select count(*) from events where kind = 'order.paid'")
		w.wantCount(2, "select count(*) from audit where kind = 'payment' and new = 'succeeded' and old <> new")
		w.wantCount(1, "select count(*) from refunds")
		w.wantEachMoveOnce()
	})
}

// Money that comes after its order was closed goes by what its entry said when the payment was made.
func TestR20_PaidAfterTheOrderClosed(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		w := twoEntries(t, db)
		w.setup.Entries[1].LatePay = "accept"
		w.start()
		closed := func(reference, entry, openID string) (order, payment string) {
			order = w.order(reference, 100)
			payment = w.payAs(order, entry, openID).Number
			w.want(w.api("POST", "/v1/orders/"+order+"/close", nil), http.StatusOK)
			w.wantState("/v1/orders/"+order, "closed")
			return order, payment
		}
		refunded, late := closed("refund", entry, payer)
		accepted, welcome := closed("accept", clinic, payer2)
		w.restart(func(s *setup) { s.Entries[0].LatePay, s.Entries[1].LatePay = "accept", "refund" }) // changes no payment made before

		w.payLate(late)
		w.awaitState("/v1/payments/"+late, "succeeded")
		w.awaitState("/v1/refunds/"+w.onlyRefund(late, "~late"), "succeeded")
		w.wantState("/v1/orders/"+refunded, "closed")

		w.payLate(welcome)
		w.awaitState("/v1/orders/"+accepted, "paid")
		w.wantCount(1, "select count(*) from refunds")
		w.wantCount(1, "select count(*) from events where kind = 'order.paid'")
		w.wantEachMoveOnce()
	})
}

// An order closes once its payment is closed at WeChat, and not before.
func TestR23_ClosingAnOrderClosesItsTradeFirst(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		w := newWorld(t, db)
		w.start()
		order := w.order("visit-1", 100)
		payment := w.pay(order).Number
		w.fault(sim.Fault{Kind: sim.ErrorNotExecuted, Path: closePath})
		if a := w.want(w.api("POST", "/v1/orders/"+order+"/close", nil), http.StatusAccepted); a.State != "closing" {
			t.Errorf("answered %s, want closing", a)
		}
		w.wantTrade(payment, sim.NotPaid)
		w.wantRefused(w.api("POST", "/v1/orders/"+order+"/payments", payBy(entry, payer)), "order_closing")

		w.sim.ClearFault("")
		if a := w.want(w.api("POST", "/v1/orders/"+order+"/close", nil), http.StatusOK); a.State != "closed" {
			t.Errorf("answered %s, want closed", a)
		}
		w.wantTrade(payment, sim.Closed)
		w.wantState("/v1/payments/"+payment, "closed")
		w.want(w.api("POST", "/v1/orders/"+order+"/close", nil), http.StatusOK)
		w.wantRefused(w.api("POST", "/v1/orders/"+order+"/payments", payBy(entry, payer)), "order_closed")
		w.wantEachMoveOnce()
	})
}

func TestR24_ClosedWhenAlreadyPaid(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		w := newWorld(t, db)
		w.start()
		order, payment := w.paidUnheard("visit-1", 100)
		for range 2 {
			w.wantRefused(w.api("POST", "/v1/orders/"+order+"/close", nil), "order_paid")
		}
		w.wantState("/v1/orders/"+order, "paid")
		w.wantState("/v1/payments/"+payment, "succeeded")
		w.wantOnce(1)
	})
}

// Past its time WeChat keeps a trade unpaid, and may let it be paid, until it is closed: expiry closes it.
func TestR26_ExpiryClosesTheTrade(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		w := newWorld(t, db)
		w.start()
		order := w.order("visit-1", 100)
		payment := w.pay(order).Number
		if err := w.sim.ExpireTrade(mchID, payment); err != nil {
			t.Fatal(err)
		}
		// The least life of an order is two minutes: its time is moved instead of waited for.
		past := time.Now().Add(-time.Second).UnixMicro()
		db.exec(t, fmt.Sprintf("update orders set expires_at = %d, due = %d", past, past))
		w.awaitState("/v1/orders/"+order, "closed")
		w.wantTrade(payment, sim.Closed)
		w.wantState("/v1/payments/"+payment, "closed")
		if reason := w.text("select close_reason from orders"); reason != "expired" {
			t.Errorf("the order is closed for %q, want expired", reason)
		}
	})
}
