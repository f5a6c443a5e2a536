package main

import (
	"github.com/paybridge/paybridge/plugins/sdk"
	"github.com/paybridge/paybridge/plugins/wechat"
)

// version is the release's; the build sets it.
var version = "0.0.0-dev"

// Describe says what the channel is.
func (plugin) Describe() sdk.Description {
	return wechat.Describe("wechat-jsapi", version, "WeChat Pay in an official account's page (JSAPI), API v3, direct merchants and partners", sdk.KindWechatJSAPI)
}
