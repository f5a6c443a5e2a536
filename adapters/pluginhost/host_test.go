package pluginhost_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/paybridge/paybridge/adapters/pluginhost"
	"github.com/paybridge/paybridge/core/money"
	"github.com/paybridge/paybridge/core/pay"
	"github.com/paybridge/paybridge/ports"
)

func TestEveryCallReachesThePlugin(t *testing.T) {
	t.Parallel()
	h := start(t)
	p := provider(t, h, "one")
	m := payment("one", "")

	a := p.CreatePayment(t.Context(), m)
	if a.Outcome.Verdict != pay.Accepted || a.Facts.State != pay.FactUnpaid || a.Facts.Number != "" ||
		a.HandOff.Kind != "qr_code" || a.HandOff.Params["content"] != "pay:"+m.Number ||
		a.Outcome.RequestID != "request-1" || a.ProviderTime.Unix() != 1700000000 {
		t.Errorf("create: %+v", a)
	}
	a = p.QueryPayment(t.Context(), m)
	if a.Facts == nil || a.Facts.State != pay.FactSucceeded || a.Facts.Amount != money.CNY(100) || a.Facts.MchID != merchant {
		t.Errorf("query: %+v", a)
	}
	m.ProviderNumber = "unknown-number"
	if a = p.QueryPayment(t.Context(), m); !a.Outcome.Is(pay.NotFound) {
		t.Errorf("query of an unknown number: %+v", a)
	}
	if a = p.ClosePayment(t.Context(), m); a.Facts == nil || a.Facts.State != pay.FactClosed {
		t.Errorf("close: %+v", a)
	}
	r := pay.Refund{Number: "r1", Amount: money.CNY(40)}
	if b := p.CreateRefund(t.Context(), m, r); b.Facts == nil || b.Facts.State != pay.RefundFactProcessing {
		t.Errorf("refund: %+v", b)
	}
	if b := p.QueryRefund(t.Context(), m, r); b.Facts == nil || b.Facts.State != pay.RefundFactSucceeded || b.Facts.Account != "支付用户零钱" {
		t.Errorf("query refund: %+v", b)
	}
	r.Reason = "not enough"
	if b := p.CreateRefund(t.Context(), m, r); b.Outcome.Final() || b.Outcome.NeedsAttention == "" {
		t.Errorf("a refund without funds must stay alive and call for a person: %+v", b.Outcome)
	}
	policy, err := h.Policy("unruly")
	want := pay.Policy{Renewable: true, RefundCount: 50, RefundAge: 365 * 24 * time.Hour, RefundInterval: time.Minute}
	if err != nil || policy != want {
		t.Errorf("policy %+v, %v", policy, err)
	}
}

func TestOutcomesOfACreate(t *testing.T) {
	t.Parallel()
	h := start(t)
	p := provider(t, h, "one")
	other := payment("one", "")
	other.Route.MchID = "1900000009"
	for _, c := range []struct {
		name    string
		payment pay.Payment
		verdict pay.Verdict
		reason  pay.Reason
	}{
		{"accepted", payment("one", ""), pay.Accepted, ""},
		{"the plugin could not connect", payment("one", "not sent"), pay.NotSent, pay.Unavailable},
		{"the account signs for another merchant", other, pay.NotSent, pay.Auth},
		{"a panic", payment("one", "panic"), pay.Indeterminate, ""},
		{"an answer of 8 MiB", payment("one", "big"), pay.Indeterminate, ""},
		{"a plugin that prints to standard output", payment("one", "print"), pay.Accepted, ""},
	} {
		o := p.CreatePayment(t.Context(), c.payment).Outcome
		if o.Verdict != c.verdict || o.Reason != c.reason {
			t.Errorf("%s: %s, %s", c.name, o, o.Message)
		}
		if strings.Contains(o.Message, secret) {
			t.Errorf("%s: the message tells a secret", c.name)
		}
	}
}

func TestCheckpointHandsTheStateBack(t *testing.T) {
	t.Parallel()
	p := provider(t, start(t), "one")
	m := payment("one", "checkpoint")
	for version := int64(1); version <= 2; version++ {
		a := p.CreatePayment(t.Context(), m)
		if !a.Checkpoint || a.ProviderState == nil || a.ProviderState.Version != version || len(a.ProviderState.Data) != int(version) {
			t.Fatalf("checkpoint %d: %+v", version, a)
		}
		m.ProviderState = *a.ProviderState
	}
	if a := p.CreatePayment(t.Context(), m); a.Checkpoint || a.HandOff == nil {
		t.Errorf("after the checkpoints: %+v", a)
	}
}

func TestNotification(t *testing.T) {
	t.Parallel()
	received := time.Unix(1750000000, 0)
	h := start(t, func(o *pluginhost.Options) { o.Now = func() time.Time { return received } })
	message := func(signature, body string) ports.RawMessage {
		return ports.RawMessage{Method: "POST", Path: "/notify/unruly/one", Headers: map[string][]string{"signature": {signature}},
			Body: []byte(body)}
	}
	n, err := h.ParseNotification(t.Context(), "unruly", "one", message(secret, "number-1"))
	if err != nil || n.Payment == nil || n.Payment.Number != "number-1" || !n.Payment.PaidAt.Equal(received) || n.DedupeKey != "p1" {
		t.Errorf("a payment: %+v, %v", n, err)
	}
	n, err = h.ParseNotification(t.Context(), "unruly", "one", message(secret, "notice"))
	if err != nil || n.Notice == nil || n.Notice.Kind != "complaint.created" {
		t.Errorf("a notice: %+v, %v", n, err)
	}
	n, err = h.ParseNotification(t.Context(), "unruly", "one", message("forged", "number-1"))
	if err != nil || n.Refused != ports.RefusedSignature || string(n.Nack.Body) != `{"code":"FAIL"}` {
		t.Errorf("a forged one: %+v, %v", n, err)
	}
	n, err = h.ParseNotification(t.Context(), "unruly", "one", message(secret, strings.Repeat("x", 1<<20+1)))
	if err != nil || n.Refused != ports.RefusedTooLarge {
		t.Errorf("a large one: %v, %v", n.Refused, err)
	}
	for _, unknown := range [][2]string{{"unruly", "three"}, {"nobody", "one"}} {
		if _, err = h.ParseNotification(t.Context(), unknown[0], unknown[1], message(secret, "")); !errors.Is(err, ports.ErrUnavailable) {
			t.Errorf("to %v: %v", unknown, err)
		}
	}
}

// The keys of a provider verify what it tells to any of its merchants: an address proves nothing.
func TestR13_ANotificationOfAnotherMerchantIsRefused(t *testing.T) {
	t.Parallel()
	h := start(t)
	sub := account("sub", 1)
	sub.SubMchID = "1900000100"
	if err := h.Configure(t.Context(), sub); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		account, body, mchid, sub string
		want                      ports.RefuseCause
	}{
		{"one", "number-1", merchant, "", ""},
		{"one", "number-1", merchant, "1900000100", ""}, // the account names no sub merchant: it is of all of them
		{"one", "number-1", "1900000009", "", ports.RefusedSignature},
		{"one", "refund", merchant, "", ""},
		{"one", "refund", "1900000009", "", ports.RefusedSignature},
		{"sub", "number-1", merchant, "1900000100", ""},
		{"sub", "number-1", merchant, "1900000101", ports.RefusedSignature},
		{"sub", "refund", merchant, "1900000101", ports.RefusedSignature},
	} {
		n, err := h.ParseNotification(t.Context(), "unruly", c.account, ports.RawMessage{Method: "POST", Body: []byte(c.body),
			Headers: map[string][]string{"Signature": {secret}, "Merchant": {c.mchid}, "Sub-Merchant": {c.sub}}})
		if err != nil || n.Refused != c.want || c.want != "" && (n.Payment != nil || n.Refund != nil || len(n.Nack.Body) == 0) {
			t.Errorf("%+v: %+v, %v", c, n, err)
		}
	}
}

func TestNotificationWithBytesInItsHeaders(t *testing.T) {
	t.Parallel()
	n, err := start(t).ParseNotification(t.Context(), "unruly", "one", ports.RawMessage{Method: "POST", Body: []byte("number-1"),
		Headers: map[string][]string{"Signature": {secret}, "User-Agent": {"caf\xe9"}}})
	if err != nil || n.Payment == nil {
		t.Errorf("%+v, %v", n, err)
	}
}

func TestR36_UnknownOrDownHereIsUnavailable(t *testing.T) {
	t.Parallel()
	h := start(t, func(o *pluginhost.Options) { o.FirstBack, o.LongestBack = time.Hour, time.Hour })
	for _, route := range []pay.Route{{Provider: "nobody"}, {Provider: "unruly", Account: "three"}} {
		if _, err := h.For(route); !errors.Is(err, ports.ErrUnavailable) {
			t.Errorf("%+v: %v", route, err)
		}
	}
	p := provider(t, h, "one")
	held := hold(t, p, "one")
	kill(t, pid(h), syscall.SIGKILL)
	if a := <-held.answer; a.Outcome.Verdict != pay.Indeterminate {
		t.Errorf("a call in flight when the plugin dies may have happened: %s", a.Outcome)
	}
	eventually(t, "the host has seen it", func() bool { return pid(h) == 0 })
	if o := p.CreatePayment(t.Context(), payment("one", "")).Outcome; o.Verdict != pay.NotSent || o.Reason != pay.Unavailable {
		t.Errorf("a call while the plugin is down: %s", o)
	}
	if _, err := h.For(payment("one", "").Route); !errors.Is(err, ports.ErrUnavailable) {
		t.Errorf("For while the plugin is down: %v", err)
	}
}

func TestR36_ADeadPluginIsStartedAgainAndConfigured(t *testing.T) {
	t.Parallel()
	for name, die := range map[string]func(*pluginhost.Host){
		"killed": func(h *pluginhost.Host) { kill(t, pid(h), syscall.SIGKILL) },
		"exits":  func(h *pluginhost.Host) { provider(t, h, "one").CreatePayment(t.Context(), payment("one", "exit")) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := start(t)
			if err := h.Configure(t.Context(), account("one", 7)); err != nil {
				t.Fatal(err)
			}
			first := pid(h)
			die(h)
			anotherServes(t, h, first)
			if o := provider(t, h, "one").CreatePayment(t.Context(), payment("one", "generation")).Outcome; o.Code != "7" {
				t.Errorf("generation after the restart: %s (%s)", o.Code, o.Message)
			}
			if alive(first) {
				t.Error("the first process is still there")
			}
		})
	}
}

// A process that the plugin started must neither outlive it nor, when it got away, hide its death.
func TestR36_APluginEndsWhateverItStarted(t *testing.T) {
	t.Parallel()
	for _, do := range []string{"child", "stray"} {
		t.Run(do, func(t *testing.T) {
			t.Parallel()
			h := start(t)
			first := pid(h)
			o := provider(t, h, "one").CreatePayment(t.Context(), payment("one", do)).Outcome
			started, err := strconv.Atoi(o.Code)
			if err != nil {
				t.Fatalf("%s, %s", o, o.Message)
			}
			if do == "stray" {
				t.Cleanup(func() { kill(t, started, syscall.SIGKILL) })
			}
			kill(t, first, syscall.SIGKILL)
			anotherServes(t, h, first)
			if do == "child" {
				eventually(t, "its child has gone", func() bool { return !alive(started) })
			}
		})
	}
}

func TestR36_OneBrokenAccountSlowsNoOther(t *testing.T) {
	t.Parallel()
	h := start(t, func(o *pluginhost.Options) { o.Calls = 8 }) // 4 for each account
	p := provider(t, h, "one")
	held := hold(t, p, "one")
	for range 3 {
		hold(t, p, "one")
	}
	waiting, cancel := context.WithCancel(t.Context())
	second := make(chan ports.PaymentAnswer)
	go func() { second <- p.CreatePayment(waiting, payment("one", "")) }()
	if o := provider(t, h, "two").CreatePayment(t.Context(), payment("two", "")).Outcome; o.Verdict != pay.Accepted {
		t.Errorf("the other account: %s %s", o, o.Message)
	}
	cancel()
	if o := (<-second).Outcome; o.Verdict != pay.NotSent {
		t.Errorf("a call that found no place within its time: %s", o)
	}
	if o := held.release(t).Outcome; o.Verdict != pay.Accepted {
		t.Errorf("the slow one: %s", o)
	}
}

func TestPanicIsOfOneCall(t *testing.T) {
	t.Parallel()
	h := start(t)
	p := provider(t, h, "one")
	first := pid(h)
	held := hold(t, p, "one")
	if o := p.CreatePayment(t.Context(), payment("one", "panic")).Outcome; o.Verdict != pay.Indeterminate {
		t.Errorf("the call that panicked: %s", o)
	}
	if o := held.release(t).Outcome; o.Verdict != pay.Accepted {
		t.Errorf("the call beside it: %s", o)
	}
	if pid(h) != first {
		t.Error("the process was replaced")
	}
}

func TestDeadlineHolds(t *testing.T) {
	t.Parallel()
	h := start(t, func(o *pluginhost.Options) { o.CallTime = 50 * time.Millisecond })
	for _, do := range []string{"hang", "deaf"} { // with and without regard for its context
		if o := provider(t, h, "one").CreatePayment(context.Background(), payment("one", do)).Outcome; o.Verdict != pay.Indeterminate {
			t.Errorf("%s: %s", do, o)
		}
	}
}

func TestCloseWaitsForCallsInFlight(t *testing.T) {
	t.Parallel()
	h := start(t)
	p := provider(t, h, "one")
	process := pid(h)
	held := hold(t, p, "one")
	closed := make(chan error)
	go func() { closed <- h.Close(context.Background()) }()
	eventually(t, "no call is let in", func() bool {
		return p.QueryPayment(t.Context(), payment("one", "")).Outcome.Verdict == pay.NotSent
	})
	select {
	case err := <-closed:
		t.Fatalf("closed with a call in flight: %v", err)
	default:
	}
	if o := held.release(t).Outcome; o.Verdict != pay.Accepted {
		t.Errorf("the call in flight: %s %s", o, o.Message)
	}
	if err := <-closed; err != nil {
		t.Error(err)
	}
	if alive(process) {
		t.Error("the process is still there")
	}
}

func TestCloseEndsAFrozenPlugin(t *testing.T) {
	t.Parallel()
	h := start(t)
	process := pid(h)
	held := hold(t, provider(t, h, "one"), "one")
	kill(t, process, syscall.SIGSTOP)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := h.Close(ended); err == nil {
		t.Error("calls in flight were cut, and nobody was told")
	}
	if alive(process) {
		t.Error("the frozen process is still there")
	}
	if o := (<-held.answer).Outcome; o.Verdict != pay.Indeterminate {
		t.Errorf("the call that was cut: %s", o)
	}
}

func TestPluginEndsWithItsHost(t *testing.T) {
	t.Parallel()
	host := exec.Command(built.host, filepath.Join(built.dir, pluginhost.LockName), shortDir(t))
	out, err := host.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := host.Start(); err != nil {
		t.Fatal(err)
	}
	line := make([]byte, 16)
	n, err := out.Read(line)
	if err != nil {
		t.Fatal(err)
	}
	process, err := strconv.Atoi(strings.TrimSpace(string(line[:n])))
	if err != nil || !alive(process) {
		t.Fatalf("plugin process %d, %v", process, err)
	}
	kill(t, host.Process.Pid, syscall.SIGKILL)
	_ = host.Wait() // says only that it was killed
	eventually(t, "the plugin has exited too", func() bool { return !alive(process) })
}

func TestSamplesOfAPlugin(t *testing.T) {
	t.Parallel()
	h := start(t)
	provider(t, h, "one").QueryPayment(t.Context(), payment("one", ""))
	for _, s := range h.Samples(t.Context()) {
		if s.Name == "plugin_calls_total" && s.Labels["method"] == "QueryPayment" && s.Labels["provider"] == "unruly" && s.Value == 1 {
			return
		}
	}
	t.Errorf("the call is not counted: %v", h.Samples(t.Context()))
}

func TestPluginLogReachesTheHostLog(t *testing.T) {
	t.Parallel()
	var log safeBuffer
	h := start(t, func(o *pluginhost.Options) { o.Log = slog.New(slog.NewTextHandler(&log, nil)) })
	if o := provider(t, h, "one").CreatePayment(t.Context(), payment("one", "log")).Outcome; o.Verdict != pay.Accepted {
		t.Fatalf("%s", o)
	}
	eventually(t, "the line is there", func() bool {
		return strings.Contains(log.String(), `level=INFO msg="plugin: a line" provider=unruly plugin_log.number=`)
	})
	provider(t, h, "one").CreatePayment(t.Context(), payment("one", "panic"))
	eventually(t, "the panic is there", func() bool { return strings.Contains(log.String(), "a call panicked") })
	if strings.Contains(log.String(), secret) {
		t.Error("the log tells a secret")
	}
}

type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}
