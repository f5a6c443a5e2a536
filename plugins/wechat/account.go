package wechat

import (
	_ "embed"

	"github.com/paybridge/paybridge/plugins/sdk"
)

// AccountSchema is the JSON Schema of an account of any WeChat plugin: a Config.
//
//go:embed account.schema.json
var AccountSchema []byte

// Account reads one account and parses its keys. What is wrong is said field by field, all at once. The
// account's mode says where to call.
func Account(a sdk.Account, o Options) (*Client, sdk.Merchant, error) {
	var c Config
	if err := a.Decode(&c); err != nil {
		return nil, sdk.Merchant{}, err
	}
	o.BaseURL = a.Mode.BaseURL
	client, err := New(c, o)
	if err != nil {
		return nil, sdk.Merchant{}, err
	}
	return client, sdk.Merchant{MchID: c.MchID}, nil
}
