package pluginhost

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"

	"google.golang.org/grpc"

	"github.com/paybridge/paybridge/core/pay"
	"github.com/paybridge/paybridge/ports"
)

// Options is how a host runs its plugins.
type Options struct {
	Lock        Lock     // which plugins there are
	Dir         string   // private folder for copied binaries and sockets, at most 58 bytes long; swept by New
	Production  bool     // refuse unpinned binaries and writable plugin folders
	Environment []string // names of our variables that plugins may see, beside proxy, certificates and zone
	// Resolve puts the secrets of an account's configuration in the place of their references, each time that a plugin is
	// given the account: after a rotation the next process gets the new ones. IsReference tells one from a secret. nil:
	// there are no references.
	Resolve     func(config json.RawMessage) (json.RawMessage, error)
	IsReference func(string) bool
	// AppToken gives an access token of an app id, for plugins whose Describe asks for one. refused is a token that the
	// provider did not take, so that another one must be fetched; empty: none was. nil: nothing here gives one.
	AppToken    func(ctx context.Context, appID, refused string) (AppToken, error)
	Log         *slog.Logger      // also gets what plugins log
	Now         func() time.Time  // what the clock window of notifications and the exits of a plugin are measured by
	Dial        []grpc.DialOption // more about how plugins are called, such as traces
	CallTime    time.Duration     // the most that a call without a deadline of its own may take; 0: pay.CallTime
	Calls       int               // calls of one provider under way at once; an eighth for one account, at least 4. 0: 256
	FirstBack   time.Duration     // wait before the first restart of a dead plugin, doubled up to LongestBack. 0: 100 ms
	LongestBack time.Duration     // 0: 30 s
	Probe       time.Duration     // between two health probes. 0: 5 s
	ProbeTime   time.Duration     // the most that one may take; a plugin that leaves two in a row unanswered is frozen. 0: 5 s
}

const (
	binFolder    = "bin"
	socketFolder = "s"
	// What go-plugin adds to the folder must leave a socket's path under 100 bytes: macOS takes no more than 103.
	maxDir = 99 - len("/s/plugin-dir0123456789/plugin0123456789")
)

func (o Options) withDefaults() Options {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Resolve == nil {
		o.Resolve = func(config json.RawMessage) (json.RawMessage, error) { return config, nil }
	}
	if o.IsReference == nil {
		o.IsReference = func(string) bool { return false }
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	o.CallTime = orElse(o.CallTime, pay.CallTime)
	o.Calls = orElse(o.Calls, 256)
	o.FirstBack = orElse(o.FirstBack, 100*time.Millisecond)
	o.LongestBack = orElse(o.LongestBack, 30*time.Second)
	o.Probe = orElse(o.Probe, 5*time.Second)
	o.ProbeTime = orElse(o.ProbeTime, 5*time.Second)
	return o
}

func orElse[T comparable](v, otherwise T) T {
	var zero T
	if v == zero {
		return otherwise
	}
	return v
}

// Host is a set of plugin processes. It is ports.Providers.
type Host struct {
	o     Options
	held  *os.File // the lock of Dir
	stop  context.CancelFunc
	live  context.Context
	force context.CancelFunc // ends cut
	cut   context.Context    // ends when plugins must end now
	loops sync.WaitGroup

	mu        sync.Mutex
	instances map[string]*instance
}

var _ ports.Providers = (*Host)(nil)

// New prepares a host and sweeps what an earlier one left in o.Dir. It starts nothing yet.
func New(o Options) (*Host, error) {
	o = o.withDefaults()
	held, err := takeFolder(o.Dir)
	if err != nil {
		return nil, fmt.Errorf("plugin folder: %w", err)
	}
	live, stop := context.WithCancel(context.Background())
	cut, force := context.WithCancel(context.Background())
	return &Host{o: o, held: held, live: live, stop: stop, cut: cut, force: force, instances: map[string]*instance{}}, nil
}

// takeFolder makes the private folder ours alone and empty.
func takeFolder(dir string) (*os.File, error) {
	if !filepath.IsAbs(dir) {
		return nil, fmt.Errorf("%q must be absolute", dir)
	}
	if len(dir) > maxDir {
		return nil, fmt.Errorf("%s has %d bytes: a socket's path must stay under 100, so give a folder of at most %d", dir, len(dir), maxDir)
	}
	if err := makeFolders(dir); err != nil {
		return nil, err
	}
	held, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(held.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("%s is in use by another gateway: give each its own folder", dir), held.Close())
	}
	for _, sub := range []string{binFolder, socketFolder} {
		if err := os.RemoveAll(filepath.Join(dir, sub)); err != nil {
			return nil, errors.Join(err, held.Close())
		}
	}
	if err := makeFolders(dir); err != nil {
		return nil, errors.Join(err, held.Close())
	}
	return held, nil
}

func makeFolders(dir string) error {
	for _, sub := range []string{"", binFolder, socketFolder} {
		path := filepath.Join(dir, sub)
		if err := os.MkdirAll(path, 0o700); err != nil {
			return err
		}
		if err := os.Chmod(path, 0o700); err != nil {
			return err
		}
	}
	return nil
}

// Start starts the plugins of these providers side by side and returns when each has been tried once. Those that
// failed are named in the error and tried again in the background, like any plugin that dies later (R36).
func (h *Host) Start(ctx context.Context, providers ...string) error {
	tried := make(chan error, len(providers))
	started := 0
	var failed error
	for _, name := range providers {
		pin, err := h.o.Lock.pin(name)
		if err != nil {
			failed = errors.Join(failed, fmt.Errorf("start plugin %w", err))
			continue
		}
		i := newInstance(h.o, pin, h.cut.Done())
		h.mu.Lock()
		_, twice := h.instances[name]
		if !twice {
			h.instances[name] = i
		}
		h.mu.Unlock()
		if twice {
			continue
		}
		started++
		h.loops.Go(func() { i.keep(h.live, tried) })
	}
	for range started {
		select {
		case err := <-tried:
			failed = errors.Join(failed, err)
		case <-ctx.Done():
			return errors.Join(failed, ctx.Err())
		case <-h.live.Done():
			return errors.Join(failed, errors.New("the plugin host was closed while it started"))
		}
	}
	return failed
}

// Close takes no more calls, waits for those in flight, and then ends the plugins, by force when they do not listen or
// when ctx ends. Afterwards there is no plugin process left, or the error tells of one that cannot be ended.
func (h *Host) Close(ctx context.Context) error {
	h.mu.Lock()
	var drained []<-chan struct{}
	for _, i := range h.instances {
		drained = append(drained, i.drain())
	}
	h.mu.Unlock()
	var cut error
	for _, done := range drained {
		select {
		case <-done:
		case <-ctx.Done():
			cut = fmt.Errorf("plugins were ended with calls in flight: %w", ctx.Err())
		}
	}
	h.stop()
	ended := make(chan struct{})
	go func() {
		h.loops.Wait()
		close(ended)
	}()
	select {
	case <-ended:
	case <-ctx.Done():
		h.force()
		select {
		case <-ended:
		case <-time.After(killTime):
			cut = errors.Join(cut, errors.New("a plugin process does not end, not even by force"))
		}
	}
	return errors.Join(cut, h.held.Close())
}

// instance is the provider's instance, or an error that wraps ports.ErrUnavailable.
func (h *Host) instance(provider string) (*instance, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if i, ok := h.instances[provider]; ok {
		return i, nil
	}
	return nil, fmt.Errorf("provider %q: no plugin runs for it here: %w", provider, ports.ErrUnavailable)
}

// Status is how one plugin is doing.
type Status struct {
	Provider string
	Version  string
	PID      int    // 0 while it is down
	Problem  string // why it is down, or why its last health probe failed; empty: it is well
	// Quarantined is since when it is not started any more; zero: it is. Restart, or a new generation of one of its
	// accounts, ends it.
	Quarantined time.Time
	Restarts    int
	InFlight    int
	Accounts    map[string]string // account to its problem; empty: in use
}

// Status tells of every plugin, by name.
func (h *Host) Status() []Status {
	h.mu.Lock()
	defer h.mu.Unlock()
	var out []Status
	for _, name := range slices.Sorted(maps.Keys(h.instances)) {
		out = append(out, h.instances[name].status())
	}
	return out
}

// Restart ends a plugin's quarantine: it is tried again as if it had never exited. One that runs is left alone. An error
// wraps ports.ErrUnavailable: there is no such plugin here.
func (h *Host) Restart(provider string) (released bool, err error) {
	i, err := h.instance(provider)
	if err != nil {
		return false, err
	}
	return i.release(), nil
}
