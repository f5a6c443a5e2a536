package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/paybridge/paybridge/plugins/wechat"
	"github.com/paybridge/paybridge/plugins/wechat/sim"
)

// yesterday has the simulated WeChat begin a day behind.
func yesterday(c *sim.Config) { c.Start = time.Now().Add(-24 * time.Hour) }

// reconciled has the day compared and waits for what it comes to.
func (w *world) reconciled(day string) (text string) {
	w.t.Helper()
	w.gateways[0].wantOperator("POST", "statements", map[string]string{"day": day}, http.StatusOK)
	await(w.t, "the statements of "+day+" are compared", func() error {
		text = w.gateways[0].wantOperator("GET", "statements?day="+day, nil, http.StatusOK)
		if strings.Contains(text, `"awaited"`) {
			return fmt.Errorf("%s", text)
		}
		return nil
	})
	return text
}

// A day's statement is compared with the rows, both ways: what is right differs in nothing, a mixed payment included; a payment whose
// message and queries were all lost is found and settles; a refund made elsewhere, whose amount nobody knew, is told (R15, R21).
func TestR21_AStatementTellsWhatWasMissed(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		w := newWorld(t, db, sim.With(yesterday), refundSoon)
		w.addInsurance()
		w.start()
		day := time.Now().Add(-24 * time.Hour).In(time.FixedZone("CST", 8*60*60)).Format(time.DateOnly)

		order, payment := w.paid("visit-1", 1250)
		refund := w.refund(payment, "some", 400)
		w.awaitState("/v1/refunds/"+refund, "succeeded")
		w.paidBill("insured", true)
		w.paidBill("by insurance alone", false)
		_, unheard := w.paidUnheard("unheard", 500)

		// Paid unheard and refunded on the merchant platform: a query says REFUND, and of how much nobody knows (R21).
		backOrder, back := w.paidUnheard("back", 300)
		if _, _, err := w.merchant(mchID).CreateRefund(t.Context(), wechat.RefundRequest{
			OutTradeNo: back, OutRefundNo: "merchant-platform-1", Amount: wechat.RefundAmount{Refund: 100, Total: 300, Currency: "CNY"},
		}); err != nil {
			t.Fatal(err)
		}
		w.dueNow("payments", back)
		w.awaitState("/v1/payments/"+back, "succeeded")
		w.wantRefused(w.tryRefund(back, "rest", 200), "refund_unknown")

		if err := w.sim.Advance(48 * time.Hour); err != nil { // past the morning on which the statement is made
			t.Fatal(err)
		}
		// A file that is not what WeChat signed tells nothing.
		w.fault(sim.Fault{Kind: sim.BillWrongHash})
		if code, said := w.paybridge("reconcile", "--date", day, "--listen.admin", w.gateways[0].admin); code != 1 || !strings.Contains(said, "hash") {
			t.Errorf("a wrong hash: exit code %d\n%s", code, said)
		}
		w.wantCount(0, "select count(*) from refunds where stated <> ''")
		w.wantCount(1, "select count(*) from refunds where amount_unknown")
		if err := w.sim.SetFaults(); err != nil {
			t.Fatal(err)
		}

		text := w.reconciled(day)
		if strings.Contains(text, `"differing"`) {
			t.Errorf("it differs: %s\n%s", text, w.gateways[0].wantOperator("GET", "differences", nil, http.StatusOK))
		}
		w.awaitState("/v1/payments/"+unheard, "succeeded")
		w.awaitState("/v1/orders/"+order, "partially_refunded")
		w.wantState("/v1/orders/"+backOrder, "partially_refunded")
		w.wantCount(1, "select count(*) from refunds where origin = 'external' and provider_number = 'merchant-platform-1' and amount = 100 and state = 'succeeded' and not amount_unknown")
		w.wantRefused(w.tryRefund(back, "too much", 201), "refund_exceeds_payment")
		w.refund(back, "rest", 200)
		sums := w.gateways[0].wantOperator("GET", "statements/sums?from="+day+"&to="+day, nil, http.StatusOK)
		if !strings.Contains(sums, `"gross":2050`) || !strings.Contains(sums, `"refunded":500`) {
			t.Errorf("sums %s", sums)
		}

		// At a terminal: nothing differs, and finance gets its table.
		command := func(want int, says string, args ...string) {
			t.Helper()
			if code, said := w.paybridge(append(args, "--listen.admin", w.gateways[0].admin)...); code != want || !strings.Contains(said, says) {
				t.Errorf("%v: exit code %d, want %d and %q:\n%s", args, code, want, says, said)
			}
		}
		command(0, day+"  "+account+"  matched", "reconcile", "--date", day)
		command(0, "id,day,account,kind", "reconcile", "differences")
		command(0, day+","+account+",his,official-account,3,20.50,2,5.00,", "report", "--date", day)
		command(2, "a day that is over", "reconcile", "--date", time.Now().AddDate(0, 0, 2).Format(time.DateOnly))
		command(2, "no account has this name", "reconcile", "--date", day, "--account", "nobody")

		// A row that was lost is told as theirs alone, one that WeChat does not have as ours alone.
		db.exec(t, "update payments set out_trade_no = 'lost' where number = '"+unheard+"'")
		command(3, "differing", "reconcile", "--date", day)
		w.wantCount(1, "select count(*) from alarms where kind = 'statement.differs' and number = '"+account+" "+day+"'")
		command(3, "theirs_only,payment,"+unheard+",", "reconcile", "differences")
		command(3, "ours_only,payment,"+unheard+",", "reconcile", "differences", "--account", account)
		w.wantCount(2, "select count(*) from differences")
		command(2, "", "reconcile", "accept", "2")
		command(0, "accepted by", "reconcile", "accept", "2", "--reason", "paid at the till")
		command(3, "", "reconcile", "differences")
		db.exec(t, "update payments set out_trade_no = number where number = '"+unheard+"'")
		command(0, "matched", "reconcile", "--date", day)
		command(0, "paid at the till", "reconcile", "differences", "--all")
		w.wantEachMoveOnce()
	})
}

// WeChat refuses a statement for a day and more: somebody is told, and it is had as soon as it can be (R39).
func TestR39_AStatementThatCannotBeHad(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		w := newWorld(t, db)
		w.start()
		w.fault(sim.Fault{Kind: sim.Refusal, Path: "GET /v3/bill/tradebill"})
		day := time.Now().AddDate(0, 0, -5).Format(time.DateOnly)
		run := func(want int, says ...string) {
			t.Helper()
			code, said := w.paybridge("reconcile", "--date", day, "--listen.admin", w.gateways[0].admin)
			for _, text := range says {
				if code != want || !strings.Contains(said, text) {
					t.Errorf("exit code %d, want %d and %q:\n%s", code, want, text, said)
				}
			}
		}
		run(1, "there is no statement of "+day, "INVALID_REQUEST")
		w.wantCount(1, "select count(*) from alarms where kind = 'statement.missing' and number = '"+account+" "+day+"'")
		w.wantCount(1, "select count(*) from statements where attempts = 1 and due is not null and day = '"+day+"'")
		if err := w.sim.SetFaults(); err != nil {
			t.Fatal(err)
		}
		run(0, "matched", "0 lines")
		w.wantCount(1, "select count(*) from statements where attempts = 0 and due is null and day = '"+day+"'")
	})
}
