package e2e

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/paybridge/paybridge/plugins/wechat"
	"github.com/paybridge/paybridge/plugins/wechat/sim"
)

// message is a signed callback that a test posts itself.
type message struct {
	header http.Header
	body   []byte
}

// signed is a callback about a paid trade or an ended refund, spoiled as the fault says.
func (w *world) signed(mchID, number string, fault sim.FaultKind) message {
	w.t.Helper()
	_, header, body, err := w.sim.SignedCallback(mchID, number, fault)
	if err != nil {
		w.t.Fatal(err)
	}
	return message{header, body}
}

// callback posts a message to an account's notify path and returns the status it is answered with; 0: none.
func (g *gateway) callback(account string, m message) int {
	req, err := http.NewRequest("POST", g.base+"/notify/"+provider+"/"+account, bytes.NewReader(m.body))
	if err != nil {
		return 0
	}
	req.Header = m.header.Clone()
	resp, err := g.client.Do(req)
	if err != nil {
		return 0
	}
	_ = resp.Body.Close()
	return resp.StatusCode
}

// paidUnheard is an order whose payment is paid at WeChat while every callback is lost.
func (w *world) paidUnheard(reference string, fen int) (order, payment string) {
	w.t.Helper()
	order = w.order(reference, fen)
	payment = w.pay(order).Number
	w.fault(sim.Fault{Kind: sim.CallbackLost, Number: payment})
	w.tap(payment)
	return order, payment
}

// startAll starts gateway 0 and, where the database allows it, a replica.
func (w *world) startAll() []*gateway {
	w.t.Helper()
	w.start()
	if w.db.driver == "postgres" {
		w.replica().start()
	}
	return w.gateways
}

// dueNow makes a row of the table due at once.
func (w *world) dueNow(table, number string) {
	w.t.Helper()
	w.db.exec(w.t, "update "+table+" set due = 1 where number = '"+number+"' and due is not null")
}

// text is the one text that a query gives.
func (w *world) text(query string) (s string) {
	w.t.Helper()
	conn := w.db.open(w.t)
	defer func() { _ = conn.Close() }()
	if err := conn.QueryRowContext(w.t.Context(), query).Scan(&s); err != nil {
		w.t.Fatalf("%s: %v", query, err)
	}
	return s
}

// wantCount fails unless the query gives this number.
func (w *world) wantCount(want int, query string) {
	w.t.Helper()
	if got := w.db.count(w.t, query); got != want {
		w.t.Errorf("%s: %d, want %d", query, got, want)
	}
}

// awaitCount waits until the query gives this number.
func (w *world) awaitCount(want int, query string) {
	w.t.Helper()
	await(w.t, query, func() error {
		if got := w.db.count(w.t, query); got != want {
			return fmt.Errorf("%d, want %d", got, want)
		}
		return nil
	})
}

// wantState reads an order, payment or refund.
func (w *world) wantState(path, state string) {
	w.t.Helper()
	if a := w.api("GET", path, nil); a.State != state {
		w.t.Errorf("%s is %q, want %q", path, a.State, state)
	}
}

// wantRefused fails unless the answer is a 409 of this code.
func (w *world) wantRefused(a answer, code string) {
	w.t.Helper()
	if w.want(a, http.StatusConflict); a.Code != code {
		w.t.Errorf("refused with %q, want %q: %s", a.Code, code, a)
	}
}

func TestR11_SameCallbackAHundredTimes(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		w := newWorld(t, db)
		gateways := w.startAll()
		order, payment := w.paidUnheard("visit-1", 100)
		m := w.signed(mchID, payment, "")
		together(100, 100, func(i int) {
			if status := gateways[i%len(gateways)].callback(account, m); status != http.StatusOK {
				t.Errorf("callback %d was answered %d, want 200", i, status)
			}
		})
		w.wantState("/v1/orders/"+order, "paid")
		w.wantOnce(1)
		w.wantCount(1, "select count(*) from inbox")
	})
}

// What is not verified changes nothing, and nothing of it is kept but how often it came, and why it was not believed.
func TestR14_WhatIsNotVerified(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		w := newWorld(t, db)
		g := w.start()
		order, payment := w.paidUnheard("visit-1", 100)
		as := func(fault sim.FaultKind) message { return w.signed(mchID, payment, fault) }
		longer := func(m message, by int) message {
			m.body = append(bytes.Clone(m.body), bytes.Repeat([]byte(" "), by)...)
			return m
		}
		unsigned := as("")
		unsigned.header.Del("Wechatpay-Signature")
		for _, c := range []struct {
			name   string
			sent   message
			status int
			cause  string
		}{
			{"body tampered", as(sim.CallbackBodyTampered), 401, "signature"},
			{"signature tampered", as(sim.CallbackSignTampered), 401, "signature"},
			{"signed with another key", as(sim.CallbackOtherKey), 401, "signature"},
			{"a probe", as(sim.CallbackProbe), 401, "signature"},
			{"not signed", unsigned, 401, "signature"},
			{"longer by a byte", longer(as(""), 1), 401, "signature"},
			{"oversized", longer(as(""), 256<<10), 401, "too_large"},
			{"stale", as(sim.CallbackStale), 401, "clock"},
			{"unknown serial", as(sim.CallbackUnknownSerial), 503, "unknown_serial"},
		} {
			counted := "select coalesce(sum(count), 0) from refused_notifications where account = '" + account + "' and cause = '" + c.cause + "'"
			before := w.db.count(t, counted)
			if got := g.callback(account, c.sent); got != c.status {
				t.Errorf("%s: answered %d, want %d", c.name, got, c.status)
			}
			if got := w.db.count(t, counted) - before; got != 1 {
				t.Errorf("%s: counted %d times as %s, want once: %s", c.name, got, c.cause, w.text("select max(cause) from refused_notifications"))
			}
		}
		w.wantCount(0, "select count(*) from inbox")
		w.wantCount(0, "select count(*) from audit where cause like '%notification%'")
		metrics := g.metrics()
		for _, want := range []string{
			`paybridge_notifications_total{account="first-hospital",cause="signature",provider="wechat-jsapi",verdict="refused"} 6`,
			`paybridge_notifications_total{account="first-hospital",cause="clock",provider="wechat-jsapi",verdict="refused"} 1`,
			`paybridge_notifications_total{account="first-hospital",cause="too_large",provider="wechat-jsapi",verdict="refused"} 1`,
			`paybridge_notifications_total{account="first-hospital",cause="unknown_serial",provider="wechat-jsapi",verdict="unknown_serial"} 1`,
		} {
			if !strings.Contains(metrics, want) {
				t.Errorf("the metrics do not have %s", want)
			}
		}
		if got := g.callback(account, as("")); got != http.StatusOK { // and the true one is still welcome
			t.Errorf("the valid callback was answered %d, want 200", got)
		}
		w.awaitState("/v1/orders/"+order, "paid")
	})
}

// Facts that contradict the stored payment change no state. A person is told; a query that agrees ends it.
func TestR12_FactsThatContradict(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		w := newWorld(t, db)
		g := w.start()
		order, payment := w.paidUnheard("visit-1", 100)
		content := func(is, becomes int) {
			amount := `"amount":{"amount":%d,"currency":"CNY"}`
			w.db.exec(t, "update payments set content = replace(content, '"+fmt.Sprintf(amount, is)+"', '"+fmt.Sprintf(amount, becomes)+"') where number = '"+payment+"'")
		}
		content(100, 99)
		if got := g.callback(account, w.signed(mchID, payment, "")); got != http.StatusOK {
			t.Errorf("a contradicting callback was answered %d, want 200", got)
		}
		w.wantState("/v1/orders/"+order, "open")
		w.wantState("/v1/payments/"+payment, "pending")
		if a := w.api("GET", "/v1/payments/"+payment, nil); !strings.Contains(a.text, `"disputed":true`) {
			t.Errorf("the payment is not disputed: %s", a)
		}
		w.wantCount(1, "select count(*) from alarms where kind = 'payment.disputed' and number = '"+payment+"'")
		w.wantCount(1, "select count(*) from inbox where verdict = 'applied'") // kept
		w.wantRefused(w.api("POST", "/v1/orders/"+order+"/payments", payBy(entry, payer)), "payment_disputed")

		w.dueNow("payments", payment)
		w.awaitCount(0, "select count(*) from payments where due = 1") // asked again, and it contradicts still
		w.wantState("/v1/payments/"+payment, "pending")

		content(99, 100)
		w.want(w.api("POST", "/v1/payments/"+payment+"/sync", nil), http.StatusOK)
		w.wantState("/v1/payments/"+payment, "succeeded")
		w.wantState("/v1/orders/"+order, "paid")
		w.wantCount(0, "select count(*) from payments where disputed <> ''")
		w.wantOnce(1)
	})
}

// forged is a callback that is sealed and signed as a true one and tells a lie.
func (w *world) forged(payment string, lie func(fields map[string]any)) message {
	w.t.Helper()
	header, body, err := w.sim.ForgedCallback(mchID, payment, lie)
	if err != nil {
		w.t.Fatal(err)
	}
	return message{header, body}
}

// Every part of what a callback says is held against what was asked for: a lie in one of them changes no state. Where it
// still names our payment it is a dispute, which the truth ends; where it names none it is kept as unmatched (R13, R15).
func TestR12_EveryPartIsCompared(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		w := newWorld(t, db)
		w.addSecondAccount(clinic)
		g := w.start()
		amount := func(key string, value any) func(map[string]any) {
			return func(fields map[string]any) { fields["amount"].(map[string]any)[key] = value }
		}
		field := func(key string, value any) func(map[string]any) {
			return func(fields map[string]any) { fields[key] = value }
		}
		another := w.pay(w.order("another", 100)).Number
		for i, c := range []struct {
			what   string
			lie    func(map[string]any)
			status int
			says   string // of the dispute; empty: it is none, since no payment here is meant
		}{
			{"less was paid", amount("total", 99), 200, "99 CNY"},
			{"more was paid", amount("total", 101), 200, "101 CNY"},
			{"another currency", amount("currency", "USD"), 200, "USD"},
			{"another app id", field("appid", appIDB), 200, appIDB},
			{"an app id of the same merchant", field("appid", appID2), 200, appID2},
			{"no amount", field("amount", map[string]any{}), 200, "asked for 100 CNY"},
			{"no app id", field("appid", ""), 200, appID},
			{"a state that nobody knows", field("trade_state", "SETTLING"), 200, ""}, // decides nothing; the provider is asked
			{"no merchant", field("mchid", ""), 500, ""},
			{"another merchant signs", field("mchid", mchIDB), 401, ""}, // the account's keys are not that merchant's
			{"another number", field("out_trade_no", strings.Repeat("9", 32)), 500, ""},
			{"no number", field("out_trade_no", ""), 500, ""},
		} {
			order, payment := w.paidUnheard(fmt.Sprint("visit-", i), 100)
			away, err := w.sim.AddFault(sim.Fault{Kind: sim.ErrorNotExecuted, Path: "GET /v3/pay/transactions/"}) // no query tells the truth yet
			if err != nil {
				t.Fatal(err)
			}
			disputes := "select count(*) from alarms where kind = 'payment.disputed' and number = '" + payment + "'"
			if got := g.callback(account, w.forged(payment, c.lie)); got != c.status {
				t.Errorf("%s: answered %d, want %d", c.what, got, c.status)
			}
			w.wantState("/v1/payments/"+payment, "pending")
			w.wantState("/v1/orders/"+order, "open")
			wanted := 1
			if c.says == "" {
				wanted = 0
			} else if why := w.text("select disputed from payments where number = '" + payment + "'"); !strings.Contains(why, c.says) {
				t.Errorf("%s: disputed because %q, which does not say %s", c.what, why, c.says)
			}
			w.wantCount(wanted, disputes)
			w.sim.ClearFault(away.ID)
			w.want(w.api("POST", "/v1/payments/"+payment+"/sync", nil), http.StatusOK) // the truth
			w.wantState("/v1/orders/"+order, "paid")
		}
		w.wantState("/v1/payments/"+another, "pending")
		w.wantCount(0, "select count(*) from payments where disputed <> ''")
		w.wantCount(3, "select count(*) from inbox where verdict = 'unmatched'")
		w.wantCount(0, "select count(*) from refunds")
		w.wantNoConflict()
	})
}

// merchant is one of the simulator's merchants with a client of its own: it acts at WeChat without the gateway.
func (w *world) merchant(mchID string) *wechat.Client {
	w.t.Helper()
	m := w.sim.Merchant(mchID)
	c, err := wechat.New(wechat.Config{
		MchID: mchID, SerialNo: m.Serial, PrivateKey: m.PrivateKeyPEM, APIv3Keys: []string{m.APIv3Key},
		PublicKeys: map[string]string{w.sim.PublicKeyID(): w.sim.PublicKeyPEM()}, PublicKeyID: w.sim.PublicKeyID(),
	}, wechat.Options{BaseURL: w.sim.BaseURL()})
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

// Another merchant has a trade of the very number of our payment. Its callbacks say nothing about ours, whichever path
// they come by.
func TestR13_OneMerchantCannotDisputeAnothers(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		w := newWorld(t, db)
		w.addSecondAccount(clinic)
		g := w.start()
		order := w.order("visit-1", 100)
		payment := w.pay(order).Number
		if _, _, err := w.merchant(mchIDB).Prepay(t.Context(), wechat.Prepay{
			Parties:     wechat.Parties{AppID: appIDB, MchID: mchIDB, Payer: wechat.Payer{OpenID: payerB}},
			Description: "Another shop", OutTradeNo: payment, NotifyURL: w.base + "/elsewhere",
			Amount: wechat.Total{Total: 7, Currency: "CNY"},
		}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.sim.Pay(sim.Pay{OutTradeNo: payment, MchID: mchIDB}); err != nil {
			t.Fatal(err)
		}
		if got := g.callback(account, w.signed(mchIDB, payment, "")); got != http.StatusInternalServerError {
			t.Errorf("by our path, where it cannot be opened, it was answered %d, want 500", got)
		}
		if got := g.callback(clinic, w.signed(mchIDB, payment, "")); got != http.StatusInternalServerError {
			t.Errorf("by its own path it was answered %d, want 500: there is no such payment of that merchant", got)
		}
		w.wantCount(0, "select count(*) from payments where disputed <> '' or state <> 'pending'")
		w.wantCount(1, "select count(*) from inbox")
		w.wantCount(1, "select count(*) from alarms where kind = 'notify.unreadable' and number = '"+account+"'")
		w.wantCount(1, "select count(*) from alarms where kind = 'notify.unmatched'")
		w.wantCount(0, "select count(*) from alarms where kind = 'payment.disputed'")

		if _, err := w.sim.Pay(sim.Pay{OutTradeNo: payment, MchID: mchID}); err != nil {
			t.Fatal(err)
		}
		w.awaitState("/v1/orders/"+order, "paid")
		w.wantOnce(1)
	})
}

// A callback of a payment that is not here, as after a restore: kept, asked for again, and applied once it is.
func TestR15_UnknownNumberIsKept(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		w := newWorld(t, db)
		g := w.start()
		order, payment := w.paidUnheard("visit-1", 100)
		db.exec(t, "create table backup as select * from payments")
		db.exec(t, "delete from payments")
		for range 2 {
			if got := g.callback(account, w.signed(mchID, payment, "")); got != http.StatusInternalServerError {
				t.Errorf("the callback of an unknown number was answered %d, want 500", got)
			}
		}
		w.wantCount(2, "select count(*) from inbox where verdict = 'unmatched' and number = '"+payment+"'")
		w.wantCount(1, "select count(*) from alarms where kind = 'notify.unmatched' and number = '"+payment+"'")

		db.exec(t, "update backup set due = due + 3600000000") // only the message can tell, no query
		db.exec(t, "insert into payments select * from backup")
		db.exec(t, "update inbox set due = 1")
		w.awaitState("/v1/orders/"+order, "paid")
		w.awaitCount(2, "select count(*) from inbox where verdict = 'applied'")
		w.wantOnce(1)
	})
}

// A callback lost for ever: found by query, at growing intervals, and at once when the payer comes back.
func TestR17_CallbackLostForEver(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		w := newWorld(t, db)
		w.start()
		order, payment := w.paidUnheard("comes back", 100)
		w.want(w.api("POST", "/v1/payments/"+payment+"/sync", nil), http.StatusOK)
		w.wantState("/v1/orders/"+order, "paid")

		order = w.order("does not", 100)
		payment = w.pay(order).Number
		wait, before := "select due - (select max(sent_at) from payments) from payments where number = '"+payment+"'", 0
		for range 4 { // nobody has paid: each query is further from the last
			await(t, "the payment is asked about", func() error {
				if w.db.count(t, "select count(*) from payments where due = 1 or claimed_until is not null") != 0 {
					return fmt.Errorf("it has not been")
				}
				return nil
			})
			now := w.db.count(t, wait)
			if now <= before {
				t.Errorf("the next query is %d µs away, the last was %d: the intervals do not grow", now, before)
			}
			before = now
			w.dueNow("payments", payment)
		}
		w.fault(sim.Fault{Kind: sim.CallbackLost, Number: payment})
		w.tap(payment)
		w.dueNow("payments", payment)
		w.awaitState("/v1/orders/"+order, "paid")
		w.wantOnce(2)
	})
}
