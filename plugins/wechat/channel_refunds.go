package wechat

import (
	"context"

	"github.com/paybridge/paybridge/plugins/sdk"
)

// CreateRefund sends money back from the merchant number that took it; the same number refunds once, however often
// it is asked.
func (c *Channel) CreateRefund(ctx context.Context, r sdk.Refund) sdk.Result {
	client, refusal, ok := c.Client(r.Route)
	if !ok {
		return refusal
	}
	body := RefundRequest{
		SubMchID:      r.Route.SubMchID,
		TransactionID: r.ProviderPaymentID,
		OutRefundNo:   r.Number,
		Reason:        r.Reason,
		NotifyURL:     r.NotifyURL,
		Amount:        RefundAmount{Refund: r.Amount.Minor, Total: r.Total.Minor, Currency: r.Total.Currency},
	}
	if body.TransactionID == "" { // WeChat takes one of the two
		body.OutTradeNo = r.PaymentNumber
	}
	refund, answer, err := client.CreateRefund(ctx, body)
	if err != nil {
		return Failed(answer, err)
	}
	return Taken(answer, refund.Facts())
}

// QueryRefund asks for the refund by our number.
func (c *Channel) QueryRefund(ctx context.Context, r sdk.RefundQuery) sdk.Result {
	client, refusal, ok := c.Client(r.Route)
	if !ok {
		return refusal
	}
	refund, answer, err := client.QueryRefund(ctx, r.Route.SubMchID, r.Number)
	if err != nil {
		return Failed(answer, err)
	}
	return Taken(answer, refund.Facts())
}
