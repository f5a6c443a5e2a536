package gateway

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/paybridge/paybridge/core/pay"
	"github.com/paybridge/paybridge/core/tradeno"
	"github.com/paybridge/paybridge/ports"
)

// eventsRaised is how far the sequences of events are counted on: more than any order gave out between a backup and its restoring.
const eventsRaised = 1000

// recoverPasses bounds how often a day's statements are read: each pass makes anew as much as a statement lists.
const recoverPasses = 100

// Recovery is what a recovery has come to.
type Recovery struct {
	Asked     int // unfinished payments that were asked about
	Recovered int // payments that were made anew
	Days      []RecoveredDay
}

// RecoveredDay is one account's statement of one day, as far as it was compared.
type RecoveredDay struct {
	Account, Day string
	Lines        int64
	Recovered    int
	Differences  int
	Missing      string // why there is no statement; empty: there is
}

// Recover makes good what a restored backup lacks, as far as the providers know it, while no gateway serves: it counts the sequences of
// events on, asks about every unfinished payment, and reads the statements of each day from since on, making anew the payments and refunds
// of ours that are in them and not here. tell hears of each step. It may be run again at any time. Refunds and events are not sent.
func (g *Gateway) Recover(ctx context.Context, since time.Time, tell func(what string)) (r Recovery, err error) {
	known := g.Providers
	g.Providers, g.recovering = statementsTell{known}, true
	defer func() { g.Providers, g.recovering = known, false }()
	if err := g.Store.RaiseEvents(ctx, eventsRaised); err != nil {
		return r, err
	}
	tell(fmt.Sprintf("the sequences of events were counted on by %d", eventsRaised))
	today := g.Clock.Now().In(shanghai).Format(time.DateOnly)
	for day := since.In(shanghai); day.Format(time.DateOnly) < today; day = day.AddDate(0, 0, 1) {
		r.Days = append(r.Days, g.statementsOf(day.Format(time.DateOnly))...)
	}
	if err := g.recoverStatements(ctx, r.Days, recoverWhatPaid, tell); err != nil {
		return r, err
	}
	if r.Asked, err = g.askUnfinished(ctx, tell); err != nil {
		return r, err
	}
	if err := g.recoverStatements(ctx, r.Days, recoverPaidBeside, tell); err != nil {
		return r, err
	}
	for _, d := range r.Days {
		r.Recovered += d.Recovered
		tell(fmt.Sprintf("statement of %s of account %s: %d lines, %d payments made anew, %d differences left%s", d.Day, d.Account, d.Lines, d.Recovered, d.Differences, because(d.Missing)))
	}
	return r, nil
}

// recovering says which lost payments a comparison makes anew. Which one of two paid an order, and which came beside it and went back (R19),
// was decided before the rows were lost, and must not be decided otherwise now: what went back as a duplicate comes last.
type recovering int

const (
	recoverNothing    recovering = iota
	recoverWhatPaid              // all but those
	recoverPaidBeside            // those
)

// paidBeside tells whether a lost payment was given back because another one had paid its order.
func (c *comparison) paidBeside(l ports.TradeLine) bool {
	number, err := tradeno.ForRefund(l.Number, "~"+string(pay.OriginDuplicate), func(string) bool { return false })
	return err == nil && slices.Contains(c.back[l.Number], number)
}

// statementsTell are the providers, but for what a query says of refunds: that there was one, of an amount that nobody knows. The statement
// tells of each with its number and amount, and what was made by a reference is to be found under it.
type statementsTell struct{ ports.Providers }

func (s statementsTell) For(r pay.Route) (ports.Provider, error) {
	p, err := s.Providers.For(r)
	return withoutRefunds{p}, err
}

type withoutRefunds struct{ ports.Provider }

func (w withoutRefunds) QueryPayment(ctx context.Context, p pay.Payment) ports.PaymentAnswer {
	return silent(w.Provider.QueryPayment(ctx, p))
}

func (w withoutRefunds) ClosePayment(ctx context.Context, p pay.Payment) ports.PaymentAnswer {
	return silent(w.Provider.ClosePayment(ctx, p))
}

func silent(a ports.PaymentAnswer) ports.PaymentAnswer {
	if a.Facts != nil {
		f := *a.Facts
		f.Refunded = false
		a.Facts = &f
	}
	return a
}

func because(missing string) string {
	if missing == "" {
		return ""
	}
	return "; there is no statement: " + missing
}

// askUnfinished works once on each unfinished payment, which is to ask about it.
func (g *Gateway) askUnfinished(ctx context.Context, tell func(string)) (asked int, err error) {
	began := g.Clock.Now()
	all, err := g.Store.Unfinished(ctx, ports.KindPayment, began)
	if err != nil {
		return 0, err
	}
	tell(fmt.Sprintf("asking about %d unfinished payments", all))
	for {
		claims, err := g.Store.ClaimDue(ctx, ports.KindPayment, g.Workers, hold, began)
		if err != nil || len(claims) == 0 {
			return asked, err
		}
		var working sync.WaitGroup
		for _, claim := range claims {
			working.Go(func() { g.workOn(ctx, claim) })
		}
		working.Wait()
		if err := ctx.Err(); err != nil {
			return asked, err
		}
		if asked += len(claims); asked%1000 < len(claims) {
			tell(fmt.Sprintf("%d of %d asked about", min(asked, all), all))
		}
	}
}

// statementsOf are the statements of a day.
func (g *Gateway) statementsOf(day string) (days []RecoveredDay) {
	accounts := g.settings.Load().accounts
	for _, name := range slices.Sorted(maps.Keys(accounts)) {
		if services, err := g.Optional.Offers(accounts[name].Provider); err == nil && slices.Contains(services, ports.ServiceBills) && !accounts[name].Template {
			days = append(days, RecoveredDay{Account: name, Day: day})
		}
	}
	return days
}

// recoverStatements reads statements until none makes anything anew: one that makes a payment anew lets the next pass see its refunds.
func (g *Gateway) recoverStatements(ctx context.Context, days []RecoveredDay, what recovering, tell func(string)) error {
	accounts := g.settings.Load().accounts
	for range recoverPasses {
		made := 0
		for i := range days {
			n, err := g.recoverStatement(ctx, accounts[days[i].Account], &days[i], what)
			if err != nil {
				return err
			}
			made += n
		}
		if tell(fmt.Sprintf("%d statements were read, %d payments made anew", len(days), made)); made == 0 {
			return nil
		}
	}
	return fmt.Errorf("the statements still have payments that are not here, after %d passes: run it again", recoverPasses)
}

func (g *Gateway) recoverStatement(ctx context.Context, a ports.Account, d *RecoveredDay, what recovering) (made int, err error) {
	if err := g.planStatement(ctx, a, d.Day); err != nil {
		return 0, err
	}
	id := ports.StatementID(a.Name, d.Day)
	if err := g.Store.StatementAgain(ctx, id, g.Clock.Now()); err != nil {
		return 0, err
	}
	claim, err := g.Store.Claim(ctx, ports.KindStatement, id, hold, g.Clock.Now())
	if err != nil {
		return 0, err
	}
	if made, err = g.compare(ctx, claim, what); err != nil {
		return made, err
	}
	s, err := g.Store.Statement(ctx, id)
	d.Lines, d.Differences, d.Missing = s.Lines, s.Open, s.Error
	d.Recovered += made
	return made, err
}

// recover makes one lost payment anew, from what the provider says of it. What cannot be made is told by the difference that it stays.
func (c *comparison) recover(ctx context.Context, s ports.Statement, l ports.TradeLine) (made bool, err error) {
	lost, ok := c.lostPayment(s, l)
	if !ok {
		return false, nil
	}
	now := c.Clock.Now()
	answer := c.call(ctx, lost.Payment(now), "query", ports.Provider.QueryPayment)
	if answer.Outcome.Verdict != pay.Accepted || answer.Facts == nil {
		c.Log.Warn("a lost payment could not be asked about", "number", l.Number, "outcome", answer.Outcome.String())
		return false, nil
	}
	o, p, ok := lost.Rows(*answer.Facts, now)
	if !ok || answer.Facts.AppID != lost.Route.AppID {
		return false, nil // it stays a difference, for a person
	}
	if o.Number == "" {
		if o.Number, err = tradeno.New(tradeno.Order, tradeno.OrderMethod, o.ProductType, c.Installation, o.CreatedAt); err != nil {
			return false, err
		}
		p.Order = o.Number
	}
	if c.recovering == recoverPaidBeside {
		// It never pays the order: where the one that did could not be made anew yet, it waits for another run.
		of, err := c.Store.Order(ctx, "", o.Number)
		if errors.Is(err, ports.ErrNotFound) || err == nil && (of.SettledBy == "" || of.SettledBy == p.Number) {
			return false, nil
		} else if err != nil {
			return false, err
		}
	}
	_, err = c.Store.AddLost(ctx, o, p, eventsRaised)
	if errors.Is(err, ports.ErrReferenceTaken) { // the app made that order again, and it is not this one
		o.Reference = "~recovered:" + p.Number
		_, err = c.Store.AddLost(ctx, o, p, eventsRaised)
	}
	if err != nil && !errors.Is(err, ports.ErrNumberTaken) {
		return false, err
	}
	facts := *answer.Facts
	facts.Refunded = c.recovering == recoverPaidBeside // the next pass tells of how much; it is not given back again
	_, err = c.decide(ctx, byPayment(p.Number), decided(func(rows pay.Rows, now time.Time) (pay.Decision, error) {
		return pay.Settle(rows, p.Number, facts, pay.FromQuery, now)
	}))
	return err == nil, err
}

// lostPayment finds the way in by which a lost payment was made: the entry of its app id and pay method, on its merchant number. A
// statement names the partner's app id for its sub merchants' payments.
func (c *comparison) lostPayment(s ports.Statement, l ports.TradeLine) (pay.Lost, bool) {
	parts, err := tradeno.Parse(l.Number)
	if err != nil || parts.Kind != tradeno.Payment {
		return pay.Lost{}, false
	}
	lost := pay.Lost{Number: l.Number, ProductType: parts.ProductType, Description: "Recovered from the statement of " + s.Day}
	settings := c.settings.Load()
	for _, name := range slices.Sorted(maps.Keys(settings.entries)) {
		e := settings.entries[name]
		a, known := settings.accounts[e.Account]
		if !known || a.MchID != s.MchID || a.SubMchID != s.SubMchID || e.AppID != l.AppID && e.SpAppID != l.AppID || e.Method != parts.Method {
			continue
		}
		policy, err := c.Providers.Policy(e.Provider)
		if err != nil {
			continue // its plugin is down
		}
		lost.Route = RouteOf(e, a, policy)
		if said, ok := pay.ReadAttached(l.Attach); ok {
			lost.Order = said
			return lost, true
		}
		for _, app := range settings.apps {
			if slices.Contains(app.Entries, name) {
				lost.Order.App = app.Name
				return lost, true
			}
		}
	}
	return lost, false
}
