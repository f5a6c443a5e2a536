package main

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/paybridge/paybridge/plugins/sdk"
)

// client calls for one merchant. It is safe for concurrent use.
type client struct {
	mchID, base string
	apiKey      []byte
	keys        map[string]ed25519.PublicKey // the provider's, by id
}

// refusal is the provider's signed no.
type refusal struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

func (r *refusal) Error() string { return r.Code + ": " + r.Message }

// call posts one signed request and reads the verified answer into "into".
func (c *client) call(ctx context.Context, path string, request, into any) error {
	body, err := json.Marshal(request)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.base+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	mac := hmac.New(sha256.New, c.apiKey)
	mac.Write(body)
	req.Header.Set("X-Merchant", c.mchID)
	req.Header.Set("X-Signature", hex.EncodeToString(mac.Sum(nil)))
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	if err != nil {
		return err
	}
	payload, err := c.open(text)
	if err != nil {
		return err
	}
	if res.StatusCode != http.StatusOK {
		no := new(refusal)
		return errors.Join(json.Unmarshal(payload, no), no)
	}
	return json.Unmarshal(payload, into)
}

var (
	errUnknown   = errors.New("the key is not configured: add it to provider_keys")
	errSignature = errors.New("the signature does not fit")
)

// open verifies what the provider says and gives the words that it signed. Nothing of them is read before.
func (c *client) open(text []byte) ([]byte, error) {
	var signed struct {
		Payload   string `json:"payload"`
		KeyID     string `json:"key_id"`
		Signature []byte `json:"signature"`
	}
	if json.Unmarshal(text, &signed) != nil || len(signed.Signature) != ed25519.SignatureSize {
		return nil, errSignature
	}
	key, ok := c.keys[signed.KeyID]
	switch {
	case !ok:
		return nil, errUnknown
	case !ed25519.Verify(key, []byte(signed.Payload), signed.Signature):
		return nil, errSignature
	}
	return []byte(signed.Payload), nil
}

// reasons is what the provider's codes mean. Any other decides nothing.
var reasons = map[string]sdk.Reason{
	"BAD_FIELD": sdk.InvalidRequest, "TOO_MUCH": sdk.InvalidRequest, "DECLINED": sdk.Declined,
	"NO_TRADE": sdk.NotFound, "NO_REFUND": sdk.NotFound, "NUMBER_USED": sdk.Conflict, "TRADE_CLOSED": sdk.Conflict,
	"SLOW_DOWN": sdk.RateLimited, "BAD_SIGNATURE": sdk.AuthFailed, "BUSY": sdk.Unavailable,
}

// failed says what a call that ended with err means to the host.
func failed(err error) sdk.Result {
	var no *refusal
	if errors.As(err, &no) && reasons[no.Code] != 0 {
		return sdk.Rejected(reasons[no.Code], no.Code, no.Message)
	}
	return sdk.Unanswered(fmt.Errorf("example: %w", err))
}

// moment reads a Unix time; 0 is none.
func moment(seconds int64) (t time.Time) {
	if seconds != 0 {
		t = time.Unix(seconds, 0)
	}
	return t
}
