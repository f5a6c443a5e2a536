package e2e

import (
	"fmt"
	"testing"
	"time"

	"github.com/paybridge/paybridge/plugins/wechat/sim"
)

// passes moves what the gateway knows of a payment into the past, as if so much time had gone by, and has it looked at. It waits for
// a call that is under way: that one's outcome, decided by the time before, would put the next look off by a growing interval.
func (w *world) passes(payment string, d time.Duration) {
	w.t.Helper()
	conn := w.db.open(w.t)
	defer func() { _ = conn.Close() }()
	// Due at once: how often it was looked at before, and so when it would be again, is a matter of who was faster.
	update := fmt.Sprintf("update payments set not_payable_after = not_payable_after - %[1]d, sent_at = sent_at - %[1]d, due = %[3]d where number = '%[2]s' and claimed_until is null",
		d.Microseconds(), payment, time.Now().UnixMicro())
	await(w.t, "no call for payment "+payment+" is under way", func() error {
		done, err := conn.ExecContext(w.t.Context(), update)
		if err != nil {
			return err
		}
		if moved, err := done.RowsAffected(); err != nil || moved != 1 {
			return fmt.Errorf("%d payments moved: %w", moved, err)
		}
		return nil
	})
}

// A payment by insurance alone has no close. While WeChat might still take it, the order has no other; ten minutes after it can be paid no
// more and is still said to be unpaid, the order can be paid anew. Should it be paid all the same, that counts.
func TestR25_AnAbandonedInsurancePayment(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		w := newWorld(t, db)
		w.addInsurance()
		w.start()
		pay := func(order string) answer { return w.api("POST", "/v1/orders/"+order+"/payments", w.insuredPay(false)) }
		abandoned := map[string]string{} // by order
		for n, paidLate := range []bool{false, true} {
			order := w.billOrder(fmt.Sprint("visit-", n), false)
			first := w.handedOff(order, w.insuredPay(false)).Number
			abandoned[order] = first
			w.wantRefused(pay(order), "previous_attempt_unresolved")
			w.awaitState("/v1/payments/"+first, "closing")
			w.passes(first, 35*time.Minute) // payable for 30 minutes, and not ten more yet
			w.wantRefused(pay(order), "previous_attempt_unresolved")
			w.passes(first, 6*time.Minute)
			w.awaitState("/v1/payments/"+first, "closed")
			second := w.handedOff(order, w.insuredPay(false))
			if second.Number == first {
				t.Fatalf("the abandoned payment is used again")
			}
			if paidLate {
				if _, err := w.sim.PayMedIns(sim.MedInsPay{OutTradeNo: first}); err != nil {
					t.Fatal(err)
				}
				w.awaitState("/v1/payments/"+first, "succeeded")
				w.awaitState("/v1/orders/"+order, "paid")
				w.awaitState("/v1/payments/"+second.Number, "closing")
				continue
			}
			if _, err := w.sim.PayMedIns(sim.MedInsPay{HandOff: second.HandOff.Params}); err != nil {
				t.Fatal(err)
			}
			w.awaitState("/v1/orders/"+order, "paid")
			w.awaitState("/v1/payments/"+first, "closed")
		}
		w.wantEachMoveOnce()
	})
}
