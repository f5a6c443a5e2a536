package main

import (
	"context"

	"github.com/paybridge/paybridge/plugins/sdk"
	"github.com/paybridge/paybridge/plugins/wechat"
)

// ParseNotification verifies with the keys of the account in the address, which proves nothing else: whose payment it
// is about stands in the facts.
func (p *plugin) ParseNotification(_ context.Context, n sdk.Notification) sdk.Parsed {
	client, ok := p.accounts.Named(n.Account)
	if !ok {
		return wechat.Refuse(sdk.UnknownAccount, "account %s is not configured", n.Account)
	}
	return client.Parse(n)
}
