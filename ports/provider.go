package ports

import (
	"context"
	"errors"
	"time"

	"github.com/paybridge/paybridge/core/pay"
)

// Provider makes calls at one pay channel. Every call is made by the frozen route of its payment. No method returns an
// error: what became of a call is its Outcome, whose zero value is Indeterminate, so that a transport fault can never
// pass for an answer. A call ends within its context's deadline.
type Provider interface {
	// CreatePayment opens the trade, or opens it again with the same number and content.
	CreatePayment(ctx context.Context, p pay.Payment) PaymentAnswer
	QueryPayment(ctx context.Context, p pay.Payment) PaymentAnswer
	ClosePayment(ctx context.Context, p pay.Payment) PaymentAnswer
	CreateRefund(ctx context.Context, p pay.Payment, r pay.Refund) RefundAnswer
	QueryRefund(ctx context.Context, p pay.Payment, r pay.Refund) RefundAnswer
}

// Providers finds the plugin that serves a provider.
type Providers interface {
	// For is the provider of a frozen route. When its plugin or account is unknown or down here the error wraps
	// ErrUnavailable: no payment fails for it (R36).
	For(route pay.Route) (Provider, error)
	// Policy is what the provider promises (Describe), to be frozen into a new payment's route.
	Policy(provider string) (pay.Policy, error)
	// ParseNotification verifies a raw message with the named account's keys and says what it is. An error, which
	// wraps ErrUnavailable, means that nobody here could look at it.
	ParseNotification(ctx context.Context, provider, account string, m RawMessage) (Notification, error)
}

// ErrUnavailable says that a provider, account or plugin is unknown or down here.
var ErrUnavailable = errors.New("the pay channel is not available here")

// PaymentAnswer is what a provider answered about a payment.
type PaymentAnswer struct {
	Outcome pay.Outcome
	Facts   *pay.Facts // with an accepted outcome, unless Checkpoint
	HandOff *pay.HandOff
	// Checkpoint asks to commit ProviderState and to call again, at most four times.
	Checkpoint    bool
	ProviderState *pay.ProviderState // nil: unchanged
	// NotPayableAfter is when the hand-off cannot be paid any more; zero: not said.
	NotPayableAfter time.Time
	ProviderTime    time.Time // the provider's clock; zero when not said
}

// RefundAnswer is what a provider answered about a refund.
type RefundAnswer struct {
	Outcome       pay.Outcome
	Facts         *pay.RefundFacts   // with an accepted outcome
	ProviderState *pay.ProviderState // of the refund's payment; nil: unchanged
	ProviderTime  time.Time
}

// RawMessage is a notification as it came: the signature is over these bytes.
type RawMessage struct {
	Method  string
	Path    string // as it was sent, without a query
	Headers map[string][]string
	Body    []byte
}

// Notification is what a verified, or refused, message is. One of Payment, Refund, Notice and Refused is set.
type Notification struct {
	Payment *pay.Facts
	Refund  *pay.RefundFacts
	Notice  *Notice
	Refused RefuseCause
	// DedupeKey names the message among its account's: the same key is the same message again.
	DedupeKey string
	Ack, Nack NotifyAnswer
}

// Notice is a verified message that is not about a payment or a refund.
type Notice struct {
	Kind string
	ID   string
	Body []byte
}

// RefuseCause says why a message was not believed. The plugin gives bodies, the gateway the status (R14).
type RefuseCause string

// The causes. UnknownSerial is answered 503, since a refresh may make it known; all others 401.
const (
	RefusedSignature     RefuseCause = "signature"
	RefusedClock         RefuseCause = "clock"
	RefusedUnknownSerial RefuseCause = "unknown_serial"
	RefusedUnreadable    RefuseCause = "unreadable"
	RefusedTooLarge      RefuseCause = "too_large"
)

// NotifyAnswer is the exact answer that the provider expects.
type NotifyAnswer struct {
	ContentType string
	Body        []byte
}
