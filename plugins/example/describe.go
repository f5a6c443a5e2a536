package main

import (
	_ "embed"

	"github.com/paybridge/paybridge/plugins/sdk"
)

// version is the release's; the build sets it.
var version = "0.0.0-dev"

//go:embed account.schema.json
var accountSchema []byte

// Describe says what the channel allows.
func (*plugin) Describe() sdk.Description {
	return sdk.Description{
		Name:             "example",
		Version:          version,
		Summary:          "An example that is not WeChat: the payer scans a code",
		HandOffKinds:     []string{sdk.KindQRCode},
		AccountSchema:    accountSchema,
		Renewable:        true, // the same number and content answers the same code
		NotificationAuth: sdk.AuthInBody,
		CloseSupport:     sdk.CloseAtOnce,
		Expiry:           sdk.ExpiryEnforced,
	}
}
