package sdk

import (
	"context"
	"time"
)

// PayerCodes takes money by a code that the payer shows (付款码). Optional.
type PayerCodes interface {
	// PayByCode charges. Pending facts mean that the payer types a password: the host queries.
	PayByCode(ctx context.Context, r CodePayment) Result
	// ReverseByCode undoes the charge: paid or not, afterwards nothing was taken. It is repeated until Accepted.
	ReverseByCode(ctx context.Context, r CodeReversal) Result
}

// CodePayment is one charge.
type CodePayment struct {
	Call
	Number      string
	Amount      Amount
	Description string
	Code        string // the digits shown: a secret for the minute it lives
	Payer       Payer
	TimeExpire  time.Time
	Legs        []Leg
	Details     Details
	DeviceID    string // the till
}

// CodeReversal undoes one charge.
type CodeReversal struct {
	Call
	Number     string
	ProviderID string
}
