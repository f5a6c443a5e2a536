package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/paybridge/paybridge/plugins/wechat/sim"
)

// paidBill is a bill that was paid by both parts, or by insurance alone: its order and payment.
func (w *world) paidBill(reference string, cash bool) (order, payment string) {
	w.t.Helper()
	order = w.billOrder(reference, cash)
	paid := w.handedOff(order, w.insuredPay(cash))
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

// WeChat refuses the report of what the bureau gave back: the cash goes back all the same, a person is told, and the sums can be
// put right or the part given up.
func TestR31_TheReportIsRefused(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		w := newWorld(t, db, refundSoon)
		w.addInsurance()
		w.start()
		for _, row := range []struct {
			name    string
			then    func(at string, bureau map[string]any)
			reports int
		}{
			{"put right", func(at string, bureau map[string]any) {
				bureau["gov"], bureau["self"] = 420, 130
				w.want(w.api("POST", at, bureau), http.StatusAccepted)
			}, 1},
			{"given up", func(at string, _ map[string]any) { w.want(w.api("POST", at+"/cancel", nil), http.StatusAccepted) }, 0},
		} {
			order, payment := w.paidBill(row.name, true)
			fault, err := w.sim.AddFault(sim.Fault{Kind: sim.Refusal, Path: "POST /v3/med-ins/refunds/notify", Status: 403, Code: "RULE_LIMIT", Message: "退款总金额与各部分之和不符"})
			if err != nil {
				t.Fatal(err)
			}
			legs, sum := parts(300, 600)
			refund := w.want(w.api("POST", "/v1/payments/"+payment+"/refunds", map[string]any{"reference": "back", "amount": sum, "legs": legs}), http.StatusAccepted).Number
			at, bureau := "/v1/refunds/"+refund+"/legs/insurance", atBureau(refund[25:], 450, 100, 50)
			w.want(w.api("POST", at, bureau), http.StatusAccepted)
			await(t, row.name+": the cash goes back, and a person is told", func() error {
				made, _ := w.sim.Ledger().Refund(refund)
				if a := w.api("GET", "/v1/refunds/"+refund, nil); made.Status != sim.RefundSuccess || !strings.Contains(a.text, "RULE_LIMIT") || !strings.Contains(a.text, `"state":"processing"`) {
					return fmt.Errorf("WeChat has %+v, and the app is told %s", made, a)
				}
				return nil
			})
			w.sim.ClearFault(fault.ID)
			row.then(at, bureau)
			w.awaitState("/v1/refunds/"+refund, "succeeded")
			w.awaitState("/v1/orders/"+order, "partially_refunded")
			if a := w.api("GET", "/v1/refunds/"+refund, nil); strings.Contains(a.text, "RULE_LIMIT") {
				t.Errorf("%s: it still needs attention: %s", row.name, a)
			}
			for _, m := range w.sim.Ledger().MedIns {
				if m.OutTradeNo == payment && len(m.Reports) != row.reports {
					t.Errorf("%s: WeChat was told %+v", row.name, m.Reports)
				}
			}
		}
	})
}

// The merchant has not enough to give the cash back: the insurance part goes on, and later the cash alone is sent again, under its number.
func TestR33_TheCashFailsAndIsSentAgainAlone(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		w := newWorld(t, db, refundSoon)
		w.addInsurance()
		w.start()
		order, payment := w.paidBill("visit-1", true)
		fault, err := w.sim.AddFault(sim.Fault{Kind: sim.Refusal, Path: "POST /v3/refund/domestic/refunds", Status: 403, Code: "NOT_ENOUGH", Message: "基本账户余额不足，请充值后重新发起"})
		if err != nil {
			t.Fatal(err)
		}
		refund := w.want(w.api("POST", "/v1/payments/"+payment+"/refunds", map[string]any{"reference": "back", "amount": 1000}), http.StatusAccepted).Number
		w.want(w.api("POST", "/v1/refunds/"+refund+"/legs/insurance", atBureau(refund[25:], 500, 150, 50)), http.StatusAccepted)
		reports := func() (all []sim.MedInsReport) {
			for _, m := range w.sim.Ledger().MedIns {
				all = append(all, m.Reports...)
			}
			return all
		}
		await(t, "the insurance part is reported, and a person is told of the cash", func() error {
			if a := w.api("GET", "/v1/refunds/"+refund, nil); len(reports()) != 1 || !strings.Contains(a.text, "needs_attention") || !strings.Contains(a.text, `"state":"succeeded"`) {
				return fmt.Errorf("WeChat was told %+v, and the app %s", reports(), a)
			}
			return nil
		})
		if made, ok := w.sim.Ledger().Refund(refund); ok {
			t.Errorf("WeChat has the refund %+v", made)
		}
		w.sim.ClearFault(fault.ID)
		w.want(w.api("POST", "/v1/refunds/"+refund+"/retry", nil), http.StatusAccepted)
		w.awaitState("/v1/refunds/"+refund, "succeeded")
		w.awaitState("/v1/orders/"+order, "refunded")
		if made, ok := w.sim.Ledger().Refund(refund); !ok || made.Amount != 300 {
			t.Errorf("WeChat has the refund %+v", made)
		}
		if all := reports(); len(all) != 1 || all[0].Times != 1 || all[0].OutRefundNo != refund {
			t.Errorf("WeChat was told %+v", all)
		}
		w.wantNoConflict()
	})
}
