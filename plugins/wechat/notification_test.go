package wechat

import (
	"crypto/rsa"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/wechatpay-apiv3/wechatpay-go/core/consts"
	"github.com/wechatpay-apiv3/wechatpay-go/utils"
)

const (
	paidText = `{"mchid":"1900007291","appid":"wxd678efh567hg6787","out_trade_no":"1217752501201407033233368018",` +
		`"transaction_id":"4200001863202305068344507881","trade_type":"JSAPI","trade_state":"SUCCESS",` +
		`"trade_state_desc":"支付成功","bank_type":"CMBC_DEBIT","attach":"","success_time":"2022-01-12T16:35:42+08:00",` +
		`"payer":{"openid":"oUpF8uMuAJO_M2pxb1Q9zNjWeS6o"},` +
		`"amount":{"total":100,"payer_total":90,"currency":"CNY","payer_currency":"CNY"}}`
	refundedText = `{"mchid":"1900007291","out_trade_no":"1217752501201407033233368018",` +
		`"transaction_id":"4200001736202304084431828716","out_refund_no":"1818571211644825600",` +
		`"refund_id":"50301405352023041233178680856","refund_status":"SUCCESS","success_time":"2023-04-12T12:15:06+08:00",` +
		`"amount":{"total":100,"refund":10,"payer_total":100,"payer_refund":10},"user_received_account":"支付用户零钱"}`
)

func TestNotificationIsRead(t *testing.T) {
	t.Parallel()
	c := newClient(t, testConfig(t), Options{})
	now := time.Now()
	read := func(event, original, plaintext string) Notification {
		t.Helper()
		body := envelope(t, testAPIv3Key, event, original, plaintext)
		h := http.Header{}
		signature(t, wechatKey(t), h, testKeyID, now, body)
		n, err := c.Notification(h, []byte(body), now)
		if err != nil {
			t.Fatalf("%s: %v", event, err)
		}
		if n.ID != "809eb6dd-9d48-5d1b-bbd3-ed87c5de35bc" || n.EventType != event || string(n.Plaintext) != plaintext {
			t.Errorf("%s: got %+v", event, n)
		}
		return n
	}
	paid := read("TRANSACTION.SUCCESS", "transaction", paidText)
	if paid.Trade == nil || paid.Refund != nil {
		t.Fatalf("TRANSACTION.SUCCESS is about a trade: %+v", paid)
	}
	if tr := paid.Trade; tr.Amount.Total != 100 || tr.Amount.PayerTotal != 90 || tr.Payer.OpenID != "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o" {
		t.Errorf("trade: %+v", tr)
	}
	for _, event := range []string{"REFUND.SUCCESS", "REFUND.ABNORMAL", "REFUND.CLOSED"} {
		if n := read(event, "refund", refundedText); n.Refund == nil || n.Trade != nil || n.Refund.Amount.Refund != 10 {
			t.Errorf("%s is about a refund: %+v", event, n)
		}
	}
	if n := read("SECURITY_ECHO.SUCCESS", "security", `{"echo_message":"hello"}`); n.Trade != nil || n.Refund != nil {
		t.Errorf("SECURITY_ECHO.SUCCESS is a notice: %+v", n)
	}
}

func TestR14_NotificationIsRefused(t *testing.T) {
	t.Parallel()
	var v published
	readVector(t, "wechat-published.json", &v)
	strangersKey, err := utils.LoadPrivateKey(v.MerchantKey)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	good := envelope(t, testAPIv3Key, "TRANSACTION.SUCCESS", "transaction", paidText)
	v2 := "<xml><return_code><![CDATA[SUCCESS]]></return_code></xml>"
	tests := []struct {
		name   string
		body   string          // signed
		sent   string          // instead of body
		key    *rsa.PrivateKey // instead of WeChat's
		serial string
		at     time.Time
		header func(http.Header)
		want   error
	}{
		{name: "tampered", body: good, sent: strings.Replace(good, "SUCCESS", "REFUNDS", 1), want: ErrSignature},
		{name: "a line end more", body: good, sent: good + "\n", want: ErrSignature},
		{name: "signed by a stranger", body: good, key: strangersKey, want: ErrSignature},
		{name: "probe traffic", body: good, header: func(h http.Header) {
			h.Set(consts.WechatPaySignature, "WECHATPAY/SIGNTEST/"+h.Get(consts.WechatPaySignature))
		}, want: ErrSignature},
		{name: "not base64", body: good, header: func(h http.Header) { h.Set(consts.WechatPaySignature, "?") }, want: ErrSignature},
		{name: "unknown serial", body: good, serial: "PUB_KEY_ID_0", want: ErrUnknownSerial},
		{name: "5 minutes and a bit old", body: good, at: now.Add(-5*time.Minute - 2*time.Second), want: ErrClock},
		{name: "5 minutes and a bit ahead", body: good, at: now.Add(5*time.Minute + 2*time.Second), want: ErrClock},
		{name: "the far past", body: good, header: func(h http.Header) { h.Set(consts.WechatPayTimestamp, "-9223372036854775808") }, want: ErrClock},
		{name: "time is no number", body: good, header: func(h http.Header) { h.Set(consts.WechatPayTimestamp, "now") }, want: ErrUnsigned},
		{name: "no signature", body: good, header: func(h http.Header) { h.Del(consts.WechatPaySignature) }, want: ErrUnsigned},
		{name: "no nonce", body: good, header: func(h http.Header) { h.Del(consts.WechatPayNonce) }, want: ErrUnsigned},
		{name: "no serial", body: good, header: func(h http.Header) { h.Del(consts.WechatPaySerial) }, want: ErrUnsigned},
		{name: "no time", body: good, header: func(h http.Header) { h.Del(consts.WechatPayTimestamp) }, want: ErrUnsigned},
		{name: "v2 XML, as it really comes", body: v2, header: func(h http.Header) { clear(h) }, want: ErrUnsigned},
		{name: "v2 XML, signed", body: v2, want: ErrUnreadable},
		{name: "oversized", body: good, sent: good + strings.Repeat(" ", largestNotification), want: ErrTooLarge},
		{name: "empty", body: "", want: ErrUnreadable},
		{name: "JSON of another kind", body: "[]", want: ErrUnreadable},
		{name: "no event type", body: "{}", want: ErrUnreadable},
		{name: "another APIv3 key", body: envelope(t, oldAPIv3Key, "TRANSACTION.SUCCESS", "transaction", paidText), want: ErrDecryption},
		{name: "other associated data", body: strings.Replace(good, `"associated_data":"transaction"`, `"associated_data":"refund"`, 1), want: ErrDecryption},
		{name: "ciphertext is not base64", body: strings.Replace(good, `"ciphertext":"`, `"ciphertext":"?`, 1), want: ErrDecryption},
		{name: "nonce of 11 bytes", body: strings.Replace(good, "erSnoFzfnp08", "erSnoFzfnp0", 1), want: ErrUnreadable},
		{name: "nonce of 13 bytes", body: strings.Replace(good, "erSnoFzfnp08", "erSnoFzfnp089", 1), want: ErrUnreadable},
		{name: "no nonce in the resource", body: strings.Replace(good, "erSnoFzfnp08", "", 1), want: ErrUnreadable},
		{name: "another algorithm", body: strings.Replace(good, "AEAD_AES_256_GCM", "AEAD_SM4_GCM", 1), want: ErrUnreadable},
		{name: "a paid trade that is no JSON", body: envelope(t, testAPIv3Key, "TRANSACTION.SUCCESS", "transaction", "paid"), want: ErrUnreadable},
		{name: "a refund whose amount is no number", body: envelope(t, testAPIv3Key, "REFUND.SUCCESS", "refund", `{"amount":{"refund":"1"}}`), want: ErrUnreadable},
	}
	c := newClient(t, testConfig(t), Options{})
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			key, serial, at, sent := wechatKey(t), testKeyID, now, test.body
			if test.key != nil {
				key = test.key
			}
			if test.serial != "" {
				serial = test.serial
			}
			if !test.at.IsZero() {
				at = test.at
			}
			if test.sent != "" {
				sent = test.sent
			}
			h := http.Header{}
			signature(t, key, h, serial, at, test.body)
			if test.header != nil {
				test.header(h)
			}
			if _, err := c.Notification(h, []byte(sent), now); !errors.Is(err, test.want) {
				t.Errorf("got %v, want %v", err, test.want)
			}
		})
	}
}

func TestR38_OldAndNewKeysSideBySide(t *testing.T) {
	t.Parallel()
	var v published
	readVector(t, "wechat-published.json", &v)
	newKey, err := utils.LoadPrivateKey(v.MerchantKey)
	if err != nil {
		t.Fatal(err)
	}
	config := testConfig(t)
	config.APIv3Keys = []string{testAPIv3Key, oldAPIv3Key}
	config.PublicKeys["PUB_KEY_ID_NEW"] = publicPEM(t, &newKey.PublicKey)
	config.PublicKeyID = "PUB_KEY_ID_NEW"
	c := newClient(t, config, Options{})
	now := time.Now()
	for serial, key := range map[string]*rsa.PrivateKey{testKeyID: wechatKey(t), "PUB_KEY_ID_NEW": newKey} {
		for _, apiV3Key := range config.APIv3Keys {
			body := envelope(t, apiV3Key, "TRANSACTION.SUCCESS", "transaction", paidText)
			h := http.Header{}
			signature(t, key, h, serial, now, body)
			if _, err := c.Notification(h, []byte(body), now); err != nil {
				t.Errorf("signed with %s: %v", serial, err)
			}
		}
	}
}

// A stranger may send any bytes; only the first part of the path is his to reach, and none of it may panic.
func FuzzNotification(f *testing.F) {
	c := newClient(f, testConfig(f), Options{})
	key := wechatKey(f)
	f.Add(envelope(f, testAPIv3Key, "TRANSACTION.SUCCESS", "transaction", paidText))
	f.Add(envelope(f, testAPIv3Key, "REFUND.SUCCESS", "refund", refundedText))
	f.Add(`{"event_type":"X","resource":{"algorithm":"AEAD_AES_256_GCM","nonce":"short"}}`)
	f.Add("<xml><return_code>SUCCESS</return_code></xml>")
	f.Fuzz(func(t *testing.T, body string) {
		now := time.Now()
		h := http.Header{}
		signature(t, key, h, testKeyID, now, body)
		n, err := c.Notification(h, []byte(body), now)
		if err == nil && n.EventType == "" {
			t.Errorf("taken without an event type: %q", body)
		}
	})
}

// What is inside the envelope is WeChat's, but still outside bytes.
func FuzzPlaintext(f *testing.F) {
	c := newClient(f, testConfig(f), Options{})
	key := wechatKey(f)
	f.Add("TRANSACTION.SUCCESS", paidText)
	f.Add("REFUND.SUCCESS", refundedText)
	f.Add("COMPLAINT.CREATE", "null")
	f.Fuzz(func(t *testing.T, event, plaintext string) {
		now := time.Now()
		body := envelope(t, testAPIv3Key, event, "transaction", plaintext)
		h := http.Header{}
		signature(t, key, h, testKeyID, now, body)
		n, err := c.Notification(h, []byte(body), now)
		if err == nil && n.Trade != nil && n.Refund != nil {
			t.Error("one message about two things")
		}
	})
}
