// Package gateway holds the use cases. Each is a file, and each reads the same way: commit the intent, call the
// provider outside of any transaction, decide, commit the outcome. The process may die between any two lines; what
// is unfinished is a row with a due time, and work.go finds it.
package gateway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/paybridge/paybridge/core/identity"
	"github.com/paybridge/paybridge/core/pay"
	"github.com/paybridge/paybridge/ports"
)

// Options is what a Gateway is made of.
type Options struct {
	Store        ports.Store
	Providers    ports.Providers
	Events       ports.EventSink          // nil: nothing is sent to apps, nor to the operator
	Identity     ports.IdentityProvider   // nil: nobody can sign in
	Fulfilments  ports.FulfilmentReporter // nil: no fulfilment is reported
	CookieKeys   identity.CookieKeys      // of payers' sessions; at least one where payers sign in
	Clock        ports.Clock
	Log          *slog.Logger
	Installation string        // two digits, told apart in bills from other systems of the same merchant
	Workers      int           // provider calls that work makes at once; 0: 16
	PersonsKept  time.Duration // how long after an order was made its bill names persons; at least 30 days
	Hold         bool          // send no refunds and no events, as after a restore
	Observe      Observer
	Optional     ports.Optional      // what only some channels offer
	Rules        ports.SettingsRules // of what an operator may change; nil: nothing is changed
}

// Observer is told what the gateway does, for metrics. Any of its functions may be nil.
type Observer struct {
	ProviderCall func(provider, call string, o pay.Outcome, took time.Duration)
	ProviderTime func(provider string, offset time.Duration) // the provider's clock minus ours
	Notification func(provider, account, verdict, cause string)
	Work         func(kind ports.Kind, claimed int)
	Event        func(app string, delivered bool)
	Breaker      func(account string, open bool)
	// Span begins a part of a trace; end ends it. A name says what is done, number to which row.
	Span func(ctx context.Context, name, number string) (inside context.Context, end func(error))
}

// Gateway holds the use cases.
type Gateway struct {
	Options
	settings atomic.Pointer[settings]
	nudged   map[ports.Kind]chan struct{}
	changed  chan struct{} // by this process: the settings
	changing chan struct{} // held by who changes them
	happened chan struct{} // an event was committed
	stopping chan struct{} // closed by Stop
	breakers breakers
	clocks   clocks

	endpoints endpoints
	asked     asked // because payers looked

	recovering bool // what a decision would give back by itself is held for a person; set while nothing else runs
}

const (
	// hold is how long a claim lasts.
	hold = pay.Hold
	// commitTime is how long an outcome may take to be committed once the caller has gone.
	commitTime = 10 * time.Second
	// tries is how often a transaction is run again when a row moved or a commit's answer was lost.
	tries = 8
	// askAgain is when a call to a provider that is away is worth a repeat, where it does not say itself.
	askAgain = 5 * time.Second
)

// New makes a gateway. LoadSettings must have succeeded before it serves.
func New(o Options) *Gateway {
	if o.Workers == 0 {
		o.Workers = 16
	}
	g := &Gateway{Options: o, nudged: map[ports.Kind]chan struct{}{}, changed: make(chan struct{}, 1), changing: make(chan struct{}, 1), happened: make(chan struct{}, 1), stopping: make(chan struct{})}
	for kind := range shares {
		g.nudged[kind] = make(chan struct{}, 1)
	}
	g.endpoints.most = max(1, g.slots(ports.KindDelivery)*3/4)
	g.settings.Store(&settings{})
	return g
}

// Unavailable says that the provider, or what leads to it, is away: nothing failed, and the same request later is
// right.
type Unavailable struct {
	Detail     string
	RetryAfter time.Duration
}

func (u *Unavailable) Error() string { return u.Detail }

// Is makes it a ports.ErrUnavailable.
func (u *Unavailable) Is(target error) bool { return target == ports.ErrUnavailable }

// Invalid says which field of a request is wrong and what it should be.
type Invalid struct{ Field, Detail string }

func (i *Invalid) Error() string { return i.Field + ": " + i.Detail }

// decide runs one decision in one transaction and returns the rows as it leaves them. It runs again when a row moved
// meanwhile, and when the commit's answer was lost: a decision that came into effect decides nothing the second time.
func (g *Gateway) decide(ctx context.Context, lock func(context.Context, ports.Tx) (pay.Rows, error), decision func(ports.Tx, pay.Rows, time.Time) (pay.Decision, error), release ...ports.Claim) (pay.Rows, error) {
	var after pay.Rows
	var err error
	for range tries {
		var due bool
		var d pay.Decision
		err = g.Store.Tx(ctx, func(tx ports.Tx) error {
			rows, err := lock(ctx, tx)
			if err != nil {
				return err
			}
			now := g.Clock.Now()
			if d, err = decision(tx, rows, now); err != nil {
				return err
			}
			if g.recovering {
				d = d.Held()
			}
			if d.RequestID == "" {
				d.By = operator(ctx)
			}
			after, due = d.After(rows), dueBy(d, now)
			d = d.Told(after)
			if d.Empty() && len(release) == 0 {
				return nil
			}
			return tx.Apply(ctx, d, now, release...)
		})
		if err == nil {
			if due {
				g.nudge(ports.KindPayment, ports.KindRefund, ports.KindFulfilment)
			}
			if len(d.Alarms) > 0 {
				g.nudge(ports.KindAlarm)
			}
			if len(d.Events) > 0 {
				signal(g.happened)
			}
			return after, nil
		}
		if !errors.Is(err, ports.ErrMoved) && !errors.Is(err, ports.ErrCommitUnknown) {
			return pay.Rows{}, err
		}
	}
	return pay.Rows{}, err
}

// decideSurely decides what a provider's answer means. Nobody else has the answer, and lost it costs the payer the time
// of a dead claim and a query, so a database that is away is waited for as long as the context allows.
func (g *Gateway) decideSurely(ctx context.Context, lock func(context.Context, ports.Tx) (pay.Rows, error), decision func(ports.Tx, pay.Rows, time.Time) (pay.Decision, error), release ...ports.Claim) (pay.Rows, error) {
	var rows pay.Rows
	err := g.patiently(ctx, func() (err error) {
		rows, err = g.decide(ctx, lock, decision, release...)
		return err
	})
	return rows, err
}

// patiently does it again for as long as the database is away and the context allows.
func (g *Gateway) patiently(ctx context.Context, do func() error) error {
	for wait := 20 * time.Millisecond; ; wait = min(2*wait, time.Second) {
		err := do()
		if !errors.Is(err, ports.ErrStoreAway) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(wait):
		}
	}
}

// intent is the time that names an intent, so that deciding it again changes nothing. It is as exact as the database.
func (g *Gateway) intent() time.Time { return g.Clock.Now().Truncate(time.Microsecond) }

func dueBy(d pay.Decision, now time.Time) bool {
	isDue := func(at time.Time) bool { return !at.IsZero() && !at.After(now) }
	for _, m := range d.Payments {
		if isDue(m.Row.Due) {
			return true
		}
	}
	for _, m := range d.Refunds {
		if isDue(m.Row.Due) {
			return true
		}
	}
	for _, m := range d.Fulfilments {
		if isDue(m.Row.Due) {
			return true
		}
	}
	return len(d.NewRefunds) > 0
}

func byOrder(number string) func(context.Context, ports.Tx) (pay.Rows, error) {
	return func(ctx context.Context, tx ports.Tx) (pay.Rows, error) { return tx.LockOrder(ctx, number) }
}

func byPayment(number string) func(context.Context, ports.Tx) (pay.Rows, error) {
	return func(ctx context.Context, tx ports.Tx) (pay.Rows, error) { return tx.LockPayment(ctx, number) }
}

func byRefund(number string) func(context.Context, ports.Tx) (pay.Rows, error) {
	return func(ctx context.Context, tx ports.Tx) (pay.Rows, error) { return tx.LockRefund(ctx, number) }
}

// decided makes a decision function of one that needs no transaction.
func decided(f func(pay.Rows, time.Time) (pay.Decision, error)) func(ports.Tx, pay.Rows, time.Time) (pay.Decision, error) {
	return func(_ ports.Tx, rows pay.Rows, now time.Time) (pay.Decision, error) { return f(rows, now) }
}

// detached is a context that a caller who goes away does not end: once an intent is committed the call is made and
// its outcome written, so that no payment is left to the worker because a browser was closed.
func detached(ctx context.Context, limit time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), limit)
}

// claim waits, outside of any transaction, for the right to call the provider for a row.
func (g *Gateway) claim(ctx context.Context, kind ports.Kind, number string) (ports.Claim, error) {
	wait := 10 * time.Millisecond
	for {
		c, err := g.Store.Claim(ctx, kind, number, hold, g.Clock.Now())
		if !errors.Is(err, ports.ErrClaimed) {
			return c, err
		}
		select {
		case <-ctx.Done():
			return c, fmt.Errorf("%s %s: %w", kind, number, ports.ErrClaimed)
		case <-g.stopping:
			return c, fmt.Errorf("%s %s: %w", kind, number, ports.ErrClaimed)
		case <-time.After(wait):
		}
		wait = min(2*wait, 250*time.Millisecond)
	}
}

// nudge tells this process's workers that something of these kinds is due now, so that the ticker matters only after a
// crash.
func (g *Gateway) nudge(kinds ...ports.Kind) {
	for _, kind := range kinds {
		signal(g.nudged[kind])
	}
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// Stop ends all waiting for other calls, so that requests in flight can end soon. It is called once.
func (g *Gateway) Stop() { close(g.stopping) }

// stops tells whether Stop was called.
func (g *Gateway) stops() bool {
	select {
	case <-g.stopping:
		return true
	default:
		return false
	}
}

// span begins a part of a trace, where somebody traces.
func (g *Gateway) span(ctx context.Context, name, number string) (context.Context, func(error)) {
	if g.Observe.Span == nil {
		return ctx, func(error) {}
	}
	return g.Observe.Span(ctx, name, number)
}

// observe reports one provider call, and alarms where it shows that an account does not get through or that our clock is
// off.
func (g *Gateway) observe(ctx context.Context, route pay.Route, call string, o pay.Outcome, began time.Time, providerTime time.Time) {
	now := g.Clock.Now()
	if g.Observe.ProviderCall != nil {
		g.Observe.ProviderCall(route.Provider, call, o, now.Sub(began))
	}
	if !providerTime.IsZero() {
		g.tellTime(ctx, route.Provider, providerTime, now)
	}
	opened, closed := g.breakers.report(route.Account, o, now)
	if (opened || closed) && g.Observe.Breaker != nil {
		g.Observe.Breaker(route.Account, opened)
	}
	if opened {
		ctx, cancel := detached(ctx, commitTime)
		defer cancel()
		g.raise(ctx, pay.Alarm{Kind: pay.AlarmAccountDown, Number: route.Account, What: "the last calls in a row got no answer that decides anything; the last one, " + call + ": " + o.String()})
	}
}
