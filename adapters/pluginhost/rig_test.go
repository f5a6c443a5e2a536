package pluginhost_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/paybridge/paybridge/adapters/pluginhost"
	"github.com/paybridge/paybridge/core/money"
	"github.com/paybridge/paybridge/core/pay"
	"github.com/paybridge/paybridge/ports"
)

// built is the folder of the test plugins, pinned, and of the test host beside it.
var built struct {
	lock pluginhost.Lock
	dir  string
	host string
}

func TestMain(m *testing.M) { os.Exit(testMain(m)) }

func testMain(m *testing.M) int {
	dir, err := os.MkdirTemp("", "pbtest")
	if err != nil {
		panic(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	built.dir = filepath.Join(dir, "plugins")
	built.host = filepath.Join(dir, "host")
	for _, program := range [][]string{
		{"-o", filepath.Join(built.dir, "unruly"), "./testdata/plugin"},
		{"-o", filepath.Join(built.dir, "unruly-tokens"), "-ldflags", "-X main.name=unruly-tokens", "./testdata/plugin"},
		{"-o", filepath.Join(built.dir, "unruly-more"), "-ldflags", "-X main.name=unruly-more", "./testdata/plugin"},
		{"-o", filepath.Join(built.dir, "unruly-app"), "-ldflags", "-X main.name=unruly-app", "./testdata/plugin"},
		{"-o", filepath.Join(built.dir, "unruly-mode"), "-ldflags", "-X main.name=unruly-mode", "./testdata/plugin"},
		{"-o", built.host, "./testdata/host"},
	} {
		if out, err := exec.Command("go", append([]string{"build"}, program...)...).CombinedOutput(); err != nil {
			panic(fmt.Sprintf("go build %v: %v\n%s", program, err, out))
		}
	}
	if built.lock, err = pluginhost.WriteLock(context.Background(), built.dir); err != nil {
		panic(err)
	}
	if built.lock, err = pluginhost.ReadLock(filepath.Join(built.dir, pluginhost.LockName)); err != nil {
		panic(err)
	}
	return m.Run()
}

const (
	merchant = "1900000001"
	secret   = "secret-of-the-account"
)

// start runs the test plugin with two accounts, "one" and "two".
func start(t testing.TB, change ...func(*pluginhost.Options)) *pluginhost.Host {
	t.Helper()
	h := newHost(t, change...)
	if err := h.Start(t.Context(), "unruly"); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"one", "two"} {
		if err := h.Configure(t.Context(), account(name, 1)); err != nil {
			t.Fatal(err)
		}
	}
	return h
}

func newHost(t testing.TB, change ...func(*pluginhost.Options)) *pluginhost.Host {
	t.Helper()
	o := pluginhost.Options{Lock: built.lock, Dir: shortDir(t), FirstBack: time.Millisecond, Probe: 20 * time.Millisecond,
		ProbeTime: time.Minute} // a busy machine is no frozen plugin
	for _, f := range change {
		f(&o)
	}
	h, err := pluginhost.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ended, cancel := context.WithCancel(context.Background())
		cancel()
		_ = h.Close(ended) // calls that a test left in flight are cut
	})
	return h
}

// shortDir is a temporary folder whose path leaves room for a socket's name.
func shortDir(t testing.TB) string {
	dir, err := os.MkdirTemp("/tmp", "pb")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func account(name string, generation int64) pluginhost.Account {
	return pluginhost.Account{Provider: "unruly", Name: name, MchID: merchant, Generation: generation,
		Config: json.RawMessage(`{"key":"` + secret + `"}`)}
}

// payment is one whose description tells the plugin what to do.
func payment(account, do string) pay.Payment {
	return pay.Payment{
		Number: "01100120260101120000000010000001",
		Route: pay.Route{Provider: "unruly", Entry: "oa", Account: account, MchID: merchant, AppID: "wx1",
			OpenIDKind: pay.OpenIDDirect, NotifyBase: "https://pay.example.com"},
		Content: pay.Content{Amount: money.CNY(100), Description: do, TimeExpire: time.Unix(1800000000, 0)},
		Legs:    []pay.Leg{{ID: "self", Kind: pay.LegSelf, Amount: money.CNY(100)}},
	}
}

func provider(t testing.TB, h *pluginhost.Host, account string) ports.Provider {
	t.Helper()
	p, err := h.For(payment(account, "").Route)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// waiting is a call that the plugin holds until release.
type waiting struct {
	file   string
	answer chan ports.PaymentAnswer
}

// hold makes such a call and returns when the plugin has it.
func hold(t testing.TB, p ports.Provider, account string) waiting {
	t.Helper()
	w := waiting{filepath.Join(t.TempDir(), "go"), make(chan ports.PaymentAnswer, 1)}
	held := payment(account, "wait")
	held.Content.Attach = w.file
	go func() { w.answer <- p.CreatePayment(context.Background(), held) }()
	eventually(t, "the plugin has the call", func() bool {
		_, err := os.Stat(w.file + ".started")
		return err == nil
	})
	return w
}

func (w waiting) release(t testing.TB) ports.PaymentAnswer {
	t.Helper()
	if err := os.WriteFile(w.file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	return <-w.answer
}

func eventually(t testing.TB, what string, condition func() bool) {
	t.Helper()
	limit := time.After(15 * time.Second)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !condition() {
		select {
		case <-limit:
			t.Fatalf("never came true: %s", what)
		case <-tick.C:
		}
	}
}

func pid(h *pluginhost.Host) int { return h.Status()[0].PID }

// anotherServes waits for a process that is not first. It looks once each time: between two looks first may go.
func anotherServes(t testing.TB, h *pluginhost.Host, first int) {
	t.Helper()
	eventually(t, "another process serves", func() bool { now := pid(h); return now != 0 && now != first })
}

func kill(t testing.TB, pid int, s syscall.Signal) {
	t.Helper()
	if pid == 0 {
		t.Fatal("the plugin is not running")
	}
	if err := syscall.Kill(pid, s); err != nil {
		t.Fatal(err)
	}
}

// alive tells whether a process runs. One that waits to be reaped does not.
func alive(pid int) bool {
	if syscall.Kill(pid, 0) != nil {
		return false
	}
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	return err != nil || !strings.Contains(string(stat), ") Z ")
}
