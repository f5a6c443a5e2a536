package wechat

import (
	"context"

	"github.com/paybridge/paybridge/plugins/sdk"
)

// DownloadBill streams one day's statement: of the signer, or of the sub merchant that the route names.
func (c *Channel) DownloadBill(ctx context.Context, r sdk.BillRequest, emit func(sdk.BillItem) error) sdk.Result {
	client, refusal, ok := c.Client(r.Route)
	if !ok {
		return refusal
	}
	return client.DownloadBill(ctx, r, emit)
}

// ResolveAbnormalRefund sends a refund that the payer's account could not take elsewhere.
func (c *Channel) ResolveAbnormalRefund(ctx context.Context, r sdk.AbnormalRefund) sdk.Result {
	client, refusal, ok := c.Client(r.Route)
	if !ok {
		return refusal
	}
	return client.ResolveAbnormalRefund(ctx, r)
}

// SetReceiptPage chooses what a sub merchant's payers see after paying.
func (c *Channel) SetReceiptPage(ctx context.Context, r sdk.ReceiptPage) sdk.Result {
	client, refusal, ok := c.Client(r.Route)
	if !ok {
		return refusal
	}
	return client.SetReceiptPage(ctx, r)
}

// RunSelfTest proves the account of a route without money.
func (c *Channel) RunSelfTest(ctx context.Context, r sdk.SelfTest) []sdk.Check {
	client, refusal, ok := c.Client(r.Route)
	if !ok {
		return notConfigured(refusal)
	}
	return client.SelfTest(ctx, r)
}
