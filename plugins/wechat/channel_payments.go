package wechat

import (
	"context"
	"time"

	"github.com/paybridge/paybridge/plugins/sdk"
)

// prepayLife is how long WeChat takes a prepay id, less what a payer needs to type a password.
const prepayLife = 2*time.Hour - 5*time.Minute

// CreatePayment opens the trade, or renews it: WeChat answers the same number and content with a fresh prepay id.
func (c *Channel) CreatePayment(ctx context.Context, r sdk.Create) sdk.Result {
	client, refusal, ok := c.client(r.Route)
	if !ok {
		return refusal
	}
	var options struct {
		GoodsTag string `json:"goods_tag"`
	}
	if err := r.Route.DecodeOptions(&options); err != nil {
		return sdk.NotSent(err)
	}
	body, err := NewPrepay(r)
	if err != nil {
		return sdk.Rejected(sdk.InvalidRequest, "", "not sent: "+err.Error())
	}
	body.GoodsTag = options.GoodsTag
	asked := time.Now()
	prepayID, answer, err := client.Prepay(ctx, body)
	if err != nil {
		return Failed(answer, err)
	}
	params, err := client.PayParams(r.Route.AppID, prepayID, asked)
	if err != nil {
		return Failed(answer, err) // the trade exists without a hand-off: unclear, and renewed by the repeat
	}
	return Taken(answer, c.HandOff(sdk.WechatPay(params)).Until(validUntil(asked, r.TimeExpire)))
}

// validUntil is the end of the prepay id's life or of the trade's, whichever comes first.
func validUntil(asked, expire time.Time) time.Time {
	if end := asked.Add(prepayLife); end.Before(expire) {
		return end
	}
	return expire
}

// QueryPayment asks for the trade by our number.
func (c *Channel) QueryPayment(ctx context.Context, r sdk.Query) sdk.Result {
	client, refusal, ok := c.client(r.Route)
	if !ok {
		return refusal
	}
	trade, answer, err := client.QueryTrade(ctx, r.Route.SubMchID, r.Number)
	if err != nil {
		return Failed(answer, err)
	}
	return Taken(answer, trade.Facts())
}

// ClosePayment makes the trade unpayable. One that is paid is refused with CONFLICT: the host queries, since WeChat's
// refusal names no amount. The success is a 204, which says no more than that.
func (c *Channel) ClosePayment(ctx context.Context, r sdk.Close) sdk.Result {
	client, refusal, ok := c.client(r.Route)
	if !ok {
		return refusal
	}
	answer, err := client.CloseTrade(ctx, r.Route.SubMchID, r.Number)
	if err != nil {
		return Failed(answer, err)
	}
	return Taken(answer, sdk.PaymentFacts{State: sdk.PaymentClosed})
}
