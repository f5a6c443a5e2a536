package weixin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/paybridge/paybridge/ports"
)

// WeChat's own addresses.
const (
	BrowserBase = "https://open.weixin.qq.com"
	ServerBase  = "https://api.weixin.qq.com"
)

// Options is what a Client is made of.
type Options struct {
	BrowserBase string // where a payer's browser is sent for a web authorization
	ServerBase  string // where this gateway asks
	// Secret reads a secret by its reference.
	Secret func(ref string) (string, error)
	// SecretOf is the reference of an app id's secret. ok is false where no entry of that app id has one.
	SecretOf func(appID string) (ref string, ok bool)
	Cache    ports.TokenCache
	Now      func() time.Time
}

// Client is ports.IdentityProvider, and gives access tokens and tickets.
type Client struct {
	Options
	http *http.Client
}

var _ ports.IdentityProvider = (*Client)(nil)

const (
	// callTime is the most that one call may take. A payer waits for it.
	callTime = 8 * time.Second
	// largestAnswer bounds an answer, in bytes; the longest has an access token of about a thousand.
	largestAnswer = 64 << 10
)

// New makes a client. It follows no redirect: WeChat's API has none, and the address holds secrets.
func New(o Options) *Client {
	return &Client{Options: o, http: &http.Client{
		Timeout:       callTime,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			Proxy: http.ProxyFromEnvironment, DialContext: (&net.Dialer{Timeout: 3 * time.Second}).DialContext,
			TLSHandshakeTimeout: 3 * time.Second, IdleConnTimeout: 60 * time.Second, MaxIdleConnsPerHost: 16, ForceAttemptHTTP2: true,
		},
	}}
}

// Close lets go of idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// busy is how often a call is made again that WeChat was too busy for, and how long is waited before.
const busy, busyWait = 2, 200 * time.Millisecond

// ask makes one call. body is nil for a GET. WeChat's -1 says that nothing was done.
func (c *Client) ask(ctx context.Context, what, path string, query url.Values, body any) (answer, error) {
	for n := 0; ; n++ {
		a, err := c.once(ctx, what, path, query, body)
		if err != nil || a.ErrCode != codeBusy || n == busy {
			if err == nil {
				err = a.problem(what)
			}
			return a, err
		}
		select {
		case <-ctx.Done():
			return a, a.problem(what)
		case <-time.After(busyWait):
		}
	}
}

func (c *Client) once(ctx context.Context, what, path string, query url.Values, body any) (answer, error) {
	method, content := http.MethodGet, []byte(nil)
	if body != nil {
		method = http.MethodPost
		var err error
		if content, err = json.Marshal(body); err != nil {
			return answer{}, fmt.Errorf("%s: %w", what, err)
		}
	}
	address := strings.TrimSuffix(c.ServerBase, "/") + path
	if len(query) > 0 {
		address += "?" + query.Encode()
	}
	r, err := http.NewRequestWithContext(ctx, method, address, bytes.NewReader(content))
	if err != nil {
		return answer{}, fmt.Errorf("%s: the address of WeChat's API is wrong: %w", what, ports.ErrUnavailable)
	}
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	resp, err := c.http.Do(r)
	if err != nil {
		return answer{}, fmt.Errorf("%s: %w: %w", what, ports.ErrUnavailable, withoutAddress(err))
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(resp.Body, largestAnswer+1))
	switch {
	case err != nil:
		return answer{}, fmt.Errorf("%s: %w: %w", what, ports.ErrUnavailable, withoutAddress(err))
	case resp.StatusCode != http.StatusOK:
		return answer{}, fmt.Errorf("%s: %w: status %d", what, ports.ErrUnavailable, resp.StatusCode)
	}
	a, err := parse(text)
	if err != nil {
		return a, fmt.Errorf("%s: %w: %w", what, ports.ErrUnavailable, err)
	}
	return a, nil
}

// withoutAddress takes the address out of an error: its query holds the app id's secret and the payer's code.
func withoutAddress(err error) error {
	var of *url.Error
	if errors.As(err, &of) {
		return of.Err
	}
	return err
}
