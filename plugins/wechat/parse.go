package wechat

import (
	"encoding/json"
	"strconv"
	"time"

	"github.com/paybridge/paybridge/plugins/sdk"
	"github.com/wechatpay-apiv3/wechatpay-go/core/consts"
)

// nack is what WeChat wants to read when a notification was not taken; a good one needs no body.
var nack = sdk.JSONAnswer(`{"code":"FAIL","message":"失败"}`)

// causes is why a notification is refused, as the host knows it. What WeChat signed and we cannot read is not a
// stranger's: it must come again.
var causes = map[error]sdk.Cause{
	ErrUnsigned:      sdk.BadSignature,
	ErrSignature:     sdk.BadSignature,
	ErrTooLarge:      sdk.BadSignature,
	ErrClock:         sdk.StaleClock,
	ErrUnknownSerial: sdk.UnknownSerial,
	ErrDecryption:    sdk.Malformed,
	ErrUnreadable:    sdk.Malformed,
}

// Parse verifies a notification and says what it is about. trade says what one about a trade means in the channel.
func (c *Client) Parse(n sdk.Notification, trade func(Trade) sdk.PaymentFacts) sdk.Parsed {
	told, err := c.Notification(n.Header, n.Body, n.ReceivedAt)
	if err != nil {
		return Refuse(causes[err], "%v", err)
	}
	var p sdk.Parsed
	switch {
	case told.Trade != nil:
		p = sdk.Notified(trade(*told.Trade), told.ID)
	case told.Refund != nil:
		p = sdk.NotifiedRefund(told.Refund.Facts(), told.ID)
	case told.MedIns != nil: // sent again under another id it is still the same
		p = sdk.Notified(told.MedIns.Facts(), cut(told.MedIns.MixTradeNo+" "+told.EventType, longestID))
	default:
		p = sdk.Noticed(told.notice(), told.ID)
	}
	return p.Answer(sdk.Answer{}, nack).At(sentAt(n))
}

// notice is a message about neither a trade nor a refund. The self-test's goes by what was to be said again.
func (n Notification) notice() sdk.Notice {
	notice := sdk.Notice{Kind: n.EventType, ID: n.ID, Body: n.Plaintext, ContentType: "application/json", OccurredAt: n.CreatedAt}
	if n.EventType == "SECURITY_ECHO.SUCCESS" {
		var said echoNotice
		if json.Unmarshal(n.Plaintext, &said) == nil {
			notice.Kind, notice.ID = "self_test.echo", cut(said.Message, longestID)
		}
	}
	return notice
}

// Refuse does not take a notification, with the body that WeChat expects.
func Refuse(c sdk.Cause, format string, a ...any) sdk.Parsed {
	return sdk.Refuse(c, format, a...).Answer(sdk.Answer{}, nack)
}

// sentAt is WeChat's clock; the header was verified.
func sentAt(n sdk.Notification) time.Time {
	seconds, err := strconv.ParseInt(n.Header.Get(consts.WechatPayTimestamp), 10, 64)
	if err != nil {
		return time.Time{}
	}
	return time.Unix(seconds, 0).UTC()
}
