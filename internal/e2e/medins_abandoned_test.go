package e2e

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/paybridge/paybridge/plugins/wechat/sim"
)

// passes moves what the gateway knows of a payment into the past, as if so much time had gone by, and has it looked at.
func (w *world) passes(payment string, d time.Duration) {
	w.t.Helper()
	w.db.exec(w.t, fmt.Sprintf("update payments set not_payable_after = not_payable_after - %d, sent_at = sent_at - %d, due = due - %d, claimed_until = null where number = '%s'",
		d.Microseconds(), d.Microseconds(), d.Microseconds(), payment))
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
			first := w.want(pay(order), http.StatusCreated).Number
			abandoned[order] = first
			w.wantRefused(pay(order), "previous_attempt_unresolved")
			w.awaitState("/v1/payments/"+first, "closing")
			w.passes(first, 35*time.Minute) // payable for 30 minutes, and not ten more yet
			w.wantRefused(pay(order), "previous_attempt_unresolved")
			w.passes(first, 6*time.Minute)
			w.awaitState("/v1/payments/"+first, "closed")
			second := w.want(pay(order), http.StatusCreated)
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
