package ports

import (
	"context"
	"time"
)

// Inbox keeps verified messages, sealed at rest, with their verdict.
type Inbox interface {
	// InboxRow reads one row with its body opened. ErrNotFound.
	InboxRow(ctx context.Context, id string) (InboxRow, error)
	// Messages lists messages without facts and body, newest first.
	Messages(ctx context.Context, q MessageQuery) ([]InboxRow, error)
	// Replay has a message applied again from its stored facts, as if it had come now: it is unmatched and due. ErrNotFound: there is none, or
	// it says nothing of a payment or refund, or its facts are gone with the persons they told of.
	Replay(ctx context.Context, id string, now time.Time) error
	// CountRefused counts a message that was not believed, by account, cause and minute; no body is kept (R14).
	CountRefused(ctx context.Context, provider, account string, cause RefuseCause, now time.Time) error
}

// MessageQuery selects messages.
type MessageQuery struct {
	Number  string  // of the payment, as the provider calls it; empty: any
	Account string  // empty: any
	Verdict Verdict // empty: any
	Before  string  // the id of a message that all are older than; empty: the newest
	Limit   int     // 1 to 1000
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
