package wechat

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/wechatpay-apiv3/wechatpay-go/core/consts"
)

// Why a message is not WeChat's, as far as we can tell. Nothing of such a message is believed.
var (
	ErrUnsigned      = errors.New("it bears no signature of WeChat Pay")
	ErrClock         = errors.New("its time is more than 5 minutes from ours: check this machine's clock")
	ErrUnknownSerial = errors.New("it is signed with a key that is not known here: add it to public_keys, or set platform_certificates")
	ErrSignature     = errors.New("its signature does not fit")
)

// clockWindow is how far WeChat's time and ours may be apart, either way.
const clockWindow = 5 * time.Minute

// verify checks the signature of an answer or a notification over exactly these bytes, against the key that its
// Wechatpay-Serial names. The error is one of the four above. Probe traffic (a signature beginning
// WECHATPAY/SIGNTEST/) needs no case of its own: it fails like any forgery.
func (c *Client) verify(h http.Header, body []byte, now time.Time) error {
	return verify(h, body, now, c.key)
}

// key is WeChat's key of that serial, or nil. It asks nobody. The serial tells the public key from a certificate.
func (c *Client) key(serial string) *rsa.PublicKey {
	if key := c.keys[serial]; key != nil || strings.HasPrefix(serial, publicKeyPrefix) {
		return key
	}
	return c.platform.key(serial)
}

func verify(h http.Header, body []byte, now time.Time, keyOf func(serial string) *rsa.PublicKey) error {
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
	key := keyOf(serial)
	if key == nil {
		return ErrUnknownSerial
	}
	sum := sha256.New()
	for _, line := range [][]byte{[]byte(timestamp), []byte(nonce), body} {
		_, _ = sum.Write(line)
		_, _ = sum.Write([]byte{'\n'})
	}
	text, err := base64.StdEncoding.DecodeString(signature)
	if err != nil || rsa.VerifyPKCS1v15(key, crypto.SHA256, sum.Sum(nil), text) != nil {
		return ErrSignature
	}
	return nil
}
