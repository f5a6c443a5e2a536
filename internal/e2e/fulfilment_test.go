package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/paybridge/paybridge/plugins/wechat/sim"
)

// addShipping gives the world a mini program whose orders have to be reported as fulfilled.
func (w *world) addShipping() {
	w.setup.Accounts = append(w.setup.Accounts, accountOf(w.sim, miniAccount, miniMchID))
	mini := entryAt(w.base, miniEntry, miniAccount, miniAppID)
	mini.Secret, mini.FulfilmentDays = "file:wechat/apps/"+miniAppID+"/secret.txt", 3
	w.addEntry(mini)
}

// paidInMini is an order that was paid in the mini program. began is false when the gateway died before that.
func paidInMini(w *world, g *gateway, reference string) (order, payment string, began bool) {
	o, err := g.try("POST", "/v1/orders", newOrder(reference, 100))
	if err != nil {
		return "", "", false
	}
	p, err := g.try("POST", "/v1/orders/"+o.Number+"/payments", payBy(miniEntry, miniPayer))
	if err != nil {
		return "", "", false
	}
	w.tap(p.Number)
	return o.Number, p.Number, awaitPaid(w.t, g, o.Number)
}

func (w *world) fulfil(order string, say map[string]any, statuses ...int) answer {
	w.t.Helper()
	return w.want(w.api("POST", "/v1/orders/"+order+"/fulfilment", say), statuses...)
}

// shipping is what WeChat has of a payment's trade.
func (w *world) shipping(payment string) sim.Shipping {
	w.t.Helper()
	trade, err := w.sim.Trade(miniMchID, payment)
	if err != nil {
		w.t.Fatal(err)
	}
	if trade.Shipping == nil {
		return sim.Shipping{}
	}
	return *trade.Shipping
}

var virtual = map[string]any{"method": "virtual"}

// fulfilling is the report of an order, which WeChat takes for a correction when it comes a second time.
var fulfilling = act{
	name: "report a fulfilment", passes: 1, prepare: (*world).addShipping,
	do: func(w *world, g *gateway, reference string) (string, bool) {
		order, _, began := paidInMini(w, g, reference)
		if !began {
			return "", false
		}
		_, _ = g.try("POST", "/v1/orders/"+order+"/fulfilment", virtual)
		return order, true
	},
	ends: func(w *world, order string) {
		w.awaitState("/v1/orders/"+order+"/fulfilment", "reported")
		if s := w.shipping(w.api("GET", "/v1/orders/"+order, nil).SettledBy); s.Times != 1 || s.Came != 1 {
			w.t.Errorf("WeChat took %d of %d reports", s.Times, s.Came)
		}
	},
}

// An app that says twice at once that an order was fulfilled has it reported once, may correct it once, and no more.
func TestAFulfilmentIsReportedToWeChat(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		w := newWorld(t, db)
		w.addShipping()
		gateways := w.startAll()
		order, payment, _ := paidInMini(w, gateways[0], "visit-1")
		path := "/v1/orders/" + order + "/fulfilment"
		w.wantState(path, "awaited")

		var both sync.WaitGroup
		for i := range 2 {
			both.Go(func() {
				if a, err := gateways[i%len(gateways)].try("POST", path, virtual); err != nil || a.status != http.StatusAccepted && a.status != http.StatusOK {
					t.Errorf("said twice: %s, %v", a, err)
				}
			})
		}
		both.Wait()
		w.awaitState(path, "reported")
		if s := w.shipping(payment); s.Times != 1 || s.Came != 1 || s.LogisticsType != 3 || s.ItemDesc != "Outpatient visit" {
			t.Errorf("WeChat has %+v", s)
		}
		w.fulfil(order, virtual, http.StatusOK)

		parcel := map[string]any{"method": "express", "description": "Medicine", "carrier": "SF", "tracking_number": "SF1234567890", "receiver_phone": "189****1234"}
		w.fulfil(order, parcel, http.StatusAccepted)
		w.awaitState(path, "reported")
		if s := w.shipping(payment); s.Times != 2 || s.TrackingNo != "SF1234567890" || s.ExpressCompany != "SF" {
			t.Errorf("WeChat has %+v", s)
		}
		w.wantRefused(w.api("POST", path, virtual), "fulfilment_final")
		timeline := w.api("GET", "/v1/payments/"+payment+"/timeline", nil)
		for _, cause := range []string{"the app fulfilled it: virtual", "reported to WeChat", "the app corrects it: express"} {
			if !strings.Contains(timeline.text, cause) {
				t.Errorf("the timeline lacks %q: %s", cause, timeline)
			}
		}

		elsewhere, _ := w.paid("visit-2", 100) // an official account has no such duty
		if a := w.fulfil(elsewhere, virtual, http.StatusOK); a.State != "not_needed" {
			t.Errorf("where it is not needed: %s", a)
		}
	})
}

// Whatever becomes of a call, the report gets through, and never twice.
func TestAReportThatGoesWrong(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		w := newWorld(t, db)
		w.addShipping()
		g := w.start()
		const upload = "POST /wxa/sec/order/upload_shipping_info"
		for n, c := range []struct {
			name  string
			fault sim.Fault
			token bool // the app id's access token ends before its time
		}{
			{name: "the answer is lost", fault: sim.Fault{Kind: sim.TimeoutExecuted, Path: upload, Count: 1}},
			{name: "the connection breaks after it was taken", fault: sim.Fault{Kind: sim.BrokenExecuted, Path: upload, Count: 1}},
			{name: "the connection breaks before", fault: sim.Fault{Kind: sim.BrokenNotExecuted, Path: upload, Count: 1}},
			{name: "WeChat is busy", fault: sim.Fault{Kind: sim.ErrorNotExecuted, Path: upload, Count: 1}},
			{name: "the daily limit is reached", fault: sim.Fault{Kind: sim.Refusal, Code: "45009", Path: upload, Count: 1}},
			{name: "the token has ended", token: true},
		} {
			order, payment, _ := paidInMini(w, g, fmt.Sprint("visit-", n))
			if c.token {
				w.sim.EndAppToken(miniAppID)
			} else {
				w.fault(c.fault)
			}
			w.fulfil(order, virtual, http.StatusAccepted)
			w.awaitState("/v1/orders/"+order+"/fulfilment", "reported")
			if s := w.shipping(payment); s.Times != 1 || s.Came != 1 {
				t.Errorf("%s: WeChat took %d of %d reports", c.name, s.Times, s.Came)
			}
		}
		w.wantEachMoveOnce()
	})
}

// What WeChat refuses, and what nobody says in time, is an alarm; a better report gets through.
func TestAReportThatAPersonHasToMend(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		w := newWorld(t, db)
		w.addShipping()
		g := w.start()
		order, payment, _ := paidInMini(w, g, "visit-1")
		path := "/v1/orders/" + order + "/fulfilment"
		w.fault(sim.Fault{Kind: sim.Refusal, Code: "10060026", Path: "POST /wxa/sec/order/upload_shipping_info", Count: 1})
		w.fulfil(order, virtual, http.StatusAccepted)
		w.awaitState(path, "refused")
		if a := w.api("GET", path, nil); !strings.Contains(a.text, "WeChat's code 10060026") {
			t.Errorf("it does not say why: %s", a)
		}
		w.awaitCount(1, "select count(*) from alarms where kind = 'fulfilment.stuck' and number = '"+payment+"'")
		w.wantAlarm("fulfilment.stuck", payment)
		w.fulfil(order, virtual, http.StatusAccepted)
		w.awaitState(path, "reported")

		late, payment, _ := paidInMini(w, g, "visit-2")
		gone, refunded, _ := paidInMini(w, g, "visit-3")
		w.refund(refunded, "R1", 100)
		w.awaitState("/v1/orders/"+gone, "refunded")
		g.stop() // three days later
		db.exec(t, "update fulfilments set deadline = created_at, due = created_at where state = 'awaited'")
		w.start()
		w.awaitCount(1, "select count(*) from alarms where kind = 'order.unfulfilled' and number = '"+payment+"'")
		w.awaitState("/v1/orders/"+gone+"/fulfilment", "not_needed")
		w.wantState("/v1/orders/"+late+"/fulfilment", "awaited")
		w.fulfil(late, virtual, http.StatusAccepted)
		w.awaitState("/v1/orders/"+late+"/fulfilment", "reported")
	})
}

// wantAlarm is what an operator does with the one alarm that is open: list it, in two languages, and acknowledge it.
func (w *world) wantAlarm(kind, number string) {
	w.t.Helper()
	run := func(args ...string) (int, string) {
		return w.paybridge(append(append([]string{"alarms"}, args...), "--listen.admin", w.gateways[0].admin)...)
	}
	for lang, says := range map[string]string{"en": "does not get through to WeChat", "zh": "未能上报给微信"} {
		if code, said := run("--lang", lang); code != 3 || !strings.Contains(said, kind+"  "+number) || !strings.Contains(said, says) || !strings.Contains(said, "→") {
			w.t.Errorf("alarms in %s: code %d\n%s", lang, code, said)
		}
	}
	var all []struct{ ID int64 }
	code, said := run("--json", "--kind", kind)
	if err := json.Unmarshal([]byte(said), &all); err != nil || code != 3 || len(all) != 1 {
		w.t.Fatalf("alarms: code %d, %v\n%s", code, err, said)
	}
	id := fmt.Sprint(all[0].ID)
	for _, wrong := range []string{"x", "99999"} {
		if code, said := run("ack", wrong, "--as", "ann"); code != 2 {
			w.t.Errorf("alarm %s is acknowledged: code %d\n%s", wrong, code, said)
		}
	}
	if code, said := run("ack", id, "--as", "ann"); code != 0 || !strings.Contains(said, "acknowledged by ann") {
		w.t.Errorf("acknowledge: code %d\n%s", code, said)
	}
	if code, said := run("--lang", "en"); code != 0 || !strings.Contains(said, "No alarm is open") {
		w.t.Errorf("after it: code %d\n%s", code, said)
	}
	if code, said := run("--all", "--lang", "en"); code != 0 || !strings.Contains(said, "acknowledged by ann") {
		w.t.Errorf("all: code %d\n%s", code, said)
	}
}
