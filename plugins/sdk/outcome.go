package sdk

import (
	"fmt"
	"time"
)

// Verdict is what is known about the effect of a call.
type Verdict int32

// The verdicts. The zero value is the safe one.
const (
	VerdictIndeterminate Verdict = 0 // it may have happened: the host queries before anything else
	VerdictAccepted      Verdict = 1 // the provider took it; of a query: the facts are its answer
	VerdictRejected      Verdict = 2 // the provider refused it and nothing happened by this call
	VerdictNotSent       Verdict = 3 // it surely did not reach the provider
	VerdictCheckpoint    Verdict = 4 // store the state and call again
)

// Reason says why a call was rejected or not sent, and by that whether a repeat can help.
type Reason int32

// The reasons. Only InvalidRequest, Declined and AuthorizationExpired end a payment or a refund; the others keep it alive.
const (
	InvalidRequest Reason = 1 // the request itself is wrong: the same one never succeeds
	Declined       Reason = 2 // the provider or the payer's bank said no
	NotFound       Reason = 3 // the provider has no such trade or refund at this merchant number
	Conflict       Reason = 4 // the number is in use with other content or in another state: query and follow
	RateLimited    Reason = 5 // too fast: later, the same
	AuthFailed     Reason = 6 // credentials, permissions or our clock: a person must act, then the same again
	Unavailable    Reason = 7 // the provider cannot just now: later, the same
	// AuthorizationExpired: what the payment was authorized by, in its details, has expired or is used. The host tells the
	// app, which gets a new one and pays anew.
	AuthorizationExpired Reason = 8
)

// Attention says what a person must act on before the same number can succeed.
type Attention int32

// What a person must act on.
const (
	AttentionNone      Attention = 0
	AttentionNotEnough Attention = 1 // the account has not enough funds for a refund: top it up
	AttentionAbnormal  Attention = 2 // the payer's account cannot receive
	AttentionOperator  Attention = 3 // something else, said in the remedy
)

// Result is what became of a call. Its zero value is Indeterminate. Make one with Accepted, Rejected, Indeterminate,
// NotSent, Auth or Checkpoint, and add what else the provider said by With.
type Result struct {
	Verdict      Verdict
	Reason       Reason
	Code         string        // the provider's own code
	Message      string        // the provider's own words, for people: no secret, no personal data
	RequestID    string        // the provider's id of this exchange, for its support desk
	RetryAfter   time.Duration // not sooner than this; zero: the host's own intervals
	Attention    Attention
	Remedy       string    // with Attention: what to do, in a sentence or two
	ProviderTime time.Time // the provider's clock in its answer
	TokenRefused bool      // the provider refused Call.AppAccessToken

	Payment         *PaymentFacts
	Refund          *RefundFacts
	HandOff         *HandOff
	NotPayableAfter time.Time // from here on the payer cannot pay what was handed out
	State           *State    // nil: unchanged
}

// Part is something that an answer says beside its verdict: PaymentFacts, RefundFacts, HandOff, State, or one of the
// functions below.
type Part interface{ addTo(r *Result) }

// With adds parts to a result.
func (r Result) With(parts ...Part) Result {
	for _, p := range parts {
		p.addTo(&r)
	}
	return r
}

// Accepted says that the provider took the call, or answered the query. Without facts a create is read as pending,
// a close as closed and a refund as processing; a query must bring its facts.
func Accepted(parts ...Part) Result { return Result{Verdict: VerdictAccepted}.With(parts...) }

// Rejected says that the provider refused the call, and with certainty nothing happened by it.
func Rejected(reason Reason, code, message string) Result {
	return Result{Verdict: VerdictRejected, Reason: reason, Code: code, Message: message}
}

// Indeterminate says that the call may have happened: the connection broke, the time was up, the answer was not
// readable or not verified. When in doubt, this.
func Indeterminate(err error) Result { return Result{Message: text(err)} }

// NotSent says that the call surely did not reach the provider: the connection could not be made at all.
func NotSent(err error) Result {
	return Result{Verdict: VerdictNotSent, Reason: Unavailable, Message: text(err)}
}

// Auth says that the call was not sent because the credentials at hand are not the route's, or cannot sign.
func Auth(format string, a ...any) Result {
	return Result{Verdict: VerdictNotSent, Reason: AuthFailed, Message: fmt.Sprintf(format, a...)}
}

// Checkpoint asks the host to store the state and to call again with the same content, at most 4 times for one
// payment. Each step must be resumable from its state. Only calls that create may answer so.
func Checkpoint(s State) Result { return Result{Verdict: VerdictCheckpoint, State: &s} }

type part func(*Result)

func (p part) addTo(r *Result) { p(r) }

// RequestID is the provider's id of the exchange, for its support desk.
func RequestID(id string) Part { return part(func(r *Result) { r.RequestID = id }) }

// ProviderTime is the provider's clock in its answer, usually HTTP's Date.
func ProviderTime(t time.Time) Part { return part(func(r *Result) { r.ProviderTime = t }) }

// RetryAfter asks the host not to call again sooner.
func RetryAfter(d time.Duration) Part { return part(func(r *Result) { r.RetryAfter = d }) }

// NotPayableAfter says from when on the payer cannot pay what was handed out.
func NotPayableAfter(t time.Time) Part { return part(func(r *Result) { r.NotPayableAfter = t }) }

// NeedsPerson says that a person must act, and what to do; the same number is tried again later.
func NeedsPerson(a Attention, remedy string) Part {
	return part(func(r *Result) { r.Attention, r.Remedy = a, remedy })
}

// TokenRefused asks the host for another application token before the next call.
func TokenRefused() Part { return part(func(r *Result) { r.TokenRefused = true }) }

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
