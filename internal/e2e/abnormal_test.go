package e2e

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/paybridge/paybridge/plugins/wechat/sim"
)

// The payer's card is closed: the operator is told, sends the money to another card, or back to the merchant, and the refund
// succeeds under its own number. The card is nowhere afterwards (R33, R45).
func TestR33_AnAbnormalRefundIsSentElsewhere(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		w := newWorld(t, db, refundSoon)
		robot := w.robot()
		g := w.start()
		const number, holder = "6225880137004246", "Zhang Sanfeng"
		card := map[string]any{"name": "li", "to": "card", "bank_type": "CMB_DEBIT", "bank_account": number, "real_name": holder}
		resolve := func(refund string, body any) (int, answer) {
			t.Helper()
			status, text, err := g.operator("POST", "refunds/"+refund+"/resolve-abnormal", body)
			var a answer
			if err == nil {
				err = json.Unmarshal([]byte(text), &a)
			}
			if err != nil {
				t.Fatal(err)
			}
			a.text = text
			return status, a
		}
		for i, target := range []struct {
			body            map[string]any
			received, audit string
		}{
			{card, "招商银行借记卡4246", "to be sent to another card of the payer's, says li"},
			{map[string]any{"name": "li", "to": "merchant"}, "商户结算银行账户", "to be sent to the merchant, says li"},
		} {
			_, payment := w.paid("to "+target.received, 1000)
			w.fault(sim.Fault{Kind: sim.RefundGoesBad, Count: 1})
			refund := w.refund(payment, "refund-1", 400)
			if status, a := resolve(strings.Replace(refund, refund[31:], string('0'+(refund[31]-'0'+1)%10), 1), target.body); status != http.StatusNotFound {
				t.Errorf("of no refund: %d %s", status, a)
			}
			w.awaitCount(i+1, "select count(*) from alarms where kind = 'refund.needs_attention' and sent_at <> 0")
			if said := strings.Join(robot.await(i+1), ""); !strings.Contains(said, refund) || !strings.Contains(said, "resolve-abnormal") {
				t.Errorf("the robot was told %s", said)
			}
			w.fault(sim.Fault{Kind: sim.BrokenNotExecuted, Path: "apply-abnormal-refund", Count: 1})
			if status, a := resolve(refund, target.body); status != http.StatusServiceUnavailable {
				t.Errorf("the connection broke: %d %s", status, a)
			}
			if status, a := resolve(refund, target.body); status != http.StatusOK || a.State != "processing" && a.State != "succeeded" || strings.Contains(a.text, "needs_attention") {
				t.Errorf("%d %s", status, a)
			}
			w.awaitState("/v1/refunds/"+refund, "succeeded")
			if made, ok := w.sim.Ledger().Refund(refund); !ok || made.Account != target.received {
				t.Errorf("WeChat has %+v, want the money at %s", made, target.received)
			}
			if status, a := resolve(refund, target.body); status != http.StatusConflict || !strings.Contains(a.text, "refund_not_abnormal") {
				t.Errorf("when it has succeeded: %d %s", status, a)
			}
			if timeline := w.api("GET", "/v1/payments/"+payment+"/timeline", nil).text; !strings.Contains(timeline, target.audit) {
				t.Errorf("the audit lacks %s: %s", target.audit, timeline)
			}
		}
		personal := []secret{{"a card's number", number}, {"its owner", holder}}
		w.wantNone("the log", g.output.all(), personal)
		for column, text := range db.columns(t) {
			w.wantNone(column, text, personal)
		}
	})
}
