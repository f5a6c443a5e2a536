package wechat

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/wechatpay-apiv3/wechatpay-go/core/consts"
)

// Why a message is not WeChat's, as far as we can tell. Nothing of such a message is believed.
var (
	ErrUnsigned      = errors.New("it bears no signature of WeChat Pay")
	ErrClock         = errors.New("its time is more than 5 minutes from ours: check this machine's clock")
	ErrUnknownSerial = errors.New("it is signed with a key that is not configured: add it to public_keys")
	ErrSignature     = errors.New("its signature does not fit")
)

// clockWindow is how far WeChat's time and ours may be apart, either way.
const clockWindow = 5 * time.Minute

// verify checks the signature of an answer or a notification over exactly these bytes, against the key that its
// Wechatpay-Serial names. The error is one of the four above. Probe traffic (a signature beginning
// WECHATPAY/SIGNTEST/) needs no case of its own: it fails like any forgery.
func (c *Client) verify(h http.Header, body []byte, now time.Time) error {
	timestamp, nonce := h.Get(consts.WechatPayTimestamp), h.Get(consts.WechatPayNonce)
	serial, signature := h.Get(consts.WechatPaySerial), h.Get(consts.WechatPaySignature)
	if timestamp == "" || nonce == "" || serial == "" || signature == "" {
		return ErrUnsigned
	}
	seconds, err := strconv.ParseInt(timestamp, 10, 64)
	if err != nil {
		return ErrUnsigned
	}
	// Not a Sub: it saturates, and its Abs would let the far past through.
	at := time.Unix(seconds, 0)
	if at.Before(now.Add(-clockWindow)) || at.After(now.Add(clockWindow)) {
		return ErrClock
	}
	key := c.keys[serial]
	if key == nil {
		return ErrUnknownSerial
	}
	message := timestamp + "\n" + nonce + "\n" + string(body) + "\n"
	if key.Verify(context.Background(), serial, message, signature) != nil {
		return ErrSignature
	}
	return nil
}
