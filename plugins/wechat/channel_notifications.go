package wechat

import (
	"context"

	"github.com/paybridge/paybridge/plugins/sdk"
)

// ParseNotification verifies with the keys of the account in the address, which proves nothing else: whose payment it
// is about stands in the facts.
func (c *Channel) ParseNotification(_ context.Context, n sdk.Notification) sdk.Parsed {
	client, ok := c.accounts.Named(n.Account)
	if !ok {
		return Refuse(sdk.UnknownAccount, "account %s is not configured", n.Account)
	}
	trade := c.Trade
	if trade == nil {
		trade = Trade.Facts
	}
	return client.Parse(n, trade)
}
