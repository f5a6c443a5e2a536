package wechat

import (
	"net/http"
	"testing"
	"time"

	"github.com/paybridge/paybridge/plugins/sdk"
)

func TestWhatANotificationComesTo(t *testing.T) {
	t.Parallel()
	c := newClient(t, testConfig(t), Options{})
	parse := func(key, event, original, plaintext string) sdk.Parsed {
		body, h, now := envelope(t, key, event, original, plaintext), http.Header{}, time.Now()
		signature(t, wechatKey(t), h, testKeyID, now, body)
		return c.Parse(sdk.Notification{Account: "main", Header: h, Body: []byte(body), ReceivedAt: now}, Trade.Facts)
	}
	const id = "809eb6dd-9d48-5d1b-bbd3-ed87c5de35bc"
	if p := parse(testAPIv3Key, "TRANSACTION.SUCCESS", "transaction", paidText); p.Payment == nil || p.Payment.State != sdk.PaymentSucceeded ||
		p.Payment.Amount.Minor != 100 || p.Payment.PayerAmount.Minor != 90 || p.DedupeKey != id || p.ProviderTime.IsZero() || p.Ack.Body != nil {
		t.Errorf("paid: %+v", p)
	}
	if p := parse(testAPIv3Key, "REFUND.SUCCESS", "refund", refundedText); p.Refund == nil || p.Refund.State != sdk.RefundSucceeded ||
		p.Refund.Amount != (sdk.Amount{Minor: 10, Currency: "CNY"}) || p.Refund.Total.Minor != 100 || p.DedupeKey != id {
		t.Errorf("refunded: %+v", p)
	}
	for _, row := range []struct{ event, text, kind, id string }{
		{"SECURITY_ECHO.SUCCESS", `{"echo_message":"hello"}`, "self_test.echo", "hello"},
		{"SECURITY_ECHO.SUCCESS", `hello`, "SECURITY_ECHO.SUCCESS", id},
		{"COMPLAINT.CREATE", `{"complaint_id":"1"}`, "COMPLAINT.CREATE", id},
	} {
		p := parse(testAPIv3Key, row.event, "security", row.text)
		if p.Notice == nil || p.Notice.Kind != row.kind || p.Notice.ID != row.id || string(p.Notice.Body) != row.text || p.Notice.OccurredAt.IsZero() || p.DedupeKey != id {
			t.Errorf("notice %s: %+v", row.event, p)
		}
	}
	// WeChat signed it, so it must come again once the key is here.
	if p := parse(oldAPIv3Key, "TRANSACTION.SUCCESS", "transaction", paidText); p.Cause != sdk.Malformed || len(p.Nack.Body) == 0 {
		t.Errorf("an APIv3 key that is not configured: %+v", p)
	}
}

func TestFactsSayOnlyWhatWasSaid(t *testing.T) {
	t.Parallel()
	if f := (Trade{}).Facts(); f.State != sdk.PaymentUnknown || f.Amount != (sdk.Amount{}) || !f.PaidAt.IsZero() {
		t.Errorf("an empty trade: %+v", f)
	}
	if f := (Trade{SuccessTime: "yesterday", TradeState: "SUCCESS"}).Facts(); f.State != sdk.PaymentSucceeded || !f.PaidAt.IsZero() {
		t.Errorf("a time that cannot be read hides no money: %+v", f)
	}
}

func TestTimesAreWrittenAsWeChatWantsThem(t *testing.T) {
	t.Parallel()
	if got := Time(time.Date(2026, 11, 24, 16, 0, 0, 5, time.UTC)); got != "2026-11-25T00:00:00+08:00" {
		t.Error(got)
	}
}
