package main

import (
	"context"

	"github.com/paybridge/paybridge/plugins/sdk"
)

// refund is a refund in the provider's words.
type refund struct {
	ID        string `json:"id"`
	Number    string `json:"refund"`
	Payment   string `json:"number"`
	Merchant  string `json:"merchant"`
	Amount    int64  `json:"amount"` // minor units
	Currency  string `json:"currency"`
	State     string `json:"state"` // GOING, ARRIVED
	ArrivedAt int64  `json:"arrived_at"`
}

var refundStates = map[string]sdk.RefundState{"GOING": sdk.RefundProcessing, "ARRIVED": sdk.RefundSucceeded}

func (r refund) facts() sdk.RefundFacts {
	return sdk.RefundFacts{
		State: refundStates[r.State], StateName: r.State, Number: r.Number, PaymentNumber: r.Payment, MchID: r.Merchant,
		Amount: sdk.Amount{Minor: r.Amount, Currency: r.Currency}, ProviderID: r.ID, SucceededAt: moment(r.ArrivedAt),
	}
}

// CreateRefund sends money back. The provider answers the same refund number and content with the same refund.
func (p *plugin) CreateRefund(ctx context.Context, r sdk.Refund) sdk.Result {
	return p.refund(ctx, r.Route, "/refund", map[string]any{
		"number": r.PaymentNumber, "refund": r.Number, "amount": r.Amount.Minor, "notify_url": r.NotifyURL,
	})
}

// QueryRefund asks for the refund by our number.
func (p *plugin) QueryRefund(ctx context.Context, r sdk.RefundQuery) sdk.Result {
	return p.refund(ctx, r.Route, "/query-refund", map[string]any{"number": r.PaymentNumber, "refund": r.Number})
}

func (p *plugin) refund(ctx context.Context, route sdk.Route, path string, request any) sdk.Result {
	c, refusal, ok := p.client(route)
	if !ok {
		return refusal
	}
	var made refund
	if err := c.call(ctx, path, request, &made); err != nil {
		return failed(err)
	}
	return sdk.Accepted(made.facts())
}
