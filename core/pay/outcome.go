package pay

import "time"

// Outcome says what became of a call to a provider.
type Outcome struct {
	Verdict        Verdict
	Reason         Reason
	Code           string        // the provider's own, for people
	Message        string        // the provider's own, for people
	RequestID      string        // the provider's own, to ask it about
	RetryAfter     time.Duration // 0: as we like
	NeedsAttention string        // what a person must do before the same call can succeed; empty: nothing
}

// Verdict is the one thing a caller may decide by. The zero value is the safe one.
type Verdict int

// The verdicts.
const (
	Indeterminate Verdict = iota // it may have happened: ask before anything else
	Accepted                     // the provider did what was asked, or answered what was asked
	Rejected                     // it definitely did not happen, for the Reason
	NotSent                      // it surely never left
)

func (v Verdict) String() string {
	return [...]string{"indeterminate", "accepted", "rejected", "not sent"}[v]
}

// Reason is why a call was rejected or not sent; it says what a repeat is worth.
type Reason string

// The reasons. One that we do not know is treated as Unavailable: it keeps the state and asks again.
const (
	InvalidRequest Reason = "invalid_request" // ours or the app's mistake: never repeat
	Declined       Reason = "declined"        // never repeat
	NotFound       Reason = "not_found"       // the provider knows no such trade or refund
	Conflict       Reason = "conflict"        // the number is spent or in another state: query and follow
	RateLimited    Reason = "rate_limited"    // later
	Auth           Reason = "auth"            // credentials: later, once a person mended them
	Unavailable    Reason = "unavailable"     // provider, plugin or account is away: later
	// AuthorizationExpired is for a payment whose details hold an authorization that lives minutes: never repeat it, a new
	// payment with a new one is right.
	AuthorizationExpired Reason = "authorization_expired"
)

// Final tells whether the rejection ends what was asked for, apart from R04.
func (o Outcome) Final() bool {
	return o.Verdict == Rejected && (o.Reason == InvalidRequest || o.Reason == Declined || o.Reason == AuthorizationExpired)
}

// Away tells that the provider was not reached, or answers nobody now: the same call is worth a repeat later.
func (o Outcome) Away() bool {
	return o.Verdict == NotSent || o.Is(Auth) || o.Is(RateLimited) || o.Is(Unavailable)
}

// Is tells whether the call was rejected for this reason.
func (o Outcome) Is(r Reason) bool { return o.Verdict == Rejected && o.Reason == r }

// String is for audit rows: verdict, reason, and the provider's code, but not its message, which may name people.
func (o Outcome) String() string {
	s := o.Verdict.String()
	if o.Reason != "" {
		s += " " + string(o.Reason)
	}
	if o.Code != "" {
		s += " (" + o.Code + ")"
	}
	return s
}
