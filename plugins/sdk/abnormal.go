package sdk

import "context"

// AbnormalRefunds ends a refund that the payer's account could not take. Optional.
type AbnormalRefunds interface {
	ResolveAbnormalRefund(ctx context.Context, r AbnormalRefund) Result
}

// AbnormalRefund says where the money shall go instead. Bank data is personal and in clear; the plugin encrypts it.
type AbnormalRefund struct {
	Call
	PaymentNumber string
	Number        string
	ProviderID    string // the provider's id of the refund
	Target        AbnormalTarget
	BankType      string
	BankAccount   string
	RealName      string
}

// AbnormalTarget is where the money goes.
type AbnormalTarget int32

// Where an abnormal refund's money goes.
const (
	ToPayerCard AbnormalTarget = 1 // another bank card of the payer
	ToMerchant  AbnormalTarget = 2 // back to the merchant, who pays the payer in another way
)
