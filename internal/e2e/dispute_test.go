package e2e

import (
	"net/http"
	"strings"
	"testing"

	"github.com/paybridge/paybridge/plugins/wechat"
	"github.com/paybridge/paybridge/plugins/wechat/sim"
)

// disputed is an order whose payment WeChat knows with other content than was asked, paid.
func (w *world) disputed(reference, appID, openID string, fen int64) (order, payment string) {
	w.t.Helper()
	order = w.order(reference, 100)
	w.fault(sim.Fault{Kind: sim.ErrorNotExecuted, Path: "POST /v3/pay/transactions/jsapi", Count: 1})
	payment = w.want(w.api("POST", "/v1/orders/"+order+"/payments", payBy(entry, payer)), http.StatusAccepted).Number
	if _, _, err := w.merchant(mchID).Prepay(w.t.Context(), wechat.Prepay{
		Parties:     wechat.Parties{AppID: appID, MchID: mchID, Payer: wechat.Payer{OpenID: openID}},
		Description: "Changed at the till", OutTradeNo: payment, NotifyURL: w.base + "/notify/" + provider + "/" + account,
		Amount: wechat.Total{Total: fen, Currency: "CNY"},
	}); err != nil {
		w.t.Fatal(err)
	}
	w.tap(payment)
	w.awaitCount(1, "select count(*) from payments where disputed <> '' and number = '"+payment+"'")
	w.wantState("/v1/orders/"+order, "open")
	w.wantRefused(w.api("POST", "/v1/orders/"+order+"/payments", payBy(entry, payer)), "payment_disputed")
	return order, payment
}

// A payment that contradicts what WeChat says is adopted or given back by an operator, through the account that took the money (R12).
func TestR12_AnOperatorEndsADispute(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		w := newWorld(t, db, refundSoon)
		w.start()
		resolve := func(want int, says string, args ...string) {
			t.Helper()
			code, said := w.paybridge(append([]string{"dispute", "resolve", "--as", "ann", "--listen.admin", w.gateways[0].admin}, args...)...)
			if code != want || !strings.Contains(said, says) {
				t.Errorf("%v: exit code %d, want %d and %q:\n%s", args, code, want, says, said)
			}
		}

		order, payment := w.disputed("visit-1", appID, payer, 70)
		resolve(2, "either --adopt or --refund", payment, "--reason", "seen")
		resolve(2, "reason", payment, "--adopt")
		w.fault(sim.Fault{Kind: sim.ErrorNotExecuted, Path: "GET /v3/pay/transactions/", Count: 1})
		resolve(1, "nothing was decided", payment, "--adopt", "--reason", "the till changed the price")
		resolve(0, "payment "+payment+": succeeded, 0.70 CNY", payment, "--adopt", "--reason", "the till changed the price")
		resolve(2, "nothing contradicts it", payment, "--refund", "--reason", "again")
		w.wantState("/v1/orders/"+order, "paid")
		w.wantCount(1, "select count(*) from audit where cause = 'adopted by ann: the till changed the price'")
		w.wantRefused(w.tryRefund(payment, "too much", 71), "refund_exceeds_payment")
		w.awaitState("/v1/refunds/"+w.refund(payment, "half", 30), "succeeded")
		w.awaitState("/v1/orders/"+order, "partially_refunded")

		order, payment = w.disputed("visit-2", appID2, payer2, 100)
		resolve(0, "payment "+payment+": succeeded, 1.00 CNY", payment, "--refund", "--reason", "paid in another app")
		w.awaitCount(1, "select count(*) from refunds where payment = '"+payment+"' and origin = 'disputed' and state = 'succeeded' and amount = 100")
		w.wantState("/v1/orders/"+order, "open")
		again := w.pay(order).Number
		w.tap(again)
		w.awaitState("/v1/orders/"+order, "paid")
		if made := w.sim.Ledger().Refunds; len(made) != 2 {
			t.Errorf("WeChat has %d refunds, want 2: %+v", len(made), made)
		}
		w.wantEachMoveOnce()
	})
}
