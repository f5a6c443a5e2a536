package ports

import (
	"context"
	"errors"
	"time"

	"github.com/paybridge/paybridge/core/money"
	"github.com/paybridge/paybridge/core/pay"
)

// Optional makes the calls that only some pay channels offer. Each says by ErrUnimplemented that its channel does not, and
// by ErrUnavailable that nobody here can tell now; after either, nothing was sent. Every call is made by a frozen route.
type Optional interface {
	// Offers tells which optional services a provider has. ErrUnavailable: its plugin has never run here.
	Offers(provider string) ([]Service, error)
	// SelfTest proves the account of a route without money. With an echo, a provider that can sends a Notice
	// "self_test.echo" of that id to the route's notify URL.
	SelfTest(ctx context.Context, route pay.Route, echo string) ([]SelfTestCheck, error)
	// DownloadBill gives line each TradeLine or FundLine of a statement as it comes. Only after an accepted outcome was
	// what it gave a statement: its hash was verified and its totals are the lines'. NotFound: there is none for that
	// day. Unavailable: not yet. An error of line ends the download and is returned.
	DownloadBill(ctx context.Context, b Bill, line func(any) error) (BillAnswer, error)
	// ResolveAbnormalRefund sends a refund that the payer's account could not take elsewhere (R33).
	ResolveAbnormalRefund(ctx context.Context, p pay.Payment, r pay.Refund, to AbnormalTarget) (RefundAnswer, error)
	// SetReceiptPage chooses what payers see after paying to the account of a route. It may be repeated.
	SetReceiptPage(ctx context.Context, route pay.Route, page ReceiptPage) (pay.Outcome, error)
	// ReportRefund tells the provider of an insurance refund that was made elsewhere.
	ReportRefund(ctx context.Context, p pay.Payment, r RefundReport) (pay.Outcome, error)
	// PayByCode charges by a code that the payer shows. It is never repeated: an outcome that is not clear is queried, and
	// reversed by ReverseByCode, which may be repeated.
	PayByCode(ctx context.Context, p pay.Payment, c PayerCode) (PaymentAnswer, error)
	ReverseByCode(ctx context.Context, p pay.Payment) (PaymentAnswer, error)
}

// ErrUnimplemented says that a pay channel does not offer this: no repeat changes that.
var ErrUnimplemented = errors.New("the pay channel does not offer this")

// Service is something that a pay channel may offer beside payments and refunds.
type Service string

// The services.
const (
	ServiceBills          Service = "bill_download"
	ServiceRefundReports  Service = "refund_reporter"
	ServiceAbnormalRefund Service = "abnormal_refund"
	ServicePayerCode      Service = "payer_code"
	ServiceSelfTest       Service = "self_test"
	ServiceDiagnostics    Service = "diagnostics"
	ServiceReceiptPage    Service = "receipt_page"
)

// ReceiptPage is what a payer sees after paying (点金计划).
type ReceiptPage string

// The choices: nothing, the provider's own page, or ours inside of it (/checkout/receipt).
const (
	NoReceipt       ReceiptPage = "none"
	ProviderReceipt ReceiptPage = "provider"
	OwnReceipt      ReceiptPage = "own"
)

// SelfTestCheck is one thing proven or not.
type SelfTestCheck struct {
	Name     string // stable, for example "request_signature"
	Status   CheckStatus
	Code     string // unless ok: what was found, for programs; stable within one plugin, for example "clock_off"
	Detail   string // what was seen
	Remedy   string // unless ok: what to do, in English
	RemedyZH string // the same in Chinese
}

// CodeCallbackAwaited is of a check that was skipped, and that the notice "self_test.echo" proves once it has come.
const CodeCallbackAwaited = "callback_awaited"

// CheckStatus is how a check ended. The zero value says that nothing was proven.
type CheckStatus string

// How a check ended.
const (
	CheckOK      CheckStatus = "ok"
	CheckFailed  CheckStatus = "failed"
	CheckSkipped CheckStatus = "skipped"
)

// Bill names one statement.
type Bill struct {
	Route pay.Route // provider, account and merchant numbers
	Kind  BillKind
	Day   string // in the provider's time zone, YYYY-MM-DD
}

// BillKind is which statement.
type BillKind string

// The statements: trades with their refunds, and movements of the account's funds.
const (
	BillTrade BillKind = "trade"
	BillFund  BillKind = "fund"
)

// BillAnswer is what became of a download.
type BillAnswer struct {
	Outcome      pay.Outcome
	Lines        int64
	ProviderTime time.Time // zero when not said
}

// TradeLine is one row of a trade statement. Amounts are exact; of a payment's row RefundAmount is the zero Amount.
type TradeLine struct {
	OccurredAt       time.Time
	AppID            string
	MchID            string
	SubMchID         string // empty for direct merchants
	ProviderID       string
	Number           string // out_trade_no
	ProviderRefundID string // empty for payments
	RefundNumber     string // out_refund_no
	Amount           money.Amount
	RefundAmount     money.Amount
	FeeMilli         int64  // thousandths of a minor unit; may be negative
	TradeState       string // the provider's own words
	RefundState      string
	RefundFact       pay.RefundFactState // empty: the row does not say
	Attach           string              // what the payment's content says (pay.Order.Attach), where the statement shows it
}

// FundLine is one row of a fund statement.
type FundLine struct {
	BookedAt     time.Time
	BusinessID   string // the provider's id of the trade or refund behind it
	FlowID       string // the provider's id of the movement
	BusinessName string // the provider's own words
	BusinessType string
	Amount       money.Amount // positive in, negative out
	Balance      money.Amount // what the account holds afterwards
	Remark       string
	VoucherNo    string
}

// AbnormalTarget is where the money of an abnormal refund goes. The card's data is personal: it is never stored or logged.
type AbnormalTarget struct {
	ToMerchant  bool // back to the merchant, who pays the payer in another way; else to this card of the payer
	BankType    string
	BankAccount string
	RealName    string
}

// RefundReport is an insurance refund that the hospital made at the bureau. Sums in fen.
type RefundReport struct {
	Number         string // the cash refund's, or the hospital's own
	LegID          string
	Gov            int64
	Self           int64
	Other          int64
	RefundedAt     time.Time
	BureauRefundNo string
}

// PayerCode is what a payer shows.
type PayerCode struct {
	Code     string // its digits: a secret for the minute it lives
	DeviceID string // the till
}
