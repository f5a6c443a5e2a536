package main

import (
	_ "embed"
	"time"

	"github.com/paybridge/paybridge/plugins/sdk"
	"github.com/paybridge/paybridge/plugins/wechat"
)

// version is the release's; the build sets it.
var version = "0.0.0-dev"

//go:embed entry.schema.json
var entrySchema []byte

// Describe says what WeChat Pay allows in an official account.
func (*plugin) Describe() sdk.Description {
	return sdk.Description{
		Name:             "wechat-jsapi",
		Version:          version,
		Summary:          "WeChat Pay in an official account's page (JSAPI), API v3, direct merchants and partners",
		HandOffKinds:     []string{sdk.KindWechatJSAPI},
		AccountSchema:    wechat.AccountSchema,
		EntrySchema:      entrySchema,
		Renewable:        true,
		NotificationAuth: sdk.AuthInHeader,
		RefundLimits:     sdk.RefundLimits{Count: 50, Age: 365 * 24 * time.Hour, MinInterval: time.Minute},
		CloseSupport:     sdk.CloseAtOnce,
		Expiry:           sdk.ExpiryUntilClosed,
	}
}
