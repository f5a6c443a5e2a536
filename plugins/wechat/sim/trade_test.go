package sim_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/paybridge/paybridge/plugins/wechat/sim"
)

// wants fails unless the answer has the status and its body contains the text.
func (r reply) wants(t testing.TB, what string, status int, text string) {
	t.Helper()
	if r.status != status || !strings.Contains(r.body, text) {
		t.Errorf("%s: %d %s, want %d with %s", what, r.status, r.body, status, text)
	}
}

func refusedFor(t testing.TB, err error, reason string) {
	t.Helper()
	var refused *sim.Refused
	if !errors.As(err, &refused) || refused.Reason != reason {
		t.Errorf("the payer hears %v, want %s", err, reason)
	}
}

func (c *client) close(number string) reply {
	c.t.Helper()
	return c.must(http.MethodPost, closePath(number), `{"mchid":"`+c.m.MchID+`"}`)
}

// TestRepeatedNumber: the same content brings a fresh prepay_id of the same trade, other content never does.
func TestRepeatedNumber(t *testing.T) {
	t.Parallel()
	s := stopped(t)
	c := newClient(t, s, "1900000001")
	first, second := c.prepaid("REPEAT0001"), c.prepaid("REPEAT0001")
	if first == second {
		t.Error("the repeat brought the same prepay_id")
	}
	reordered := strings.Replace(c.order("REPEAT0001"), `{"amount":{"currency":"CNY","total":100}`, `{ "amount": {"total":100, "currency":"CNY"}`, 1)
	c.must(http.MethodPost, prepayPath, reordered).wants(t, "the same content in other words", 200, "prepay_id")
	for name, change := range map[string]func(map[string]any){
		"amount":      set("amount/total", 101),
		"description": set("description", "another"),
		"app": func(b map[string]any) {
			b["appid"], b["payer"] = c.m.Apps[1].AppID, map[string]any{"openid": c.m.Apps[1].Users[0].OpenID}
		},
		"time_expire": set("time_expire", time.Now().Add(time.Hour).Format(time.RFC3339)),
	} {
		c.must(http.MethodPost, prepayPath, c.order("REPEAT0001", change)).wants(t, "another "+name, 400, "请求重入时，参数与首次请求时不一致")
	}
	if err := s.SetFaults(sim.Fault{Kind: sim.NumberUsedCode}); err != nil {
		t.Fatal(err)
	}
	got := c.must(http.MethodPost, prepayPath, c.order("REPEAT0001", set("amount/total", 102)))
	sameBytes(t, "number-used.json", got.body)
	got.wants(t, "the documented code", 403, "")

	ledger := s.Ledger()
	if len(ledger.Trades) != 1 || len(ledger.Trades[0].Prepays) != 3 {
		t.Errorf("the ledger has %d trades: %+v", len(ledger.Trades), ledger.Trades)
	}
	if conflicts := ledger.Conflicts(); len(conflicts) != 1 || len(conflicts[0].Contents) != 6 || conflicts[0].Times != 8 {
		t.Errorf("the ledger's conflicts: %+v", conflicts)
	}
	newClient(t, s, "1900000002").prepaid("REPEAT0001") // another merchant's numbers are its own
}

// TestWhoMayPayThroughWhat: app ids are bound to merchants, openids belong to app ids.
func TestWhoMayPayThroughWhat(t *testing.T) {
	t.Parallel()
	s := stopped(t)
	c, other := newClient(t, s, "1900000001"), newClient(t, s, "1900000002")
	for _, r := range []struct {
		name, appID, openID string
		status              int
		code                string
	}{
		{"its own", c.m.Apps[1].AppID, c.m.Apps[1].Users[0].OpenID, 200, "prepay_id"},
		{"an app of another merchant", other.m.Apps[0].AppID, other.m.Apps[0].Users[0].OpenID, 400, "APPID_MCHID_NOT_MATCH"},
		{"an app that nobody knows", "wx0000000000000000", c.m.Apps[0].Users[0].OpenID, 400, "APPID_MCHID_NOT_MATCH"},
		{"an openid of the merchant's other app", c.m.Apps[0].AppID, c.m.Apps[1].Users[0].OpenID, 500, "OPENID_MISMATCH"},
		{"an openid that nobody knows", c.m.Apps[0].AppID, "oNobody", 400, "无效的openid"},
	} {
		got := c.must(http.MethodPost, prepayPath, c.order("WHOMAY0001", func(b map[string]any) {
			b["appid"], b["payer"] = r.appID, map[string]any{"openid": r.openID}
		}))
		got.wants(t, r.name, r.status, r.code)
	}
	if err := s.AddUser(c.m.Apps[0].AppID, sim.SeedUser{OpenID: "oNobody", Name: "dave"}); err != nil {
		t.Fatal(err)
	}
	c.prepaid("WHOMAY0002", set("payer/openid", "oNobody"))
	if err := s.AddUser(c.m.Apps[1].AppID, sim.SeedUser{OpenID: "oNobody"}); err == nil {
		t.Error("one openid in two apps")
	}
}

// TestClose: repeatable, refused once paid; it spends even a number that was never used.
func TestClose(t *testing.T) {
	t.Parallel()
	s := stopped(t)
	c := newClient(t, s, "1900000001")
	c.prepaid("CLOSE00001")
	for range 2 {
		if got := c.close("CLOSE00001"); got.status != http.StatusNoContent || got.body != "" || !got.signed {
			t.Errorf("close: %d %q, signed %v", got.status, got.body, got.signed)
		}
	}
	c.must(http.MethodPost, prepayPath, c.order("CLOSE00001")).wants(t, "prepay of a closed trade", 400, "ORDER_CLOSED")
	_, err := s.Pay(sim.Pay{OutTradeNo: "CLOSE00001"})
	refusedFor(t, err, sim.ReasonClosed)

	c.paid("CLOSE00002")
	c.close("CLOSE00002").wants(t, "close of a paid trade", 400, "ORDER_PAID")
	c.must(http.MethodPost, prepayPath, c.order("CLOSE00002")).wants(t, "prepay of a paid trade", 400, "ORDER_PAID")
	_, err = s.Pay(sim.Pay{OutTradeNo: "CLOSE00002"})
	refusedFor(t, err, sim.ReasonPaid)

	c.close("CLOSE00003").wants(t, "close of a number never used", 204, "")
	c.must(http.MethodPost, prepayPath, c.order("CLOSE00003")).wants(t, "prepay of a spent number", 400, "ORDER_CLOSED")
	c.must(http.MethodPost, closePath("CLOSE00001"), `{"mchid":"1900000002"}`).wants(t, "close with another's mchid", 400, "mchid不匹配")
	c.must(http.MethodPost, closePath("CLOSE00001"), `{}`).wants(t, "close without a mchid", 400, "/body/mchid")
}

// TestExpiry: an expired trade cannot be paid, yet a query says NOTPAY until it is closed.
func TestExpiry(t *testing.T) {
	t.Parallel()
	for _, r := range []struct {
		name  string
		ahead time.Duration // of time_expire; 0: left out
		left  time.Duration
	}{
		{"as asked", 10 * time.Minute, 10 * time.Minute},
		{"in the past, raised to a minute", -time.Hour, time.Minute},
		{"30 seconds ahead, raised to a minute", 30 * time.Second, time.Minute},
		{"far ahead, cut to 15 days", 365 * 24 * time.Hour, 15 * 24 * time.Hour},
		{"left out: 7 days", 0, 7 * 24 * time.Hour},
	} {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			s := stopped(t)
			c := newClient(t, s, "1900000001")
			var change []func(map[string]any)
			if r.ahead != 0 {
				change = append(change, set("time_expire", time.Now().Add(r.ahead).Format(time.RFC3339)))
			}
			const slack = 2 * time.Second // the wire has whole seconds
			pay := func() error {
				c.prepaid("EXPIRY0001", change...) // a prepay_id lives two hours only
				_, err := s.CancelPayment(sim.Pay{OutTradeNo: "EXPIRY0001"})
				return err
			}
			if err := pay(); err != nil {
				t.Fatal(err)
			}
			advance(t, s, r.left-slack)
			if err := pay(); err != nil {
				t.Errorf("just before its end: %v", err)
			}
			advance(t, s, 2*slack)
			refusedFor(t, pay(), sim.ReasonExpired)
			c.must(http.MethodGet, numberPath("EXPIRY0001", c.m.MchID), "").wants(t, "query after the end", 200, "NOTPAY")
			c.close("EXPIRY0001")
			c.must(http.MethodGet, numberPath("EXPIRY0001", c.m.MchID), "").wants(t, "query after the close", 200, "CLOSED")
		})
	}
}

// TestPrepayIDLivesTwoHours whatever the trade's own end is.
func TestPrepayIDLivesTwoHours(t *testing.T) {
	t.Parallel()
	s := stopped(t)
	c := newClient(t, s, "1900000001")
	old := c.prepaid("TWOHOUR001")
	advance(t, s, 2*time.Hour+time.Second)
	_, err := s.Pay(sim.Pay{PrepayID: old})
	refusedFor(t, err, sim.ReasonPrepayOld)
	if _, err := s.Pay(sim.Pay{PrepayID: c.prepaid("TWOHOUR001")}); err != nil {
		t.Errorf("with a fresh prepay_id: %v", err)
	}
}

// TestPayer: what the payer's client checks before it shows an amount.
func TestPayer(t *testing.T) {
	t.Parallel()
	s := stopped(t)
	c := newClient(t, s, "1900000001")
	other := newClient(t, s, "1900000002")
	appID := c.m.Apps[0].AppID
	prepayID := c.prepaid("PAYER00001")
	spoil := func(change func(*sim.HandOff)) sim.Pay {
		h := c.handOff(appID, prepayID)
		change(&h)
		return sim.Pay{HandOff: &h}
	}
	for _, r := range []struct {
		name   string
		pay    sim.Pay
		reason string
	}{
		{"another payer", sim.Pay{PrepayID: prepayID, OpenID: c.m.Apps[0].Users[1].OpenID}, sim.ReasonPayer},
		{"no such prepay_id", sim.Pay{PrepayID: "wx0"}, sim.ReasonUnknown},
		{"no such number", sim.Pay{OutTradeNo: "PAYER00009"}, sim.ReasonUnknown},
		{"package without its prefix", spoil(func(h *sim.HandOff) { h.Package = prepayID }), sim.ReasonUnknown},
		{"signed for the other app", sim.Pay{HandOff: new(c.handOff(c.m.Apps[1].AppID, prepayID))}, sim.ReasonSignature},
		{"signed by another merchant", sim.Pay{HandOff: new(other.handOff(appID, prepayID))}, sim.ReasonSignature},
		{"another nonce than was signed", spoil(func(h *sim.HandOff) { h.NonceStr = "x" }), sim.ReasonSignature},
		{"signType MD5", spoil(func(h *sim.HandOff) { h.SignType = "MD5" }), sim.ReasonSignature},
		{"time not in seconds", spoil(func(h *sim.HandOff) { h.TimeStamp = "now" }), sim.ReasonSignature},
	} {
		t.Run(r.name, func(t *testing.T) {
			_, err := s.Pay(r.pay)
			refusedFor(t, err, r.reason)
		})
	}
	good := c.handOff(appID, prepayID)
	if err := s.VerifyHandOff(good); err != nil {
		t.Errorf("a good hand-off: %v", err)
	}
	for name, act := range map[string]func(sim.Pay) (sim.Trade, error){"cancel": s.CancelPayment, "wrong password": s.FailPayment} {
		if trade, err := act(sim.Pay{HandOff: &good}); err != nil || trade.State != sim.NotPaid {
			t.Errorf("%s: %s, %v", name, trade.State, err)
		}
	}
	if trade, err := s.Pay(sim.Pay{HandOff: &good, OpenID: c.m.Apps[0].Users[0].OpenID}); err != nil || trade.State != sim.Paid {
		t.Errorf("pay: %s, %v", trade.State, err)
	}
	other.prepaid("PAYER00001")
	if _, err := s.Pay(sim.Pay{OutTradeNo: "PAYER00001"}); err == nil {
		t.Error("a number of two merchants was paid without saying whose")
	}
}

// TestPaidAtOnceByMany: one trade is paid once, however many try.
func TestPaidAtOnceByMany(t *testing.T) {
	t.Parallel()
	s := stopped(t)
	c := newClient(t, s, "1900000001")
	c.prepaid("ATONCE0001")
	errs := make(chan error)
	for range 16 {
		go func() {
			_, err := s.Pay(sim.Pay{OutTradeNo: "ATONCE0001"})
			errs <- err
		}()
	}
	paid := 0
	for range 16 {
		if err := <-errs; err == nil {
			paid++
		}
	}
	if paid != 1 {
		t.Errorf("paid %d times", paid)
	}
}

// TestManyAtOnce: two apps on one merchant number, many callers; every prepay_id is paid under its own app id
// alone, every number was sent with one content, every callback came once.
func TestManyAtOnce(t *testing.T) {
	t.Parallel()
	s := stopped(t)
	c := newClient(t, s, "1900000001")
	url, got := inbox(t, always(http.StatusOK))
	const callers, each = 8, 8
	var wg sync.WaitGroup
	for caller := range callers {
		wg.Go(func() {
			for i := range each {
				own, foreign := c.m.Apps[(caller+i)%2], c.m.Apps[(caller+i+1)%2]
				number := fmt.Sprintf("MANY%02d%02d", caller, i)
				prepayID := c.prepaid(number, set("notify_url", url), set("appid", own.AppID), set("payer/openid", own.Users[1].OpenID))
				if _, err := s.Pay(sim.Pay{HandOff: new(c.handOff(foreign.AppID, prepayID))}); err == nil {
					t.Errorf("%s was paid under the other app id", number)
				}
				if _, err := s.Pay(sim.Pay{HandOff: new(c.handOff(own.AppID, prepayID))}); err != nil {
					t.Errorf("%s: %v", number, err)
				}
			}
		})
	}
	wg.Wait()
	drain(t, s)
	told := len(got)
	seen := map[string]bool{}
	for range told {
		seen[openEnvelope(t, c, (<-got).body)["out_trade_no"].(string)] = true
	}
	if l := s.Ledger(); told != callers*each || len(seen) != told || len(l.Trades) != told || len(l.Conflicts()) != 0 {
		t.Errorf("%d trades, %d callbacks about %d of them, %d conflicts", len(l.Trades), told, len(seen), len(l.Conflicts()))
	}
}

// TestRefundRules: who may refund what, when and how much.
func TestRefundRules(t *testing.T) {
	t.Parallel()
	s := stopped(t)
	c, other := newClient(t, s, "1900000001"), newClient(t, s, "1900000002")
	trade := c.paid("REFUND0001")
	c.prepaid("REFUND0002")
	post := func(c *client, body string) reply { return c.must(http.MethodPost, refundPath, body) }
	byID := func(b map[string]any) { delete(b, "out_trade_no"); b["transaction_id"] = trade.TransactionID }
	for _, r := range []struct {
		name   string
		by     *client
		body   string
		status int
		says   string
	}{
		{"an unpaid trade", c, c.back("REFUND0002", "A", 10), 404, "原订单不存在"},
		{"another merchant's trade by number", other, other.back("REFUND0001", "A", 10), 404, "原订单不存在"},
		{"another merchant's trade by id", other, other.back("", "A", 10, byID), 404, "原订单不存在"},
		{"two names of two trades", c, c.back("REFUND0002", "A", 10, set("transaction_id", trade.TransactionID)), 400, "不是同一笔订单"},
		{"no name", c, c.back("", "A", 10, set("out_trade_no", nil)), 400, "/body/transaction_id"},
		{"another total", c, c.back("REFUND0001", "A", 10, set("amount/total", 99)), 400, "REFUND_FEE_MISMATCH"},
		{"more than the trade", c, c.back("REFUND0001", "A", 101), 400, "INVALID_REQUEST"},
		{"nothing", c, c.back("REFUND0001", "A", 0), 400, "/body/amount/refund"},
		{"no currency", c, c.back("REFUND0001", "A", 10, set("amount/currency", nil)), 400, "/body/amount/currency"},
		{"a number of 65", c, c.back("REFUND0001", strings.Repeat("1", 65), 10), 400, "大于最大值 64"},
		{"60 of it, by id", c, c.back("", "A", 60, byID), 200, "PROCESSING"},
		{"the same again", c, c.back("", "A", 60, byID), 200, "PROCESSING"},
		{"the same number, other content", c, c.back("REFUND0001", "A", 60), 400, "请求重入时，参数与首次请求时不一致"},
		{"at once another", c, c.back("REFUND0001", "B@1", 10), 429, "FREQUENCY_LIMITED"},
		{"at once more than is left", c, c.back("REFUND0001", "C", 41), 400, "INVALID_REQUEST"},
	} {
		post(r.by, r.body).wants(t, r.name, r.status, r.says)
	}
	advance(t, s, time.Minute)
	post(c, c.back("REFUND0001", "B@1", 40)).wants(t, "a minute later", 200, "PROCESSING")
	advance(t, s, time.Minute)
	post(c, c.back("REFUND0001", "C", 1)).wants(t, "nothing left", 400, "INVALID_REQUEST")
	if got := len(s.Ledger().Refunds); got != 2 {
		t.Errorf("the ledger has %d refunds, want 2", got)
	}
	if r, ok := s.Ledger().Refund("A"); !ok || r.Serial != c.m.Serial || r.TransactionID != trade.TransactionID {
		t.Errorf("the ledger's refund A: %+v", r)
	}
}

// TestRefundLimits: a year, and fifty.
func TestRefundLimits(t *testing.T) {
	t.Parallel()
	s := stopped(t)
	c := newClient(t, s, "1900000001")
	c.paid("LIMIT00001")
	for i := range 50 {
		c.must(http.MethodPost, refundPath, c.back("LIMIT00001", fmt.Sprint("R", i), 1)).wants(t, fmt.Sprint("refund ", i), 200, "PROCESSING")
		advance(t, s, time.Minute)
	}
	c.must(http.MethodPost, refundPath, c.back("LIMIT00001", "R50", 1)).wants(t, "the 51st", 403, "RULE_LIMIT")

	c.paid("LIMIT00002")
	advance(t, s, 365*24*time.Hour)
	c.must(http.MethodPost, refundPath, c.back("LIMIT00002", "S1", 1)).wants(t, "on the last day", 200, "PROCESSING")
	advance(t, s, 2*time.Minute)
	c.must(http.MethodPost, refundPath, c.back("LIMIT00002", "S2", 1)).wants(t, "after a year", 403, "TRADE_OVERDUE")
}

// TestRefundEnds: an abnormal refund keeps its sum and can still succeed; a closed one gives it free.
func TestRefundEnds(t *testing.T) {
	t.Parallel()
	s := stopped(t)
	c := newClient(t, s, "1900000001")
	c.paid("ENDS000001")
	refund := func(number string, fen int) reply {
		advance(t, s, time.Minute)
		return c.must(http.MethodPost, refundPath, c.back("ENDS000001", number, fen))
	}
	settle := func(number string, status sim.RefundStatus) {
		t.Helper()
		if err := s.SettleRefund(c.m.MchID, number, status); err != nil {
			t.Error(err)
		}
	}
	if err := s.SetFaults(sim.Fault{Kind: sim.RefundGoesBad, Number: "A", Count: 1}, sim.Fault{Kind: sim.RefundGoesShut, Number: "B", Count: 1}); err != nil {
		t.Fatal(err)
	}
	refund("A", 60)
	advance(t, s, time.Minute)
	c.must(http.MethodGet, refundPath+"/A", "").wants(t, "A", 200, `"status":"ABNORMAL"`)
	refund("X", 41).wants(t, "an abnormal refund's sum", 400, "INVALID_REQUEST")
	refund("B", 40)
	advance(t, s, time.Minute)
	c.must(http.MethodGet, refundPath+"/B", "").wants(t, "B", 200, `"status":"CLOSED"`)
	refund("C", 40).wants(t, "a closed refund's sum", 200, "PROCESSING")
	settle("A", sim.RefundSuccess)
	settle("C", sim.RefundClosed)
	for _, number := range []string{"A", "B", "C"} {
		if err := s.SettleRefund(c.m.MchID, number, sim.RefundSuccess); err == nil {
			t.Errorf("refund %s ended twice", number)
		}
	}
	if err := s.SettleRefund(c.m.MchID, "NONE", sim.RefundSuccess); err == nil {
		t.Error("a refund that does not exist was settled")
	}
	if err := s.SettleRefund(c.m.MchID, "A", "PROCESSING"); err == nil {
		t.Error("a refund was settled as PROCESSING")
	}
}

// TestResetForgetsAll but the merchants and the time.
func TestResetForgetsAll(t *testing.T) {
	t.Parallel()
	s := stopped(t)
	c := newClient(t, s, "1900000001")
	trade := c.paid("RESET00001")
	c.must(http.MethodPost, refundPath, c.back(trade.OutTradeNo, "R1", 1))
	before := s.Now()
	s.Reset()
	l := s.Ledger()
	if len(l.Trades)+len(l.Refunds)+len(l.Callbacks)+len(l.Sent)+len(l.Requests) != 0 {
		t.Errorf("left after the reset: %+v", l)
	}
	if s.Now().Before(before) {
		t.Error("the reset moved the time back")
	}
	advance(t, s, time.Hour) // what was due before changes nothing now
	if n := len(s.Ledger().Callbacks); n != 0 {
		t.Errorf("%d callbacks after the reset", n)
	}
	c.prepaid("RESET00001", set("amount/total", 5))
}
