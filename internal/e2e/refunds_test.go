package e2e

import (
	"fmt"
	"net/http"
	"reflect"
	"sync/atomic"
	"testing"
	"time"

	"github.com/paybridge/paybridge/plugins/wechat"
	"github.com/paybridge/paybridge/plugins/wechat/sim"
)

const (
	createRefund = "POST /v3/refund/domestic/refunds"
	anyRefund    = "/v3/refund/domestic/refunds"
)

// refundSoon lets a refund succeed at WeChat a moment after it was made, with the machine's clock for all else.
var refundSoon = sim.With(func(c *sim.Config) { c.RefundDelay = 50 * time.Millisecond })

// tryRefund asks for a refund, whatever the answer.
func (w *world) tryRefund(payment, reference string, fen int) answer {
	w.t.Helper()
	return w.api("POST", "/v1/payments/"+payment+"/refunds", map[string]any{"reference": reference, "amount": fen, "reason": "visit cancelled"})
}

// awaitFired waits until a fault has happened so often.
func (w *world) awaitFired(kind sim.FaultKind, times int) {
	w.t.Helper()
	await(w.t, string(kind)+" happens", func() error {
		if _, fired := w.sim.Faults(); fired[kind] < times {
			return fmt.Errorf("%d times, want %d", fired[kind], times)
		}
		return nil
	})
}

// A refund that was executed without an answer, and then refused: nobody knows, so its sum stays taken.
func TestR28R29_ExecutedThenRefusedOnce(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		w := newWorld(t, db, refundSoon)
		w.start()
		order, payment := w.paid("visit-1", 1000)
		w.fault(sim.Fault{Kind: sim.CallbackLost, Event: "REFUND"})
		w.fault(sim.Fault{Kind: sim.TimeoutExecuted, Path: createRefund, Count: 1})
		w.fault(sim.Fault{Kind: sim.Refusal, Path: anyRefund, Count: 1})
		refund := w.refund(payment, "refund-1", 600)

		w.awaitCount(1, "select count(*) from refunds where unclear")
		w.wantRefused(w.tryRefund(payment, "refund-2", 401), "refund_exceeds_payment")
		w.want(w.api("POST", "/v1/refunds/"+refund+"/retry", nil), http.StatusAccepted)
		w.awaitFired(sim.Refusal, 1)
		w.awaitCount(0, "select count(*) from refunds where claimed_until is not null")
		w.wantState("/v1/refunds/"+refund, "processing")
		w.wantRefused(w.tryRefund(payment, "refund-2", 401), "refund_exceeds_payment")

		w.dueNow("refunds", refund)
		w.awaitState("/v1/refunds/"+refund, "succeeded")
		w.wantState("/v1/orders/"+order, "partially_refunded")
		if made := w.sim.Ledger().Refunds; len(made) != 1 || made[0].OutRefundNo != refund || made[0].Amount != 600 {
			t.Errorf("WeChat made %+v; want the one refund %s", made, refund)
		}
		w.wantNoConflict()
		w.wantEachMoveOnce()
	})
}

// Not executed and without an answer: a rejection counts only after a query, later than the call could come into effect,
// has said that there is no such refund.
func TestR04_RefundEndsByARejectionOnlyOnceItIsSure(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		w := newWorld(t, db, refundSoon)
		w.start()
		_, payment := w.paid("visit-1", 1000)
		w.fault(sim.Fault{Kind: sim.BrokenNotExecuted, Path: createRefund, Count: 1})
		w.fault(sim.Fault{Kind: sim.Refusal, Path: createRefund, Count: 1})
		refund := w.refund(payment, "refund-1", 1000)

		w.awaitCount(1, "select count(*) from refunds where unclear")
		w.dueNow("refunds", refund)
		w.awaitCount(0, "select count(*) from refunds where due = 1 or claimed_until is not null")
		w.wantState("/v1/refunds/"+refund, "processing") // NOT_FOUND, but too early
		w.wantRefused(w.tryRefund(payment, "refund-2", 1), "refund_exceeds_payment")

		db.exec(t, "update refunds set sent_at = sent_at - 71000000, due = 1")
		w.awaitState("/v1/refunds/"+refund, "failed")
		w.want(w.api("POST", "/v1/refunds/"+refund+"/retry", nil), http.StatusAccepted)
		w.awaitState("/v1/refunds/"+refund, "succeeded")
		if made := w.sim.Ledger().Refunds; len(made) != 1 || made[0].OutRefundNo != refund {
			t.Errorf("WeChat made %+v; want the one refund %s", made, refund)
		}
		w.wantNoConflict()
	})
}

// The refund's rows are lost, as with a restored backup: the same reference is the same number, and nothing more goes back.
func TestR28_RowsLost(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		w := newWorld(t, db, refundSoon)
		w.start()
		_, payment := w.paid("visit-1", 1000)
		refund := w.refund(payment, "refund-1", 600)
		w.awaitState("/v1/refunds/"+refund, "succeeded")
		before := w.sim.Ledger()

		db.exec(t, "delete from refunds")
		if again := w.refund(payment, "refund-1", 600); again != refund {
			t.Errorf("the same reference gave number %s, before %s", again, refund)
		}
		w.awaitState("/v1/refunds/"+refund, "succeeded")
		after := w.sim.Ledger()
		if len(after.Refunds) != 1 || !reflect.DeepEqual(after.Refunds[0], before.Refunds[0]) {
			t.Errorf("WeChat's refunds were %+v and are %+v", before.Refunds, after.Refunds)
		}
		w.wantNoConflict()
		if again := w.refund(payment, "refund-1", 600); again != refund {
			t.Errorf("asked a third time, it is %s", again)
		}
		w.wantRefused(w.tryRefund(payment, "refund-1", 500), "reference_reused")
	})
}

// Whoever asks at once, on any replica: never more than was paid, and never more refunds than the provider allows.
func TestR29R30_ManyRefundsAtOnce(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		w := newWorld(t, db, refundSoon)
		gateways := w.startAll()
		for _, c := range []struct {
			visit   string
			asked   int // refunds at once
			fen     int // each
			taken   int
			refused string
		}{
			{"limited by its amount", 50, 30, 33, "refund_exceeds_payment"},
			{"limited by the number of its refunds", 60, 1, 50, "refund_too_many"},
		} {
			_, payment := w.paid(c.visit, 1000)
			var taken atomic.Int32
			together(c.asked, c.asked, func(i int) {
				body := map[string]any{"reference": fmt.Sprintf("refund-%d", i), "amount": c.fen}
				a, err := gateways[i%len(gateways)].try("POST", "/v1/payments/"+payment+"/refunds", body)
				switch {
				case err == nil && a.status == http.StatusAccepted:
					taken.Add(1)
				case err != nil || a.status != http.StatusConflict || a.Code != c.refused:
					t.Errorf("%s: refund %d: %v %s; want 202, or 409 %s", c.visit, i, err, a, c.refused)
				}
			})
			if n := int(taken.Load()); n != c.taken {
				t.Errorf("%s: %d refunds of %d fen were taken of 1000 fen, want %d", c.visit, n, c.fen, c.taken)
			}
			w.wantCount(c.taken*c.fen, "select sum(amount) from refunds where payment = '"+payment+"' and state not in ('failed', 'closed')")
			w.awaitCount(1, "select count(*) from refunds where payment = '"+payment+"' and state = 'succeeded'")
		}
		if made := w.sim.Ledger().Refunds; len(made) != 2 { // the others wait for their minute
			t.Errorf("WeChat made %+v; want one of each payment at a time", made)
		}
		w.wantNoConflict()
	})
}

// WeChat wants a minute between two refunds of one payment: kept by the due time. What it does not allow at all is
// refused with a clear code, before it is asked.
func TestR30_LimitsOfTheProvider(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		w := newWorld(t, db, refundSoon)
		w.start()
		unpaid := w.pay(w.order("unpaid", 1000)).Number
		w.wantRefused(w.tryRefund(unpaid, "refund-1", 1), "payment_not_paid")

		_, payment := w.paid("visit-1", 1000)
		w.wantRefused(w.tryRefund(payment, "too much", 1001), "refund_exceeds_payment")
		first := w.refund(payment, "refund-1", 100)
		w.awaitState("/v1/refunds/"+first, "succeeded")
		second := w.refund(payment, "refund-2", 100)
		if waits := w.db.count(t, "select b.due - a.sent_at from refunds a, refunds b where a.number = '"+first+"' and b.number = '"+second+"'"); waits < 60_000_000 {
			t.Errorf("the second refund is due %d µs after the first was sent, want a minute", waits)
		}
		w.dueNow("refunds", second) // even a worker that looks early waits
		w.awaitCount(0, "select count(*) from refunds where due = 1 or claimed_until is not null")
		w.wantState("/v1/refunds/"+second, "created")
		if _, made := w.sim.Ledger().Refund(second); made {
			t.Error("the second refund was made within a minute of the first")
		}

		if err := w.sim.Advance(time.Minute); err != nil { // a minute later, there and here
			t.Fatal(err)
		}
		db.exec(t, "update refunds set sent_at = sent_at - 60000000 where sent_at <> 0")
		w.dueNow("refunds", second)
		w.awaitState("/v1/refunds/"+second, "succeeded")

		_, many := w.paid("visit-2", 1000)
		for i := range 50 { // committed at once; they go out a minute apart
			w.refund(many, fmt.Sprintf("refund-%d", i), 1)
		}
		w.wantRefused(w.tryRefund(many, "refund-50", 1), "refund_too_many")
		w.refund(many, "refund-0", 1) // one that is there stays what it is

		db.exec(t, "update payments set succeeded_at = 1")
		w.wantRefused(w.tryRefund(payment, "refund-3", 100), "refund_too_late")
		w.wantNoConflict()
		for _, r := range w.sim.Requests() {
			if r.Code == "FREQUENCY_LIMITED" {
				t.Errorf("WeChat had to refuse %s %s", r.Method, r.Path)
			}
		}
	})
}

// The merchant has too little money: a person is told what to do, and the same number goes out again later.
func TestR33_NotEnough(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		w := newWorld(t, db, refundSoon)
		w.start()
		order, payment := w.paid("visit-1", 1000)
		w.fault(sim.Fault{Kind: sim.NotEnough, Path: createRefund}) // until somebody tops it up
		refund := w.refund(payment, "refund-1", 1000)
		w.awaitCount(1, "select count(*) from alarms where kind = 'refund.needs_attention' and number = '"+refund+"'")
		w.wantState("/v1/refunds/"+refund, "processing")
		if attention := w.text("select needs_attention from refunds"); attention == "" {
			t.Error("the refund does not say what a person must do")
		}
		w.wantRefused(w.tryRefund(payment, "refund-2", 1), "refund_exceeds_payment")

		w.sim.ClearFault("")
		w.want(w.api("POST", "/v1/refunds/"+refund+"/retry", nil), http.StatusAccepted, http.StatusConflict) // it may have been tried again by itself
		w.awaitState("/v1/refunds/"+refund, "succeeded")
		w.wantState("/v1/orders/"+order, "refunded")
		w.wantCount(0, "select count(*) from refunds where needs_attention <> ''")
		if made := w.sim.Ledger().Refunds; len(made) != 1 || made[0].OutRefundNo != refund {
			t.Errorf("WeChat made %+v; want the one refund %s", made, refund)
		}
		w.wantNoConflict()
	})
}

// Somebody refunds our payment on the merchant platform: it is recorded, and only the rest can go back.
func TestR15_RefundMadeElsewhere(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		w := newWorld(t, db, refundSoon)
		w.start()
		order, payment := w.paid("visit-1", 1000)
		const elsewhere = "merchant-platform-1"
		if _, _, err := w.merchant(mchID).CreateRefund(t.Context(), wechat.RefundRequest{
			OutTradeNo: payment, OutRefundNo: elsewhere, NotifyURL: w.base + "/notify/" + provider + "/" + account,
			Amount: wechat.RefundAmount{Refund: 400, Total: 1000, Currency: "CNY"},
		}); err != nil {
			t.Fatal(err)
		}
		w.awaitState("/v1/orders/"+order, "partially_refunded")
		w.wantCount(1, "select count(*) from refunds where origin = 'external' and provider_number = '"+elsewhere+"' and amount = 400 and state = 'succeeded'")
		w.wantCount(1, "select count(*) from alarms where kind = 'refund.external'")
		w.wantRefused(w.tryRefund(payment, "refund-1", 601), "refund_exceeds_payment")
		w.refund(payment, "refund-1", 600)
		for _, sent := range w.sim.Ledger().Sent {
			if sent.Number == elsewhere && sent.Times != 1 {
				t.Errorf("the external refund was sent %d times", sent.Times)
			}
		}
	})
}
