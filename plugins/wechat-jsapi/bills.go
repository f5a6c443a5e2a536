package main

import (
	"context"

	"github.com/paybridge/paybridge/plugins/sdk"
)

// DownloadBill streams one day's statement: of the signer, or of the sub merchant that the route names.
func (p *plugin) DownloadBill(ctx context.Context, r sdk.BillRequest, emit func(sdk.BillItem) error) sdk.Result {
	client, refusal, ok := p.client(r.Route)
	if !ok {
		return refusal
	}
	return client.DownloadBill(ctx, r, emit)
}
