package main

import (
	"github.com/paybridge/paybridge/plugins/sdk"
	"github.com/paybridge/paybridge/plugins/wechat"
)

// version is the release's; the build sets it.
var version = "0.0.0-dev"

// Describe says what the channel is.
func (plugin) Describe() sdk.Description {
	return wechat.Describe("wechat-miniprogram", version, "WeChat Pay in a mini program's native page, API v3, direct merchants and partners", sdk.KindWechatMiniProgram)
}
