package e2e

import (
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/paybridge/paybridge/plugins/wechat/sim"
)

// atTerminal runs an operator's command against gateway 0.
func (w *world) atTerminal(want int, says string, args ...string) string {
	w.t.Helper()
	code, said := w.paybridge(append(args, "--listen.admin", w.gateways[0].admin)...)
	if code != want || !strings.Contains(said, says) {
		w.t.Errorf("%v: exit code %d, want %d and %q:\n%s", args, code, want, says, said)
	}
	return said
}

// Whoever has any number of a payment finds it and reads its whole story, in both languages, with the provider's Request-Ids.
func TestAPaymentIsFoundAndExplained(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		w := newWorld(t, db, refundSoon)
		w.start()
		order, payment := w.paid("visit-1", 1250)
		w.atTerminal(0, "1.00 CNY, reference by-ann: ", "refund", payment, "--amount", "1", "--reference", "by-ann", "--as", "ann", "--reason", "a discount")
		refund := w.text("select number from refunds where reference = 'by-ann'")
		w.awaitState("/v1/refunds/"+refund, "succeeded")

		transaction := w.text("select provider_id from payments where number = '" + payment + "'")
		for _, number := range []string{order, payment, refund, transaction, "visit-1", "by-ann", payer, w.text("select provider_id from refunds where number = '" + refund + "'")} {
			found := w.atTerminal(0, "", "find", number)
			if !strings.Contains(found, order) && !strings.Contains(found, payment) && !strings.Contains(found, refund) {
				t.Errorf("find %s: %s", number, found)
			}
		}
		w.atTerminal(1, `has "nothing"`, "find", "nothing")

		story := w.atTerminal(0, "order "+order+": 12.50 CNY, partially_refunded; app his, reference \"visit-1\"", "explain", transaction)
		for _, says := range []string{
			"payment " + payment + ": created, made for entry official-account",
			"payment " + payment + ": created → pending, accepted by the provider (create)  [Request-Id ",
			": applied\n",
			"payment " + payment + ": pending → succeeded, paid (notification)\n",
			"refund " + refund + ": created, made (api) (by ann)\n",
			"event 2 order.paid: ",
			"\nWhat happens next:\n  nothing: all of it is final\n",
		} {
			if !strings.Contains(story, says) {
				t.Errorf("the story lacks %q:\n%s", says, story)
			}
		}
		if times := regexp.MustCompile(`(?m)^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}`).FindAllString(story, -1); len(times) < 10 || !slices.IsSorted(times) {
			t.Errorf("its steps are not in order: %q", times)
		}
		chinese := w.atTerminal(0, "接下来：\n  无：全部已是终态", "explain", refund, "--lang", "zh")
		for _, says := range []string{"支付单 " + payment + ": 已创建 → 支付中, 渠道已受理", "已支付（回调）", "业务系统申请 （操作人 ann)"} {
			if !strings.Contains(chinese, says) {
				t.Errorf("in Chinese the story lacks %q:\n%s", says, chinese)
			}
		}
		w.wantNoSecret("the story", story)

		// What is unfinished says what comes next, and when.
		w.fault(sim.Fault{Kind: sim.CallbackLost})
		open := w.order("visit-2", 100)
		pending := w.pay(open).Number
		if story = w.atTerminal(0, "the order closes, unless it is paid", "explain", "visit-2"); !strings.Contains(story, "the provider is asked about payment "+pending) {
			t.Errorf("the story of an open order:\n%s", story)
		}
	})
}

// Operators close, refund, send again and replay in their own name; the rules are those of the apps.
func TestOperatorsActInTheirName(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		w := newWorld(t, db, refundSoon)
		w.start()
		order := w.order("visit-1", 100)
		payment := w.pay(order).Number
		w.atTerminal(0, "payment "+payment+": closed", "close", "payment", payment, "--as", "ann")
		w.wantState("/v1/orders/"+order, "open")
		w.atTerminal(0, "order "+order+": closed", "close", "order", order, "--as", "ann")
		w.wantCount(1, "select count(*) from audit where cause = 'closed by operator (by ann)'")
		w.wantCount(1, "select count(*) from audit where cause = 'closed by an operator (by ann)'")
		w.atTerminal(2, "", "close", "order", strings.Repeat("9", 32))

		order, payment = w.paid("visit-2", 1000)
		w.atTerminal(2, "refund its payment", "close", "order", order)
		w.atTerminal(2, "--amount", "refund", payment)
		w.atTerminal(2, "left of payment", "refund", payment, "--amount", "10.01")
		for range 2 { // said twice it is one refund
			w.atTerminal(0, "refund ", "refund", payment, "--amount", "2.50", "--as", "ann")
		}
		w.atTerminal(2, "other content", "refund", payment, "--amount", "2.51")
		w.awaitCount(1, "select count(*) from refunds where state = 'succeeded' and amount = 250")
		w.atTerminal(2, "", "refund", "retry", w.text("select number from refunds"))

		// The rows of a backup know nothing of the payment. What was kept of the message is enough.
		id := w.text("select id from inbox where number = '" + payment + "' and dedupe_key = (select min(dedupe_key) from inbox where number = '" + payment + "' and received_at = (select min(received_at) from inbox where number = '" + payment + "'))")
		w.atTerminal(0, id+"  ", "notify", "list", "--number", payment, "--verdict", "applied")
		w.atTerminal(2, "verdict", "notify", "list", "--verdict", "lost")
		another, unpaid := w.paid("visit-3", 300)
		id = w.text("select id from inbox where number = '" + unpaid + "'")
		db.exec(t, "update payments set state = 'pending', provider_id = '', due = 9000000000000000 where number = '"+unpaid+"'")
		db.exec(t, "update orders set state = 'open', settled_by = '', due = 9000000000000000 where number = '"+another+"'")
		w.atTerminal(0, "applied again", "notify", "replay", id, "--as", "ann")
		w.awaitState("/v1/orders/"+another, "paid")
		w.atTerminal(0, "applied again", "notify", "replay", id)
		w.awaitCount(0, "select count(*) from inbox where verdict = 'unmatched'")
		w.atTerminal(2, "", "notify", "replay", strings.Repeat("0", 32))
		w.wantCount(2, "select count(*) from audit where number = '"+unpaid+"' and new = 'succeeded' and old <> new")
		w.want(w.api("GET", "/v1/orders/"+another, nil), http.StatusOK)
	})
}
