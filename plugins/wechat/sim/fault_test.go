package sim_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/paybridge/paybridge/plugins/wechat/sim"
)

// TestRequestFaults: what the client sees, and whether the trade was made all the same.
func TestRequestFaults(t *testing.T) {
	t.Parallel()
	for _, r := range []struct {
		fault    sim.Fault
		status   int // 0: no answer
		says     string
		executed bool
		outcome  sim.Outcome
	}{
		{sim.Fault{Kind: sim.TimeoutExecuted}, 0, "", true, sim.ExecutedNotAnswered},
		{sim.Fault{Kind: sim.TimeoutNotExecuted}, 0, "", false, sim.NotExecuted},
		{sim.Fault{Kind: sim.BrokenExecuted}, 0, "", true, sim.ExecutedNotAnswered},
		{sim.Fault{Kind: sim.BrokenNotExecuted}, 0, "", false, sim.NotExecuted},
		{sim.Fault{Kind: sim.ErrorExecuted}, 500, "SYSTEM_ERROR", true, sim.ExecutedNotAnswered},
		{sim.Fault{Kind: sim.ErrorNotExecuted, Status: 503, Code: "SERVICE_UNAVAILABLE"}, 503, "SERVICE_UNAVAILABLE", false, sim.NotExecuted},
		{sim.Fault{Kind: sim.RateLimited}, 429, "FREQUENCY_LIMITED", false, sim.NotExecuted},
		{sim.Fault{Kind: sim.RateLimitedExecuted}, 429, "FREQUENCY_LIMITED", true, sim.ExecutedNotAnswered},
		{sim.Fault{Kind: sim.Refusal, Status: 403, Code: "RULE_LIMIT", Message: "业务规则限制"}, 403, "业务规则限制", false, sim.NotExecuted},
		{sim.Fault{Kind: sim.Slow, Delay: sim.Duration(time.Millisecond)}, 200, "prepay_id", true, sim.Answered},
	} {
		t.Run(string(r.fault.Kind), func(t *testing.T) {
			t.Parallel()
			s := stopped(t)
			c := newClient(t, s, "1900000001")
			r.fault.Path, r.fault.Count = "POST "+prepayPath, 1
			if err := s.SetFaults(r.fault); err != nil {
				t.Fatal(err)
			}
			body := c.order("FAULT00001")
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			request := c.request(http.MethodPost, prepayPath, body).WithContext(ctx)
			request.GetBody = nil // or net/http sends it again by itself over a new connection
			request.Header.Set("Authorization", c.authorization(http.MethodPost, prepayPath, body))
			if strings.HasPrefix(string(r.fault.Kind), "timeout") {
				go func() { // the client gives up once the request has come to its end over there
					defer cancel()
					_, _ = s.AwaitRequest(ctx, func(r sim.Request) bool { return r.Outcome != sim.UnderWay })
				}()
			}
			got, err := c.do(request)
			if (err != nil) != (r.status == 0) {
				t.Fatalf("answer %+v, error %v", got, err)
			}
			if err == nil {
				got.wants(t, "the answer", r.status, r.says)
				if !got.signed {
					t.Error("the answer is not signed")
				}
			}
			if _, err := s.Trade(c.m.MchID, "FAULT00001"); (err == nil) != r.executed {
				t.Errorf("the trade: %v, executed should be %v", err, r.executed)
			}
			note := s.Requests()[0]
			if note.Outcome != r.outcome || note.Fault != r.fault.Kind && r.fault.Kind != sim.Slow || note.Number != "FAULT00001" {
				t.Errorf("the ledger says %+v", note)
			}
			c.prepaid("FAULT00001") // the rule has gone, the number is good
			if l := s.Ledger(); len(l.Conflicts()) != 0 || l.Sent[0].Times != 2 {
				t.Errorf("sent: %+v", l.Sent)
			}
		})
	}
}

// TestNotEnough is the capture of a refund that the merchant has no money for.
func TestNotEnough(t *testing.T) {
	t.Parallel()
	s := stopped(t)
	c := newClient(t, s, "1900000001")
	c.paid("ENOUGH0001")
	if err := s.SetFaults(sim.Fault{Kind: sim.NotEnough, Path: "POST " + refundPath, Number: "R1", Count: 1}); err != nil {
		t.Fatal(err)
	}
	got := c.must(http.MethodPost, refundPath, c.back("ENOUGH0001", "R1", 10))
	sameBytes(t, "not-enough.json", got.body)
	got.wants(t, "not enough", 403, "")
	c.must(http.MethodPost, refundPath, c.back("ENOUGH0001", "R1", 10)).wants(t, "the same number later", 200, "PROCESSING")
}

// TestAnswerThatDoesNotVerify: executed, but nobody can know it from the answer.
func TestAnswerThatDoesNotVerify(t *testing.T) {
	t.Parallel()
	for _, kind := range []sim.FaultKind{sim.AnswerTampered, sim.AnswerProbe} {
		s := stopped(t)
		c := newClient(t, s, "1900000001")
		if err := s.SetFaults(sim.Fault{Kind: kind, Count: 1}); err != nil {
			t.Fatal(err)
		}
		got, err := c.try(http.MethodPost, prepayPath, c.order("TAMPER0001"))
		if err == nil {
			t.Errorf("%s: the answer's signature verifies", kind)
		}
		if probe := strings.HasPrefix(got.header.Get("Wechatpay-Signature"), "WECHATPAY/SIGNTEST/"); probe != (kind == sim.AnswerProbe) {
			t.Errorf("%s: the signature is %s", kind, got.header.Get("Wechatpay-Signature"))
		}
		c.prepaid("TAMPER0001")
	}
}

// TestClosedPaid: a closed trade and an expired one are paid all the same when the fault says so, once.
func TestClosedPaid(t *testing.T) {
	t.Parallel()
	s := stopped(t)
	c := newClient(t, s, "1900000001")
	for _, number := range []string{"LATEPAY001", "LATEPAY002", "LATEPAY003"} {
		c.prepaid(number)
	}
	c.close("LATEPAY001")
	c.close("LATEPAY003")
	if err := s.ExpireTrade(c.m.MchID, "LATEPAY002"); err != nil {
		t.Fatal(err)
	}
	if err := s.SetFaults(sim.Fault{Kind: sim.ClosedPaid, Count: 2}); err != nil {
		t.Fatal(err)
	}
	for _, number := range []string{"LATEPAY001", "LATEPAY002"} {
		if _, err := s.Pay(sim.Pay{OutTradeNo: number}); err != nil {
			t.Errorf("%s: %v", number, err)
		}
		c.must(http.MethodGet, numberPath(number, c.m.MchID), "").wants(t, number, 200, `"trade_state":"SUCCESS"`)
	}
	_, err := s.Pay(sim.Pay{OutTradeNo: "LATEPAY003"})
	refusedFor(t, err, sim.ReasonClosed)
}

// TestFaultsByChanceRepeat: the same seed, the same faults.
func TestFaultsByChanceRepeat(t *testing.T) {
	t.Parallel()
	play := func(seed uint64) string {
		s := stopped(t, sim.With(func(c *sim.Config) { c.RandomSeed = seed }))
		c := newClient(t, s, "1900000001")
		if err := s.SetFaults(sim.Fault{Kind: sim.RateLimited, Probability: 0.5}); err != nil {
			t.Fatal(err)
		}
		seen := ""
		for i := range 24 {
			seen += fmt.Sprint(c.must(http.MethodPost, prepayPath, c.order(fmt.Sprintf("CHANCE%04d", i))).status, " ")
		}
		return seen
	}
	first := play(7)
	if again := play(7); first != again {
		t.Errorf("seed 7 gave\n%s\nand then\n%s", first, again)
	}
	if other := play(8); first == other {
		t.Errorf("seeds 7 and 8 both gave %s", first)
	}
	if !strings.Contains(first, "200") || !strings.Contains(first, "429") {
		t.Errorf("one half of the time: %s", first)
	}
}

// TestFaultRulesAreChecked before any of them is in force.
func TestFaultRulesAreChecked(t *testing.T) {
	t.Parallel()
	s := stopped(t)
	good, err := s.AddFault(sim.Fault{Kind: sim.Slow})
	if err != nil || good.ID == "" {
		t.Fatalf("%+v, %v", good, err)
	}
	for _, bad := range []sim.Fault{{Kind: "no_such"}, {Kind: sim.Slow, Count: -1}, {Kind: sim.Slow, Probability: 2}, {Kind: sim.Refusal, Status: 200}} {
		if err := s.SetFaults(sim.Fault{Kind: sim.Refusal}, bad); err == nil {
			t.Errorf("%+v was taken", bad)
		}
		if _, err := s.AddFault(bad); err == nil {
			t.Errorf("%+v was added", bad)
		}
	}
	if rules, _ := s.Faults(); len(rules) != 1 || rules[0].Kind != sim.Slow {
		t.Errorf("in force: %+v", rules)
	}
	s.ClearFault(good.ID)
	if rules, _ := s.Faults(); len(rules) != 0 {
		t.Errorf("in force after clearing: %+v", rules)
	}
}

// TestREADMEListsTheFaults both ways: every kind is in the table with its text, and every row is a kind.
func TestREADMEListsTheFaults(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, found := strings.Cut(string(readme), "## Faults")
	if !found {
		t.Fatal("README.md has no chapter Faults")
	}
	table, _, _ = strings.Cut(table, "\n## ")
	rows := map[string]string{}
	for _, row := range regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\| (.*) \\|$").FindAllStringSubmatch(table, -1) {
		rows[row[1]] = row[2]
	}
	for kind, text := range sim.FaultKinds() {
		if rows[string(kind)] != text {
			t.Errorf("README.md says of %s %q, the code %q", kind, rows[string(kind)], text)
		}
		delete(rows, string(kind))
	}
	for kind := range rows {
		t.Errorf("README.md has a fault %s that the code does not know", kind)
	}
}

// TestOversizedRequest is cut off, and noted as not executed.
func TestOversizedRequest(t *testing.T) {
	t.Parallel()
	s := stopped(t)
	c := newClient(t, s, "1900000001")
	got, err := c.try(http.MethodPost, prepayPath, `{"x":"`+strings.Repeat("x", 1<<20)+`"}`)
	var closed interface{ Timeout() bool }
	if err == nil && got.status != http.StatusRequestEntityTooLarge || err != nil && !errors.As(err, &closed) {
		t.Errorf("%d, %v", got.status, err)
	}
	if note := s.Requests()[0]; note.Outcome != sim.NotExecuted {
		t.Errorf("%+v", note.Outcome)
	}
}

// A test that waits for a request is woken when it arrives, not when it has been answered.
func TestAwaitRequestSeesWhatIsUnderWay(t *testing.T) {
	t.Parallel()
	s := stopped(t)
	c := newClient(t, s, "1900000001")
	if err := s.SetFaults(sim.Fault{Kind: sim.Slow, Delay: sim.Duration(time.Hour)}); err != nil {
		t.Fatal(err)
	}
	ctx, giveUp := context.WithCancel(t.Context())
	body := c.order("FAULT00002")
	request := c.request(http.MethodPost, prepayPath, body).WithContext(ctx)
	request.GetBody = nil
	request.Header.Set("Authorization", c.authorization(http.MethodPost, prepayPath, body))
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_, _ = c.do(request)
	}()
	seen, err := s.AwaitRequest(t.Context(), func(r sim.Request) bool { return r.Path == prepayPath })
	if err != nil || seen.Outcome != sim.UnderWay {
		t.Errorf("saw %+v, %v; want a request under way", seen, err)
	}
	giveUp()
	<-ended
}
