package e2e

import (
	"fmt"
	"strings"
	"testing"

	"github.com/paybridge/paybridge/plugins/wechat/sim"
)

// From platform certificates to the public key, with a new APIv3 key on the way, while payers pay. Queries are cut off, so
// that each order is paid by its callback or not at all.
func TestR38_KeysChangeWhileCallbacksCome(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		w := newWorld(t, db, faster(60)) // a callback that is refused comes again soon
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
