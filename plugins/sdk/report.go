package sdk

import (
	"context"
	"time"
)

// RefundReports tells the provider of money that went back elsewhere. Optional.
type RefundReports interface {
	// ReportRefund may be repeated; the last one counts.
	ReportRefund(ctx context.Context, r RefundReport) Result
}

// RefundReport is an insurance refund that the hospital made at the bureau. Sums in minor units.
type RefundReport struct {
	Call
	PaymentNumber     string
	ProviderPaymentID string // the provider's id of the whole payment
	Number            string
	LegID             string
	Gov               int64
	Self              int64
	Other             int64
	RefundedAt        time.Time
	BureauRefundNo    string
}
