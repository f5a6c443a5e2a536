package e2e

import (
	"fmt"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"github.com/paybridge/paybridge/plugins/wechat/sim"
)

// addRedirect gives the world's insurance entry the mode of medical insurance 1.0.
func (w *world) addRedirect() {
	w.addInsurance()
	last := len(w.setup.Entries) - 1
	w.setup.Entries[last].Options = map[string]any{"mode": "redirect"}
	w.setup.Entries[last].Secret = "file:wechat/apps/" + appID + "/secret.txt"
	w.setup.Accounts[len(w.setup.Accounts)-1].Config["api_v2_key"] = "file:" + filepath.Join("wechat", mchID, "apiv2_key.txt")
}

// redirectPay is a payment in the insurance mini program: nobody has authorized anything before.
func redirectPay() map[string]any {
	body := payBy(insuredEntry, payer)
	body["medical"] = map[string]any{"serial_no": "S0001", "ordered_at": time.Now().UTC().Format(time.RFC3339)}
	return body
}

// A payer is sent to the insurance mini program, pays there and comes back. WeChat's message only has the gateway ask; where it is lost,
// the payer's coming back does. The cash goes back by 1.0's own call, the rest at the bureau.
func TestABillIsPaidByRedirect(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		w := newWorld(t, db, refundSoon)
		w.addRedirect()
		w.start()
		for n, lost := range []bool{false, true} {
			var faults []sim.Fault
			if lost {
				faults = append(faults, sim.Fault{Kind: sim.CallbackLost})
			}
			if err := w.sim.SetFaults(faults...); err != nil {
				t.Fatal(err)
			}
			order := w.billOrder(fmt.Sprint("visit-", n), true)
			want := redirectPay()
			made := w.handedOff(order, want)
			if made.HandOff == nil || made.HandOff.Kind != "miniprogram_redirect" || made.HandOff.Params["appId"] != sim.InsuranceAppID {
				t.Fatalf("pay: %s", made)
			}
			if again := w.api("POST", "/v1/orders/"+order+"/payments", want); again.Number != made.Number {
				t.Errorf("the payer taps again: %s", again)
			}
			if !lost {
				w.sim.EndAppToken(appID) // the next call gets another, of which WeChat makes one in 30 s
			}
			if _, err := w.sim.PayInsurance10(sim.Insurance10Pay{PayURL: made.HandOff.Params["path"], OpenID: payer}); err != nil {
				t.Fatal(err)
			}
			if lost {
				await(t, "the payer comes back", func() error {
					if got := w.api("POST", "/v1/payments/"+made.Number+"/sync", nil); got.State != "succeeded" {
						return fmt.Errorf("it is %s", got)
					}
					return nil
				})
			}
			w.awaitState("/v1/orders/"+order, "paid")
			w.awaitState("/v1/payments/"+made.Number, "succeeded")

			refund := w.want(w.api("POST", "/v1/payments/"+made.Number+"/refunds", map[string]any{"reference": "all", "amount": 1000}), http.StatusAccepted).Number
			w.awaitState("/v1/orders/"+order, "partially_refunded")
			w.want(w.api("POST", "/v1/refunds/"+refund+"/legs/insurance", atBureau(refund[25:], 500, 150, 50)), http.StatusOK, http.StatusAccepted)
			w.awaitState("/v1/refunds/"+refund, "succeeded")
			w.awaitState("/v1/orders/"+order, "refunded")
		}
		for _, i := range w.sim.Ledger().Insurance {
			if len(i.Refunds) != 1 || i.Refunds[0].Cash != 300 {
				t.Errorf("WeChat has %+v", i)
			}
		}
		w.awaitCount(0, "select count(*) from payments where disputed <> ''")
		w.wantEachMoveOnce()
	})
}

// Its parts have to be those of the bill: another division is a dispute, whatever the sum.
func TestR12_AnotherDivisionByRedirect(t *testing.T) {
	whole(t)
	w := newWorld(t, sqlite(t))
	w.addRedirect()
	w.start()
	order := w.billOrder("visit-1", true)
	made := w.handedOff(order, redirectPay())
	if err := w.sim.DivideInsurance10(made.Number, 400, 600); err != nil {
		t.Fatal(err)
	}
	if _, err := w.sim.PayInsurance10(sim.Insurance10Pay{Number: made.Number}); err != nil {
		t.Fatal(err)
	}
	w.awaitCount(1, "select count(*) from payments where disputed <> ''")
	w.wantRefused(w.api("POST", "/v1/orders/"+order+"/payments", redirectPay()), "payment_disputed")
}

// What cannot be paid is told by its field; the account without its key is the operator's to mend, and no payment fails for it.
func TestR36_RedirectWithoutItsKey(t *testing.T) {
	whole(t)
	w := newWorld(t, sqlite(t))
	w.addRedirect()
	delete(w.setup.Accounts[len(w.setup.Accounts)-1].Config, "api_v2_key")
	w.start()
	order := w.billOrder("visit-1", true)
	got := w.api("POST", "/v1/orders/"+order+"/payments", redirectPay())
	if got.status != http.StatusServiceUnavailable {
		t.Errorf("it says %s", got)
	}
	w.awaitCount(1, "select count(*) from payments where state = 'created'")
}
