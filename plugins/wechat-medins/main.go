// Command wechat-medins is the PayBridge plugin for medical insurance payments through WeChat Pay: the insurance part and the
// self-paid part in one go (2.0), or by way of the insurance mini program (1.0), for direct merchants and for partners' sub merchants. MAPPING.md says what becomes of each
// field, state and code of WeChat's.
package main

import (
	"bytes"
	"context"
	"errors"

	"github.com/paybridge/paybridge/plugins/sdk"
	"github.com/paybridge/paybridge/plugins/wechat"
)

func main() { sdk.Serve(newPlugin(wechat.Options{})) }

// plugin is a channel by prepay id, as its siblings are, whose trades are the self-paid parts of something larger.
type plugin struct {
	*wechat.Channel
	modes *sdk.Accounts[sdk.Mode]
	v2    *sdk.Accounts[*wechat.PayInsurance] // nil of accounts without an APIv2 key
}

func newPlugin(o wechat.Options) plugin {
	return plugin{&wechat.Channel{Options: o, Trade: wechat.Trade.LegFacts}, &sdk.Accounts[sdk.Mode]{}, &sdk.Accounts[*wechat.PayInsurance]{}}
}

// Configure parses the account's keys, as every channel of WeChat's does. The bureau's test flag is for no production.
func (p plugin) Configure(ctx context.Context, a sdk.Account) (sdk.Merchant, error) {
	if a.Mode.Test && a.Mode.Production {
		return sdk.Merchant{}, errors.Join(sdk.Field("/test", "is the bureau's test environment: remove it in production"))
	}
	var c wechat.Config
	if err := a.Decode(&c); err != nil {
		return sdk.Merchant{}, err
	}
	o := p.Options
	o.BaseURL = a.Mode.BaseURL
	v2, err := wechat.NewPayInsurance(c, o)
	if err != nil {
		return sdk.Merchant{}, err
	}
	m, err := p.Channel.Configure(ctx, a)
	if err == nil {
		p.modes.Set(a, m, a.Mode)
		p.v2.Set(a, m, v2)
	}
	return m, err
}

// ParseNotification tells 1.0's messages from those of API v3 by their first letter: XML is none of JSON's.
func (p plugin) ParseNotification(ctx context.Context, n sdk.Notification) sdk.Parsed {
	if bytes.HasPrefix(bytes.TrimLeft(n.Body, " \t\r\n"), []byte("<")) {
		return p.notified10(n)
	}
	return p.Channel.ParseNotification(ctx, n)
}
