package wechat

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/wechatpay-apiv3/wechatpay-go/utils"
)

// largestNotification bounds a notification's body in bytes. Real ones are below 4 KiB.
const largestNotification = 64 << 10

// longestID is what the host keeps of a dedupe key, in bytes; WeChat's have 36.
const longestID = 128

// Why a notification whose signature holds, or whose size forbids to look, is still not taken.
var (
	ErrTooLarge   = fmt.Errorf("it is longer than %d bytes", largestNotification)
	ErrDecryption = errors.New("no APIv3 key that is configured opens it: add the one set at the merchant platform to api_v3_keys")
	ErrUnreadable = errors.New("it is not a notification of API v3")
)

// Notification is a verified, decrypted message. Trade, Refund or MedIns is set when it is about one; otherwise EventType
// and Plaintext are all that is known of it.
type Notification struct {
	ID        string // WeChat's, the same each time it is sent again
	CreatedAt time.Time
	EventType string // TRANSACTION.SUCCESS, REFUND.ABNORMAL, …
	Plaintext []byte // the decrypted resource, JSON
	Trade     *Trade
	Refund    *Refund
	MedIns    *MedIns
}

// Notification verifies, then decrypts, then reads, in this order, and asks nobody: a key that is not here is an
// error. now is the time at which the message came.
func (c *Client) Notification(h http.Header, body []byte, now time.Time) (Notification, error) {
	if len(body) > largestNotification {
		return Notification{}, ErrTooLarge
	}
	if err := c.verify(h, body, now); err != nil {
		return Notification{}, err
	}
	var envelope struct {
		ID        string   `json:"id"`
		CreatedAt string   `json:"create_time"`
		EventType string   `json:"event_type"`
		Resource  resource `json:"resource"`
	}
	err := json.Unmarshal(body, &envelope)
	if err != nil || envelope.EventType == "" || envelope.ID == "" || len(envelope.ID) > longestID {
		return Notification{}, ErrUnreadable
	}
	plaintext, err := c.open(envelope.Resource)
	if err != nil {
		return Notification{}, err
	}
	n := Notification{
		ID: envelope.ID, CreatedAt: instant(envelope.CreatedAt), EventType: envelope.EventType, Plaintext: plaintext,
	}
	switch {
	case n.EventType == "TRANSACTION.SUCCESS":
		n.Trade = new(Trade)
		err = json.Unmarshal(plaintext, n.Trade)
	case strings.HasPrefix(n.EventType, "REFUND."):
		n.Refund = new(Refund)
		err = json.Unmarshal(plaintext, n.Refund)
	case n.EventType == "MEDICAL_INSURANCE.SUCCESS":
		n.MedIns, err = c.readMedIns(plaintext)
	}
	if err != nil {
		return Notification{}, ErrUnreadable
	}
	return n, nil
}

// resource is the encrypted part. Its nonce is not the header's.
type resource struct {
	Algorithm      string `json:"algorithm"`
	Ciphertext     string `json:"ciphertext"`
	AssociatedData string `json:"associated_data"`
	Nonce          string `json:"nonce"`
}

// gcmNonce is the only length that GCM takes; another makes crypto/cipher panic.
const gcmNonce = 12

// open tries each APIv3 key: while one rotates, both are in use, and the message does not say which.
func (c *Client) open(r resource) ([]byte, error) {
	if r.Algorithm != "AEAD_AES_256_GCM" || len(r.Nonce) != gcmNonce {
		return nil, ErrUnreadable
	}
	for _, key := range c.apiV3Keys {
		if text, err := utils.DecryptAES256GCM(key, r.AssociatedData, r.Nonce, r.Ciphertext); err == nil {
			return []byte(text), nil
		}
	}
	return nil, ErrDecryption
}
