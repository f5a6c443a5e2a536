package pay

import (
	"time"

	"github.com/paybridge/paybridge/core/money"
)

// RefundState is where a refund stands. See refundMoves for what may follow what.
type RefundState string

// The states of a refund.
const (
	RefundCreated        RefundState = "created"    // never sent
	RefundProcessing     RefundState = "processing" // sent, or about to be: committed before the first call
	RefundSucceeded      RefundState = "succeeded"
	RefundFailed         RefundState = "failed" // definitely refused; its sum is free again
	RefundClosed         RefundState = "closed" // the provider gave it up; a new reference is right
	RefundSettledOutside RefundState = "settled_outside"
)

// Taken tells whether the refund's sum counts against its payment.
func (s RefundState) Taken() bool { return s != RefundFailed && s != RefundClosed }

// Final tells whether nothing more is expected.
func (s RefundState) Final() bool { return s != RefundCreated && s != RefundProcessing }

// Origin says who asked for a refund.
type Origin string

// The origins.
const (
	OriginAPI        Origin = "api"
	OriginDuplicate  Origin = "duplicate"  // a second attempt was paid as well (R19)
	OriginLate       Origin = "late"       // paid after the order had closed (R20)
	OriginDisputed   Origin = "disputed"   // an operator gave back what contradicts the payment (R12)
	OriginIncomplete Origin = "incomplete" // some legs in and another finally failed (R32)
	OriginExternal   Origin = "external"   // made elsewhere, learned from the provider; never sent (R15)
)

// Refund is money going back for one payment, by the payment's frozen route.
type Refund struct {
	Number         string
	ProviderNumber string // what the provider knows it by, where that is not Number: external ones. Else empty
	Payment        string
	Order          string
	App            string
	Reference      string // the app's own name for it, unique per payment, for ever; a leading ~ is ours
	Amount         money.Amount
	AmountUnknown  bool // the provider says only that there was one (R21)
	Legs           []RefundLeg
	Reason         string // shown to the payer; at most 80 bytes
	NotifyURL      string // frozen when the refund was made
	Origin         Origin

	State          RefundState
	NeedsAttention string    // what a person must do before a repeat can succeed; empty: nothing
	Hold           bool      // not sent while set: after a restore, until a person lets go
	Calling        bool      // a create was committed and its outcome was not: after a crash that is Unclear
	Unclear        bool      // some attempt ended INDETERMINATE: a later rejection decides nothing (R04)
	Absent         bool      // a query made after it failed says that the provider does not know it (R28)
	ProviderID     string    // the provider's refund id, once known
	ProviderError  string    // the provider's last definite refusal, for people
	Attempts       int       // provider calls that decided nothing, since the last one that did
	SentAt         time.Time // when the last create was committed; zero: the next step is to send it, not to query
	Account        string    // which received the money, as the provider words it ("支付用户零钱")

	CreatedAt   time.Time
	SucceededAt time.Time // the provider's time
	Due         time.Time // when to look again; zero when final
}

// OutRefundNo is the number that the provider knows the refund by.
func (r Refund) OutRefundNo() string {
	if r.ProviderNumber != "" {
		return r.ProviderNumber
	}
	return r.Number
}

// RefundLeg is the part of a refund that goes back for one leg of the payment.
type RefundLeg struct {
	LegID  string       `json:"leg_id"`
	Amount money.Amount `json:"amount"`
	State  RefundState  `json:"state"`
	// Due is when to look at this leg again; zero when nothing is to be done about it. Of a refund with an insurance leg alone:
	// there each leg moves by itself, and the refund's own Due is the earliest of them.
	Due time.Time `json:"due,omitzero"`
	// Attempts and Refused are the reports that the provider did not take, and its last definite refusal of one, for people; of
	// the insurance leg alone.
	Attempts int    `json:"attempts,omitempty"`
	Refused  string `json:"refused,omitempty"`
	// Bureau is what the insurance bureau gave back, once the app has said so; of the insurance leg alone.
	Bureau *BureauRefund `json:"bureau,omitempty"`
}
