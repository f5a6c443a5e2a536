package wechat

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/paybridge/paybridge/plugins/sdk"
)

// prepayLife is how long WeChat takes a prepay id, less what a payer needs to type a password.
const prepayLife = 2*time.Hour - 5*time.Minute

// plain refuses a payment that is more than cash: asked for as one sum, the payer would pay the insurance's part too.
func plain(r sdk.Create) error {
	if r.Details != (sdk.Details{}) {
		return errors.New("this channel takes no details with a payment: the order needs an entry of another provider")
	}
	for _, leg := range r.Legs {
		if leg.Kind != "self" {
			return fmt.Errorf("this channel takes cash alone, and a part of the payment is %q: the order needs an entry of another provider", leg.Kind)
		}
	}
	return nil
}

// CreatePayment opens the trade, or renews it: WeChat answers the same number and content with a fresh prepay id.
func (c *Channel) CreatePayment(ctx context.Context, r sdk.Create) sdk.Result {
	client, refusal, ok := c.Client(r.Route)
	if !ok {
		return refusal
	}
	var options struct {
		GoodsTag string `json:"goods_tag"`
	}
	if err := r.Route.DecodeOptions(&options); err != nil {
		return sdk.NotSent(err)
	}
	if err := plain(r); err != nil {
		return sdk.Rejected(sdk.InvalidRequest, "", "not sent: "+err.Error())
	}
	body, err := NewPrepay(r)
	if err != nil {
		return sdk.Rejected(sdk.InvalidRequest, "", "not sent: "+err.Error())
	}
	body.GoodsTag, body.Attach = options.GoodsTag, r.Attach
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
	client, refusal, ok := c.Client(r.Route)
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
	client, refusal, ok := c.Client(r.Route)
	if !ok {
		return refusal
	}
	answer, err := client.CloseTrade(ctx, r.Route.SubMchID, r.Number)
	if err != nil {
		return Failed(answer, err)
	}
	return Taken(answer, sdk.PaymentFacts{State: sdk.PaymentClosed})
}
