package wechat

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync/atomic"
	"time"

	"github.com/wechatpay-apiv3/wechatpay-go/core/consts"
)

// largestAnswer bounds an answer's body in bytes. The longest that WeChat documents are a few KiB.
const largestAnswer = 1 << 20

const userAgent = "PayBridge (WechatPay-Go/" + consts.Version + ")"

// Answer is what comes with each of WeChat's answers, refusals included.
type Answer struct {
	Clock     time.Time // WeChat's, from the Date header of an answer that is its own or a 401; to the second, else zero
	RequestID string    // for WeChat's support
}

// request is one call. path is escaped and holds the query.
type request struct {
	op     Op
	number string // the payment or refund it is about, for people
	method string
	path   string
	body   any    // marshalled without nulls; nil for none
	serial string // the key that fields of body are encrypted to; empty: none are
}

// errNoKey is for an account that lives by downloaded certificates and has none.
var errNoKey = errors.New("WeChat Pay's platform certificates could not be downloaded, so its answer could not be verified")

// do sends one signed request and reads its verified answer into "into" (nil for none). The error is an *Error.
// Nothing is sent twice, except that a host which could not be reached at all is followed by the next one.
func (c *Client) do(ctx context.Context, r request, into any) (Answer, error) {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	serial := r.serial
	if serial == "" {
		var known bool
		if serial, known = c.answerKey(ctx); !known {
			return Answer{}, &Error{Op: r.op, Number: r.number, Kind: NotSent, cause: errNoKey}
		}
	}
	return c.ask(ctx, r, serial, into, func(h http.Header, body []byte) error {
		err := c.verify(h, body, c.now())
		if errors.Is(err, ErrUnknownSerial) && c.downloadable(h) {
			c.platform.wait(ctx)
			err = c.verify(h, body, c.now())
		}
		return err
	})
}

// answerKey is the serial that a request names. Without it WeChat picks the key, and a merchant that is moving to the
// public key would get the old one. It waits for a download where there is no key to verify with at all.
func (c *Client) answerKey(ctx context.Context) (serial string, known bool) {
	if c.expectKey != "" {
		return c.expectKey, true
	}
	c.platform.keepFresh()
	if serial = c.platform.newest(); serial == "" {
		c.platform.wait(ctx)
		serial = c.platform.newest()
	}
	return serial, serial != ""
}

// downloadable tells whether a download may bring the key that signed this.
func (c *Client) downloadable(h http.Header) bool {
	return c.platform != nil && !strings.HasPrefix(h.Get(consts.WechatPaySerial), publicKeyPrefix)
}

// ask is do with the serial to name, or none, and with its own way to verify.
func (c *Client) ask(ctx context.Context, r request, serial string, into any, verify func(http.Header, []byte) error) (Answer, error) {
	fail := &Error{Op: r.op, Number: r.number, Kind: NotSent}
	var body []byte
	if r.body != nil {
		var err error
		if body, err = json.Marshal(r.body); err != nil {
			fail.cause = err
			return Answer{}, fail
		}
	}
	res, err := c.exchange(ctx, c.hosts, r, serial, body, fail)
	if err != nil {
		return Answer{}, err
	}
	defer func() { _ = res.Body.Close() }()
	return c.read(res, fail, into, verify)
}

// exchange signs and sends. fail is what becomes of the call unless an answer comes.
func (c *Client) exchange(ctx context.Context, hosts []string, r request, serial string, body []byte, fail *Error) (*http.Response, error) {
	authorization, err := c.authorization(r.method, r.path, body)
	if err != nil {
		fail.cause = err
		return nil, fail
	}
	var res *http.Response
	for _, host := range hosts {
		var connected bool
		res, connected, err = c.send(ctx, host, r, serial, authorization, body)
		if connected {
			fail.Kind = Unanswered
		}
		if err == nil || connected || ctx.Err() != nil {
			break
		}
	}
	if err != nil {
		fail.cause = err
		return nil, fail
	}
	return res, nil
}

// send reports whether a connection was there to send on. Until then WeChat surely knows nothing of the call; from
// then on it may know all of it.
func (c *Client) send(ctx context.Context, host string, r request, serial, authorization string, body []byte) (*http.Response, bool, error) {
	var connected atomic.Bool
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn: func(httptrace.GotConnInfo) { connected.Store(true) },
	})
	req, err := http.NewRequestWithContext(ctx, r.method, host+r.path, bytes.NewReader(body))
	if err != nil {
		return nil, false, err
	}
	req.Header.Set(consts.Authorization, authorization)
	req.Header.Set(consts.Accept, consts.ApplicationJSON)
	req.Header.Set(consts.ContentType, consts.ApplicationJSON)
	req.Header.Set(consts.UserAgent, userAgent)
	if serial != "" {
		req.Header.Set(consts.WechatPaySerial, serial)
	}
	res, err := c.http.Do(req)
	return res, connected.Load(), err
}

// read verifies before it looks. fail is what becomes of the call unless all is well.
func (c *Client) read(res *http.Response, fail *Error, into any, verify func(http.Header, []byte) error) (Answer, error) {
	a := Answer{RequestID: cut(res.Header.Get(consts.RequestID), 128)}
	fail.Kind, fail.Status, fail.RequestID = Unanswered, res.StatusCode, a.RequestID

	body, err := io.ReadAll(io.LimitReader(res.Body, largestAnswer+1))
	if err != nil {
		fail.cause = err
		return a, fail
	}
	if len(body) > largestAnswer {
		fail.cause = fmt.Errorf("its answer is longer than %d bytes", largestAnswer)
		return a, fail
	}
	err = verify(res.Header, body)
	if err == nil || res.StatusCode == http.StatusUnauthorized { // of a stranger's answer not even the clock is believed
		a.Clock, _ = http.ParseTime(res.Header.Get("Date"))
	}
	switch {
	case err != nil && res.StatusCode == http.StatusUnauthorized:
		// Never signed, since WeChat does not know us: it is our signature that is wrong, not theirs.
		fail.refuse(body)
		if off := a.Clock.Sub(c.now()); !a.Clock.IsZero() && (off > clockWindow || off < -clockWindow) {
			fail.cause = ErrClock
		}
		return a, fail
	case err != nil:
		fail.Kind, fail.cause = Unverified, err
		return a, fail
	case res.StatusCode != http.StatusOK && res.StatusCode != http.StatusNoContent:
		fail.refuse(body)
		return a, fail
	case into == nil:
		return a, nil
	}
	if err := json.Unmarshal(body, into); err != nil {
		fail.cause = fmt.Errorf("its answer cannot be read: %w", err)
		return a, fail
	}
	return a, nil
}
