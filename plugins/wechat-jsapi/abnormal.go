package main

import (
	"context"

	"github.com/paybridge/paybridge/plugins/sdk"
)

// ResolveAbnormalRefund sends a refund that the payer's account could not take elsewhere.
func (p *plugin) ResolveAbnormalRefund(ctx context.Context, r sdk.AbnormalRefund) sdk.Result {
	client, refusal, ok := p.client(r.Route)
	if !ok {
		return refusal
	}
	return client.ResolveAbnormalRefund(ctx, r)
}
