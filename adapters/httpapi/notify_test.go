package httpapi

import (
	"net/http"
	"strings"
	"testing"

	"github.com/paybridge/paybridge/core/money"
	"github.com/paybridge/paybridge/core/pay"
	"github.com/paybridge/paybridge/ports"
)

var (
	ack  = ports.NotifyAnswer{ContentType: "application/json", Body: []byte(`{"code":"SUCCESS"}`)}
	nack = ports.NotifyAnswer{ContentType: "application/json", Body: []byte(`{"code":"FAIL"}`)}
)

func TestNotifications(t *testing.T) {
	t.Parallel()
	w := start(t)
	order := w.order("REG-1")
	payment := w.payment(order)
	facts := func(number string) ports.Notification {
		return ports.Notification{Ack: ack, Nack: nack, DedupeKey: number, Payment: &pay.Facts{
			State: pay.FactSucceeded, Number: number, MchID: "1900000001", AppID: "wxa", Amount: money.CNY(1250), ProviderID: "4200",
		}}
	}
	for _, row := range []struct {
		name, path string
		says       ports.Notification
		status     int
		body       string
	}{
		{"R14 a wrong signature", "/notify/channel/hospital", ports.Notification{Refused: ports.RefusedSignature, Nack: nack}, 401, string(nack.Body)},
		{"R14 outside of the clock window", "/notify/channel/hospital", ports.Notification{Refused: ports.RefusedClock, Nack: nack}, 401, string(nack.Body)},
		{"R14 an unknown serial", "/notify/channel/hospital", ports.Notification{Refused: ports.RefusedUnknownSerial, Nack: nack}, 503, string(nack.Body)},
		{"R15 a number that is not here", "/notify/channel/hospital", facts(strings.Repeat("9", 32)), 500, string(nack.Body)},
		{"R16 an account that nobody serves", "/notify/channel/clinic", facts(payment), 503, ""},
		{"paid", "/notify/channel/hospital", facts(payment), 200, string(ack.Body)},
		{"R11 the same again", "/notify/channel/hospital", facts(payment), 200, string(ack.Body)},
	} {
		w.channel.reads(func(m ports.RawMessage) (ports.Notification, error) {
			if string(m.Body) != "raw \x00 bytes" || m.Path != "/notify/channel/hospital" || m.Method != "POST" || http.Header(m.Headers).Get("Wechatpay-Serial") != "S1" {
				t.Errorf("%s: the plugin sees %+v", row.name, m)
			}
			return row.says, nil
		})
		r := w.call("", "POST", row.path, "raw \x00 bytes", "Wechatpay-Serial", "S1")
		if r.status != row.status || r.text != row.body {
			t.Errorf("%s: %d %q, want %d %q", row.name, r.status, r.text, row.status, row.body)
		}
	}
	if r := w.must(200, clinicKey, "GET", "/v1/orders/"+order, ""); r.json["state"] != "paid" {
		t.Errorf("the order is %v", r.json["state"])
	}
	if log := w.log.String(); strings.Contains(log, "bytes\"") && strings.Contains(log, "raw ") {
		t.Error("the log has the message")
	}
}

func TestR14_OversizedIsNotBelieved(t *testing.T) {
	t.Parallel()
	w := start(t)
	w.channel.reads(func(m ports.RawMessage) (ports.Notification, error) {
		if len(m.Body) > notifyLimit {
			t.Errorf("%d bytes came through", len(m.Body))
		}
		if len(m.Body) == notifyLimit {
			return ports.Notification{Ack: ack, Notice: &ports.Notice{Kind: "k", ID: "1"}}, nil
		}
		return ports.Notification{Refused: ports.RefusedSignature, Nack: nack}, nil
	})
	if r := w.call("", "POST", "/notify/channel/hospital", strings.Repeat("x", notifyLimit)); r.status != 200 {
		t.Errorf("as large as may be: %d %s", r.status, r.text)
	}
	if r := w.call("", "POST", "/notify/channel/hospital", strings.Repeat("x", notifyLimit+1)); r.status != 401 {
		t.Errorf("a byte larger: %d %s", r.status, r.text)
	}
}

func TestNotifyPathsAreExact(t *testing.T) {
	t.Parallel()
	w := start(t)
	for _, path := range []string{"/notify/channel/hospital?x=1", "/notify/channel/hospital?", "/notify/channel", "/notify/channel/hospital/x", "/notify/channel/"} {
		if r := w.call("", "POST", path, "x"); r.status != 404 {
			t.Errorf("%s: %d %s", path, r.status, r.text)
		}
	}
}
