// Command wechat-miniprogram is the PayBridge plugin for WeChat Pay in a mini program's native page, for direct merchants
// and for partners' sub merchants. MAPPING.md says what becomes of each field, state and code of WeChat's.
package main

import (
	"github.com/paybridge/paybridge/plugins/sdk"
	"github.com/paybridge/paybridge/plugins/wechat"
)

func main() { sdk.Serve(newPlugin(wechat.Options{})) }

type plugin struct{ *wechat.Channel }

func newPlugin(o wechat.Options) plugin {
	return plugin{&wechat.Channel{HandOff: sdk.WechatMiniProgram, Options: o}}
}
