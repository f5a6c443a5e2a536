package ports

import (
	"context"
	"errors"
	"time"

	"github.com/paybridge/paybridge/core/money"
	"github.com/paybridge/paybridge/core/pay"
)

// Store keeps everything. Nothing here is called while a transaction of the same goroutine is open.
type Store interface {
	// Tx runs f in one transaction; an error from f leaves nothing behind. A COMMIT whose answer was lost is told by
	// ErrCommitUnknown: read again before deciding.
	Tx(ctx context.Context, f func(Tx) error) error

	// Claim takes a row for one provider call, for so long by the database's clock, and moves its due time to now +
	// hold, so that a death in between is found. ErrClaimed: another call for it is under way. ErrNotFound.
	Claim(ctx context.Context, kind Kind, number string, hold time.Duration, now time.Time) (Claim, error)
	// ClaimDue claims up to limit rows of this kind that are due at now and not claimed, oldest first and fair
	// between accounts: no account gets more than its share while others wait.
	ClaimDue(ctx context.Context, kind Kind, limit int, hold time.Duration, now time.Time) ([]Claim, error)
	// Unclaim gives a claim back without a decision and sets the due time, unless somebody else has set it since.
	Unclaim(ctx context.Context, c Claim, due time.Time) error
	// NextDue is the earliest due time of any unclaimed row; zero when nothing is due.
	NextDue(ctx context.Context) (time.Time, error)

	// Overdue counts, by kind, rows that are unfinished and nobody looks at (R40): those that nobody works on so long after they were due,
	// and those due later than any unfinished row is.
	Overdue(ctx context.Context, now time.Time, after time.Duration) (overdue, tooLate map[Kind]int, err error)

	// ForgetPersons takes names, identity numbers and what else tells who was treated out of orders that were made before, with
	// the payments of each, where nothing can be paid any more; at most so many. n is how many orders there were.
	ForgetPersons(ctx context.Context, before time.Time, limit int) (n int, err error)

	// AddOrder inserts an order. It returns false, and the stored one, when (app, reference) is taken. A taken number
	// is ErrNumberTaken: draw again.
	AddOrder(ctx context.Context, o pay.Order) (stored pay.Order, added bool, err error)

	// AddLost inserts a payment that the provider has and no row here is, and its order, unless that is here by its number. An order made anew
	// has given out so many events already. ErrNumberTaken: the payment is here. ErrReferenceTaken: another order of the app has the
	// order's reference.
	AddLost(ctx context.Context, o pay.Order, p pay.Payment, events int64) (order string, err error)
	// RaiseEvents counts each order's events, and each app's places, on from so many more: those between may have been told before the
	// rows of them were lost.
	RaiseEvents(ctx context.Context, events int64) error
	// Unfinished makes every unfinished row of a kind due, and says how many there are.
	Unfinished(ctx context.Context, kind Kind, now time.Time) (int, error)

	// Order, Payment and Refund read one row of an app; of every app when app is empty. ErrNotFound.
	Order(ctx context.Context, app, number string) (pay.Order, error)
	Payment(ctx context.Context, app, number string) (pay.Payment, error)
	Refund(ctx context.Context, app, number string) (pay.Refund, error)
	// Rows reads an order with all its payments and refunds, without locks.
	Rows(ctx context.Context, app, order string) (pay.Rows, error)
	// Orders lists an app's orders, newest first.
	Orders(ctx context.Context, q OrderQuery) (OrderPage, error)
	// Timeline is every audit row of an order, its payments and refunds, oldest first; with payment set, of that
	// payment and its refunds alone.
	Timeline(ctx context.Context, order, payment string) ([]AuditRow, error)
	// Find looks for orders, payments and refunds by any number of theirs: ours, the provider's, the app's reference, the payer's openid;
	// of every app, newest first, at most a hundred.
	Find(ctx context.Context, text string) ([]Found, error)

	Settings
	Inbox
	Events
	Alarms
	Identities
	Statements
}

// Tx reads under row locks, the order always first, and changes states by Apply alone.
type Tx interface {
	// LockOrder, LockPayment and LockRefund lock an order's row, named by itself or by one of its payments or refunds,
	// and read all of its rows. ErrNotFound.
	LockOrder(ctx context.Context, number string) (pay.Rows, error)
	LockPayment(ctx context.Context, number string) (pay.Rows, error)
	LockRefund(ctx context.Context, number string) (pay.Rows, error)
	// LockTrade does it for the payment that a provider knows by these names (R13).
	LockTrade(ctx context.Context, mchID, subMchID, outTradeNo string) (pay.Rows, error)
	// AddPayment inserts an intent, born claimed by the request that made it. ErrNumberTaken: draw again.
	// ErrLivePayment: another live payment of the order exists (R01). ErrNoAccount: its account was dropped (R37).
	AddPayment(ctx context.Context, p pay.Payment, hold time.Duration) (Claim, error)
	// Apply writes a decision whole, and releases the claims, as long as they still are ours. ErrMoved: a row is not
	// in the state in which it was read.
	Apply(ctx context.Context, d pay.Decision, now time.Time, release ...Claim) error
	// Receive writes an inbox row in this transaction and tells whether the message was applied before (R11, R15).
	Receive(ctx context.Context, m InboxRow) (appliedBefore bool, err error)

	IdentityTx
}

// Kind is a kind of row that work is claimed for.
type Kind string

// The kinds.
const (
	KindOrder   Kind = "order"
	KindPayment Kind = "payment"
	KindRefund  Kind = "refund"
	// KindFulfilment is what an app did for an order and WeChat has to be told; Number is the payment's.
	KindFulfilment Kind = "fulfilment"
	KindInbox      Kind = "inbox" // a verified message whose payment was not known when it came; Number is the row's id
	// KindDelivery is what an app's endpoint is owed of one order's events; Number is the order's.
	KindDelivery Kind = "delivery"
	KindAlarm    Kind = "alarm" // one that the operator's webhook has not taken; Number is the row's id
)

// Claim is the right to call a provider for one row, until a time of the database's clock.
type Claim struct {
	Kind   Kind
	Number string
	Until  int64 // microseconds of the database's clock; it makes the claim ours and no one else's
	Due    int64 // the due time that the claim set, in microseconds; another one there means that something happened since
}

var (
	// ErrNotFound says that there is no such row, or that it is another app's: nobody can tell which (R41).
	ErrNotFound = errors.New("there is no such row")
	// ErrClaimed says that another call for the row is under way.
	ErrClaimed = errors.New("another call for this row is under way")
	// ErrMoved says that a row was changed since it was read: read again and decide again.
	ErrMoved = errors.New("the row has moved")
	// ErrNumberTaken says that a drawn number exists already: draw again.
	ErrNumberTaken = errors.New("the number is taken")
	// ErrReferenceTaken says that another order of the app has the reference.
	ErrReferenceTaken = errors.New("another order has the reference")
	// ErrLivePayment says that the order has a live payment already (R01).
	ErrLivePayment = errors.New("the order has a live payment")
	// ErrNoAccount says that a new payment's account is not among the settings any more (R37): look at those again.
	ErrNoAccount = errors.New("there is no such account")
	// ErrStoreAway says that the database does not answer: nothing was decided, and the same request later is right.
	ErrStoreAway = errors.New("the database does not answer")
	// ErrCursor says that a cursor is not one that this store gave.
	ErrCursor = errors.New("the cursor is not one of this list")
	// ErrCommitUnknown says that a COMMIT's answer was lost: it may or may not have come into effect (R47).
	ErrCommitUnknown = errors.New("the commit's answer was lost")
)

// OrderQuery selects orders of one app.
type OrderQuery struct {
	App          string
	Reference    string         // empty: any
	State        pay.OrderState // empty: any
	CreatedAfter time.Time      // zero: any
	Cursor       string         // of the page before; empty: the first page
	Limit        int            // 1 to 100
}

// OrderPage is one page of orders.
type OrderPage struct {
	Orders []pay.Order
	Next   string // the next page's cursor; empty: this is the last
}

// Found is an order, payment or refund that somebody looked for.
type Found struct {
	Kind      Kind
	Number    string
	Order     string
	App       string
	Reference string // the app's; empty of a payment
	State     string
	Amount    money.Amount
	Account   string // empty of an order
	CreatedAt time.Time
}

// AuditRow is one transition, or one thing that happened to a row that stayed in its state.
type AuditRow struct {
	At     time.Time
	Kind   Kind
	Number string
	Old    string // empty when the row was made
	New    string
	Cause  string

	RequestID string // the provider's, of the answer that was decided about; empty: of none
}
