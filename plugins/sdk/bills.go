package sdk

import (
	"context"
	"time"
)

// Bills fetches the provider's statements. Optional.
type Bills interface {
	// DownloadBill gives each line to emit, in any order, and returns after the statement's own hash was verified.
	// Anything but Accepted says that what was emitted is no statement. An error of emit ends the download.
	DownloadBill(ctx context.Context, r BillRequest, emit func(BillItem) error) Result
}

// BillRequest names one statement.
type BillRequest struct {
	Call
	Kind BillKind
	Date string // the day in the provider's time zone, "YYYY-MM-DD"
}

// BillKind is which statement.
type BillKind int32

// The statements.
const (
	TradeBill BillKind = 1
	FundBill  BillKind = 2
)

// BillItem is a TradeLine, a FundLine or BillTotals.
type BillItem interface{ billItem() }

// TradeLine is one row of a trade statement.
type TradeLine struct {
	OccurredAt       time.Time
	AppID            string
	MchID            string
	SubMchID         string // empty for direct merchants
	ProviderID       string
	Number           string
	ProviderRefundID string // empty for payments
	RefundNumber     string
	Amount           Amount // the trade's whole amount (payments)
	RefundAmount     Amount // what was asked back (refunds)
	FeeMilli         int64  // thousandths of a minor unit; may be negative
	TradeStateName   string
	RefundStateName  string
	RefundState      RefundState
	Attach           string // what Create.Attach was, where the statement shows it; at most 128 bytes
}

func (TradeLine) billItem() {}

// FundLine is one row of a fund statement.
type FundLine struct {
	BookedAt     time.Time
	BusinessID   string // the provider's id of the trade or refund behind it
	FlowID       string // the provider's id of the movement
	BusinessName string
	BusinessType string
	Amount       Amount // positive in, negative out
	Balance      Amount // what the account holds afterwards
	Remark       string
	VoucherNo    string
}

func (FundLine) billItem() {}

// BillTotals is what the statement says of itself.
type BillTotals struct {
	Lines    int64
	Paid     Amount // funds: in
	Refunded Amount // funds: out
	FeeMilli int64  // thousandths of a minor unit
}

func (BillTotals) billItem() {}
