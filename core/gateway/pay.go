package gateway

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/paybridge/paybridge/core/identity"
	"github.com/paybridge/paybridge/core/pay"
	"github.com/paybridge/paybridge/core/tradeno"
	"github.com/paybridge/paybridge/ports"
)

// PayRequest is a payer's wish to pay an order.
type PayRequest struct {
	Entry    string
	OpenID   string // of the entry's app id
	ClientIP string // of the payer; empty: not told to the provider
	// Medical is the insurance bureau's part, for an order with a bill; nil for any other.
	Medical *pay.MedicalPart
}

// Attempt is what came of the wish. Without a hand-off the outcome is still unknown: the same request again, later,
// goes on where this one stopped.
type Attempt struct {
	Payment pay.Payment
	HandOff *pay.HandOff
	Created bool // this request made the payment
}

// requestTime is how long one request to pay may take in all, waiting for other calls of the order included.
const requestTime = 25 * time.Second

// Pay makes a payment for an order, or goes on with the one that is there (R03, R07), or first closes one that is in
// the way (R07, R08).
func (g *Gateway) Pay(ctx context.Context, app, order string, r PayRequest) (Attempt, error) {
	route, err := g.route(app, r.Entry)
	if err != nil {
		return Attempt{}, err
	}
	if r.OpenID == "" && route.KnowsOpenID() || len(r.OpenID) > 128 || !printable(r.OpenID) {
		return Attempt{}, &Invalid{"payer.openid", "the payer's openid of the entry's app id, 1 to 128 bytes"}
	}
	ctx, cancel := detached(ctx, requestTime)
	defer cancel()
	var who identity.Payer
	for {
		a, done, err := g.attempt(ctx, app, order, route, r, who)
		if notTheirs(err) && len(who.Names) == 0 { // under this openid; perhaps under another name of theirs
			if who, err = g.payer(ctx, app, identity.Name{AppID: route.AppID, OpenID: r.OpenID}); err == nil {
				continue
			} else if errors.Is(err, ports.ErrNotFound) {
				err = &pay.Refusal{Code: pay.CodePayerNotAllowed, Detail: fmt.Sprintf("order %s is another payer's", order)}
			}
		}
		if done || err != nil {
			return a, err
		}
	}
}

func notTheirs(err error) bool {
	var refusal *pay.Refusal
	return errors.As(err, &refusal) && refusal.Code == pay.CodePayerNotAllowed
}

// attempt takes one step. It is done when the step ended with an answer for the payer.
func (g *Gateway) attempt(ctx context.Context, app, order string, route pay.Route, r PayRequest, who identity.Payer) (_ Attempt, done bool, _ error) {
	step, p, claim, err := g.begin(ctx, app, order, route, r, who)
	switch {
	case errors.Is(err, ports.ErrLivePayment), errors.Is(err, ports.ErrNumberTaken), errors.Is(err, ports.ErrMoved):
		return Attempt{}, false, nil // somebody was faster: look again
	case errors.Is(err, ports.ErrNoAccount): // dropped a moment ago; what this process knows is older
		return Attempt{}, true, &Unavailable{fmt.Sprintf("entry %s needs account %s, which is not configured", r.Entry, route.Account), time.Minute}
	case err != nil:
		return Attempt{}, true, err
	}
	switch step {
	case pay.MakeNew:
		crashPoint(crashAfterIntent)
		a, err := g.create(ctx, p, claim)
		a.Created = true
		return a, true, err
	case pay.GiveAgain:
		return Attempt{Payment: p, HandOff: p.HandOff}, true, nil
	case pay.SendAgain:
		return g.sendAgain(ctx, p)
	case pay.WaitForIt:
		return g.waitFor(ctx, p)
	}
	return Attempt{}, false, g.closeInTheWay(ctx, p)
}

// begin decides the step under the order's lock and, where it is a new payment, commits the intent.
func (g *Gateway) begin(ctx context.Context, app, order string, route pay.Route, r PayRequest, who identity.Payer) (step pay.Step, p pay.Payment, claim ports.Claim, err error) {
	err = g.Store.Tx(ctx, func(tx ports.Tx) error {
		rows, err := tx.LockOrder(ctx, order)
		if err != nil {
			return err
		}
		if rows.Order.App != app { // R41: another app's order is none
			return fmt.Errorf("order %s: %w", order, ports.ErrNotFound)
		}
		now := g.Clock.Now()
		if step, p, err = pay.Attempt(rows, pay.Want{Entry: r.Entry, AppID: route.AppID, OpenID: r.OpenID, Payer: who, Medical: r.Medical}, now); err != nil || step != pay.MakeNew {
			return err
		}
		if p, err = g.newPayment(app, rows.Order, route, r, now); err != nil {
			return err
		}
		claim, err = tx.AddPayment(ctx, p, hold)
		return err
	})
	if errors.Is(err, ports.ErrCommitUnknown) && step == pay.MakeNew {
		// Whether the intent is there decides everything: never call for one that is not.
		number := p.Number
		if p, err = g.Store.Payment(ctx, app, number); errors.Is(err, ports.ErrNotFound) {
			err = ports.ErrMoved
		} else if err != nil {
			g.letGo(ctx, claim)
		}
	}
	return step, p, claim, err
}

func (g *Gateway) newPayment(app string, o pay.Order, route pay.Route, r PayRequest, now time.Time) (pay.Payment, error) {
	legs := []pay.Leg{{ID: "self", Kind: pay.LegSelf, Amount: o.Amount, State: pay.PaymentCreated}}
	var details *pay.Details
	switch {
	case route.Policy.Insurance != (o.Bill != nil):
		return pay.Payment{}, &Invalid{"entry", "an order with a bill is paid through an entry of medical insurance, and no other order is"}
	case (r.Medical != nil) != (o.Bill != nil):
		return pay.Payment{}, &Invalid{"medical", "goes with an order that has a bill, and only with one"}
	case o.Bill != nil:
		legs, details = o.Bill.Legs(o.Amount.Currency), &pay.Details{Medical: o.Bill.Medical(*r.Medical)}
	}
	number, err := tradeno.New(tradeno.Payment, route.Method, o.ProductType, g.Installation, now)
	if err != nil {
		return pay.Payment{}, err
	}
	return pay.Payment{
		Number: number, Order: o.Number, App: app, Route: route,
		Content: pay.Content{
			Amount: o.Amount, Description: o.Description, OpenID: r.OpenID, ClientIP: r.ClientIP, TimeExpire: o.ExpiresAt, Attach: o.Attach(), Details: details,
		},
		State: pay.PaymentCreated, Calling: true, SentAt: now, CreatedAt: now, Due: now.Add(hold),
		Legs: legs,
	}, nil
}

// create sends a payment whose intent is committed and claimed, and commits what came of it.
func (g *Gateway) create(ctx context.Context, p pay.Payment, claim ports.Claim) (Attempt, error) {
	answer, late := g.callPatiently(ctx, p, "create", ports.Provider.CreatePayment)
	crashPoint(crashAfterCall)
	p, err := g.outcome(ctx, p.Number, answer, pay.Created, claim)
	if err != nil {
		return Attempt{}, fmt.Errorf("commit the outcome of payment %s: %w", p.Number, err)
	}
	switch {
	case p.State == pay.PaymentPending && p.HandOff != nil && p.Disputed == "":
		return Attempt{Payment: p, HandOff: p.HandOff}, nil
	case answer.Outcome.Is(pay.AuthorizationExpired):
		return g.expired(ctx, p)
	case p.State == pay.PaymentFailed:
		return Attempt{Payment: p}, &pay.Refusal{Code: pay.CodePaymentFailed, Detail: fmt.Sprintf("the provider refused payment %s: %s %s", p.Number, answer.Outcome, answer.Outcome.Message)}
	case answer.Outcome.Away() && !late:
		return Attempt{Payment: p}, &Unavailable{fmt.Sprintf("payment %s is kept and goes on when asked again: %s", p.Number, answer.Outcome), max(answer.Outcome.RetryAfter, askAgain)}
	}
	return Attempt{Payment: p}, nil
}

// expired ends a payment whose authorization was worth nothing any more: what was made of it is closed at once, and a new
// payment with a new authorization is right (R07).
func (g *Gateway) expired(ctx context.Context, p pay.Payment) (Attempt, error) {
	refusal := &pay.Refusal{
		Code:   pay.CodeMedicalAuthorizationExpired,
		Detail: fmt.Sprintf("the insurance bureau's authorization of payment %s has expired or was used; let the payer authorize again and pay with what the bureau answers", p.Number),
	}
	if p.State != pay.PaymentClosing {
		return Attempt{Payment: p}, refusal
	}
	closed, err := g.closeNow(ctx, p.Number, "its authorization has expired")
	if err != nil { // it is due, and work goes on
		return Attempt{Payment: p}, refusal
	}
	return Attempt{Payment: closed}, refusal
}

// sendAgain sends the stored content of a created or pending payment once more (R07); where the outcome of an earlier
// create is unclear it asks first (R03).
func (g *Gateway) sendAgain(ctx context.Context, p pay.Payment) (a Attempt, done bool, err error) {
	claim, err := g.claim(ctx, ports.KindPayment, p.Number)
	if errors.Is(err, ports.ErrClaimed) {
		return Attempt{Payment: p}, true, nil
	} else if err != nil {
		return Attempt{}, true, err
	}
	sent := false
	defer func() {
		if err != nil && !sent {
			g.letGo(ctx, claim)
		}
	}()
	if p, err = g.Store.Payment(ctx, "", p.Number); err != nil {
		return Attempt{}, true, err
	}
	if p.HandOff != nil && g.Clock.Now().Before(p.HandOff.ValidUntil) || !p.State.Live() || p.State == pay.PaymentClosing {
		return Attempt{}, false, g.Store.Unclaim(ctx, claim, g.Clock.Now()) // what was waited for is there
	}
	if p.State == pay.PaymentCreated && (p.Unclear || p.Calling) {
		answer := g.call(ctx, p, "query", ports.Provider.QueryPayment)
		if p, err = g.outcome(ctx, p.Number, answer, pay.Queried); err != nil {
			return Attempt{}, true, err
		}
		if answer.Outcome.Verdict != pay.Accepted && !answer.Outcome.Is(pay.NotFound) {
			return Attempt{Payment: p}, true, g.Store.Unclaim(ctx, claim, p.Due) // as the query's outcome set it
		}
	}
	sentAt := g.intent()
	rows, err := g.decide(ctx, byPayment(p.Number), decided(func(rows pay.Rows, _ time.Time) (pay.Decision, error) {
		return pay.Renew(rows, p.Number, sentAt)
	}))
	switch {
	case errors.Is(err, pay.ErrNotRenewable):
		return Attempt{}, false, g.Store.Unclaim(ctx, claim, g.Clock.Now())
	case err != nil:
		return Attempt{}, true, err
	}
	if p, err = rows.Payment(p.Number); err != nil {
		return Attempt{}, true, err
	}
	crashPoint(crashAfterIntent)
	sent = true
	a, err = g.create(ctx, p, claim)
	return a, true, err
}

// letGo gives a claim back where nothing was sent, or only a question: the payer who asks again must not wait until it runs
// out. It is tried for as long as a commit is: a claim is left most often because the database was away for a moment.
func (g *Gateway) letGo(ctx context.Context, claim ports.Claim) {
	ctx, cancel := detached(ctx, commitTime)
	defer cancel()
	err := g.patiently(ctx, func() error { return g.Store.Unclaim(ctx, claim, g.Clock.Now()) })
	if err != nil {
		g.Log.Warn("a claim was not given back; it runs out by itself", "kind", claim.Kind, "number", claim.Number, "error", err)
	}
}

// waitFor waits for the call that is making a payment. A call whose process died is asked about.
func (g *Gateway) waitFor(ctx context.Context, p pay.Payment) (_ Attempt, done bool, err error) {
	claim, err := g.claim(ctx, ports.KindPayment, p.Number)
	if errors.Is(err, ports.ErrClaimed) {
		return Attempt{Payment: p}, true, nil
	} else if err != nil {
		return Attempt{}, true, err
	}
	defer func() {
		if err != nil {
			g.letGo(ctx, claim)
		}
	}()
	if p, err = g.Store.Payment(ctx, "", p.Number); err != nil {
		return Attempt{}, true, err
	}
	if p.State != pay.PaymentCreated || !p.Calling {
		return Attempt{}, false, g.Store.Unclaim(ctx, claim, g.Clock.Now())
	}
	p, _, err = g.query(ctx, p.Number, claim)
	return Attempt{Payment: p}, p.State == pay.PaymentCreated, err
}

// closeInTheWay closes the order's live payment at the provider, so that a new one can be made.
func (g *Gateway) closeInTheWay(ctx context.Context, p pay.Payment) error {
	unresolved := &pay.Refusal{Code: pay.CodePreviousUnresolved, RetryAfter: 5 * time.Second, Detail: fmt.Sprintf("payment %s is still being closed at its provider", p.Number)}
	p, err := g.closeNow(ctx, p.Number, "another attempt takes its place")
	var paid *pay.Refusal
	switch {
	case errors.As(err, &paid):
		return nil // money won the race: looking again says so
	case errors.Is(err, ports.ErrClaimed), errors.Is(err, ports.ErrUnavailable):
		return unresolved
	case err != nil:
		return err
	case p.State.Live():
		return unresolved
	}
	return nil
}

// call asks the provider of the payment's frozen route. A provider that is away here is one that was not asked.
func (g *Gateway) call(ctx context.Context, p pay.Payment, name string, method func(ports.Provider, context.Context, pay.Payment) ports.PaymentAnswer) ports.PaymentAnswer {
	provider, err := g.Providers.For(p.Route) // the frozen route, never today's config
	if err != nil {
		return ports.PaymentAnswer{Outcome: pay.Outcome{Verdict: pay.NotSent, Reason: pay.Unavailable, Message: err.Error()}}
	}
	ctx, cancel := context.WithTimeout(ctx, pay.CallTime)
	defer cancel()
	ctx, end := g.span(ctx, "provider "+name, p.Number)
	defer end(nil)
	began := g.Clock.Now()
	answer := method(provider, ctx, p)
	for n := 1; answer.Checkpoint && answer.ProviderState != nil && n <= maxCheckpoints; n++ {
		crashPoint(crashBeforeCheckpoint)
		if p, err = g.checkpoint(ctx, p, *answer.ProviderState); err != nil {
			return ports.PaymentAnswer{} // indeterminate: the provider did something that we could not write down
		}
		crashPoint(crashAfterCheckpoint)
		answer = method(provider, ctx, p)
	}
	if p.ProviderState.Version > 0 && name == "create" && answer.Outcome.Verdict != pay.Accepted && !answer.Outcome.Final() {
		// An earlier step of this payment did something: that a later one was refused, or not sent, does not undo it (R04).
		answer.Outcome.Verdict = pay.Indeterminate
	}
	g.observe(ctx, p.Route, name, answer.Outcome, began, answer.ProviderTime)
	return answer
}

// patience is how long a payer waits for a plugin that is being started again.
const patience = 5 * time.Second

// callPatiently calls again, for a short while, where the call surely never left: a plugin that died is back within
// milliseconds, and a payer should not have to know. All tries share the deadline of one call, by which R06 reckons. late
// says that it passed before anything was sent, as behind a plugin that hangs: nobody has said that the provider is away.
func (g *Gateway) callPatiently(ctx context.Context, p pay.Payment, name string, method func(ports.Provider, context.Context, pay.Payment) ports.PaymentAnswer) (_ ports.PaymentAnswer, late bool) {
	ctx, cancel := context.WithTimeout(ctx, pay.CallTime)
	defer cancel()
	var enough <-chan time.Time
	for wait := 50 * time.Millisecond; ; wait *= 2 {
		answer := g.call(ctx, p, name, method)
		if answer.Outcome.Verdict != pay.NotSent {
			return answer, false
		}
		if enough == nil {
			enough = time.After(patience)
		}
		select {
		case <-ctx.Done():
			return answer, true
		default:
		}
		select {
		case <-ctx.Done():
			return answer, true
		case <-enough:
			return answer, false
		case <-time.After(wait):
		}
	}
}

// maxCheckpoints is how often a plugin may ask to be called again for one call.
const maxCheckpoints = 4

// checkpoint commits a plugin's state in the middle of a call.
func (g *Gateway) checkpoint(ctx context.Context, p pay.Payment, state pay.ProviderState) (pay.Payment, error) {
	rows, err := g.decide(ctx, byPayment(p.Number), decided(func(rows pay.Rows, _ time.Time) (pay.Decision, error) {
		return pay.Checkpoint(rows, p.Number, state)
	}))
	if err != nil {
		return p, fmt.Errorf("checkpoint of payment %s: %w", p.Number, err)
	}
	return rows.Payment(p.Number)
}

// outcome commits what a provider's answer means, whoever has gone away meanwhile, and returns the payment as it
// stands then.
func (g *Gateway) outcome(ctx context.Context, number string, a ports.PaymentAnswer, meaning func(pay.Rows, string, pay.Answer, time.Time) (pay.Decision, error), release ...ports.Claim) (pay.Payment, error) {
	ctx, cancel := detached(ctx, commitTime)
	defer cancel()
	crashPoint(crashBeforeOutcome)
	rows, err := g.decideSurely(ctx, byPayment(number), decided(func(rows pay.Rows, now time.Time) (pay.Decision, error) {
		d, err := meaning(rows, number, pay.Answer{Outcome: a.Outcome, Facts: a.Facts, HandOff: a.HandOff, ProviderState: a.ProviderState, NotPayableAfter: a.NotPayableAfter}, now)
		d.RequestID = a.Outcome.RequestID
		return d, err
	}), release...)
	if err != nil {
		return pay.Payment{Number: number}, err
	}
	crashPoint(crashAfterOutcome)
	return rows.Payment(number)
}
