package pay

import (
	"time"

	"github.com/paybridge/paybridge/core/money"
)

// OrderState is where an order stands. See orderMoves for what may follow what.
type OrderState string

// The states of an order.
const (
	OrderOpen              OrderState = "open"
	OrderClosing           OrderState = "closing" // waits for the provider to say that nobody can pay any more
	OrderClosed            OrderState = "closed"
	OrderPaid              OrderState = "paid"
	OrderPartiallyRefunded OrderState = "partially_refunded"
	OrderRefunded          OrderState = "refunded"
)

// PayerPolicy says who may pay an order.
type PayerPolicy string

// The policies. The zero value is refused by Validate, so that nobody gets one by accident.
const (
	PayerNamed  PayerPolicy = "named"  // the identity or user_id that the app gave
	PayerFirst  PayerPolicy = "first"  // the first bound payer owns it
	PayerAnyone PayerPolicy = "anyone" // whoever has the link
)

// CloseReason says why an order was closed.
type CloseReason string

// The reasons.
const (
	ClosedByApp      CloseReason = "app"
	ClosedByOperator CloseReason = "operator"
	ClosedAsDue      CloseReason = "expired"
)

// Order is what the payer owes for. It belongs to an app, knows nothing of channels, and but for its state never
// changes.
type Order struct {
	Number      string
	App         string
	Reference   string // the app's own name for it, unique per app, for ever
	Amount      money.Amount
	Description string // shown to the payer; at most 127 bytes, as WeChat's description
	ProductType string // two digits, the GG of its numbers
	Payer       PayerPolicy
	PayerID     string // openid or user_id when Payer is named
	ReturnURL   string
	Metadata    map[string]string
	ExpiresAt   time.Time
	Bill        *Bill // of a hospital's order; nil for any other, and once it was removed

	State       OrderState
	CloseReason CloseReason // set while closing and closed
	SettledBy   string      // the payment that paid it; set once
	CreatedAt   time.Time
	PaidAt      time.Time // the provider's time; zero until paid
	Due         time.Time // when to look again; zero once it is neither open nor closing
}

// SameContent tells whether a repeated request asks for this very order, so that it may be answered with it.
func (o Order) SameContent(b Order) bool {
	if o.Amount != b.Amount || o.Description != b.Description || o.ProductType != b.ProductType ||
		o.Payer != b.Payer || o.PayerID != b.PayerID || o.ReturnURL != b.ReturnURL ||
		!o.ExpiresAt.Equal(b.ExpiresAt) || len(o.Metadata) != len(b.Metadata) {
		return false
	}
	if !sameBill(o.Bill, b.Bill) {
		return false
	}
	for k, v := range o.Metadata {
		if w, ok := b.Metadata[k]; !ok || v != w {
			return false
		}
	}
	return true
}
