package sdk

import "time"

// PaymentState is where the provider says a payment, or a leg, stands.
type PaymentState int32

// The states of a payment. The zero value decides nothing: the host asks again.
const (
	PaymentUnknown   PaymentState = 0
	PaymentPending   PaymentState = 1 // not paid, and payable or being paid
	PaymentSucceeded PaymentState = 2
	PaymentClosed    PaymentState = 3 // not paid and not payable any more
	PaymentFailed    PaymentState = 4 // finally failed; a leg may still be PaymentSucceeded
	PaymentRefunded  PaymentState = 5 // was paid, and at least one refund was made, perhaps of a part
)

// PaymentFacts is what the provider itself says of a payment, in a verified notification or an authenticated answer.
// Never fill in what the provider did not say: the host compares what is here with the stored payment.
type PaymentFacts struct {
	State       PaymentState
	Number      string // at the provider
	MchID       string // the signer's
	SubMchID    string
	AppID       string // the one that Route.AppID would be
	Amount      Amount // the whole of the trade, before coupons; of the listed legs alone when LegsOnly
	PayerAmount Amount // what the payer gave after coupons; zero value: not said
	Payer       PayerFacts
	PaidAt      time.Time // zero while unpaid
	ProviderID  string    // the provider's id of the trade (WeChat: transaction_id, mix_trade_no)
	Legs        []LegFacts
	LegsOnly    bool   // says nothing of the payment as a whole, only of the listed legs
	StateName   string // the provider's own word for the state, for people
	Medical     *MedicalFacts
	Extension   *Extension
}

func (f PaymentFacts) addTo(r *Result) { r.Payment = &f }

// PayerFacts is who paid.
type PayerFacts struct {
	Openid      string // under PaymentFacts.AppID
	SpOpenid    string
	SubOpenid   string
	FundsSource string // the provider's word for where the money came from (WeChat: bank_type)
}

// LegFacts is where one leg stands.
type LegFacts struct {
	ID         string
	Kind       string
	Amount     Amount
	State      PaymentState
	ProviderID string // the provider's id of the trade that this leg's money moved by
	PaidAt     time.Time
}

// RefundState is where the provider says a refund stands.
type RefundState int32

// The states of a refund. The zero value decides nothing: the host asks again.
const (
	RefundUnknown    RefundState = 0
	RefundProcessing RefundState = 1
	RefundSucceeded  RefundState = 2
	RefundClosed     RefundState = 3 // ended without money: a new number would be right
	RefundAbnormal   RefundState = 4 // stuck until a person acts; the number stays
)

// RefundFacts is what the provider itself says of a refund.
type RefundFacts struct {
	State             RefundState
	Number            string // at the provider; empty when it does not say
	PaymentNumber     string
	ProviderID        string // the provider's id of the refund (WeChat: refund_id)
	ProviderPaymentID string
	MchID             string
	SubMchID          string
	Amount            Amount // what goes back
	PayerAmount       Amount // what of it reaches the payer, coupons left out; zero value: not said
	Total             Amount // the whole of the trade it comes from; zero value: not said
	Legs              []RefundLegFacts
	CreatedAt         time.Time
	SucceededAt       time.Time
	ReceivedAccount   string // where it arrived, in the provider's masked words
	StateName         string
	Attention         Attention
}

func (f RefundFacts) addTo(r *Result) { r.Refund = &f }

// RefundLegFacts is one leg's share of a refund.
type RefundLegFacts struct {
	ID         string
	Amount     Amount
	State      RefundState
	ProviderID string
}
