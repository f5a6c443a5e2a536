package e2e

import (
	"fmt"
	"slices"
	"testing"
	"time"

	usecases "github.com/paybridge/paybridge/core/gateway"
	"github.com/paybridge/paybridge/plugins/wechat/sim"
)

// act is one thing that a gateway dies at. It does its part up to the call that is to kill the gateway, and says which
// order it was about; began is false when the gateway died before that call.
type act struct {
	name    string
	prepare func(w *world) // before any gateway starts; nil: nothing
	passes  int            // how often the gateway passes the point before, while the act is prepared
	do      func(w *world, g *gateway, reference string) (order string, began bool)
	ends    func(w *world, order string) // waits until it has ended as it should, the payer tapping again where they would
}

// crashes is at which points each act can die. An insured payment dies before its prepay, after it, after its checkpoint, and before and after the insurance order.
var crashes = map[string][]act{
	"after-intent-commit":       {closing, refunding, creating, insuring, fulfilling},
	"after-provider-call":       {closing, refunding, creating, insuring, fulfilling},
	"before-checkpoint-commit":  {insuring},
	"after-checkpoint-commit":   {insuring},
	"before-outcome-commit":     {closing, refunding, creating, insuring},
	"after-outcome-commit":      {closing, refunding, creating, insuring},
	"after-notification-commit": {settling, refundSettling},
	"after-publish-commit":      {telling},
	"after-event-sent":          {telling},
	"after-delivered-commit":    {telling},
}

var creating = act{
	name: "create",
	do: func(w *world, g *gateway, reference string) (string, bool) {
		order, err := g.try("POST", "/v1/orders", newOrder(reference, 100))
		if err != nil {
			return "", false
		}
		_, _ = g.try("POST", "/v1/orders/"+order.Number+"/payments", payBy(entry, payer))
		return order.Number, true
	},
	ends: func(w *world, order string) {
		w.tap(w.payUntilHandedOff(order).Number)
		w.awaitState("/v1/orders/"+order, "paid")
	},
}

// insuring is a mixed bill. Killed before its insurance payment was made, what was made is closed and the payer pays anew;
// after it, there is one, and it is followed: either it is closed, or the payer's WeChat, which has it, pays it.
var insuring = act{
	name:    "create a mixed payment",
	prepare: func(w *world) { w.addInsurance() },
	do: func(w *world, g *gateway, reference string) (string, bool) {
		bill, amount := clinicBill(true)
		order, err := g.try("POST", "/v1/orders", map[string]any{
			"reference": reference, "amount": amount, "description": "门诊缴费", "bill": bill, "payer": map[string]string{"policy": "named", "id": payer},
		})
		if err != nil {
			return "", false
		}
		_, _ = g.try("POST", "/v1/orders/"+order.Number+"/payments", w.insuredPay(true))
		return order.Number, true
	},
	ends: func(w *world, order string) {
		await(w.t, "no prepay of the dead call is open", func() error {
			_, _ = w.gateways[0].try("POST", "/v1/orders/"+order+"/close", nil)
			for _, trade := range w.sim.Ledger().Trades {
				if trade.State == sim.NotPaid {
					return fmt.Errorf("trade %s is payable", trade.OutTradeNo)
				}
			}
			return nil
		})
		if made := w.sim.Ledger().MedIns; len(made) > 1 {
			w.t.Errorf("WeChat has %d insurance payments", len(made))
		}
	},
}

var settling = act{
	name: "settle",
	do: func(w *world, g *gateway, reference string) (string, bool) {
		order, payment, err := opened(g, reference)
		if err != nil {
			return "", false
		}
		w.tap(payment)
		return order, true
	},
	ends: func(w *world, order string) { w.awaitState("/v1/orders/"+order, "paid") },
}

var closing = act{
	name: "close", passes: 1,
	do: func(w *world, g *gateway, reference string) (string, bool) {
		order, _, err := opened(g, reference)
		if err != nil {
			return "", false
		}
		_, _ = g.try("POST", "/v1/orders/"+order+"/close", nil)
		return order, true
	},
	ends: func(w *world, order string) { w.awaitState("/v1/orders/"+order, "closed") },
}

var refunding = act{
	name: "refund", passes: 1,
	do: func(w *world, g *gateway, reference string) (string, bool) {
		order, payment, err := opened(g, reference)
		if err != nil {
			return "", false
		}
		w.tap(payment)
		if !awaitPaid(w.t, g, order) {
			return "", false
		}
		_, _ = g.try("POST", "/v1/payments/"+payment+"/refunds", map[string]any{"reference": reference, "amount": 100})
		return order, true
	},
	ends: func(w *world, order string) { w.awaitState("/v1/orders/"+order, "refunded") },
}

// refundSettling is the callback of a refund: the second of its payment.
var refundSettling = act{name: "settle a refund", passes: 1, do: refunding.do, ends: refunding.ends}

// opened makes an order and its payment.
func opened(g *gateway, reference string) (order, payment string, err error) {
	o, err := g.try("POST", "/v1/orders", newOrder(reference, 100))
	if err != nil {
		return "", "", err
	}
	p, err := g.try("POST", "/v1/orders/"+o.Number+"/payments", payBy(entry, payer))
	return o.Number, p.Number, err
}

// awaitPaid is false when the gateway died before it could say so.
func awaitPaid(t *testing.T, g *gateway, order string) (paid bool) {
	await(t, "order "+order+" is paid", func() error {
		a, err := g.try("GET", "/v1/orders/"+order, nil)
		if err == nil && a.State != "paid" {
			return fmt.Errorf("it is %q", a.State)
		}
		paid = err == nil
		return nil
	})
	return paid
}

// The gateway dies at each point between two effects of each act, is started again, everything ends as it should,
// once, and the invariants hold. On PostgreSQL a second replica is there all the time and may take over.
func TestR34_CrashPoints(t *testing.T) {
	for point := range crashes {
		if !slices.Contains(usecases.CrashPoints(), point) {
			t.Errorf("there is no crash point %s", point)
		}
	}
	eachDatabase(t, func(t *testing.T, db database) {
		for _, point := range usecases.CrashPoints() {
			if len(crashes[point]) == 0 {
				t.Errorf("no act visits the crash point %s: add it to the table", point)
			}
			for _, a := range crashes[point] {
				t.Run(point+" of "+a.name, func(t *testing.T) {
					t.Parallel()
					crashAndRecover(t, db.another(t), point, a)
				})
			}
		}
	})
}

func crashAndRecover(t *testing.T, db database, point string, a act) {
	w := newWorld(t, db, faster(10))
	if a.prepare != nil {
		a.prepare(w)
	}
	g := w.gateways[0]
	if db.driver == "postgres" {
		w.replica().start()
	}
	order := ""
	for try := 1; order == ""; try++ {
		if try > 5 {
			t.Fatalf("%s never died at %s", a.name, point)
		}
		g.start(dyingAt(fmt.Sprintf("%s:%d", point, a.passes)))
		number, began := a.do(w, g, fmt.Sprintf("visit-%d", try))
		if g.dies() && began { // else the other replica was faster
			order = number
		}
	}
	g.start()
	a.ends(w, order)

	w.wantNoConflict()
	w.wantEachMoveOnce()
	w.awaitInvariants()
	ledger := w.sim.Ledger()
	for _, trade := range ledger.Trades {
		if n := db.count(t, "select count(*) from payments where number = '"+trade.OutTradeNo+"'"); n != 1 {
			t.Errorf("trade %s of WeChat's is %d payments here", trade.OutTradeNo, n)
		}
	}
	for _, refund := range ledger.Refunds {
		if n := db.count(t, "select count(*) from refunds where number = '"+refund.OutRefundNo+"' and state = 'succeeded'"); n != 1 || refund.Status != sim.RefundSuccess {
			t.Errorf("refund %s is %s at WeChat and succeeded %d times here", refund.OutRefundNo, refund.Status, n)
		}
	}
}

// dies waits for a gateway that was to kill itself. One that lives on is killed, and did not die of the point.
func (g *gateway) dies() bool {
	g.w.t.Helper()
	select {
	case <-g.ended:
		return true
	case <-time.After(5 * time.Second):
		g.kill()
		return false
	}
}
