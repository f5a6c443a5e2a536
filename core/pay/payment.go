package pay

import (
	"encoding/json"
	"time"

	"github.com/paybridge/paybridge/core/money"
)

// PaymentState is where a payment stands. See paymentMoves for what may follow what.
type PaymentState string

// The states of a payment.
const (
	PaymentCreated   PaymentState = "created"   // the intent is committed; the provider may or may not know it
	PaymentPending   PaymentState = "pending"   // 支付中: the provider accepted, the payer may pay
	PaymentClosing   PaymentState = "closing"   // committed before the provider is asked to close
	PaymentClosed    PaymentState = "closed"    // the provider says that it is not paid and cannot be
	PaymentFailed    PaymentState = "failed"    // definitely refused
	PaymentSucceeded PaymentState = "succeeded" // a verified callback or query said so
)

const (
	// CallTime is the most that one call to a provider may take, plugin hop included.
	CallTime = 10 * time.Second
	// Grace is how long after its deadline a call may still come into effect at the provider (R06).
	Grace = 60 * time.Second
	// Hold is how long a claim lasts, and when what it was taken for is looked at again: the call, and the time to commit
	// what came of it.
	Hold = CallTime + 30*time.Second
	// LeastTimeToPay is the least time before time_expire at which a provider is asked to make or renew a trade:
	// below a minute WeChat silently raises it, which makes a trade payable that should not be (R07).
	LeastTimeToPay = 2 * time.Minute
)

// Live tells whether the payer could still pay it, as far as we know. An order has at most one live payment (R01).
func (s PaymentState) Live() bool {
	return s == PaymentCreated || s == PaymentPending || s == PaymentClosing
}

// Final tells whether nothing more is expected. Money may move all the same, and then the state follows.
func (s PaymentState) Final() bool { return !s.Live() }

// Payment is one attempt to collect an order through one entry. Its route and the content of its calls are frozen
// when it is made.
type Payment struct {
	Number         string
	ProviderNumber string // what the provider knows it by, where that is not Number: imported payments. Else empty
	Order          string
	App            string
	Route          Route
	Content        Content

	State    PaymentState
	Disputed string // why facts contradict it; empty: they don't (R12)
	// Adopted is what an operator took as this payment though it is not what was asked (R12); nil: nothing.
	Adopted *Adopted
	Legs    []Leg
	// Reclosing says that it was closed and then found payable after all: it is being closed once more, beside another
	// payment that may have taken the order's place meanwhile (R05).
	Reclosing bool
	Calling   bool // a create was committed and its outcome was not: after a crash that is Unclear
	Unclear   bool // some create of this number ended INDETERMINATE: a later rejection decides nothing (R04)

	ProviderID    string // the provider's transaction id, once known
	PayerTotal    int64  // fen the payer gave after coupons; 0 until paid
	HandOff       *HandOff
	ProviderState ProviderState
	// NotPayableAfter is when what was handed out last cannot be paid any more, as the provider said with it; zero: it did
	// not say.
	NotPayableAfter time.Time
	Attempts        int       // provider calls that decided nothing, since the last one that did; grows the interval
	SentAt          time.Time // when the last create was committed; NOT_FOUND means nothing before settledBy (R06)

	CreatedAt   time.Time
	SucceededAt time.Time // the provider's time
	Due         time.Time // when to look again; zero when final and not disputed
}

// closedWithoutClose is when an unpaid payment counts as closed at a provider that has no close (R25).
func closedWithoutClose(p Payment) time.Time {
	last := p.Content.TimeExpire
	switch after := p.Route.Policy.NotPayableAfter; {
	case !p.NotPayableAfter.IsZero():
		last = p.NotPayableAfter
	case after > 0:
		last = p.SentAt.Add(after)
	}
	return last.Add(10 * time.Minute)
}

// settledBy is when a create that is not known at the provider by then will not be: its deadline and a minute (R06).
func settledBy(sentAt time.Time) time.Time { return sentAt.Add(CallTime + Grace) }

// Adopted is what a trade is of that an operator adopted.
type Adopted struct {
	Amount money.Amount `json:"amount"`
	AppID  string       `json:"appid"`
}

// Total is what the payment is of: what was asked, or what an operator adopted.
func (p Payment) Total() money.Amount {
	if p.Adopted != nil {
		return p.Adopted.Amount
	}
	return p.Content.Amount
}

// OutTradeNo is the number that the provider knows the payment by.
func (p Payment) OutTradeNo() string {
	if p.ProviderNumber != "" {
		return p.ProviderNumber
	}
	return p.Number
}

// Content is what a create sends, whole: the same number never goes out with other content (R02).
type Content struct {
	Amount      money.Amount `json:"amount"`
	Description string       `json:"description"`
	OpenID      string       `json:"openid"`    // of the route's app id
	ClientIP    string       `json:"client_ip"` // of the payer; not content for R07
	TimeExpire  time.Time    `json:"time_expire"`
	Attach      string       `json:"attach,omitempty"`
	Details     *Details     `json:"-"` // nil for an ordinary payment; stored encrypted, beside the rest
}

// HandOff is what the payer's client needs to go and pay (design section 6).
type HandOff struct {
	Kind       string            `json:"kind"`
	Params     map[string]string `json:"params"`
	ValidUntil time.Time         `json:"valid_until"`
}

// ProviderState is a plugin's own memory of a payment: opaque, at most 8 KiB, handed back on every call of that
// payment. An older version never overwrites a newer one (R35).
type ProviderState struct {
	Version int64
	Data    []byte
}

// Leg is a part of a payment that moves by itself. An ordinary payment has one, of kind self.
type Leg struct {
	ID         string       `json:"leg_id"`
	Kind       LegKind      `json:"kind"`
	Amount     money.Amount `json:"amount"`
	State      PaymentState `json:"state"`
	ProviderID string       `json:"provider_id,omitempty"`
}

// LegKind says whose money a leg is.
type LegKind string

// The kinds of leg.
const (
	LegSelf      LegKind = "self" // cash
	LegInsurance LegKind = "insurance"
)

// LatePay says what becomes of money that comes after its order closed (R20).
type LatePay string

// The choices of an entry, frozen into its payments.
const (
	LateRefund LatePay = "refund"
	LateAccept LatePay = "accept"
)

// Route is what a payment was made with. It is data: refunds, queries, closes and callbacks read only this, never
// today's config (R27).
type Route struct {
	Provider   string     `json:"provider"`
	Entry      string     `json:"entry"`
	Account    string     `json:"account"`
	MchID      string     `json:"mchid"` // the signer's
	SubMchID   string     `json:"sub_mchid,omitempty"`
	SpAppID    string     `json:"sp_appid,omitempty"`
	SubAppID   string     `json:"sub_appid,omitempty"`
	AppID      string     `json:"appid"` // whose page calls pay, and whose openid pays
	OpenIDKind OpenIDKind `json:"openid_kind"`
	Method     string     `json:"method"` // two digits, the MM of its numbers
	NotifyBase string     `json:"notify_base"`
	LatePay    LatePay    `json:"late_pay"`
	// FulfilmentDays is within how many days the app has to say that it fulfilled the order, which is reported to WeChat; 0: the
	// entry has no such duty.
	FulfilmentDays int             `json:"fulfilment_days,omitempty"`
	Options        json.RawMessage `json:"options,omitempty"` // the entry's channel settings
	Policy         Policy          `json:"policy"`
}

// NotifyURL is where the provider sends its messages about this payment and its refunds.
func (r Route) NotifyURL() string { return r.NotifyBase + "/notify/" + r.Provider + "/" + r.Account }

// KnowsOpenID says whether the channel names its payers by openids of this route's app id.
func (r Route) KnowsOpenID() bool { return r.AppID != "" && r.OpenIDKind != OpenIDNone }

// OpenIDKind says which app id a payer's openid belongs to.
type OpenIDKind string

// The kinds: of a direct merchant's app, of the partner's, of the sub merchant's; and of nobody's, where a channel has app
// ids of its own and knows no openid.
const (
	OpenIDDirect OpenIDKind = "direct"
	OpenIDSp     OpenIDKind = "sp"
	OpenIDSub    OpenIDKind = "sub"
	OpenIDNone   OpenIDKind = "none"
)

// Policy is what the provider promised when the payment was made (Describe), frozen with it.
type Policy struct {
	Renewable       bool          `json:"renewable"`           // the same number and content give a fresh hand-off
	RefundCount     int           `json:"refund_count"`        // most refunds of one payment; 0: no limit
	RefundAge       time.Duration `json:"refund_age"`          // since it was paid; 0: no limit
	RefundInterval  time.Duration `json:"refund_interval"`     // least time between two refunds of one payment
	Insurance       bool          `json:"insurance,omitempty"` // payments have an insurance leg: orders need a bill
	NoClose         bool          `json:"no_close"`            // the provider has no close (R25)
	NotPayableAfter time.Duration `json:"not_payable_after"`   // since it was made; 0: by time_expire
}
