package sdk

import (
	"context"
	"time"
)

// Payments opens, asks for and closes trades. Every plugin implements it.
type Payments interface {
	// CreatePayment opens a trade. It must be safe to repeat with the same number and content.
	CreatePayment(ctx context.Context, r Create) Result
	// QueryPayment asks what became of one. Rejected with NotFound only when the provider itself says so.
	QueryPayment(ctx context.Context, r Query) Result
	// ClosePayment makes one unpayable. Found paid is Accepted with those facts. Safe to repeat.
	ClosePayment(ctx context.Context, r Close) Result
}

// Create is one attempt to collect an order. A repeat of the same number carries the same content.
type Create struct {
	Call
	Number      string // 6 to 32 characters: the trade's name at the provider
	Amount      Amount
	Description string // as the payer sees it, at most 127 bytes
	Payer       Payer
	TimeExpire  time.Time // when the trade must end; never moved by a repeat
	Legs        []Leg
	Details     Details
	Attach      string // what the provider carries along and shows in its bills, at most 128 bytes, or empty
	ReturnURL   string // for channels that leave the page, or empty
}

// Query asks for one payment.
type Query struct {
	Call
	Number     string // ours, or that of the system which made the trade
	ProviderID string // the provider's id of the trade, when known
	Legs       []Leg
	TimeExpire time.Time
}

// Close ends one payment.
type Close struct {
	Call
	Number     string
	ProviderID string
	Legs       []Leg
}
