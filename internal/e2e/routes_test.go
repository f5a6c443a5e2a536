package e2e

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/paybridge/paybridge/plugins/wechat/sim"
)

// The second app id of the first merchant, the second merchant with an app id of its own, and the same person in each.
const (
	appID2        = "wxa000000000000002"
	payer2        = "oA2-alice-000000000000000001"
	clinic        = "clinic" // the second entry of a world that has two
	secondAccount = "second-hospital"
	mchIDB        = "1900000002"
	appIDB        = "wxb000000000000001"
	payerB        = "oB1-alice-000000000000000001"
)

// addEntry adds an entry that the app may use.
func (w *world) addEntry(e entrySetup) {
	w.setup.Entries = append(w.setup.Entries, e)
	names := make([]string, len(w.setup.Entries))
	for i, known := range w.setup.Entries {
		names[i] = known.Name
	}
	w.setup.Apps[0]["entries"] = names
}

// payAs opens the cashier through an entry as one of its payers: the payment has a hand-off.
func (w *world) payAs(order, entry, openID string) answer {
	w.t.Helper()
	return w.handedOff(order, payBy(entry, openID))
}

// handOff is what the page passes to WeChat.
func handOff(t *testing.T, a answer) (h sim.HandOff) {
	t.Helper()
	text, err := json.Marshal(a.HandOff.Params)
	if err == nil {
		err = json.Unmarshal(text, &h)
	}
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// repointed lets the entry lead to the second merchant and its app id. The first account stays.
func repointed(w *world) func(*setup) {
	return func(s *setup) {
		s.Entries[0].Account, s.Entries[0].AppID = secondAccount, appIDB
		s.Accounts = append(s.Accounts, accountOf(w.sim, secondAccount, mchIDB))
	}
}

// The entry leads elsewhere by now; the money goes back the way it came.
func TestR27_RefundByTheRouteThatTookTheMoney(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		w := newWorld(t, db)
		w.start()
		order, payment := w.paid("before", 1000)
		w.restart(repointed(w))

		after := w.payAs(w.order("after", 500), entry, payerB).Number
		if trade, err := w.sim.Trade(mchIDB, after); err != nil || trade.AppID != appIDB {
			t.Errorf("the repointed entry made the trade %+v, %v; want one of merchant %s and app id %s", trade, err, mchIDB, appIDB)
		}

		refund := w.refund(payment, "refund-1", 400)
		w.awaitState("/v1/refunds/"+refund, "succeeded")
		w.awaitState("/v1/orders/"+order, "partially_refunded")
		first, err := w.sim.Trade(mchID, payment)
		if err != nil {
			t.Fatal(err)
		}
		made, ok := w.sim.Ledger().Refund(refund)
		serial := w.sim.Merchant(mchID).Serial
		if !ok || made.MchID != mchID || made.Serial != serial || made.TransactionID != first.TransactionID {
			t.Errorf("WeChat made the refund %+v; want merchant %s, serial %s, transaction %s", made, mchID, serial, first.TransactionID)
		}
		asked := 0
		for _, r := range w.sim.Requests() {
			if !strings.Contains(r.Path, "/v3/refund/") {
				continue
			}
			asked++
			if r.MchID != mchID || r.Serial != serial {
				t.Errorf("%s %s was signed by merchant %s, serial %s; want %s, %s", r.Method, r.Path, r.MchID, r.Serial, mchID, serial)
			}
		}
		if asked == 0 {
			t.Error("the request log has no refund")
		}
	})
}

// An account that payments need can be neither dropped nor turned into another merchant's. Refused, nothing changes.
func TestR37_AccountInUseIsKept(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		w := newWorld(t, db)
		w.start()
		_, payment := w.paid("before", 1000)
		w.restart(repointed(w)) // an entry may be repointed
		g, kept := w.gateways[0], w.setup

		refused := func(what string, change func(*setup), says ...string) {
			t.Helper()
			if g.running() {
				g.stop()
			}
			g.output.forget()
			w.setup = kept
			change(&w.setup)
			g.launch()
			if code := g.exit(); code != 2 {
				t.Errorf("%s: the gateway ended with %d, want 2", what, code)
			}
			for _, text := range says {
				if !strings.Contains(g.output.String(), text) {
					t.Errorf("%s: stderr does not name %q:\n%s", what, text, g.output)
				}
			}
		}
		refused("without the account", func(s *setup) { s.Accounts = s.Accounts[1:] }, account, payment, "retired: true")
		refused("with another merchant number", func(s *setup) {
			s.Accounts = []accountSetup{accountOf(w.sim, account, mchIDB), s.Accounts[1]}
		}, account, mchID, mchIDB)

		w.setup = kept
		g.start()
		w.awaitState("/v1/refunds/"+w.refund(payment, "all of it", 1000), "succeeded")
		w.restart(func(s *setup) { s.Accounts = s.Accounts[1:] }) // nothing needs it any more
	})
}

// Two app ids on one merchant number: under load, nobody is ever given the other's app id or openid.
func TestR09_TwoAppIDsOnOneMerchantNumber(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		const payments, callers = 2000, 16
		w := newWorld(t, db)
		w.addEntry(entryAt(w.base, clinic, account, appID2))
		g := w.start()
		people := []string{"alice", "bob", "carol"}
		orders := w.orders("visit", payments)

		type who struct{ appID, openID string }
		wanted := make([]who, payments)
		numbers := make([]string, payments)
		together(payments, callers, func(i int) {
			person := people[i%len(people)]
			through, mark := entry, "A1"
			wanted[i].appID = appID
			if i%2 == 1 {
				through, mark, wanted[i].appID = clinic, "A2", appID2
			}
			wanted[i].openID = fmt.Sprintf("o%s-%s-%0*d", mark, person, 23-len(person), 1)
			a, err := g.try("POST", "/v1/orders/"+orders[i]+"/payments", payBy(through, wanted[i].openID))
			if err != nil || a.HandOff == nil {
				t.Errorf("order %s: %v %s; want a hand-off", orders[i], err, a)
				return
			}
			numbers[i] = a.Number
			h := handOff(t, a)
			if h.AppID != wanted[i].appID {
				t.Errorf("payment %s was handed off with app id %s, want %s", a.Number, h.AppID, wanted[i].appID)
			}
			if err := w.sim.VerifyHandOff(h); err != nil {
				t.Errorf("payment %s: WeChat refuses the hand-off: %v", a.Number, err)
			}
		})
		trades := map[string]who{}
		for _, trade := range w.sim.Ledger().Trades {
			trades[trade.OutTradeNo] = who{trade.AppID, trade.OpenID}
		}
		for i, number := range numbers {
			if got := trades[number]; got != wanted[i] {
				t.Errorf("trade %s is %+v, want %+v", number, got, wanted[i])
			}
		}
		w.wantLedger(numbers...)
	})
}
