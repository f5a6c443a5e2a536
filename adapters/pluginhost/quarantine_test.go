package pluginhost_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/paybridge/paybridge/adapters/pluginhost"
	"github.com/paybridge/paybridge/core/pay"
	"github.com/paybridge/paybridge/ports"
)

func TestR36_AFrozenPluginIsReplaced(t *testing.T) {
	t.Parallel()
	h := start(t, func(o *pluginhost.Options) { o.Probe, o.ProbeTime = time.Millisecond, time.Second })
	first := pid(h)
	held := hold(t, provider(t, h, "one"), "one")
	kill(t, first, syscall.SIGSTOP)
	if o := (<-held.answer).Outcome; o.Verdict != pay.Indeterminate {
		t.Errorf("the call that the frozen process had: %s", o)
	}
	anotherServes(t, h, first)
	if alive(first) {
		t.Error("the frozen process is still there")
	}
	if o := provider(t, h, "one").CreatePayment(t.Context(), payment("one", "")).Outcome; o.Verdict != pay.Accepted {
		t.Errorf("a call to the new process: %s %s", o, o.Message)
	}
}

// quarantined is a host whose plugin exits as soon as it starts, until mend.
func quarantined(t *testing.T) (h *pluginhost.Host, mend func()) {
	t.Helper()
	var dir string
	h = start(t, func(o *pluginhost.Options) { dir = o.Dir })
	broken := filepath.Join(dir, "exit")
	if err := os.WriteFile(broken, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	kill(t, pid(h), syscall.SIGKILL)
	eventually(t, "it is in quarantine", func() bool { return !h.Status()[0].Quarantined.IsZero() })
	return h, func() {
		if err := os.Remove(broken); err != nil {
			t.Fatal(err)
		}
	}
}

func TestR36_APluginThatKeepsExitingIsNotStartedAnyMore(t *testing.T) {
	t.Parallel()
	h, _ := quarantined(t)
	s := h.Status()[0]
	if s.Restarts != 5 || s.PID != 0 || !strings.Contains(s.Problem, "paybridge plugin restart unruly") {
		t.Errorf("%+v", s)
	}
	if _, err := h.For(payment("one", "").Route); !errors.Is(err, ports.ErrUnavailable) || !strings.Contains(err.Error(), "quarantine") {
		t.Errorf("its payments are not told to wait: %v", err)
	}
	if err := h.Configure(t.Context(), account("one", 1)); !errors.Is(err, ports.ErrUnavailable) {
		t.Errorf("the same account once more: %v", err)
	}
	if h.Status()[0].Quarantined.IsZero() {
		t.Error("an account that did not change ended the quarantine")
	}
}

func TestR36_AQuarantineEnds(t *testing.T) {
	t.Parallel()
	for name, release := range map[string]func(t *testing.T, h *pluginhost.Host){
		"by an operator": func(t *testing.T, h *pluginhost.Host) {
			if released, err := h.Restart("unruly"); err != nil || !released {
				t.Errorf("released %v, %v", released, err)
			}
		},
		"by a new generation of an account": func(t *testing.T, h *pluginhost.Host) {
			if err := h.Configure(t.Context(), account("one", 2)); !errors.Is(err, ports.ErrUnavailable) {
				t.Error(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h, mend := quarantined(t)
			mend()
			release(t, h)
			eventually(t, "it serves", func() bool { return pid(h) != 0 })
			if s := h.Status()[0]; s.Problem != "" || !s.Quarantined.IsZero() {
				t.Errorf("%+v", s)
			}
			for _, name := range []string{"one", "two"} {
				if o := provider(t, h, name).CreatePayment(t.Context(), payment(name, "")).Outcome; o.Verdict != pay.Accepted {
					t.Errorf("account %s: %s %s", name, o, o.Message)
				}
			}
			if released, err := h.Restart("unruly"); err != nil || released {
				t.Errorf("a plugin that runs: released %v, %v", released, err)
			}
		})
	}
	if _, err := newHost(t).Restart("nobody"); !errors.Is(err, ports.ErrUnavailable) {
		t.Errorf("an unknown plugin: %v", err)
	}
}

// Five exits count only when they are close together, by the host's clock.
func TestR36_SomeExitsADayAreNoQuarantine(t *testing.T) {
	t.Parallel()
	var minutes atomic.Int64
	begin := time.Unix(1750000000, 0)
	h := start(t, func(o *pluginhost.Options) {
		o.Now = func() time.Time { return begin.Add(time.Duration(minutes.Load()) * time.Minute) }
	})
	for n := 1; n <= 6; n++ {
		minutes.Add(3) // 12 minutes from each one to the fifth after it
		old := pid(h)
		kill(t, old, syscall.SIGKILL)
		anotherServes(t, h, old)
	}
	old := pid(h)
	kill(t, old, syscall.SIGKILL) // with no time in between: 9 minutes for the last five
	eventually(t, "it is in quarantine", func() bool { return !h.Status()[0].Quarantined.IsZero() })
}
