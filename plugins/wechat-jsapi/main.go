// Command wechat-jsapi is the PayBridge plugin for WeChat Pay in an official account's page (JSAPI), for direct merchants
// and for partners' sub merchants. MAPPING.md says what becomes of each field, state and code of WeChat's.
package main

import (
	"github.com/paybridge/paybridge/plugins/sdk"
	"github.com/paybridge/paybridge/plugins/wechat"
)

func main() { sdk.Serve(new(plugin)) }

// plugin holds each account's client, which accounts of one signer share. App ids are in the calls' routes alone.
type plugin struct {
	accounts sdk.Accounts[*wechat.Client]
	signers  wechat.Signers
	options  wechat.Options // the zero value; a test brings its own connections
}

// client is the one that signs for this route. The refusal is what to answer when there is none.
func (p *plugin) client(r sdk.Route) (c *wechat.Client, refusal sdk.Result, ok bool) {
	c, ok = p.accounts.For(r)
	switch {
	case ok:
		return c, sdk.Result{}, true
	case r.SubMchID != "":
		return nil, sdk.Auth("account %s is not configured with merchant number %s for sub merchant %s", r.Account, r.MchID, r.SubMchID), false
	}
	return nil, sdk.Auth("account %s is not configured with merchant number %s", r.Account, r.MchID), false
}
