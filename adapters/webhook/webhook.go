// Package webhook takes messages out: events to the endpoints of apps, signed by Standard Webhooks, and alarms to the
// operator's. It goes only where config allows (R44): addresses are looked at when they are dialled, redirects are not
// followed, no proxy is asked, and neither time nor answer is without bound. It keeps no state.
package webhook

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/paybridge/paybridge/ports"
)

// Options is what a Sink is made of.
type Options struct {
	// Secret resolves a reference (env:NAME, file:path). It is asked for each message, so that a rotated one is seen.
	Secret func(ref string) (string, error)
	// AllowNetworks are ranges that are dialled though they are not public.
	AllowNetworks []netip.Prefix
	AllowHTTP     bool      // development: http as well as https
	Operator      *Operator // nil: nobody is told of alarms
	Version       string    // of the gateway, for User-Agent
	Now           func() time.Time
}

// Sink is ports.EventSink.
type Sink struct {
	Options
	client *http.Client
}

var _ ports.EventSink = (*Sink)(nil)

const (
	dialTime   = 5 * time.Second
	answerTime = 20 * time.Second // the most, where the caller sets no earlier deadline
	// answerLimit is how much of an answer is read, in bytes.
	answerLimit = 64 << 10
)

// New makes a sink.
func New(o Options) *Sink {
	dialer := &net.Dialer{Timeout: dialTime, KeepAlive: 30 * time.Second, Control: networks(o.AllowNetworks).control}
	return &Sink{Options: o, client: &http.Client{
		Transport: &http.Transport{ // no Proxy: what it would dial, nobody here would see
			DialContext: dialer.DialContext, TLSHandshakeTimeout: dialTime, ResponseHeaderTimeout: answerTime,
			MaxResponseHeaderBytes: 16 << 10, MaxIdleConnsPerHost: 4, IdleConnTimeout: time.Minute,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Timeout:       answerTime,
	}}
}

// Close lets go of idle connections.
func (s *Sink) Close() { s.client.CloseIdleConnections() }

// SendEvent posts an event (ports.EventSink).
func (s *Sink) SendEvent(ctx context.Context, to ports.Webhook, m ports.EventMessage) error {
	header, err := s.sign(to.Secrets, m)
	if err != nil {
		return err
	}
	_, err = s.post(ctx, to.URL, header, m.Body)
	return err
}

// Ask posts a question (ports.EventSink).
func (s *Sink) Ask(ctx context.Context, to ports.Webhook, m ports.EventMessage) ([]byte, error) {
	header, err := s.sign(to.Secrets, m)
	if err != nil {
		return nil, err
	}
	return s.post(ctx, to.PrepareURL, header, m.Body)
}

// sign makes the headers of Standard Webhooks: one signature for each secret, so that the receiver may know either.
func (s *Sink) sign(secrets []string, m ports.EventMessage) (http.Header, error) {
	if len(secrets) == 0 {
		return nil, errors.New("the webhook has no secret to sign with: give it one")
	}
	signatures := ""
	for i, ref := range secrets {
		secret, err := s.Secret(ref)
		if err != nil {
			return nil, fmt.Errorf("secret %d of the webhook: %w", i+1, err)
		}
		key, err := signingKey(secret)
		if err != nil {
			return nil, fmt.Errorf("secret %d of the webhook: %w", i+1, err)
		}
		signer, err := standardwebhooks.NewWebhookRaw(key)
		if err != nil {
			return nil, fmt.Errorf("secret %d of the webhook: %w", i+1, err)
		}
		signature, err := signer.Sign(m.ID, m.At, m.Body)
		if err != nil {
			return nil, fmt.Errorf("sign with secret %d of the webhook: %w", i+1, err)
		}
		if i > 0 {
			signatures += " "
		}
		signatures += signature
	}
	return http.Header{
		"Webhook-Id": {m.ID}, "Webhook-Timestamp": {strconv.FormatInt(m.At.Unix(), 10)}, "Webhook-Signature": {signatures},
	}, nil
}

// CheckSecret says what is wrong with a secret's form, without repeating it.
func CheckSecret(secret string) error {
	_, err := signingKey(secret)
	return err
}

// signingKey reads a secret as Standard Webhooks writes it: whsec_ and 24 to 64 bytes in base64.
func signingKey(secret string) ([]byte, error) {
	text, ok := strings.CutPrefix(strings.TrimSpace(secret), "whsec_")
	key, err := base64.StdEncoding.DecodeString(text)
	if !ok || err != nil || len(key) < 24 || len(key) > 64 { // the error of base64 may show a part of it
		return nil, errors.New("it is not whsec_ and 24 to 64 bytes in base64; make one by: echo whsec_$(openssl rand -base64 32)")
	}
	return key, nil
}

// post sends JSON and returns the beginning of what a good answer says.
func (s *Sink) post(ctx context.Context, to string, header http.Header, body []byte) ([]byte, error) {
	u, err := url.Parse(to)
	if err != nil || u.Hostname() == "" || (u.Scheme != "https" && (u.Scheme != "http" || !s.AllowHTTP)) {
		return nil, errors.New("the webhook's URL is not one of https")
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, to, bytes.NewReader(body))
	if err != nil {
		return nil, errors.New("the webhook's URL cannot be used")
	}
	if header != nil {
		r.Header = header
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("User-Agent", "PayBridge/"+s.Version)
	answer, err := s.client.Do(r)
	if err != nil {
		return nil, withoutURL(err)
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(answer.Body, answerLimit))
	switch {
	case answer.StatusCode >= 300 && answer.StatusCode < 400:
		return nil, fmt.Errorf("it answered %d, and redirects are not followed: give the URL that it leads to", answer.StatusCode)
	case answer.StatusCode < 200 || answer.StatusCode > 299:
		refused := fmt.Errorf("it answered %d", answer.StatusCode)
		if wait := s.retryAfter(answer.Header.Get("Retry-After")); wait > 0 {
			return nil, &ports.RetryAfter{Err: refused, Wait: wait}
		}
		return nil, refused
	case err != nil: // it may have been taken; sent twice does no harm
		return nil, fmt.Errorf("its answer broke off: %w", err)
	}
	return text, nil
}

// withoutURL is an error of the client without the URL, which may hold a key.
func withoutURL(err error) error {
	var wrapped *url.Error
	if !errors.As(err, &wrapped) {
		return err
	}
	if wrapped.Timeout() {
		return errors.New("it did not answer in time")
	}
	return wrapped.Err
}

// retryAfter reads the header of this name (RFC 9110).
func (s *Sink) retryAfter(text string) time.Duration {
	if seconds, err := strconv.ParseUint(text, 10, 24); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(text); err == nil {
		return at.Sub(s.Now())
	}
	return 0
}

// asJSON writes what is known to be JSON, in the field's way: without escaping what HTML would mind.
func asJSON(v any) []byte {
	var text bytes.Buffer
	e := json.NewEncoder(&text)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic(fmt.Sprintf("an alarm is JSON: %v", err))
	}
	return bytes.TrimRight(text.Bytes(), "\n")
}
