package main

import (
	"context"

	"github.com/paybridge/paybridge/plugins/sdk"
	"github.com/paybridge/paybridge/plugins/wechat"
)

// RunSelfTest proves the account of a route without money.
func (p *plugin) RunSelfTest(ctx context.Context, r sdk.SelfTest) []sdk.Check {
	client, refusal, ok := p.client(r.Route)
	if !ok {
		return wechat.NotConfigured(refusal)
	}
	return client.SelfTest(ctx, r)
}
