package main

import (
	_ "embed"

	"github.com/paybridge/paybridge/plugins/sdk"
	"github.com/paybridge/paybridge/plugins/wechat"
)

// version is the release's; the build sets it.
var version = "0.0.0-dev"

//go:embed entry.schema.json
var entrySchema []byte

// Describe says what the channel is. An insurance payment has no close, and what is authorized by the payer at the bureau is
// for once: it is never renewed (R07, R25).
func (plugin) Describe() sdk.Description {
	d := wechat.Describe("wechat-medins", version, "Medical insurance and self-paid parts in one payment (WeChat medical insurance 2.0), direct merchants and partners", sdk.KindWechatMedIns)
	d.EntrySchema = entrySchema
	d.HandOffKinds = append(d.HandOffKinds, sdk.KindMiniProgramRedirect, sdk.KindRedirectURL)
	d.NeedsAppAccessToken, d.AppAccessTokenMode = true, modeRedirect
	d.Renewable = false
	d.CloseSupport = sdk.CloseNever
	d.NotPayableAfter = defaultPayable
	d.LegKinds = []string{wechat.LegSelf, wechat.LegInsurance}
	return d
}
