package e2e

import (
	"context"
	"fmt"
	"net/http"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/paybridge/paybridge/plugins/wechat/sim"
)

const crowd = 200

// awaitRequests waits until so many requests have reached WeChat.
func (w *world) awaitRequests(count int) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if _, err := w.sim.AwaitRequest(ctx, func(r sim.Request) bool { return r.Seq >= count }); err != nil {
		w.t.Fatalf("%d requests at WeChat: %v", count, err)
	}
}

// A payer never notices that the plugin died: what was not sent is sent when it is back, what may have been sent is
// asked about first.
func TestR34_PluginKilled(t *testing.T) {
	pluginEnds(t, syscall.SIGKILL)
}

// A plugin that hangs is told from one that is slow by its health, and another takes its place. Until then calls end at
// their deadline, those that found no place before theirs as well: the payer asks again.
func TestR36_PluginFrozen(t *testing.T) {
	pluginEnds(t, syscall.SIGSTOP)
}

// otherProvider is the channel of some tests beside the usual one, with a plugin of its own.
const otherProvider = "wechat-miniprogram"

// While one plugin is frozen, and calls to it wait for their deadlines, every payment of another channel is opened at once.
func TestR36_AFrozenPluginStopsNoOtherChannel(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		w := newWorld(t, db)
		w.setup.Plugins = map[string]any{"dir": filepath.Join(programs, "both")}
		mini := accountOf(w.sim, miniAccount, miniMchID)
		mini.Provider = otherProvider
		w.setup.Accounts = append(w.setup.Accounts, mini)
		e := entryAt(w.base, miniEntry, miniAccount, miniAppID)
		e.Provider, e.Method = otherProvider, "02"
		w.addEntry(e)
		g := w.start()
		frozen := w.pluginState().PID
		if err := syscall.Kill(frozen, syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
		const stuck = 60
		orders := w.orders("stuck", stuck)
		answered := make(chan struct{})
		go func() {
			defer close(answered)
			together(stuck, stuck, func(i int) {
				a, err := g.try("POST", "/v1/orders/"+orders[i]+"/payments", payBy(entry, payer))
				if err != nil || (a.status != http.StatusCreated && a.status != http.StatusAccepted) {
					t.Errorf("order %s: %v %s; want 201 or 202", orders[i], err, a)
				}
			})
		}()
		for n, over := 0, false; !over; n++ {
			order := w.order(fmt.Sprint("other-", n), 100)
			a, err := g.try("POST", "/v1/orders/"+order+"/payments", payBy(miniEntry, miniPayer))
			if err != nil || a.status != http.StatusCreated {
				t.Errorf("payment %d of the other channel: %v %s", n, err, a)
			}
			select {
			case <-answered:
				over = true
			default:
			}
		}
		w.payUntilHandedOff(orders[0])
		if now := w.pluginState().PID; now == frozen || now == 0 {
			t.Errorf("process %d serves; %d should have been replaced", now, frozen)
		}
	})
}

// pluginEnds sends the plugin a signal while a crowd pays. Every answer is a hand-off, or says that it is not clear yet, and
// no trade is made twice.
func pluginEnds(t *testing.T, signal syscall.Signal) {
	eachDatabase(t, func(t *testing.T, db database) {
		w := newWorld(t, db, faster(10))
		g := w.start()
		orders := w.orders("visit", crowd)
		plugin := g.plugins(t)[0]

		payments := make([]string, crowd)
		var unknown atomic.Int32
		var killed = make(chan struct{})
		go func() {
			defer close(killed)
			w.awaitRequests(crowd / 2)
			if err := syscall.Kill(plugin, signal); err != nil {
				t.Errorf("kill the plugin: %v", err)
			}
		}()
		together(crowd, crowd, func(i int) {
			a, err := g.try("POST", "/v1/orders/"+orders[i]+"/payments", payBy(entry, payer))
			switch {
			case err != nil || (a.status != http.StatusCreated && a.status != http.StatusAccepted):
				t.Errorf("order %s: %v %s; want 201 or 202", orders[i], err, a)
			case a.status == http.StatusAccepted:
				unknown.Add(1)
			}
			payments[i] = a.Number
		})
		<-killed
		t.Logf("%d of %d answers were 202", unknown.Load(), crowd)

		together(crowd, 32, func(i int) {
			a := w.payUntilHandedOff(orders[i])
			if a.Number != payments[i] {
				t.Errorf("order %s: payment %s was followed by %s", orders[i], payments[i], a.Number)
			}
		})
		if now := g.plugins(t); len(now) != 1 || now[0] == plugin {
			t.Errorf("plugins %v run; %d should have been replaced", now, plugin)
		}
		w.wantLedger(payments...)
		if rows := db.count(t, "select count(*) from payments"); rows != crowd {
			t.Errorf("%d payments here, want %d", rows, crowd)
		}
	})
}

// Half of the callbacks are lost on top of it: what they said is found by query (R17).
func TestR34_GatewayKilled(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		w := newWorld(t, db, faster(10))
		g := w.start()
		orders := w.orders("visit", crowd)
		w.fault(sim.Fault{Kind: sim.CallbackLost, Probability: 0.5, Event: "TRANSACTION"})

		killed := make(chan struct{})
		go func() {
			defer close(killed)
			w.awaitRequests(crowd * 3 / 4)
			g.kill()
		}()
		together(crowd, 32, func(i int) {
			a, err := g.try("POST", "/v1/orders/"+orders[i]+"/payments", payBy(entry, payer))
			if err == nil && a.HandOff != nil && i%2 == 0 {
				if _, err := w.sim.Pay(sim.Pay{OutTradeNo: a.Number}); err != nil {
					t.Errorf("payment %s: the payer: %v", a.Number, err)
				}
			}
		})
		<-killed
		g.start()

		paid := 0
		for _, trade := range w.sim.Ledger().Trades {
			if trade.State != sim.Paid {
				continue
			}
			paid++
			w.awaitState("/v1/payments/"+trade.OutTradeNo, "succeeded")
			p := w.api("GET", "/v1/payments/"+trade.OutTradeNo, nil)
			if o := w.api("GET", "/v1/orders/"+p.Order, nil); o.State != "paid" || o.SettledBy != p.Number {
				t.Errorf("order %s is %s, settled by %q; its payment %s has succeeded", p.Order, o.State, o.SettledBy, p.Number)
			}
		}
		if paid == 0 {
			t.Error("nobody had paid before the gateway was killed")
		}
		w.wantOnce(paid)
		w.wantNoConflict()
	})
}

// A killed gateway can stop nobody, so its plugin sees to its own end.
func TestNoPluginOutlivesItsGateway(t *testing.T) {
	whole(t)
	w := newWorld(t, sqlite(t))
	g := w.start()
	if n := len(g.plugins(t)); n != 1 {
		t.Fatalf("%d plugins run, want 1", n)
	}
	g.kill()
	g.awaitNoPlugin()
}

// Calls in flight end well, and so do the processes.
func TestShutdownFinishesCallsInFlight(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		w := newWorld(t, db)
		g := w.start()
		const calls = 20
		orders := w.orders("visit", calls)
		w.fault(sim.Fault{Kind: sim.Slow, Path: "POST /v3/pay", Delay: sim.Duration(2_000_000_000)})
		code := make(chan int, 1)
		go func() {
			w.awaitRequests(calls)
			if err := g.cmd.Process.Signal(syscall.SIGTERM); err != nil {
				t.Error(err)
			}
			code <- g.exit()
		}()
		together(calls, calls, func(i int) {
			a, err := g.try("POST", "/v1/orders/"+orders[i]+"/payments", payBy(entry, payer))
			if err != nil || a.status != http.StatusCreated {
				t.Errorf("order %s: %v %s; want 201", orders[i], err, a)
			}
		})
		// The grace is 10 s: had it passed, the code would be 1.
		if code := <-code; code != 0 {
			t.Errorf("SIGTERM with calls in flight ended the gateway with %d, want 0", code)
		}
		if pids := g.plugins(t); len(pids) > 0 {
			t.Errorf("plugins %v have outlived a clean shutdown", pids)
		}
	})
}
