package e2e

import (
	"net/http"
	"testing"

	"github.com/paybridge/paybridge/plugins/wechat/sim"
)

// The partner of the simulator's built-in seed: one sub merchant has an app of its own, the other has none.
const (
	partnerMchID = "1900000100"
	partnerApp   = "wxp000000000000001"
	subApp       = "wxs000000000000001"
	partnerPayer = "oP1-alice-000000000000000001"
	subPayer     = "oS1-alice-000000000000000001"
)

// subMerchant is one below the partner, with the entry that leads to it.
type subMerchant struct {
	entry, mchID string
	kind, app    string
	payer        string
}

var subMerchants = []subMerchant{
	{"third-hospital", "1900000101", "sub", subApp, subPayer},
	{"fourth-hospital", "1900000102", "sp", partnerApp, partnerPayer},
}

// addSubMerchants lets the app collect for both; one set of keys signs for them.
func (w *world) addSubMerchants() {
	for _, m := range subMerchants {
		a := accountOf(w.sim, m.entry, partnerMchID)
		a.SubMchID = m.mchID
		w.setup.Accounts = append(w.setup.Accounts, a)
		e := entryAt(w.setup.Entries[0].NotifyBase, m.entry, m.entry, m.app)
		if e.OpenIDKind = m.kind; m.kind == "sub" {
			e.SpAppID = partnerApp
		}
		w.addEntry(e)
	}
}

// Two sub merchants behind one signer: each is paid, told of by WeChat's callback, and refunded as itself.
func TestR13_SubMerchantsPayAndRefund(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		w := newWorld(t, db, refundSoon)
		w.addSubMerchants()
		w.start()
		for _, m := range subMerchants {
			order := w.order("at "+m.entry, 1250)
			paid := w.payAs(order, m.entry, m.payer)
			h := handOff(t, paid)
			if h.AppID != m.app {
				t.Errorf("%s: the page of app id %s calls pay, want %s", m.entry, h.AppID, m.app)
			}
			if _, err := w.sim.Pay(sim.Pay{HandOff: &h}); err != nil {
				t.Fatal(err)
			}
			w.awaitState("/v1/orders/"+order, "paid")
			trade, err := w.sim.Trade(partnerMchID, paid.Number)
			if err != nil || trade.SubMchID != m.mchID {
				t.Errorf("%s: WeChat has the trade %+v, %v", m.entry, trade, err)
			}
			refund := w.refund(paid.Number, "back from "+m.entry, 400)
			w.awaitState("/v1/refunds/"+refund, "succeeded")
			made, ok := w.sim.Ledger().Refund(refund)
			if !ok || made.MchID != partnerMchID || made.SubMchID != m.mchID {
				t.Errorf("%s: WeChat made the refund %+v", m.entry, made)
			}
		}
		w.awaitCount(0, "select count(*) from payments where disputed <> ''")
		w.wantEachMoveOnce()
	})
}

// An entry's app id decides whose openid may pay: one of the partner's other app opens nothing.
func TestR09_AnOpenidOfThePartnersOtherApp(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		w := newWorld(t, db)
		w.addSubMerchants()
		w.start()
		order := w.order("visit-1", 1250)
		w.wantRefused(w.api("POST", "/v1/orders/"+order+"/payments", payBy(subMerchants[0].entry, partnerPayer)), "payment_failed")
		if made := w.sim.Ledger().Trades; len(made) != 0 {
			t.Errorf("WeChat has %+v", made)
		}
	})
}

// A sub merchant's insured bill: paid in both parts, told of by WeChat's callback, refunded in both, as the sub merchant's.
func TestR13_ASubMerchantsInsuredBill(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		w := newWorld(t, db, refundSoon)
		w.addInsurance()
		for _, m := range subMerchants {
			m.mchID = subMerchants[0].mchID // WeChat wants an app of the sub merchant's
			a := accountOf(w.sim, m.entry, partnerMchID)
			a.Provider, a.SubMchID = insurance, m.mchID
			w.setup.Accounts = append(w.setup.Accounts, a)
			e := entryAt(w.setup.Entries[0].NotifyBase, m.entry, m.entry, m.app)
			e.Provider, e.Method = insurance, "03"
			if e.OpenIDKind = m.kind; m.kind == "sub" {
				e.SpAppID = partnerApp
			} else {
				e.Options = map[string]any{"sub_appid": subApp}
			}
			w.addEntry(e)
		}
		w.start()
		for _, m := range subMerchants {
			order := w.billOrderOf(m.payer, "at "+m.entry, true)
			body := w.insuredPay(true, func(a *sim.Authorization) { a.OpenID = m.payer })
			body["entry"], body["payer"] = m.entry, map[string]string{"openid": m.payer}
			paid := w.handedOff(order, body)
			if _, err := w.sim.PayMedIns(sim.MedInsPay{HandOff: paid.HandOff.Params, OpenID: m.payer}); err != nil {
				t.Fatal(err)
			}
			w.awaitState("/v1/orders/"+order, "paid")
			refund := w.want(w.api("POST", "/v1/payments/"+paid.Number+"/refunds", map[string]any{"reference": "back", "amount": 1000}), http.StatusAccepted).Number
			w.want(w.api("POST", "/v1/refunds/"+refund+"/legs/insurance", atBureau(refund[25:], 500, 150, 50)), http.StatusAccepted)
			w.awaitState("/v1/refunds/"+refund, "succeeded")
			w.awaitState("/v1/orders/"+order, "refunded")
			if made, ok := w.sim.Ledger().Refund(refund); !ok || made.SubMchID != subMerchants[0].mchID || made.Amount != 300 {
				t.Errorf("%s: WeChat made the refund %+v", m.entry, made)
			}
		}
		w.awaitCount(0, "select count(*) from payments where disputed <> ''")
		w.wantEachMoveOnce()
	})
}
