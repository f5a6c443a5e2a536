package sdk

import (
	"context"
	"fmt"
	"net/http"
	"time"
)

// Notifications reads callbacks. Every plugin implements it.
type Notifications interface {
	// ParseNotification verifies first and reads then. It uses no network, trusts nothing in the path, and measures
	// the clock window against Notification.ReceivedAt. An unknown key serial is refused with UnknownSerial, and a
	// refresh started in the background.
	ParseNotification(ctx context.Context, n Notification) Parsed
}

// Notification is a callback as it came in.
type Notification struct {
	Account    string // from the address: picks the keys to verify with (Accounts.Named) and proves nothing
	Method     string
	Path       string
	Header     http.Header
	Body       []byte
	ReceivedAt time.Time // on the gateway's clock
}

// Parsed is what a callback says. Its zero value is refused for its signature. Make one with Notified, NotifiedRefund,
// Noticed or Refuse.
type Parsed struct {
	Payment      *PaymentFacts
	Refund       *RefundFacts
	Notice       *Notice
	Cause        Cause  // when nothing above is set
	Detail       string // with Cause, for people: no body, no secret, no personal data
	DedupeKey    string // the same for each repeat of one notification, at most 128 bytes
	Ack          Answer // to send when it was applied; the gateway sets the status
	Nack         Answer // to send when it was refused or could not be kept
	ProviderTime time.Time
}

// Notified is a verified callback about a payment.
func Notified(f PaymentFacts, dedupeKey string) Parsed {
	return Parsed{Payment: &f, DedupeKey: dedupeKey}
}

// NotifiedRefund is a verified callback about a refund.
func NotifiedRefund(f RefundFacts, dedupeKey string) Parsed {
	return Parsed{Refund: &f, DedupeKey: dedupeKey}
}

// Noticed is a verified callback about neither.
func Noticed(n Notice, dedupeKey string) Parsed { return Parsed{Notice: &n, DedupeKey: dedupeKey} }

// Refuse does not take a callback. The detail is for people and must carry nothing of the body.
func Refuse(c Cause, format string, a ...any) Parsed {
	return Parsed{Cause: c, Detail: fmt.Sprintf(format, a...)}
}

// Answer adds the bodies that the provider expects.
func (p Parsed) Answer(ack, nack Answer) Parsed {
	p.Ack, p.Nack = ack, nack
	return p
}

// At adds the provider's clock in the notification.
func (p Parsed) At(t time.Time) Parsed {
	p.ProviderTime = t
	return p
}

// Answer is an HTTP body. The zero value is none.
type Answer struct {
	ContentType string
	Body        []byte // at most 4 KiB
}

// JSONAnswer is a JSON body.
func JSONAnswer(body string) Answer {
	return Answer{ContentType: "application/json", Body: []byte(body)}
}

// Notice is a verified message that is not about a payment or a refund.
type Notice struct {
	Kind        string // dotted, for example "complaint.created", "self_test.echo"
	ID          string // the provider's id of what it tells of
	Body        []byte // decrypted; at most 64 KiB
	ContentType string
	MchID       string
	SubMchID    string
	OccurredAt  time.Time
}

// Cause says why a notification was not taken. It decides the status that the gateway answers.
type Cause int32

// The causes. The zero value is read as BadSignature.
const (
	BadSignature   Cause = 1 // missing, wrong, by another key, or tampered with: 401
	StaleClock     Cause = 2 // outside the clock window: 401
	UnknownSerial  Cause = 3 // key serial not known yet, a refresh is under way: 503
	UnknownAccount Cause = 4 // the account is not configured here: 503
	Malformed      Cause = 5 // verified but not readable: 500, so that it comes again
)
