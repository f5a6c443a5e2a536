package sim_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/paybridge/paybridge/plugins/wechat/sim"
)

// stopped starts with a simulated time that stands still, so that only Advance makes something due.
func stopped(t testing.TB, options ...sim.Option) *sim.Simulator {
	t.Helper()
	s := sim.New(t, options...)
	if err := s.SetSpeed(0); err != nil {
		t.Fatal(err)
	}
	return s
}

func advance(t testing.TB, s *sim.Simulator, d time.Duration) {
	t.Helper()
	if err := s.Advance(d); err != nil {
		t.Fatal(err)
	}
	drain(t, s)
}

func drain(t testing.TB, s *sim.Simulator) {
	t.Helper()
	if err := s.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// TestOnePaymentFromPrepayToRefund goes the way of an ordinary payment: opened, paid through the hand-off,
// told, queried, refunded, told again.
func TestOnePaymentFromPrepayToRefund(t *testing.T) {
	t.Parallel()
	s := stopped(t)
	c := newClient(t, s, "1900000001")
	url, got := inbox(t, always(http.StatusNoContent))

	prepayID := c.prepaid("PB20260101000001", set("notify_url", url))
	appID := c.m.Apps[0].AppID
	trade, err := s.Pay(sim.Pay{HandOff: new(c.handOff(appID, prepayID)), OpenID: c.m.Apps[0].Users[0].OpenID})
	if err != nil {
		t.Fatal(err)
	}
	drain(t, s)
	notice := <-got
	if err := verifyFrom(s, notice.header, notice.body); err != nil {
		t.Fatalf("the callback does not verify: %v", err)
	}
	if plain := openEnvelope(t, c, notice.body); plain["transaction_id"] != trade.TransactionID {
		t.Errorf("the callback names transaction %v, the trade is %s", plain["transaction_id"], trade.TransactionID)
	}

	query := c.must(http.MethodGet, numberPath(trade.OutTradeNo, c.m.MchID), "")
	if !strings.Contains(query.body, `"trade_state":"SUCCESS"`) {
		t.Errorf("after the payment the query says %s", query.body)
	}
	byID := c.must(http.MethodGet, "/v3/pay/transactions/id/"+trade.TransactionID+"?mchid="+c.m.MchID, "")
	if byID.body != query.body {
		t.Errorf("by transaction id the trade is %s, by number %s", byID.body, query.body)
	}

	refund := c.must(http.MethodPost, refundPath, c.back(trade.OutTradeNo, "R1", 40, set("notify_url", url)))
	if refund.status != http.StatusOK || !strings.Contains(refund.body, `"status":"PROCESSING"`) {
		t.Fatalf("refund: %d %s", refund.status, refund.body)
	}
	advance(t, s, 3*time.Second)
	notice = <-got
	if err := verifyFrom(s, notice.header, notice.body); err != nil {
		t.Fatalf("the refund's callback does not verify: %v", err)
	}
	if plain := openEnvelope(t, c, notice.body); plain["refund_status"] != "SUCCESS" {
		t.Errorf("the refund's callback says %v", plain)
	}
	again := c.must(http.MethodGet, refundPath+"/R1", "")
	if !strings.Contains(again.body, `"status":"SUCCESS","success_time":"`) {
		t.Errorf("after the refund its query says %s", again.body)
	}
	query = c.must(http.MethodGet, numberPath(trade.OutTradeNo, c.m.MchID), "")
	if !strings.Contains(query.body, `"trade_state":"REFUND"`) {
		t.Errorf("after a partial refund the trade's query says %s", query.body)
	}
}

// openEnvelope decrypts a callback's resource.
func openEnvelope(t testing.TB, c *client, body []byte) map[string]any {
	t.Helper()
	var e struct {
		Resource struct {
			Ciphertext     string `json:"ciphertext"`
			AssociatedData string `json:"associated_data"`
			Nonce          string `json:"nonce"`
		} `json:"resource"`
	}
	if err := json.Unmarshal(body, &e); err != nil {
		t.Fatal(err)
	}
	var plain map[string]any
	text := decrypt(t, c.m.APIv3Key, e.Resource.Nonce, e.Resource.AssociatedData, e.Resource.Ciphertext)
	if err := json.Unmarshal([]byte(text), &plain); err != nil {
		t.Fatal(err)
	}
	return plain
}
