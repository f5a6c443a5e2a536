package sim_test

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/paybridge/paybridge/plugins/wechat/sim"
)

// only is the one callback of a simulator that made one.
func only(t testing.TB, s *sim.Simulator) sim.Callback {
	t.Helper()
	all := s.Ledger().Callbacks
	if len(all) != 1 {
		t.Fatalf("%d callbacks, want 1", len(all))
	}
	return all[0]
}

// TestRetrySchedule: 16 attempts at WeChat's intervals, then no more; the id, the envelope and the content stay,
// the signature is new.
func TestRetrySchedule(t *testing.T) {
	t.Parallel()
	s := stopped(t)
	c := newClient(t, s, "1900000001")
	url, got := inbox(t, always(http.StatusInternalServerError))
	trade := c.paid("RETRY00001", set("notify_url", url))
	drain(t, s)
	advance(t, s, 48*time.Hour)

	want := []time.Duration{0}
	for _, gap := range []string{"15s", "15s", "30s", "3m", "10m", "20m", "30m", "30m", "30m", "60m", "3h", "3h", "3h", "6h", "6h"} {
		d, err := time.ParseDuration(gap)
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, want[len(want)-1]+d)
	}
	callback := only(t, s)
	if len(callback.Attempts) != len(want) || callback.Delivered || !callback.NextAt.IsZero() {
		t.Fatalf("%d attempts, delivered %v, next at %s; want %d and the end", len(callback.Attempts), callback.Delivered, callback.NextAt, len(want))
	}
	nonces := map[string]bool{}
	for i, a := range callback.Attempts {
		if at := a.At.Sub(trade.PaidAt); at != want[i] || a.Status != http.StatusInternalServerError {
			t.Errorf("attempt %d came after %s and was answered %d, want after %s", i, at, a.Status, want[i])
		}
		r := <-got
		if err := verifyFrom(s, r.header, r.body); err != nil {
			t.Errorf("attempt %d does not verify: %v", i, err)
		}
		if string(r.body) != callback.Envelope {
			t.Errorf("attempt %d has another body", i)
		}
		nonces[r.header.Get("Wechatpay-Nonce")] = true
	}
	if len(nonces) != len(want) {
		t.Errorf("%d nonces in %d attempts", len(nonces), len(want))
	}
}

// TestWhatAcknowledges: 200 and 204 do; anything else, a redirect and a dead address too, does not.
func TestWhatAcknowledges(t *testing.T) {
	t.Parallel()
	for _, r := range []struct {
		status       int
		acknowledged bool
	}{{200, true}, {204, true}, {201, false}, {302, false}, {401, false}, {503, false}} {
		t.Run(strconv.Itoa(r.status), func(t *testing.T) {
			t.Parallel()
			s := stopped(t)
			url, _ := inbox(t, always(r.status))
			newClient(t, s, "1900000001").paid("ACK0000001", set("notify_url", url))
			drain(t, s)
			if callback := only(t, s); callback.Delivered != r.acknowledged || len(callback.Attempts) != 1 {
				t.Errorf("delivered %v after %d attempts", callback.Delivered, len(callback.Attempts))
			}
		})
	}
	moved := httptest.NewServer(http.RedirectHandler("http://127.0.0.1:1/elsewhere", http.StatusTemporaryRedirect))
	defer moved.Close()
	away := stopped(t)
	newClient(t, away, "1900000001").paid("ACK0000003", set("notify_url", moved.URL))
	drain(t, away)
	if callback := only(t, away); callback.Delivered || callback.Attempts[0].Status != http.StatusTemporaryRedirect {
		t.Errorf("a redirect was followed: %+v", callback.Attempts)
	}
	s := stopped(t)
	newClient(t, s, "1900000001").paid("ACK0000002")
	drain(t, s)
	if callback := only(t, s); callback.Delivered || callback.Attempts[0].Error == "" || callback.NextAt.IsZero() {
		t.Errorf("at a dead address: %+v", callback)
	}
}

// TestCallbackFaults: what reaches the merchant, and what becomes of it.
func TestCallbackFaults(t *testing.T) {
	t.Parallel()
	for _, r := range []struct {
		kind     sim.FaultKind
		verifies bool // what was sent first
		sent     int
	}{
		{sim.CallbackBodyTampered, false, 1},
		{sim.CallbackSignTampered, false, 1},
		{sim.CallbackOtherKey, false, 1},
		{sim.CallbackUnknownSerial, false, 1},
		{sim.CallbackProbe, false, 2},
		{sim.CallbackStale, true, 1},
		{sim.CallbackDoubled, true, 2},
	} {
		t.Run(string(r.kind), func(t *testing.T) {
			t.Parallel()
			s := stopped(t)
			c := newClient(t, s, "1900000001")
			url, got := inbox(t, always(http.StatusUnauthorized))
			if err := s.SetFaults(sim.Fault{Kind: r.kind, Event: "TRANSACTION", Count: 1}); err != nil {
				t.Fatal(err)
			}
			c.paid("FAULT00001", set("notify_url", url))
			drain(t, s)
			first := <-got
			if err := verifyFrom(s, first.header, first.body); (err == nil) != r.verifies {
				t.Errorf("the first message verifies: %v, want %v", err, r.verifies)
			}
			callback := only(t, s)
			if len(callback.Attempts) != r.sent || callback.Attempts[0].Fault != r.kind || callback.Tried != 1 {
				t.Errorf("attempts %+v, want %d by %s", callback.Attempts, r.sent, r.kind)
			}
			switch serial := first.header.Get("Wechatpay-Serial"); {
			case r.kind == sim.CallbackUnknownSerial && serial == s.PublicKeyID():
				t.Error("the serial is the known one")
			case r.kind != sim.CallbackUnknownSerial && serial != s.PublicKeyID():
				t.Errorf("the serial is %s", serial)
			}
			if r.kind == sim.CallbackProbe && !strings.HasPrefix(first.header.Get("Wechatpay-Signature"), "WECHATPAY/SIGNTEST/") {
				t.Errorf("the probe's signature is %s", first.header.Get("Wechatpay-Signature"))
			}
			seconds, err := strconv.ParseInt(first.header.Get("Wechatpay-Timestamp"), 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			if old := time.Since(time.Unix(seconds, 0)) > 15*time.Minute; old != (r.kind == sim.CallbackStale) {
				t.Errorf("signed at %s", time.Unix(seconds, 0))
			}
			for range r.sent - 1 {
				<-got
			}
			advance(t, s, 15*time.Second)
			next := <-got
			if err := verifyFrom(s, next.header, next.body); err != nil {
				t.Errorf("the next attempt does not verify: %v", err)
			}
			if _, fired := s.Faults(); fired[r.kind] != 1 {
				t.Errorf("fired %v", fired)
			}
		})
	}
}

// TestCallbackLost: the first attempt never comes, the second does; for ever lost, none comes at all.
func TestCallbackLost(t *testing.T) {
	t.Parallel()
	s := stopped(t)
	c := newClient(t, s, "1900000001")
	url, got := inbox(t, always(http.StatusOK))
	if err := s.SetFaults(sim.Fault{Kind: sim.CallbackLost, Number: "LOST000001", Count: 1}, sim.Fault{Kind: sim.CallbackLost, Number: "LOST000002"}); err != nil {
		t.Fatal(err)
	}
	c.paid("LOST000001", set("notify_url", url))
	c.paid("LOST000002", set("notify_url", url))
	drain(t, s)
	if len(got) != 0 {
		t.Fatal("a lost callback came")
	}
	advance(t, s, 48*time.Hour)
	if n := len(got); n != 1 {
		t.Errorf("%d callbacks came, want the first trade's one", n)
	}
	for _, callback := range s.Ledger().Callbacks {
		if first := callback.OutTradeNo == "LOST000001"; callback.Delivered != first {
			t.Errorf("%s delivered: %v", callback.OutTradeNo, callback.Delivered)
		}
	}
}

// TestCallbackLateAndReordered: late comes after its delay; reordered comes behind the next one.
func TestCallbackLateAndReordered(t *testing.T) {
	t.Parallel()
	s := stopped(t)
	c := newClient(t, s, "1900000001")
	url, got := inbox(t, always(http.StatusOK))
	if err := s.SetFaults(
		sim.Fault{Kind: sim.CallbackLate, Number: "LATE000001", Delay: sim.Duration(time.Hour)},
		sim.Fault{Kind: sim.CallbackReordered, Number: "ORDER00001", Count: 1},
		sim.Fault{Kind: sim.CallbackReordered, Number: "ORDER00003", Count: 1},
	); err != nil {
		t.Fatal(err)
	}
	trade := func() string {
		t.Helper()
		select {
		case r := <-got:
			return openEnvelope(t, c, r.body)["out_trade_no"].(string)
		default:
			return "nothing"
		}
	}
	c.paid("LATE000001", set("notify_url", url))
	advance(t, s, time.Hour-time.Second)
	if n := trade(); n != "nothing" {
		t.Errorf("%s came before its time", n)
	}
	advance(t, s, time.Second)
	if n := trade(); n != "LATE000001" {
		t.Errorf("%s came, want the late one", n)
	}
	c.paid("ORDER00001", set("notify_url", url))
	drain(t, s)
	c.paid("ORDER00002", set("notify_url", url))
	drain(t, s)
	if first, second := trade(), trade(); first != "ORDER00002" || second != "ORDER00001" {
		t.Errorf("came %s, then %s", first, second)
	}
	c.paid("ORDER00003", set("notify_url", url))
	drain(t, s)
	if n := trade(); n != "nothing" {
		t.Errorf("%s came though it was held", n)
	}
	advance(t, s, time.Minute)
	if n := trade(); n != "ORDER00003" {
		t.Errorf("%s came, want the one that waited in vain", n)
	}
}

// TestClockOff: with WeChat's clock off, requests with the right time are refused, and callbacks bear the wrong one.
func TestClockOff(t *testing.T) {
	t.Parallel()
	s := stopped(t)
	c := newClient(t, s, "1900000001")
	url, got := inbox(t, always(http.StatusOK))
	c.prepaid("CLOCK00001", set("notify_url", url))
	if err := s.SetFaults(sim.Fault{Kind: sim.ClockOff, Delay: sim.Duration(-7 * time.Minute)}); err != nil {
		t.Fatal(err)
	}
	refused := c.must(http.MethodGet, numberPath("CLOCK00001", c.m.MchID), "")
	sameBytes(t, "sign-clock.json", refused.body)
	date, err := http.ParseTime(refused.header.Get("Date"))
	if err != nil || time.Since(date) < 6*time.Minute {
		t.Errorf("Date %q, %v", refused.header.Get("Date"), err)
	}
	if _, err := s.Pay(sim.Pay{OutTradeNo: "CLOCK00001"}); err != nil {
		t.Fatal(err)
	}
	drain(t, s)
	if off, _ := strconv.ParseInt((<-got).header.Get("Wechatpay-Timestamp"), 10, 64); time.Since(time.Unix(off, 0)) < 6*time.Minute {
		t.Errorf("the callback is signed at %s", time.Unix(off, 0))
	}
}

// TestSignedCallback: a message to post oneself, as often as one likes, whole or spoiled.
func TestSignedCallback(t *testing.T) {
	t.Parallel()
	s := stopped(t)
	c := newClient(t, s, "1900000001")
	c.paid("SIGNED0001")
	c.prepaid("SIGNED0002")
	if _, _, _, err := s.SignedCallback(c.m.MchID, "SIGNED0002", ""); err == nil {
		t.Error("a callback about an unpaid trade")
	}
	url, header, body, err := s.SignedCallback(c.m.MchID, "SIGNED0001", "")
	if err != nil || url != "http://127.0.0.1:1/notify" {
		t.Fatalf("%s, %v", url, err)
	}
	if err := verifyFrom(s, header, body); err != nil {
		t.Error(err)
	}
	if plain := openEnvelope(t, c, body); plain["out_trade_no"] != "SIGNED0001" {
		t.Errorf("it is about %v", plain)
	}
	_, header, body, err = s.SignedCallback(c.m.MchID, "SIGNED0001", sim.CallbackBodyTampered)
	if err != nil || verifyFrom(s, header, body) == nil {
		t.Errorf("spoiled, it verifies (%v)", err)
	}
	c.must(http.MethodPost, refundPath, c.back("SIGNED0001", "R1", 5))
	advance(t, s, time.Minute)
	if _, _, body, err = s.SignedCallback(c.m.MchID, "R1", ""); err != nil || !bytes.Contains(body, []byte("REFUND.SUCCESS")) {
		t.Errorf("the refund's: %s, %v", body, err)
	}
}

// TestResend: the very same message, many times at once.
func TestResend(t *testing.T) {
	t.Parallel()
	s := stopped(t)
	url, got := inbox(t, always(http.StatusOK))
	newClient(t, s, "1900000001").paid("RESEND0001", set("notify_url", url))
	drain(t, s)
	<-got
	statuses, err := s.Resend(t.Context(), "1900000001", "RESEND0001", 40, "")
	if err != nil || len(statuses) != 40 {
		t.Fatalf("%v, %v", statuses, err)
	}
	messages := map[string]int{}
	for _, status := range statuses {
		if status != http.StatusOK {
			t.Errorf("answered %d", status)
		}
		r := <-got
		messages[r.header.Get("Wechatpay-Signature")+string(r.body)]++
	}
	if len(messages) != 1 {
		t.Errorf("%d different messages", len(messages))
	}
}

// TestCallbacksEndWithTheSimulator: a merchant that does not answer does not keep the simulator from closing.
func TestCallbacksEndWithTheSimulator(t *testing.T) {
	t.Parallel()
	s := stopped(t)
	arrived, release := make(chan struct{}), make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		close(arrived)
		<-release
	}))
	defer server.Close()
	defer close(release)
	newClient(t, s, "1900000001").paid("HANGS00001", set("notify_url", server.URL))
	<-arrived
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if callback := only(t, s); callback.Delivered || callback.NextAt.IsZero() {
		t.Errorf("what was not answered is lost: %+v", callback)
	}
}
