package e2e

import (
	"fmt"
	"maps"
	"strings"
	"sync"
	"testing"

	"github.com/paybridge/paybridge/plugins/wechat/sim"
)

// From platform certificates to the public key, with a new APIv3 key on the way, while payers pay. Queries are cut off, so
// that each order is paid by its callback or not at all.
func TestR38_KeysChangeWhileCallbacksCome(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		w := newWorld(t, db, faster(15)) // a callback that is refused comes again after a second; a prepay lives 8 minutes
		mode := func(m sim.KeyMode, share float64) {
			t.Helper()
			if err := w.sim.SetKeyMode(mchID, m, share); err != nil {
				t.Fatal(err)
			}
		}
		mode(sim.PlatformCertificate, 0)
		next := strings.Repeat("k", 32)
		writeFile(t, w.dir+"/next_apiv3_key.txt", next)
		keys := w.setup.Accounts[0].Config
		keys["platform_certificates"] = true
		keys["api_v3_keys"] = append(keys["api_v3_keys"].([]string), "file:next_apiv3_key.txt")
		w.start()
		w.fault(sim.Fault{Kind: sim.BrokenNotExecuted, Path: "GET /v3/pay/transactions"})

		const each = 25
		var orders []string
		pay := func() {
			t.Helper()
			for range each {
				order := w.order(fmt.Sprintf("visit-%d", len(orders)), 100)
				h := handOff(t, w.payAs(order, entry, payer))
				if _, err := w.sim.Pay(sim.Pay{HandOff: &h}); err != nil {
					t.Fatal(err)
				}
				orders = append(orders, order)
			}
		}
		pay()
		mode(sim.Switching, 0.5)
		pay()
		if err := w.sim.SetAPIv3Key(mchID, next); err != nil {
			t.Fatal(err)
		}
		pay()
		mode(sim.PublicKey, 1)
		pay()
		for _, order := range orders { // R38: none is lost
			w.awaitState("/v1/orders/"+order, "paid")
		}
		w.wantEachMoveOnce()
	})
}

// An account goes from certificates to the public key in the settings of running gateways and at WeChat, while 500 callbacks
// come: first both are known, then WeChat changes, then the certificates go. Queries are cut off, so that each payment is
// settled by its callback or not at all.
func TestR38_AnAccountChangesItsKeysWhileCallbacksCome(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		const payers = 500
		w := newWorld(t, db, faster(15)) // a callback that is refused comes again after a second; a prepay lives 8 minutes
		mode := func(m sim.KeyMode, share float64) {
			if err := w.sim.SetKeyMode(mchID, m, share); err != nil {
				t.Error(err)
			}
		}
		mode(sim.PlatformCertificate, 0)
		both := maps.Clone(w.setup.Accounts[0].Config)
		both["platform_certificates"] = true
		certificates, publicKey := maps.Clone(both), maps.Clone(both)
		delete(certificates, "public_keys")
		delete(certificates, "public_key_id")
		delete(publicKey, "platform_certificates")
		w.setup.Accounts[0].Config = certificates
		gateways := w.startAll()
		payments := make([]string, payers)
		together(payers, 16, func(i int) {
			var err error
			if _, payments[i], err = opened(gateways[i%len(gateways)], fmt.Sprint("visit-", i)); err != nil {
				t.Error(err)
			}
		})
		w.fault(sim.Fault{Kind: sim.BrokenNotExecuted, Path: "GET /v3/pay/transactions"})

		var taps sync.WaitGroup
		next := make(chan int)
		taps.Go(func() {
			together(payers, 8, func(int) {
				if _, err := w.sim.Pay(sim.Pay{OutTradeNo: payments[<-next]}); err != nil {
					t.Error(err)
				}
			})
		})
		tap := func(from, to int) {
			for i := from; i < to; i++ {
				next <- i
			}
		}
		apply := func(config map[string]any) {
			t.Helper()
			w.setup.Accounts[0].Config = config
			if code, said := w.apply("LANG=C"); code != 0 {
				t.Errorf("apply: code %d\n%s", code, said)
			}
			for _, g := range gateways {
				g.follows(gateways[0])
			}
		}
		const part = payers / 5
		tap(0, part)
		apply(both)
		tap(part, 2*part)
		mode(sim.Switching, 0.5)
		tap(2*part, 3*part)
		mode(sim.PublicKey, 1)
		tap(3*part, 4*part)
		apply(publicKey)
		tap(4*part, payers)
		taps.Wait()
		w.awaitCount(payers, "select count(*) from orders where state = 'paid'") // R38: none is lost
		w.wantEachMoveOnce()
	})
}
