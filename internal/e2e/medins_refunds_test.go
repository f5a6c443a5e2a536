package e2e

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/paybridge/paybridge/plugins/wechat/sim"
)

// paidBill is a bill that was paid by both parts, or by insurance alone: its order and payment.
func (w *world) paidBill(reference string, cash bool) (order, payment string) {
	w.t.Helper()
	order = w.billOrder(reference, cash)
	paid := w.want(w.api("POST", "/v1/orders/"+order+"/payments", w.insuredPay(cash)), http.StatusCreated)
	if _, err := w.sim.PayMedIns(sim.MedInsPay{HandOff: paid.HandOff.Params}); err != nil {
		w.t.Fatal(err)
	}
	w.awaitState("/v1/orders/"+order, "paid")
	return order, paid.Number
}

// parts are legs of a refund, in fen; 0 is none.
func parts(self, insurance int) (legs []map[string]any, sum int) {
	for id, fen := range map[string]int{"self": self, "insurance": insurance} {
		if fen > 0 {
			legs = append(legs, map[string]any{"leg_id": id, "amount": fen})
		}
	}
	return legs, self + insurance
}

func atBureau(number string, gov, self, other int) map[string]any {
	return map[string]any{"bureau_refund_no": "REF" + number, "gov": gov, "self": self, "other": other, "refunded_at": "2026-11-01T10:00:00+08:00"}
}

// The table of refunds: what the app asks and says, and where refund, order and WeChat's ledger end.
func TestR31_RefundsInTwoParts(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		w := newWorld(t, db, refundSoon)
		w.addInsurance()
		w.start()
		for i, row := range []struct {
			name            string
			cash            bool
			self, insurance int
			silent, cancel  bool
			before          string // the refund, before the app says anything of the bureau
			refund, order   string
			reports         int
		}{
			{"full", true, 300, 700, false, false, "processing", "succeeded", "refunded", 1},
			{"partial", true, 100, 200, false, false, "processing", "succeeded", "partially_refunded", 1},
			{"self only", true, 300, 0, false, false, "succeeded", "succeeded", "partially_refunded", 0},
			{"the insurance part of a mixed one", true, 0, 700, false, false, "created", "succeeded", "partially_refunded", 1},
			{"insurance only", false, 0, 700, false, false, "created", "succeeded", "refunded", 1},
			{"the app is silent", true, 300, 700, true, false, "processing", "processing", "partially_refunded", 0},
			{"the app gives it up", true, 300, 700, false, true, "processing", "succeeded", "partially_refunded", 0},
			{"the app gives all up", false, 0, 700, false, true, "created", "closed", "paid", 0},
		} {
			order, payment := w.paidBill(fmt.Sprint("visit-", i), row.cash)
			legs, sum := parts(row.self, row.insurance)
			refund := w.want(w.api("POST", "/v1/payments/"+payment+"/refunds", map[string]any{"reference": "back", "amount": sum, "legs": legs}), http.StatusAccepted).Number
			if row.self > 0 {
				await(t, row.name+": the cash goes back", func() error {
					if made, ok := w.sim.Ledger().Refund(refund); !ok || made.Status != sim.RefundSuccess || made.Amount != int64(row.self) {
						return fmt.Errorf("WeChat has %+v", made)
					}
					return nil
				})
				w.awaitState("/v1/orders/"+order, map[bool]string{true: "partially_refunded", false: row.order}[row.insurance > 0])
			}
			w.awaitState("/v1/refunds/"+refund, row.before)
			bureau := atBureau(refund[25:], min(row.insurance, 500), max(0, min(row.insurance-500, 150)), max(0, row.insurance-650))
			at := "/v1/refunds/" + refund + "/legs/insurance"
			switch {
			case row.insurance == 0:
				w.wantRefused(w.api("POST", at, bureau), "refund_leg_not_possible")
			case row.cancel:
				w.want(w.api("POST", at+"/cancel", nil), http.StatusAccepted)
				w.wantRefused(w.api("POST", at, bureau), "refund_leg_not_possible")
			case !row.silent:
				w.wantRefused(w.api("POST", at, atBureau("x", row.insurance+1, 0, 0)), "refund_leg_not_possible")
				for range 2 { // it may be said again
					w.want(w.api("POST", at, bureau), http.StatusAccepted)
				}
			}
			w.awaitState("/v1/refunds/"+refund, row.refund)
			w.awaitState("/v1/orders/"+order, row.order)
			for _, m := range w.sim.Ledger().MedIns {
				if m.OutTradeNo != payment {
					continue
				}
				if len(m.Reports) != row.reports || row.reports == 1 && m.Reports[0].OutRefundNo != refund {
					t.Errorf("%s: WeChat was told %+v", row.name, m.Reports)
				}
			}
			if row.name == "full" {
				w.wantRefused(w.api("POST", "/v1/payments/"+payment+"/refunds", map[string]any{"reference": "more", "amount": 1}), "refund_exceeds_payment")
			}
			if row.name == "the app gives all up" { // its sum is free again
				w.want(w.api("POST", "/v1/payments/"+payment+"/refunds", map[string]any{"reference": "again", "amount": 700}), http.StatusAccepted)
			}
		}
		w.wantNoConflict()
	})
}
