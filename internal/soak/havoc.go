package soak

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// The faults of our own processes and of WeChat's keys; the others are the simulated WeChat's, by its names.
const (
	gatewayKilled  = "gateway_killed"
	pluginKilled   = "plugin_killed"
	pluginFrozen   = "plugin_frozen"
	connectionsCut = "connections_cut"
	keysSwitched   = "keys_switched"
)

// rule is a fault of the simulated WeChat's, as its control API takes it.
type rule struct {
	Kind        string  `json:"kind"`
	Path        string  `json:"path,omitempty"`
	Probability float64 `json:"probability,omitempty"`
	Count       int     `json:"count,omitempty"`
	Delay       string  `json:"delay,omitempty"`
	Status      int     `json:"status,omitempty"`
	Code        string  `json:"code,omitempty"`
}

const refundPath = "POST /v3/refund/domestic/refunds"

// rules are what goes wrong at WeChat, and how often.
var rules = []rule{
	{Kind: "timeout_executed", Probability: 0.003},
	{Kind: "timeout_not_executed", Probability: 0.003},
	{Kind: "connection_broken_executed", Probability: 0.01},
	{Kind: "connection_broken_not_executed", Probability: 0.01},
	{Kind: "server_error_executed", Probability: 0.01},
	{Kind: "server_error_not_executed", Probability: 0.01},
	{Kind: "rate_limited", Probability: 0.01},
	{Kind: "rate_limited_executed", Probability: 0.005},
	{Kind: "refusal", Path: "POST /v3/", Probability: 0.005},
	{Kind: "not_enough", Path: refundPath, Probability: 0.03},
	{Kind: "answer_tampered", Probability: 0.005},
	{Kind: "answer_signtest", Probability: 0.005},
	{Kind: "slow", Probability: 0.005, Delay: "2s"},
	{Kind: "clock_off", Probability: 0.003},

	{Kind: "closed_paid"}, // as soon as somebody pays what is closed
	{Kind: "refund_abnormal", Probability: 0.03},
	{Kind: "refund_closed", Probability: 0.03},

	{Kind: "callback_lost", Probability: 0.05},
	{Kind: "callback_late", Probability: 0.02, Delay: "20s"},
	{Kind: "callback_doubled", Probability: 0.03},
	{Kind: "callback_reordered", Probability: 0.02, Delay: "20s"},
	{Kind: "callback_body_tampered", Probability: 0.01},
	{Kind: "callback_signature_tampered", Probability: 0.01},
	{Kind: "callback_other_key", Probability: 0.01},
	{Kind: "callback_unknown_serial", Probability: 0.01},
	{Kind: "callback_stale", Probability: 0.01},
	{Kind: "callback_signtest", Probability: 0.01},
}

// misbehave sets WeChat's faults.
func (w *world) misbehave(ctx context.Context) error {
	return w.control(ctx, http.MethodPut, "faults", rules, nil)
}

// fired is how often each kind has happened, WeChat's and ours.
func (w *world) fired(ctx context.Context) (map[string]int, error) {
	var at struct {
		Fired map[string]int `json:"fired"`
	}
	err := w.control(ctx, http.MethodGet, "faults", nil, &at)
	all := map[string]int{}
	for _, r := range rules {
		all[r.Kind] = at.Fired[r.Kind]
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, kind := range w.ours() {
		all[kind] = w.faults[kind]
	}
	return all, err
}

// ours are the faults that this database and these processes can have.
func (w *world) ours() []string {
	kinds := []string{gatewayKilled, pluginKilled, pluginFrozen, keysSwitched}
	if w.o.Postgres != "" {
		kinds = append(kinds, connectionsCut)
	}
	return kinds
}

// havoc does our own faults, each as often as the quota asks and once more, spread over the visits; and where a kind of WeChat's lags
// behind its share, it is made to happen at the next occasions.
func (w *world) havoc(ctx context.Context, stop <-chan struct{}) {
	var acts []string
	for _, kind := range w.ours() {
		for range w.o.quota() + 1 {
			acts = append(acts, kind)
		}
	}
	r := rand.New(rand.NewPCG(w.o.Seed, 1<<40)) //nolint:gosec // a game
	r.Shuffle(len(acts), func(i, j int) { acts[i], acts[j] = acts[j], acts[i] })
	var restarting sync.WaitGroup
	defer restarting.Wait()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	mended := 0
	for done := 0; ; {
		select {
		case <-stop:
			return
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		// The last tenth is left for what is under way; WeChat's own faults go on.
		due := min(len(acts), int(w.done.Load())*len(acts)*10/(9*w.o.Payments)+1)
		if part := int(w.done.Load()) * 8 / w.o.Payments; part > mended && part >= 4 {
			mended = part
			if err := w.catchUp(ctx, float64(part)/8); err != nil {
				w.surprise("%v", err)
			}
		}
		if done == due {
			continue
		}
		if err := w.wreck(ctx, acts[done], r, &restarting); err != nil && ctx.Err() == nil {
			w.surprise("%s: %v", acts[done], err)
		}
		done++
	}
}

// catchUp has each kind that lags behind happen at once.
func (w *world) catchUp(ctx context.Context, share float64) error {
	fired, err := w.fired(ctx)
	if err != nil {
		return err
	}
	for _, r := range rules {
		if missing := int(share*float64(w.o.quota())+1) - fired[r.Kind]; missing > 0 && r.Probability > 0 {
			r.Count, r.Probability = missing, 0
			if err := w.control(ctx, http.MethodPost, "faults", r, nil); err != nil {
				return err
			}
		}
	}
	return nil
}

// wreck does one fault. A gateway that was killed is started again at once, while the next ones go on.
func (w *world) wreck(ctx context.Context, kind string, r *rand.Rand, restarting *sync.WaitGroup) error {
	g := w.gateways[r.IntN(len(w.gateways))]
	which, merchant := r.IntN(1<<20), merchants[r.IntN(len(merchants))]
	mode := keyModes[r.IntN(len(keyModes))]
	if err := every(ctx, 20*time.Millisecond, func() error { // not while it is starting
		if !g.ready.Load() {
			return errors.New("it is starting")
		}
		return nil
	}); err != nil {
		return err
	}
	w.mu.Lock()
	w.faults[kind]++
	w.mu.Unlock()
	switch kind {
	case gatewayKilled:
		g.process.Load().kill()
		g.ready.Store(false)
		died := time.Now()
		if err := w.launch(g); err != nil {
			return err
		}
		restarting.Go(func() {
			if err := w.awaitReady(ctx, g); err != nil {
				if ctx.Err() == nil {
					w.surprise("%v", err)
				}
				return
			}
			w.mu.Lock()
			defer w.mu.Unlock()
			w.restarts = append(w.restarts, time.Since(died))
		})
	case pluginKilled, pluginFrozen:
		of := strconv.Itoa(g.process.Load().cmd.Process.Pid)
		plugins, err := processes(ctx, func(parent, _ string) bool { return parent == of })
		if err != nil {
			return err
		}
		if len(plugins) == 0 {
			return fmt.Errorf("gateway %s has no plugin", g.public)
		}
		pid, signal := plugins[which%len(plugins)], syscall.SIGKILL
		if kind == pluginFrozen {
			signal = syscall.SIGSTOP
		}
		return syscall.Kill(pid, signal)
	case connectionsCut:
		return w.db.cut(ctx)
	case keysSwitched:
		return w.control(ctx, http.MethodPut, "merchants/"+merchant+"/keys", mode, nil)
	}
	return nil
}

var merchants = []string{"1900000001", "1900000003"}

// keyModes are what a merchant verifies WeChat by.
var keyModes = []map[string]any{
	{"keys": "public_key"}, {"keys": "platform_certificate"}, {"keys": "switching", "public_key_share": 0.5},
}

// calmDown ends WeChat's faults. All gateways are up again.
func (w *world) calmDown(ctx context.Context) error {
	if err := w.control(ctx, http.MethodDelete, "faults", nil, nil); err != nil {
		return err
	}
	for _, g := range w.gateways {
		if err := w.awaitReady(ctx, g); err != nil {
			return err
		}
	}
	return nil
}
