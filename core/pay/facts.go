package pay

import (
	"time"

	"github.com/paybridge/paybridge/core/money"
)

// FactState is a trade's state in the provider's mouth, translated by its plugin.
type FactState string

// The states of a trade. The zero value is a state we do not know: it decides nothing.
const (
	FactUnpaid    FactState = "unpaid"
	FactSucceeded FactState = "succeeded"
	FactClosed    FactState = "closed"
	FactFailed    FactState = "failed"
)

// Facts is what a verified notification or an authenticated answer says about a payment.
type Facts struct {
	State      FactState
	Number     string // out_trade_no
	MchID      string // the signer's
	SubMchID   string
	AppID      string
	Amount     money.Amount // the trade's total, not what the payer gave after coupons
	PayerTotal int64        // fen; 0 when not said
	Payer      string       // openid; empty when not said
	ProviderID string       // transaction id; empty while unpaid
	PaidAt     time.Time
	Refunded   bool // the provider says that a refund of some amount exists (R21)
	Legs       []LegFacts
	LegsOnly   bool          // says nothing of the payment as a whole, only of the listed legs (R22)
	Medical    *MedicalFacts // of a medical insurance payment
}

// LegFacts is what the provider says about one leg.
type LegFacts struct {
	ID         string
	Kind       LegKind
	Amount     money.Amount
	State      FactState
	ProviderID string
	Refunded   bool // the provider says that some of it went back
}

// RefundFactState is a refund's state in the provider's mouth, translated by its plugin.
type RefundFactState string

// The states of a refund at the provider. The zero value is one we do not know: it decides nothing.
const (
	RefundFactProcessing RefundFactState = "processing"
	RefundFactSucceeded  RefundFactState = "succeeded"
	RefundFactClosed     RefundFactState = "closed"
	RefundFactAbnormal   RefundFactState = "abnormal" // the money could not be delivered: a person must act
)

// RefundFacts is what a verified notification or an authenticated answer says about a refund.
type RefundFacts struct {
	State       RefundFactState
	Number      string // out_refund_no
	Payment     string // out_trade_no
	MchID       string
	SubMchID    string
	Amount      money.Amount // zero when not said
	ProviderID  string       // the provider's refund id
	SucceededAt time.Time
	Account     string // which received the money, in the provider's words
}
