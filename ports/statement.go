package ports

import (
	"context"
	"time"
)

// KindStatement is one account's statement of one day, to be compared with our rows; Number is the row's id, StatementID.
const KindStatement Kind = "statement"

// Statement is what became of one account's statement of one day.
type Statement struct {
	Account  string
	Provider string
	MchID    string
	SubMchID string
	Day      string // YYYY-MM-DD, Asia/Shanghai
	State    StatementState
	Lines    int64  // read so far, and in the end all
	Others   int64  // lines of the merchant number that another system made
	Open     int    // differences that are neither healed nor accepted
	Attempts int    // that gave no statement
	Error    string // why the last one gave none; empty: it did
	DoneAt   time.Time
	Due      time.Time
}

// StatementID names a statement.
func StatementID(account, day string) string { return account + " " + day }

// ID names it.
func (s Statement) ID() string { return StatementID(s.Account, s.Day) }

// StatementState is how far a statement is.
type StatementState string

// The states. Awaited and differing ones have a due time.
const (
	StatementAwaited   StatementState = "awaited"   // not compared yet
	StatementMatched   StatementState = "matched"   // every line is a row and every row is a line, or what differs was accepted
	StatementDiffering StatementState = "differing" // looked at again until nothing differs
	StatementNone      StatementState = "none"      // the pay channel gives no statements
)

// StatementSum is what the statement says of one app's payments by one entry. Sums in fen; the fee in thousandths of a fen.
type StatementSum struct {
	Account  string
	Day      string
	App      string
	Entry    string
	Payments int64
	Gross    int64
	Refunds  int64
	Refunded int64
	FeeMilli int64
}

// Difference is one thing that a statement and our rows say otherwise.
type Difference struct {
	ID         int64
	Account    string
	Day        string
	Kind       DifferenceKind
	What       Kind   // KindPayment or KindRefund
	Number     string // ours; where we have none, the provider's
	ProviderID string
	Ours       int64 // fen; 0 where there is none
	Theirs     int64
	OurState   string
	TheirState string
	FoundAt    time.Time
	HealedAt   time.Time // when both said the same; zero: not yet
	AcceptedAt time.Time // when an operator took it as it is
	AcceptedBy string
	Reason     string // why
}

// DifferenceKind is how they differ.
type DifferenceKind string

// The kinds.
const (
	OursOnly      DifferenceKind = "ours_only"   // succeeded here, and not in the statement
	TheirsOnly    DifferenceKind = "theirs_only" // in the statement under a number of ours, and not here
	AmountDiffers DifferenceKind = "amount"
	StateDiffers  DifferenceKind = "state" // in the statement it took place, here it did not
)

// StatementQuery selects statements or differences, newest first.
type StatementQuery struct {
	Account string // empty: any
	Day     string // empty: any
	Open    bool   // differences: those alone that are neither healed nor accepted; statements: those with such
	Before  int64  // differences: of a page; 0: the first
	Limit   int    // 1 to 1000
}

// StatedRow is a payment or refund as far as a statement tells of it.
type StatedRow struct {
	Number         string
	ProviderNumber string // what the provider knows it by: out_trade_no, out_refund_no
	Payment        string // of a refund
	Account        string
	App            string
	Entry          string
	AppID          string
	State          string
	ProviderID     string
	Amount         int64     // fen that the provider moved, or is to move; 0: none, insurance alone
	Unknown        bool      // of a refund: its amount is not known (R21)
	At             time.Time // of a payment when it succeeded, of a refund when it was sent
}

// Statements keeps what became of statements.
type Statements interface {
	// PlanStatement adds a statement that is awaited, unless there is one of its account and day.
	PlanStatement(ctx context.Context, s Statement) error
	// LastStatement is an account's newest. ErrNotFound.
	LastStatement(ctx context.Context, account string) (Statement, error)
	Statement(ctx context.Context, id string) (Statement, error)
	Statements(ctx context.Context, q StatementQuery) ([]Statement, error)
	Differences(ctx context.Context, q StatementQuery) ([]Difference, error)
	// Sums are what the statements of a day came to, or of all days from first to last (YYYY-MM-DD both).
	Sums(ctx context.Context, first, last string) ([]StatementSum, error)

	// HoldStatement notes how many lines were read and keeps the claim for so long again. ErrClaimed: it is not ours any more.
	HoldStatement(ctx context.Context, c Claim, lines int64, hold time.Duration) (Claim, error)
	// StatementStays writes a statement's state, attempts, error and due time, and gives the claim back: there was nothing to compare, or
	// what differed was looked at again.
	StatementStays(ctx context.Context, c Claim, s Statement) error
	// StatementDone writes what a statement came to: its state, its sums and what differs. What differed before and does no more is
	// healed; what was accepted stays so.
	StatementDone(ctx context.Context, c Claim, s Statement, sums []StatementSum, found []Difference, now time.Time) error
	// StatementAgain makes a statement due at once, as if it had not been compared. ErrNotFound.
	StatementAgain(ctx context.Context, id string, now time.Time) error
	// HealDifference ends one that is none any more.
	HealDifference(ctx context.Context, id int64, now time.Time) error
	// AcceptDifference ends one as it is, and has its statement looked at again at once. ErrNotFound.
	AcceptDifference(ctx context.Context, id int64, name, reason string, now time.Time) (Difference, error)

	// TradesByNumber and RefundsByNumber find what a merchant's statement names, by what the provider knows it by.
	TradesByNumber(ctx context.Context, mchID, subMchID string, outTradeNos []string) ([]StatedRow, error)
	RefundsByNumber(ctx context.Context, mchID, subMchID string, outRefundNos []string) ([]StatedRow, error)
	// SucceededTrades gives, by pages of at most limit, the payments of an account that succeeded from a time on and before another,
	// ordered by that time. after is the last row of the page before.
	SucceededTrades(ctx context.Context, account string, from, to time.Time, after StatedRow, limit int) ([]StatedRow, error)
	// UnstatedRefunds gives in the same way, by when they were sent, the succeeded refunds that no statement has named yet.
	UnstatedRefunds(ctx context.Context, account string, from, to time.Time, after StatedRow, limit int) ([]StatedRow, error)
	// RefundsStated notes that a statement has named these refunds.
	RefundsStated(ctx context.Context, numbers []string, day string) error
}
