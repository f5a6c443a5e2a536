// Package soak plays many payers, over every way in, against real gateways and a simulated WeChat while everything goes wrong that can:
// at WeChat, on the way to it and back, and in the processes. Then it lets all come to rest, has the statements compared, and asks
// whether the invariants hold. `paybridge soak` runs it.
package soak

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"
)

// Options say what is played. All are needed but Postgres.
type Options struct {
	Payments int // visits that end in a payment, or in none
	Payers   int // visits under way at once
	// Seed draws what each payer does and what goes wrong. Which of them meet is the machine's affair, so that a run is repeated in
	// what it does, not in what comes of it.
	Seed uint64
	// Patience is the longest that a payer waits for an order to be paid, and that all may need to come to rest.
	Patience time.Duration
	Programs string // the folder of paybridge, wechatsim and plugins/
	Dir      string // an empty folder for database, keys and logs
	Postgres string // the URL of a PostgreSQL server whose user may create databases; empty: SQLite
	Replicas int    // gateways on the database; one on SQLite
	Out      io.Writer
	Terminal bool // Out is one: progress is one line that changes
}

// Check says what is wrong with the options.
func (o Options) Check() error {
	switch {
	case o.Payments < 1 || o.Payers < 1 || o.Patience <= 0:
		return errors.New("payments, payers and patience must be above zero")
	case o.Replicas < 1:
		return errors.New("there must be a gateway: give one or more replicas")
	case o.Postgres == "" && o.Replicas > 1:
		return errors.New("SQLite is for one gateway: give --postgres for replicas")
	}
	return nil
}

// quota is how often each kind of fault must happen, so that a run proves something of each.
func (o Options) quota() int { return (o.Payments + 399) / 400 }

// Run plays it all and tells the report to Out. The error says what was not as it must be.
func Run(ctx context.Context, o Options) (err error) {
	if err := o.Check(); err != nil {
		return err
	}
	began := time.Now()
	w := &world{o: o, began: began}
	defer func() { err = errors.Join(err, w.close(err == nil)) }()
	if err := w.prepare(ctx); err != nil {
		return err
	}
	if err := w.start(ctx); err != nil {
		return err
	}
	if err := w.misbehave(ctx); err != nil {
		return err
	}
	w.visits(ctx)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err := w.calmDown(ctx); err != nil {
		return err
	}
	fired, err := w.fired(ctx)
	if err != nil {
		return err
	}
	r := report{world: w, fired: fired}
	if r.rest, err = w.comeToRest(ctx); err == nil {
		err = w.reconcile(ctx)
	}
	if err != nil { // the invariants say more
		w.surprise("%v", err)
	}
	if r.broken, err = w.invariants(ctx); err != nil {
		return err
	}
	r.took = time.Since(began)
	return r.tell(o.Out)
}

// day is the day in Shanghai on which all of it happens at WeChat: yesterday, so that its statement can be had in the end. It begins
// soon after midnight, and a run has until the next.
func day(now time.Time) (text string, behind time.Duration) {
	const sinceMidnight = 10 * time.Minute
	here := now.In(time.FixedZone("CST", 8*60*60)) // no summer time there
	start := time.Date(here.Year(), here.Month(), here.Day()-1, 0, 0, 0, 0, here.Location()).Add(sinceMidnight)
	return start.Format(time.DateOnly), now.Sub(start)
}

// surprise notes what should not have been, and goes on.
func (w *world) surprise(format string, a ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.surprises = append(w.surprises, fmt.Sprintf(format, a...))
}
