package weixin

import (
	"context"
	"fmt"
	"net/url"
	"strings"

	"github.com/paybridge/paybridge/core/identity"
	"github.com/paybridge/paybridge/ports"
)

// AuthorizeURL is where a browser begins a web authorization (ports.IdentityProvider). WeChat wants the parameters in this
// order.
func (c *Client) AuthorizeURL(who ports.IdentityApp, redirectURI, state string) string {
	scope := who.Scope
	if scope == "" {
		scope = ports.ScopeBase
	}
	return strings.TrimSuffix(c.BrowserBase, "/") + "/connect/oauth2/authorize?appid=" + url.QueryEscape(who.AppID) +
		"&redirect_uri=" + url.QueryEscape(redirectURI) + "&response_type=code&scope=" + url.QueryEscape(string(scope)) +
		"&state=" + url.QueryEscape(state) + "#wechat_redirect"
}

// ByCode asks whose code of a web authorization it is (ports.IdentityProvider).
func (c *Client) ByCode(ctx context.Context, who ports.IdentityApp, code string) (identity.Seen, error) {
	what := "exchange a code of app id " + who.AppID
	a, err := c.exchange(ctx, what, "/sns/oauth2/access_token", "code", who, code)
	if err != nil {
		return identity.Seen{}, err
	}
	if a.UnionID == "" && a.Snapshot == 0 && who.Scope == ports.ScopeUserInfo && a.AccessToken != "" {
		info, err := c.ask(ctx, "read the payer's unionid", "/sns/userinfo", url.Values{"access_token": {a.AccessToken}, "openid": {a.OpenID}, "lang": {"zh_CN"}}, nil)
		if err == nil && info.OpenID == a.OpenID { // without it the payer is known by the openid, and joined another time
			a.UnionID = info.UnionID
		}
	}
	return identity.Seen{Name: identity.Name{AppID: who.AppID, OpenID: a.OpenID}, UnionID: a.UnionID, Snapshot: a.Snapshot != 0}, nil
}

// ByJSCode asks whose js_code of wx.login it is (ports.IdentityProvider).
func (c *Client) ByJSCode(ctx context.Context, who ports.IdentityApp, jsCode string) (identity.Seen, error) {
	a, err := c.exchange(ctx, "exchange a js_code of app id "+who.AppID, "/sns/jscode2session", "js_code", who, jsCode)
	if err != nil {
		return identity.Seen{}, err
	}
	return identity.Seen{Name: identity.Name{AppID: who.AppID, OpenID: a.OpenID}, UnionID: a.UnionID}, nil
}

// longestCode bounds a code, in bytes; WeChat's have 32.
const longestCode = 256

func (c *Client) exchange(ctx context.Context, what, path, name string, who ports.IdentityApp, code string) (answer, error) {
	if code == "" || len(code) > longestCode {
		return answer{}, fmt.Errorf("%s: %w", what, ports.ErrCodeInvalid)
	}
	secret, err := c.Secret(who.Secret)
	if err != nil {
		return answer{}, fmt.Errorf("%s: %w: %w", what, ports.ErrIdentityRefused, err)
	}
	a, err := c.ask(ctx, what, path, url.Values{"appid": {who.AppID}, "secret": {secret}, name: {code}, "grant_type": {"authorization_code"}}, nil)
	if err == nil && a.OpenID == "" {
		err = fmt.Errorf("%s: %w: %w", what, ports.ErrUnavailable, errUnreadable)
	}
	return a, err
}
