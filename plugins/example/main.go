// Command example is a PayBridge plugin for a channel that is not WeChat: the payer scans a code, the provider signs the
// bodies of what it says with Ed25519. It is there to be read and copied; provider/ plays its provider. MAPPING.md says
// what becomes of each field, state and code.
package main

import "github.com/paybridge/paybridge/plugins/sdk"

func main() { sdk.Serve(new(plugin)) }

// plugin holds one client an account. Stores (the channel's app ids) are in the calls' routes alone.
type plugin struct {
	accounts sdk.Accounts[*client]
}

// client is the one that signs for this route. The refusal is what to answer when there is none.
func (p *plugin) client(r sdk.Route) (c *client, refusal sdk.Result, ok bool) {
	c, ok = p.accounts.For(r)
	if !ok {
		return nil, sdk.Auth("account %s is not configured with merchant number %s", r.Account, r.MchID), false
	}
	return c, sdk.Result{}, true
}
