package wechat

import (
	"context"
	_ "embed"
	"time"

	"github.com/paybridge/paybridge/plugins/sdk"
)

// EntrySchema is the JSON Schema of an entry's settings, the same in every channel.
//
//go:embed entry.schema.json
var EntrySchema []byte

// Channel is what WeChat Pay's channels by prepay id do alike: all but Describe. They differ in where the payer is, and so
// in the hand-off. It holds each account's client, which accounts of one signer share; app ids are in the calls' routes
// alone.
type Channel struct {
	HandOff func(sdk.WechatPay) sdk.HandOff // what the payer's client does with the signed parameters
	Trade   func(Trade) sdk.PaymentFacts    // what a notification about a trade says of a payment; nil: Trade.Facts
	Options Options                         // the zero value; a test brings its own connections

	accounts sdk.Accounts[*Client]
	signers  Signers
}

// Describe is what WeChat Pay allows in each of them.
func Describe(name, version, summary, handOff string) sdk.Description {
	return sdk.Description{
		Name:             name,
		Version:          version,
		Summary:          summary,
		HandOffKinds:     []string{handOff},
		AccountSchema:    AccountSchema,
		EntrySchema:      EntrySchema,
		Renewable:        true,
		NotificationAuth: sdk.AuthInHeader,
		RefundLimits:     sdk.RefundLimits{Count: 50, Age: 365 * 24 * time.Hour, MinInterval: time.Minute},
		CloseSupport:     sdk.CloseAtOnce,
		Expiry:           sdk.ExpiryUntilClosed,
	}
}

// Configure parses the account's keys and puts them in use. It makes no call: the account is not proven by it.
func (c *Channel) Configure(_ context.Context, a sdk.Account) (sdk.Merchant, error) {
	client, merchant, err := c.signers.Account(a, c.Options)
	if err != nil {
		return sdk.Merchant{}, err
	}
	c.accounts.Set(a, merchant, client)
	return merchant, nil
}

// Client is the one that signs for this route. The refusal is what to answer when there is none.
func (c *Channel) Client(r sdk.Route) (client *Client, refusal sdk.Result, ok bool) {
	client, ok = c.accounts.For(r)
	switch {
	case ok:
		return client, sdk.Result{}, true
	case r.SubMchID != "":
		return nil, sdk.Auth("account %s is not configured with merchant number %s for sub merchant %s", r.Account, r.MchID, r.SubMchID), false
	}
	return nil, sdk.Auth("account %s is not configured with merchant number %s", r.Account, r.MchID), false
}
