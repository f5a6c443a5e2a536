package sdk

import "context"

// Refunds sends money back. Every plugin implements it.
type Refunds interface {
	// CreateRefund sends money of one leg back. It must be safe to repeat with the same number and content.
	CreateRefund(ctx context.Context, r Refund) Result
	// QueryRefund asks what became of one. Rejected with NotFound only when the provider itself says so.
	QueryRefund(ctx context.Context, r RefundQuery) Result
}

// Refund is money to send back, from the account that took it.
type Refund struct {
	Call
	PaymentNumber     string
	ProviderPaymentID string // the provider's id of the trade that the leg's money came by, when known
	Number            string // the refund's, at most 64 characters
	LegID             string // empty: all legs together, where the provider cannot tell them apart
	Amount            Amount // what goes back
	Total             Amount // the whole of that leg's trade (or of the payment), as the provider knows it
	Reason            string // as the payer may see it, at most 80 bytes
	NotifyURL         string // where the provider tells of this refund; not Route.NotifyURL
}

// RefundQuery asks for one refund.
type RefundQuery struct {
	Call
	PaymentNumber string
	Number        string // ours, or that of the system which made it
	ProviderID    string // the provider's id of the refund, when known
	LegID         string
}
