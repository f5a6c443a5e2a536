package ports

import (
	"context"
	"time"
)

// Inbox keeps verified messages, sealed at rest, with their verdict.
type Inbox interface {
	// InboxRow reads one row with its body opened. ErrNotFound.
	InboxRow(ctx context.Context, id string) (InboxRow, error)
	// CountRefused counts a message that was not believed, by account, cause and minute; no body is kept (R14).
	CountRefused(ctx context.Context, provider, account string, cause RefuseCause, now time.Time) error
}

// InboxRow is a verified message.
type InboxRow struct {
	ID        string // given by the store
	Provider  string
	Account   string // whose keys verified it
	DedupeKey string // unique per account
	Verdict   Verdict
	Cause     string
	Number    string // the payment or refund it is about, as the provider calls it
	Facts     []byte // what the plugin made of it, JSON; sealed at rest
	Body      []byte // as it came; sealed at rest
	Received  time.Time
	Due       time.Time // when to try again to apply it; zero once applied
}

// Verdict is what became of a verified message.
type Verdict string

// The verdicts. Only an applied row makes a repeat a duplicate (R15).
const (
	VerdictApplied   Verdict = "applied"
	VerdictUnmatched Verdict = "unmatched" // no such number here: kept, and applied as soon as it exists
	VerdictNotice    Verdict = "notice"
)
