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
	bills  slots // nor does money behind a long statement

	cut <-chan struct{} // closed when the plugin must end now
	// Holds one value while accounts are given or replayed, so that none is given twice or missed.
	configuring chan struct{}

	mu       sync.Mutex
	up       *running             // nil while down
	about    *pb.DescribeResponse // of the last process that told
	problem  error                // why it is down or unhealthy
	exits    exits
	freed    chan struct{} // closed when its quarantine ends; nil: it is in none
	restarts int
	accounts map[string]*account
	refused  map[string]string // the last access token that the provider did not take, by app id
	inFlight int
	draining chan struct{} // made by drain, closed when nothing is in flight
}

func newInstance(o Options, pin Pin, cut <-chan struct{}) *instance {
	return &instance{o: o, pin: pin, cut: cut, calls: newSlots(o.Calls), parses: newSlots(o.Calls), bills: newSlots(billsAtOnce),
		configuring: make(chan struct{}, 1), accounts: map[string]*account{}}
}

// keep starts the plugin, waits for its end and starts it again, later each time, until ctx ends; after too many ends in
// a short time only when somebody has released it. What became of the first try goes to tried.
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
		freed := i.down(err)
		if first && !errors.Is(err, errExited) {
			tried <- err
		}
		if freed != nil {
			i.o.Log.Error("a plugin is in quarantine: it is not started any more until somebody releases it", "provider", i.pin.Name, "problem", err.Error())
			select {
			case <-ctx.Done():
				return
			case <-freed:
			}
			back = i.o.FirstBack
			continue
		}
		if time.Since(begun) > longLived {
			back = i.o.FirstBack
		}
		i.o.Log.Error("a plugin is down and will be started again", "provider", i.pin.Name, "problem", err.Error(), "wait", back.String())
		select {
		case <-ctx.Done():
			return
		case <-time.After(back):
		}
		back = min(2*back, i.o.LongestBack)
	}
}

var (
	// errExited says that a plugin that had been in use ended.
	errExited = errors.New("the plugin process exited")
	// errNothingRan says that there is no binary to start, or not the pinned one. To look again harms nobody.
	errNothingRan = errors.New("nothing was started")
)

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
	return i.watch(ctx, r)
}

// atOnce is closed: a frozen process does not hear that it should end.
var atOnce = func() chan struct{} { c := make(chan struct{}); close(c); return c }()

// maxSilence is how many health probes in a row a plugin may leave unanswered.
const maxSilence = 2

// watch returns when the process has gone or ctx has ended, and ends a process that does not answer any more: calls to it
// would wait for their deadlines one after the other. What a plugin says of its health is told, not acted on.
func (i *instance) watch(ctx context.Context, r *running) error {
	probe := time.NewTicker(i.o.Probe)
	defer probe.Stop()
	for silent := 0; ; {
		select {
		case <-ctx.Done():
			return errExited
		case <-r.gone:
			return errExited
		case <-probe.C:
		}
		limited, cancel := context.WithTimeout(ctx, i.o.ProbeTime)
		answered, problem := r.healthy(limited)
		cancel()
		i.mu.Lock()
		i.problem = problem
		i.mu.Unlock()
		if silent++; answered {
			silent = 0
		}
		if silent == maxSilence && ctx.Err() == nil {
			frozen := fmt.Errorf("it did not answer %d health probes of %s each, and was ended: %w", maxSilence, i.o.ProbeTime, errExited)
			i.mu.Lock()
			i.up, i.problem = nil, frozen
			i.mu.Unlock()
			r.kill(atOnce)
			return frozen
		}
	}
}

// down takes the process out of use: calls are NOT_SENT from now on. freed is nil unless the plugin is in quarantine now;
// it is closed when that ends.
func (i *instance) down(why error) (freed <-chan struct{}) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.up, i.problem = nil, why
	i.restarts++
	now := i.o.Now()
	if errors.Is(why, errNothingRan) || !i.exits.tooMany(now) {
		return nil
	}
	i.freed = make(chan struct{})
	i.problem = fmt.Errorf("in quarantine since %s, after %d exits in %s; the last: %w; mend it, then `paybridge plugin restart %s`, or restart the gateway",
		now.UTC().Format(time.RFC3339), maxExits, exitWindow, why, i.pin.Name)
	return i.freed
}

// release ends a quarantine and tells whether there was one.
func (i *instance) release() bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.freed == nil {
		return false
	}
	close(i.freed)
	i.freed, i.exits = nil, nil
	i.problem = errors.New("it was in quarantine, and is tried again")
	return true
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
	if i.freed != nil {
		s.Quarantined = i.exits[len(i.exits)-1]
	}
	for name, a := range i.accounts {
		s.Accounts[name] = a.problemText()
	}
	return s
}
