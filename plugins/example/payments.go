package main

import (
	"context"

	"github.com/paybridge/paybridge/plugins/sdk"
)

// trade is a payment in the provider's words.
type trade struct {
	ID       string `json:"id"`
	Number   string `json:"number"`
	Merchant string `json:"merchant"`
	Store    string `json:"store"`
	Amount   int64  `json:"amount"` // minor units
	Currency string `json:"currency"`
	State    string `json:"state"` // WAITING, PAID, CLOSED, REFUNDED
	PaidAt   int64  `json:"paid_at"`
	Code     string `json:"code"` // what the QR code holds
}

var tradeStates = map[string]sdk.PaymentState{
	"WAITING": sdk.PaymentPending, "PAID": sdk.PaymentSucceeded, "CLOSED": sdk.PaymentClosed, "REFUNDED": sdk.PaymentRefunded,
}

func (t trade) facts() sdk.PaymentFacts {
	return sdk.PaymentFacts{
		State: tradeStates[t.State], StateName: t.State, Number: t.Number, MchID: t.Merchant, AppID: t.Store,
		Amount: sdk.Amount{Minor: t.Amount, Currency: t.Currency}, PaidAt: moment(t.PaidAt), ProviderID: t.ID,
	}
}

// CreatePayment opens the trade. The provider answers the same number and content with the same code.
func (p *plugin) CreatePayment(ctx context.Context, r sdk.Create) sdk.Result {
	c, refusal, ok := p.client(r.Route)
	if !ok {
		return refusal
	}
	var t trade
	err := c.call(ctx, "/create", map[string]any{
		"number": r.Number, "store": r.Route.AppID, "amount": r.Amount.Minor, "currency": r.Amount.Currency,
		"subject": r.Description, "expires_at": r.TimeExpire.Unix(), "notify_url": r.Route.NotifyURL,
	}, &t)
	if err != nil {
		return failed(err)
	}
	return sdk.Accepted(t.facts(), sdk.QRCode(t.Code).Until(r.TimeExpire))
}

// QueryPayment asks for the trade by our number.
func (p *plugin) QueryPayment(ctx context.Context, r sdk.Query) sdk.Result {
	return p.ask(ctx, r.Route, "/query", r.Number)
}

// ClosePayment makes the trade unpayable. One that is paid stays so, and the answer says it.
func (p *plugin) ClosePayment(ctx context.Context, r sdk.Close) sdk.Result {
	return p.ask(ctx, r.Route, "/close", r.Number)
}

func (p *plugin) ask(ctx context.Context, route sdk.Route, path, number string) sdk.Result {
	c, refusal, ok := p.client(route)
	if !ok {
		return refusal
	}
	var t trade
	if err := c.call(ctx, path, map[string]any{"number": number}, &t); err != nil {
		return failed(err)
	}
	return sdk.Accepted(t.facts())
}
