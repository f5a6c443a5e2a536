package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/paybridge/paybridge/plugins/wechat/sim"
)

// world is a simulated WeChat, a database, a configuration, and the gateways that a test starts on them.
//
//	w := newWorld(t, db)
//	w.start()                               // gateway 0; w.start(…) again is a replica
//	order := w.order("visit-1", 1250)
//	payment := w.pay(order)                 // 201, with a hand-off
//	w.tap(payment.Number)                   // the payer pays
//	w.awaitState("/v1/orders/"+order, "paid")
type world struct {
	t        *testing.T
	sim      *sim.Simulator
	db       database
	setup    setup
	dir      string // of the configuration and the keys
	base     string // where WeChat and apps reach gateway 0, before and after a restart
	gateways []*gateway
	app      *receiver // the first app's webhook endpoint, in tests that say so
}

// newWorld makes everything but the gateways.
func newWorld(t *testing.T, db database, options ...sim.Option) *world {
	t.Helper()
	dir := t.TempDir()
	options = append([]sim.Option{sim.With(func(c *sim.Config) { c.KeysDir = filepath.Join(dir, "wechat") })}, options...)
	w := &world{t: t, db: db, dir: dir, sim: sim.New(t, options...)}
	w.gateways = append(w.gateways, newGateway(w))
	w.base = w.gateways[0].base
	w.setup = newSetup(t, w.sim, db, dir, w.base)
	return w
}

// faster makes the simulator's time run faster than the machine's: its callbacks' schedule, its refunds.
func faster(speed float64) sim.Option { return sim.With(func(c *sim.Config) { c.Speed = speed }) }

// start starts gateway 0 with the world's setup as it is now, and returns it when it is ready.
func (w *world) start(how ...how) *gateway { return w.gateways[0].start(how...) }

// replica makes one more gateway on the same database. It has to be started.
func (w *world) replica() *gateway {
	w.gateways = append(w.gateways, newGateway(w))
	return w.gateways[len(w.gateways)-1]
}

// restart changes the setup and starts gateway 0 anew, after ending it where it still runs.
func (w *world) restart(change func(*setup)) *gateway {
	w.t.Helper()
	g := w.gateways[0]
	if g.running() {
		g.stop()
	}
	change(&w.setup)
	return g.start()
}

// writeSetup writes the configuration file and returns its path.
func (w *world) writeSetup() string {
	text, err := json.MarshalIndent(w.setup, "", "  ")
	if err != nil {
		w.t.Fatal(err)
	}
	path := filepath.Join(w.dir, "paybridge.yaml")
	writeFile(w.t, path, string(text))
	return path
}

// tap is the payer paying the trade of that payment, with the right password.
func (w *world) tap(payment string) {
	w.t.Helper()
	if _, err := w.sim.Pay(sim.Pay{OutTradeNo: payment}); err != nil {
		w.t.Fatalf("payment %s: the payer: %v", payment, err)
	}
}

// fault makes something go wrong at WeChat.
func (w *world) fault(f sim.Fault) {
	w.t.Helper()
	if _, err := w.sim.AddFault(f); err != nil {
		w.t.Fatal(err)
	}
}

// patience is how long a test waits for what must come. The longest wait that the gateway itself needs is that of a
// dead process's claim: 40 s, and then a query.
const patience = 100 * time.Second

// await asks until there is nothing left to complain about.
func await(t testing.TB, what string, complaint func() error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		err := complaint()
		if err == nil {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("%s: still not after %s: %v", what, patience, err)
		case <-tick.C:
		}
	}
}

// awaitState waits until the order, payment or refund at the path is in the state.
func (w *world) awaitState(path, state string) {
	w.t.Helper()
	await(w.t, path+" becomes "+state, func() error {
		a, err := w.gateways[0].try("GET", path, nil)
		if err == nil && a.State != state {
			err = fmt.Errorf("%d, state %q", a.status, a.State)
		}
		return err
	})
}

// lastPort counts up from a random place, so that no two gateways of this process draw the same port.
var lastPort atomic.Int32

func init() { lastPort.Store(int32(rand.IntN(20_000))) }

// freeAddress is one that no outgoing connection can take while its gateway is down: those come from above 32767.
func freeAddress(t *testing.T) string {
	t.Helper()
	var listen net.ListenConfig
	for range 1000 {
		address := fmt.Sprintf("127.0.0.1:%d", 10_000+lastPort.Add(1)%22_000)
		if l, err := listen.Listen(t.Context(), "tcp", address); err == nil {
			_ = l.Close()
			return address
		}
	}
	t.Fatal("no free port on 127.0.0.1")
	return ""
}

func writeFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
