package pluginhost

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	pb "github.com/paybridge/paybridge/plugins/proto/providerv1"
	"github.com/paybridge/paybridge/ports"
)

// longLived is how long a plugin must have lived for its next death to be a first one.
const longLived = time.Minute

// instance is one provider's place in the host: its process, as long as that lives, then the next one.
type instance struct {
	o      Options
	pin    Pin
	calls  slots // about money
	parses slots // notifications do not wait behind a slow provider

	cut <-chan struct{} // closed when the plugin must end now
	// Holds one value while accounts are given or replayed, so that none is given twice or missed.
	configuring chan struct{}

	mu       sync.Mutex
	up       *running             // nil while down
	about    *pb.DescribeResponse // of the last process that told
	problem  error                // why it is down or unhealthy
	restarts int
	accounts map[string]*account
	inFlight int
	draining chan struct{} // made by drain, closed when nothing is in flight
}

func newInstance(o Options, pin Pin, cut <-chan struct{}) *instance {
	return &instance{o: o, pin: pin, cut: cut, calls: newSlots(o.Calls), parses: newSlots(o.Calls),
		configuring: make(chan struct{}, 1), accounts: map[string]*account{}}
}

// keep starts the plugin, waits for its end and starts it again, later each time, until ctx ends. What became of the
// first try goes to tried.
func (i *instance) keep(ctx context.Context, tried chan<- error) {
	back := i.o.FirstBack
	for first := true; ; first = false {
		begun := time.Now()
		err := i.run(ctx, func() {
			if first {
				tried <- nil
			}
		})
		if ctx.Err() != nil {
			return
		}
		i.o.Log.Error("a plugin is down and will be started again",
			"provider", i.pin.Name, "problem", err.Error(), "wait", back.String())
		i.down(err)
		if first && !errors.Is(err, errExited) {
			tried <- err
		}
		if time.Since(begun) > longLived {
			back = i.o.FirstBack
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(back):
		}
		back = min(2*back, i.o.LongestBack)
	}
}

// errExited says that a plugin that had been in use ended.
var errExited = errors.New("the plugin process exited")

// run is the life of one process. The accounts are replayed before the first call is let in.
func (i *instance) run(ctx context.Context, inUse func()) error {
	r, err := launch(ctx, i.o, i.pin)
	if err != nil {
		return err
	}
	defer r.kill(i.cut)
	select {
	case i.configuring <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	i.replay(ctx, r)
	i.mu.Lock()
	i.up, i.about, i.problem = r, r.about, nil
	i.mu.Unlock()
	<-i.configuring
	i.o.Log.Info("a plugin is in use", "provider", i.pin.Name, "version", i.pin.Version, "pid", r.pid)
	inUse()
	i.watch(ctx, r)
	return errExited
}

// watch returns when the process has gone or ctx has ended. A failed probe is told, not acted on.
func (i *instance) watch(ctx context.Context, r *running) {
	probe := time.NewTicker(i.o.Probe)
	defer probe.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-r.gone:
			return
		case <-probe.C:
			limited, cancel := context.WithTimeout(ctx, i.o.Probe)
			err := r.healthy(limited)
			cancel()
			i.mu.Lock()
			i.problem = err
			i.mu.Unlock()
		}
	}
}

// down takes the process out of use: calls are NOT_SENT from now on.
func (i *instance) down(why error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.up, i.problem = nil, why
	i.restarts++
}

// enter lets one call in, or says why not: then nothing was sent. leave must follow.
func (i *instance) enter() (*running, error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	switch {
	case i.draining != nil:
		return nil, fmt.Errorf("plugin %s is being stopped: %w", i.pin.Name, ports.ErrUnavailable)
	case i.up == nil:
		return nil, fmt.Errorf("plugin %s is down (%w): %w", i.pin.Name, orNotStarted(i.problem), ports.ErrUnavailable)
	}
	select {
	case <-i.up.gone: // the supervisor has not seen it yet
		return nil, fmt.Errorf("plugin %s has just exited: %w", i.pin.Name, ports.ErrUnavailable)
	default:
	}
	i.inFlight++
	return i.up, nil
}

func orNotStarted(err error) error {
	if err == nil {
		return errors.New("not started yet")
	}
	return err
}

func (i *instance) leave() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.inFlight--
	if i.draining != nil && i.inFlight == 0 {
		close(i.draining)
	}
}

// drain lets no more calls in. The channel is closed when the last one in flight has ended.
func (i *instance) drain() <-chan struct{} {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.draining == nil {
		i.draining = make(chan struct{})
		if i.inFlight == 0 {
			close(i.draining)
		}
	}
	return i.draining
}

func (i *instance) status() Status {
	i.mu.Lock()
	defer i.mu.Unlock()
	s := Status{Provider: i.pin.Name, Version: i.pin.Version, Restarts: i.restarts, InFlight: i.inFlight,
		Accounts: map[string]string{}}
	if i.up != nil {
		s.PID = i.up.pid
	}
	if i.problem != nil {
		s.Problem = i.problem.Error()
	}
	for name, a := range i.accounts {
		s.Accounts[name] = a.problemText()
	}
	return s
}
