package e2e

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/paybridge/paybridge/plugins/wechat/sim"
)

// ownPlugins gives the world a plugin folder that its test may spoil, and returns the plugin's path.
func (w *world) ownPlugins() string {
	w.t.Helper()
	dir := w.t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(filepath.Join(programs, "plugins"))); err != nil {
		w.t.Fatal(err)
	}
	path := filepath.Join(dir, provider)
	if err := os.Chmod(path, 0o700); err != nil {
		w.t.Fatal(err)
	}
	w.setup.Plugins["dir"] = dir
	return path
}

// want503 is the answer where something is away here: the same request later is right.
func (w *world) want503(a answer) {
	w.t.Helper()
	if w.want(a, http.StatusServiceUnavailable); a.retryAfter == "" {
		w.t.Errorf("503 without Retry-After: %s", a)
	}
}

// wantNoneFailed: no payment has failed, and no order was closed for it.
func (w *world) wantNoneFailed() {
	w.t.Helper()
	if n := w.db.count(w.t, "select count(*) from payments where state not in ('created', 'pending', 'succeeded')"); n != 0 {
		w.t.Errorf("%d payments have failed or are closed because something was away", n)
	}
}

func TestR36_PluginMissingFromTheStart(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		w := newWorld(t, db)
		if err := os.Remove(w.ownPlugins()); err != nil {
			t.Fatal(err)
		}
		w.start()
		order := w.order("visit-1", 100)
		w.want(w.api("GET", "/v1/orders/"+order, nil), http.StatusOK)
		w.want(w.api("GET", "/v1/orders?reference=visit-1", nil), http.StatusOK)
		w.want503(w.api("POST", "/v1/orders/"+order+"/payments", payBy(entry, payer)))
		w.wantNoneFailed()
	})
}

// A plugin that cannot be started again: what was made before can be read, what is asked for waits, and all of it goes
// on when the plugin is back.
func TestR36_PluginGone(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		w := newWorld(t, db, faster(10))
		plugin := w.ownPlugins()
		g := w.start()
		before, after := w.order("before", 100), w.order("after", 100)
		payment := w.pay(before).Number

		if err := os.Rename(plugin, plugin+".away"); err != nil {
			t.Fatal(err)
		}
		g.killPlugin()
		g.awaitNoPlugin()
		w.want503(w.api("POST", "/v1/orders/"+after+"/payments", payBy(entry, payer)))
		w.want(w.api("GET", "/v1/payments/"+payment, nil), http.StatusOK)
		w.tap(payment)
		statuses, err := w.sim.Resend(t.Context(), mchID, payment, 1, "")
		if err != nil || statuses[0] != http.StatusServiceUnavailable { // R16
			t.Errorf("a callback was answered %v, %v; want 503", statuses, err)
		}
		w.wantNoneFailed()

		if err := os.Rename(plugin+".away", plugin); err != nil {
			t.Fatal(err)
		}
		w.awaitState("/v1/orders/"+before, "paid")
		w.tap(w.payUntilHandedOff(after).Number)
		w.awaitState("/v1/orders/"+after, "paid")
		w.wantOnce(2)
		w.wantNoConflict()
	})
}

// Two accounts on one plugin: one has a key file that is none, the other one serves.
func TestR36_AccountWithABrokenKey(t *testing.T) {
	whole(t)
	w := newWorld(t, sqlite(t))
	const broken = "clinic"
	w.addSecondAccount(broken)
	writeFile(t, filepath.Join(w.dir, "wechat", "1900000002", "apiclient_key.pem"), "not a key")
	w.start()
	good, bad := w.order("good", 100), w.order("bad", 100)
	w.pay(good)
	w.want503(w.api("POST", "/v1/orders/"+bad+"/payments", payBy(broken, "oB1-alice-000000000000000001")))
	w.wantNoneFailed()
}

// An account whose calls all hang has no more than its share of the plugin: while its payers tap again and again, more
// of them than the plugin takes calls at once, the other account's payers are all served.
func TestR36_HangingAccountSlowsNoOther(t *testing.T) {
	whole(t)
	w := newWorld(t, sqlite(t))
	const hanging = "clinic"
	w.addSecondAccount(hanging)
	g := w.start()
	const calls = 140
	slow, quick := w.orders("slow", calls), w.orders("quick", 20)
	w.fault(sim.Fault{Kind: sim.TimeoutNotExecuted, MchID: "1900000002"})
	served, hung := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(hung)
		together(calls, calls, func(i int) {
			for {
				a, err := g.try("POST", "/v1/orders/"+slow[i]+"/payments", payBy(hanging, "oB1-alice-000000000000000001"))
				if err != nil || (a.status != http.StatusAccepted && a.status != http.StatusServiceUnavailable) {
					t.Errorf("order %s: %v %s; want 202 or 503", slow[i], err, a)
				}
				select {
				case <-served:
					return
				default:
				}
			}
		})
	}()
	w.awaitRequests(60)
	together(len(quick), len(quick), func(i int) {
		a, err := g.try("POST", "/v1/orders/"+quick[i]+"/payments", payBy(entry, payer))
		if err != nil || a.status != http.StatusCreated {
			t.Errorf("order %s: %v %s; want 201", quick[i], err, a)
		}
	})
	close(served)
	<-hung
	w.wantNoneFailed()
}

// addSecondAccount adds an account of the simulator's second merchant, with an entry of the same name.
func (w *world) addSecondAccount(name string) {
	w.setup.Accounts = append(w.setup.Accounts, accountOf(w.sim, name, "1900000002"))
	w.setup.Entries = append(w.setup.Entries, entryAt(w.base, name, name, "wxb000000000000001"))
	w.setup.Apps[0]["entries"] = []string{entry, name}
}

func TestR16_DatabaseAwayWhenACallbackComes(t *testing.T) {
	whole(t)
	direct := postgres(t)
	p, through := behindProxy(t, direct)
	w := newWorld(t, through, faster(10))
	w.db = direct
	w.start()
	order := w.order("visit-1", 100)
	payment := w.pay(order).Number

	p.takeAway()
	w.tap(payment)
	statuses, err := w.sim.Resend(t.Context(), mchID, payment, 1, "")
	if err != nil || statuses[0] != http.StatusServiceUnavailable {
		t.Errorf("the callback was answered %v, %v; want 503", statuses, err)
	}
	for _, query := range []string{
		"select count(*) from inbox", "select count(*) from payments where state <> 'pending'",
		"select count(*) from orders where state <> 'open'", "select count(*) from events",
	} {
		if n := direct.count(t, query); n != 0 {
			t.Errorf("half done: %s: %d, want 0", query, n)
		}
	}
	p.giveBack()
	w.awaitState("/v1/orders/"+order, "paid")
	w.wantOnce(1)
}

// The connections break again and again while orders are made, paid and refunded. Apps ask again, WeChat tells again,
// and everything has happened once.
func TestR34_DatabaseConnectionsKilled(t *testing.T) {
	wholeAlone(t)
	direct := postgres(t)
	p, through := behindProxy(t, direct)
	w := newWorld(t, through, faster(10))
	w.db = direct
	w.start()

	const visits = 24
	ctx, stop := context.WithCancel(t.Context())
	stopped := make(chan struct{})
	const cuts = 12 // with an end: on a busy machine little more than a cut happens between two of them
	go func() {     // each cut comes when some more requests have reached WeChat
		defer close(stopped)
		for n := 4; n <= 4*cuts; n += 4 {
			if _, err := w.sim.AwaitRequest(ctx, func(r sim.Request) bool { return r.Seq >= n }); err != nil {
				return
			}
			p.cut()
		}
	}()
	refunds := make([]string, visits)
	together(visits, 4, func(i int) {
		order := w.again("order", "POST", "/v1/orders", newOrder(fmt.Sprintf("visit-%d", i), 100), http.StatusCreated, http.StatusOK)
		payment := w.payUntilHandedOff(order.Number)
		w.tap(payment.Number)
		w.awaitState("/v1/orders/"+order.Number, "paid")
		refund := map[string]any{"reference": fmt.Sprintf("refund-%d", i), "amount": 100}
		refunds[i] = w.again("refund", "POST", "/v1/payments/"+payment.Number+"/refunds", refund, http.StatusAccepted).Number
	})
	stop()
	<-stopped
	if t.Failed() {
		t.FailNow()
	}
	for _, number := range refunds {
		w.awaitState("/v1/refunds/"+number, "succeeded")
	}
	w.wantOnce(visits)
	w.wantNoConflict()
	if n := len(w.sim.Ledger().Refunds); n != visits {
		t.Errorf("WeChat made %d refunds, want %d", n, visits)
	}
}

// again asks until it is answered, as an app does that got no answer or 5xx: every request is safe to repeat.
func (w *world) again(what, method, path string, body any, statuses ...int) (a answer) {
	w.t.Helper()
	await(w.t, what+" is answered", func() (err error) {
		a, err = w.gateways[0].try(method, path, body)
		switch {
		case err != nil:
			return err
		case a.status >= 500:
			return errors.New(a.String())
		}
		w.want(a, statuses...)
		return nil
	})
	return a
}
