// Command wechat-jsapi is the PayBridge plugin for WeChat Pay in an official account's page (JSAPI), for merchants that
// sign for themselves. MAPPING.md says what becomes of each field, state and code of WeChat's.
package main

import (
	"github.com/paybridge/paybridge/plugins/sdk"
	"github.com/paybridge/paybridge/plugins/wechat"
)

func main() { sdk.Serve(new(plugin)) }

// plugin holds one client an account. App ids are in the calls' routes alone.
type plugin struct {
	accounts sdk.Accounts[*wechat.Client]
	options  wechat.Options // the zero value; a test brings its own connections
}

// client is the one that signs for this route. The refusal is what to answer when there is none.
func (p *plugin) client(r sdk.Route) (c *wechat.Client, refusal sdk.Result, ok bool) {
	if r.SubMchID != "" {
		return nil, sdk.Auth("account %s: sub merchant %s: this plugin signs for direct merchants only", r.Account, r.SubMchID), false
	}
	c, ok = p.accounts.For(r)
	if !ok {
		return nil, sdk.Auth("account %s is not configured with merchant number %s", r.Account, r.MchID), false
	}
	return c, sdk.Result{}, true
}
