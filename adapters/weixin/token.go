package weixin

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/paybridge/paybridge/ports"
)

const (
	// enough is what a token must have left. In its last five minutes WeChat gives a new one, and the old one still works.
	enough = 4 * time.Minute
	// tokenHold is how long one replica may take to fetch a token before another tries.
	tokenHold = 3*callTime + busy*busyWait
)

// AppToken gives the access token of an app id, the same to all replicas. refused is one that WeChat did not take (empty:
// none): it is not given again.
func (c *Client) AppToken(ctx context.Context, appID, refused string) (ports.AppToken, error) {
	return c.cached(ctx, ports.AccessToken, appID, refused, func(ctx context.Context, force bool) (answer, error) {
		what := "fetch the access token of app id " + appID
		ref, ok := c.SecretOf(appID)
		if !ok {
			return answer{}, fmt.Errorf("%s: %w: no entry of this app id has a secret", what, ports.ErrIdentityRefused)
		}
		secret, err := c.Secret(ref)
		if err != nil {
			return answer{}, fmt.Errorf("%s: %w: %w", what, ports.ErrIdentityRefused, err)
		}
		body := map[string]any{"grant_type": "client_credential", "appid": appID, "secret": secret}
		if force { // at most 20 a day: only for a token that was refused before its time
			body["force_refresh"] = true
		}
		return c.ask(ctx, what, "/cgi-bin/stable_token", nil, body)
	})
}

// Ticket gives the ticket of an app id that signs wx.config, the same to all replicas.
func (c *Client) Ticket(ctx context.Context, appID string) (ports.AppToken, error) {
	return c.cached(ctx, ports.JSAPITicket, appID, "", func(ctx context.Context, _ bool) (answer, error) {
		what := "fetch the ticket of app id " + appID
		refused := ""
		for {
			token, err := c.AppToken(ctx, appID, refused)
			if err != nil {
				return answer{}, fmt.Errorf("%s: %w", what, err)
			}
			a, err := c.ask(ctx, what, "/cgi-bin/ticket/getticket", url.Values{"access_token": {token.Token}, "type": {"jsapi"}}, nil)
			if !a.badToken() || refused != "" {
				return a, err
			}
			refused = token.Token
		}
	})
}

// cached gives what all replicas share while it lives long enough, and else has one of them fetch it. Who cannot wait for
// that (an old token still works) does not.
func (c *Client) cached(ctx context.Context, kind ports.AppTokenKind, appID, refused string, fetch func(ctx context.Context, force bool) (answer, error)) (ports.AppToken, error) {
	good := func(t ports.AppToken, left time.Duration) bool {
		return t.Token != "" && t.Token != refused && t.ExpiresAt.Sub(c.Now()) > left
	}
	for wait := 20 * time.Millisecond; ; wait = min(2*wait, 250*time.Millisecond) {
		had, err := c.Cache.AppToken(ctx, kind, appID)
		if err != nil || good(had, enough) {
			return had, err
		}
		claim, ok, err := c.Cache.ClaimAppToken(ctx, kind, appID, tokenHold)
		if err != nil {
			return ports.AppToken{}, err
		}
		if ok {
			fresh, err := c.refresh(ctx, kind, appID, claim, func(t ports.AppToken) bool { return good(t, enough) }, func() (answer, error) {
				return fetch(ctx, had.Token != "" && had.Token == refused)
			})
			if err != nil && good(had, 0) {
				return had, nil // the next call tries again
			}
			return fresh, err
		}
		if good(had, 0) {
			return had, nil
		}
		select {
		case <-ctx.Done():
			return ports.AppToken{}, fmt.Errorf("the %s of app id %s: %w: another replica is fetching it", kind, appID, ports.ErrUnavailable)
		case <-time.After(wait):
		}
	}
}

// refresh fetches a token by a claim, and gives the claim back whatever happens.
func (c *Client) refresh(ctx context.Context, kind ports.AppTokenKind, appID string, claim int64, good func(ports.AppToken) bool, fetch func() (answer, error)) (ports.AppToken, error) {
	now, err := c.Cache.AppToken(ctx, kind, appID) // another may have been quicker than our claim
	if err != nil {
		return now, err
	}
	fresh := now
	if !good(now) {
		a, failed := fetch()
		token := a.AccessToken
		if kind == ports.JSAPITicket {
			token = a.Ticket
		}
		switch {
		case failed != nil:
			err = failed
		case token == "" || a.ExpiresIn == 0:
			err = fmt.Errorf("the %s of app id %s: %w: %w", kind, appID, ports.ErrUnavailable, errUnreadable)
		default:
			fresh = ports.AppToken{Token: token, ExpiresAt: c.Now().Add(time.Duration(a.ExpiresIn) * time.Second).UTC().Truncate(time.Microsecond)}
		}
	}
	put, cancel := context.WithTimeout(context.WithoutCancel(ctx), callTime)
	defer cancel()
	if err := errors.Join(err, c.Cache.PutAppToken(put, kind, appID, claim, fresh)); err != nil {
		return ports.AppToken{}, err
	}
	return fresh, nil
}
