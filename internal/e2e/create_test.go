package e2e

import (
	"net/http"
	"testing"

	"github.com/paybridge/paybridge/plugins/wechat/sim"
)

// Taps at once, on two replicas where the database allows two: one payment, one trade, one hand-off for all.
func TestR01_OneTradeForTapsOnTwoReplicas(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		w := newWorld(t, db)
		w.start()
		if db.driver == "postgres" {
			w.replica().start()
		}
		const taps = 8
		orders := w.orders("visit", 10)
		answers := make([]answer, taps*len(orders))
		together(len(answers), len(answers), func(i int) {
			a, err := w.gateways[i%len(w.gateways)].try("POST", "/v1/orders/"+orders[i/taps]+"/payments", payBy(entry, payer))
			if err != nil || a.HandOff == nil {
				t.Errorf("tap %d: %v %s; want a hand-off", i, err, a)
			}
			answers[i] = a
		})
		var payments []string
		for i := range orders {
			made := 0
			for _, a := range answers[i*taps : (i+1)*taps] {
				if a.Number != answers[i*taps].Number {
					t.Errorf("order %s has the payments %s and %s", orders[i], a.Number, answers[i*taps].Number)
				}
				if a.status == http.StatusCreated {
					made++
				}
			}
			if made != 1 {
				t.Errorf("order %s: %d taps were answered 201, want 1", orders[i], made)
			}
			payments = append(payments, answers[i*taps].Number)
		}
		w.wantLedger(payments...)
	})
}

// The configuration changes between two sendings of a number: what goes out the second time is what was committed
// before the first.
func TestR02_ContentIsFrozen(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		for _, unclear := range []sim.FaultKind{sim.BrokenNotExecuted, sim.BrokenExecuted, sim.ErrorExecuted} {
			t.Run(string(unclear), func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, db.another(t))
				w.start()
				order := w.order("visit-1", 100)
				w.fault(sim.Fault{Kind: unclear, Path: "POST /v3/pay/transactions/jsapi", Count: 1})
				first := w.want(w.api("POST", "/v1/orders/"+order+"/payments", payBy(entry, payer)), http.StatusAccepted)

				w.restart(func(s *setup) {
					s.Entries[0].AppID = "wxa000000000000002"
					s.Entries[0].NotifyBase += "/elsewhere"
				})
				second := w.payUntilHandedOff(order)
				if second.Number != first.Number {
					t.Errorf("payment %s was followed by %s", first.Number, second.Number)
				}
				w.wantLedger(first.Number)
				if sent := w.sim.Ledger().Sent; len(sent) != 1 || sent[0].Times < 2 {
					t.Errorf("the numbers that were sent: %+v; want one, twice", sent)
				}
				if trade, ok := w.sim.Ledger().Trade(first.Number); !ok || trade.AppID != appID {
					t.Errorf("the trade is for app id %q, want %s", trade.AppID, appID)
				}
			})
		}
	})
}
