package e2e

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/paybridge/paybridge/plugins/wechat/sim"
)

// insurance is the provider of insurance payments. Its persons are made up; their names and numbers are looked for
// wherever they must not be.
const (
	insurance     = "wechat-medins"
	insuredEntry  = "insured"
	canaryName    = "测试金丝雀"
	canaryID      = "440300190001011237"
	canaryAccount = "first-hospital-insurance"
)

// addInsurance gives the world an entry of medical insurance, on the same merchant number.
func (w *world) addInsurance() {
	w.setup.Plugins = map[string]any{"dir": filepath.Join(programs, "insured")}
	a := accountOf(w.sim, canaryAccount, mchID)
	a.Provider = insurance
	w.setup.Accounts = append(w.setup.Accounts, a)
	e := entryAt(w.setup.Entries[0].NotifyBase, insuredEntry, canaryAccount, appID)
	e.Provider, e.Method = insurance, "03"
	w.addEntry(e)
}

// clinicBill is 7 yuan by insurance and, with cash, 3 by the payer.
func clinicBill(cash bool) (bill map[string]any, amount int64) {
	fees := map[string]any{"total": 700, "gov": 500, "self": 150, "other": 50}
	amount = 700
	if cash {
		fees["total"], fees["cash"] = 1150, 400
		fees["additions"] = []map[string]any{{"type": "FREIGHT", "amount": 50}}
		fees["reductions"] = []map[string]any{{"type": "HOSPITAL_REDUCE", "amount": 150}}
		amount = 1000
	}
	return map[string]any{
		"order_type": "REG_PAY", "city_id": "530100", "institution": map[string]string{"name": "First Hospital", "number": "530100001"},
		"fees": fees, "person": map[string]string{"name": canaryName, "id_number": canaryID, "card_type": "ID_CARD"},
	}, amount
}

func (w *world) billOrder(reference string, cash bool) string {
	return w.billOrderOf(payer, reference, cash)
}

// billOrderOf is a bill that the named payer alone may pay.
func (w *world) billOrderOf(who, reference string, cash bool) string {
	w.t.Helper()
	bill, amount := clinicBill(cash)
	a := w.api("POST", "/v1/orders", map[string]any{
		"reference": reference, "amount": amount, "description": "门诊缴费", "bill": bill, "payer": map[string]string{"policy": "named", "id": who},
	})
	if a.status != http.StatusCreated {
		w.t.Fatalf("order %s: %s", reference, a)
	}
	return a.Number
}

// insuredPay is a payment with what the bureau has just authorized.
func (w *world) insuredPay(cash bool, change ...func(*sim.Authorization)) map[string]any {
	w.t.Helper()
	a := sim.Authorization{OpenID: payer, Gov: 500, Self: 150, Other: 50, Person: sim.MedPerson{Name: canaryName, IDNumber: canaryID}}
	if cash {
		a.Cash = 400
	}
	for _, c := range change {
		c(&a)
	}
	a, err := w.sim.Authorize(a)
	if err != nil {
		w.t.Fatal(err)
	}
	body := payBy(insuredEntry, payer)
	body["medical"] = map[string]any{
		"serial_no": a.SerialNo, "pay_order_id": a.PayOrderID, "pay_auth_no": a.PayAuthNo, "geo_location": "102.682296,25.054260",
		"ordered_at": a.OrderedAt,
	}
	return body
}

// A mixed bill is paid in one go, by both parts; its persons are nowhere to be read (R45).
func TestR45_AMixedBillIsPaid(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		w := newWorld(t, db)
		w.addInsurance()
		g := w.start()
		for _, cash := range []bool{true, false} {
			order := w.billOrder(fmt.Sprint("visit-", cash), cash)
			want := w.insuredPay(cash)
			paid := w.handedOff(order, want)
			if paid.HandOff.Kind != "wechat_medins" {
				t.Fatalf("pay: %s", paid)
			}
			if again := w.api("POST", "/v1/orders/"+order+"/payments", want); again.Number != paid.Number || again.status != http.StatusOK {
				t.Errorf("the payer taps again: %s", again)
			}
			if _, err := w.sim.PayMedIns(sim.MedInsPay{HandOff: paid.HandOff.Params, OpenID: payer}); err != nil {
				t.Fatal(err)
			}
			w.awaitState("/v1/orders/"+order, "paid")
			w.awaitState("/v1/payments/"+paid.Number, "succeeded")
		}
		w.awaitCount(0, "select count(*) from payments where disputed <> ''")
		w.wantEachMoveOnce()
		for _, personal := range []string{canaryName, canaryID} {
			if strings.Contains(g.output.all(), personal) {
				t.Errorf("the log holds %q", personal)
			}
			if db.driver == "sqlite" {
				for _, file := range []string{db.place, db.place + "-wal"} {
					if text, err := os.ReadFile(file); err == nil && strings.Contains(string(text), personal) {
						t.Errorf("%s holds %q", file, personal)
					}
				}
			}
		}
	})
}

// An authorization that has expired is told as such, its prepay is closed, and a new one pays the same order.
func TestR07_AnExpiredAuthorizationIsNeverRenewed(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		w := newWorld(t, db)
		w.addInsurance()
		w.start()
		order := w.billOrder("visit-1", true)
		stale := w.insuredPay(true, func(a *sim.Authorization) { a.Life = 1 })
		w.wantRefused(w.api("POST", "/v1/orders/"+order+"/payments", stale), "medical_authorization_expired")
		trades := w.sim.Ledger().Trades
		if len(trades) != 1 || trades[0].State != sim.Closed {
			t.Errorf("WeChat has %+v", trades)
		}
		paid := w.handedOff(order, w.insuredPay(true))
		if paid.Number == trades[0].OutTradeNo {
			t.Errorf("with a new authorization: %s", paid)
		}
	})
}

// What is refused names its field, and nothing reaches WeChat.
func TestBillsAreCheckedBeforeAnythingIsSent(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		w := newWorld(t, db)
		w.addInsurance()
		w.start()
		bill, amount := clinicBill(true)
		bill["fees"].(map[string]any)["total"] = 1151
		a := w.api("POST", "/v1/orders", map[string]any{
			"reference": "wrong", "amount": amount, "description": "门诊缴费", "bill": bill, "payer": map[string]string{"policy": "named", "id": payer},
		})
		if a.status != http.StatusBadRequest || !strings.Contains(a.text, "bill.fees.total") || strings.Contains(a.text, canaryName) {
			t.Errorf("it says %s", a)
		}
		order := w.billOrder("visit-1", true)
		for _, other := range []string{entry, insuredEntry} { // not an entry of insurance; without its medical part
			w.want(w.api("POST", "/v1/orders/"+order+"/payments", payBy(other, payer)), http.StatusBadRequest)
		}
		if made := w.sim.Ledger(); len(made.Trades)+len(made.MedIns) != 0 {
			t.Errorf("WeChat has %+v", made)
		}
	})
}

// The message never comes: the payment is asked about 10 s after it was made, then after 30 s and 60 s, and on, until WeChat says that
// it is paid.
func TestR17_AnInsuredPaymentIsAskedFor(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		w := newWorld(t, db)
		w.addInsurance()
		w.fault(sim.Fault{Kind: sim.CallbackLost})
		w.start()
		order := w.billOrder("visit-1", true)
		asked := time.Now() // or later, but before its next time is read
		paid := w.handedOff(order, w.insuredPay(true))
		intervals := []time.Duration{10 * time.Second, 30 * time.Second, time.Minute, 5 * time.Minute}
		for last := 0; last < 3; { // a machine that is so slow that a query comes by itself meanwhile is a step further
			var due time.Time
			var after time.Duration
			await(t, "the next query is planned", func() error {
				// Both of one moment: of a due time in microseconds the last digit does not matter.
				both := db.count(t, "select coalesce(max(due / 10 * 10 + attempts), 0) from payments where claimed_until is null and number = '"+paid.Number+"'")
				due, after = time.UnixMicro(int64(both)/10*10), intervals[min(both%10, len(intervals)-1)]
				if due.Before(asked.Add(after)) {
					return fmt.Errorf("it is due at %s, and was asked about after %s", due, asked)
				}
				last = both%10 + 1
				return nil
			})
			if latest := time.Now().Add(after); due.After(latest) {
				t.Errorf("the next query is at %s, want %s after the last: %s at the latest", due, after, latest)
			}
			asked = time.Now()
			w.dueNow("payments", paid.Number)
		}
		if _, err := w.sim.PayMedIns(sim.MedInsPay{HandOff: paid.HandOff.Params}); err != nil {
			t.Fatal(err)
		}
		w.dueNow("payments", paid.Number)
		w.awaitState("/v1/orders/"+order, "paid")
	})
}

// The bureau refuses after the password. The cash that was taken goes back once: by WeChat itself, or by the refund that the gateway
// makes and tells the app of. The order can be paid anew.
func TestR32_TheBureauRefusesAfterThePassword(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		w := newWorld(t, db, refundSoon)
		w.addInsurance()
		app := w.receive(0).up()
		w.start()
		for _, byWeChat := range []bool{false, true} {
			order := w.billOrder(fmt.Sprint("visit-", byWeChat), true)
			failed := w.handedOff(order, w.insuredPay(true))
			if _, err := w.sim.FailMedIns(sim.MedInsPay{HandOff: failed.HandOff.Params, Reverse: byWeChat}); err != nil {
				t.Fatal(err)
			}
			w.dueNow("payments", failed.Number) // no message tells of a failure
			w.awaitState("/v1/payments/"+failed.Number, "failed")
			w.awaitCount(1, "select count(*) from refunds where state = 'succeeded' and amount = 300 and payment = '"+failed.Number+"'")
			made := 0
			for _, r := range w.sim.Ledger().Refunds {
				if r.OutTradeNo == failed.Number {
					made++
				}
			}
			if want := map[bool]int{false: 1, true: 0}[byWeChat]; made != want {
				t.Errorf("given back by WeChat: %v: %d refunds were asked of it, want %d", byWeChat, made, want)
			}
			if !byWeChat {
				app.await(order, "payment.failed", "refund.succeeded")
			}
			again := w.handedOff(order, w.insuredPay(true))
			if _, err := w.sim.PayMedIns(sim.MedInsPay{HandOff: again.HandOff.Params}); err != nil {
				t.Fatal(err)
			}
			w.awaitState("/v1/orders/"+order, "paid")
		}
		w.wantNoConflict()
	})
}

// After their days the persons of a paid bill are gone from a running gateway's rows, and the bill can be refunded all the same.
func TestR45_PersonsGoAfterTheirDays(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		w := newWorld(t, db, refundSoon)
		w.addInsurance()
		w.start()
		order, payment := w.paidBill("visit-1", true)
		young, _ := w.paidBill("visit-2", true)
		db.exec(t, fmt.Sprintf("update orders set persons_at = persons_at - %d where number = '%s'", (181*24*time.Hour).Microseconds(), order))
		w.restart(func(*setup) {})
		w.awaitCount(0, "select count(*) from orders where persons_at is not null and number = '"+order+"'")
		w.awaitCount(1, "select count(*) from orders where persons_at is not null and number = '"+young+"'")
		w.awaitCount(0, "select count(*) from inbox where number = '"+payment+"' and (body <> '' or facts <> '')")
		refund := w.want(w.api("POST", "/v1/payments/"+payment+"/refunds", map[string]any{"reference": "back", "amount": 1000}), http.StatusAccepted).Number
		w.want(w.api("POST", "/v1/refunds/"+refund+"/legs/insurance", atBureau(refund[25:], 500, 150, 50)), http.StatusAccepted)
		w.awaitState("/v1/refunds/"+refund, "succeeded")
		w.awaitState("/v1/orders/"+order, "refunded")
	})
}
