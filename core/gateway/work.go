package gateway

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/paybridge/paybridge/core/pay"
	"github.com/paybridge/paybridge/ports"
)

// shares are how many of the workers each kind of row has for itself, in quarters of Options.Workers: payments that
// wait for a slow provider keep no refund and no expiry from its turn.
var shares = map[ports.Kind]int{
	ports.KindPayment: 4, ports.KindRefund: 2, ports.KindOrder: 1, ports.KindInbox: 1, ports.KindDelivery: 4, ports.KindAlarm: 1, ports.KindFulfilment: 1,
	ports.KindStatement: 1,
}

func (g *Gateway) slots(kind ports.Kind) int {
	if kind == ports.KindStatement { // one at a time: a large one takes memory
		return 1
	}
	return max(1, g.Workers*shares[kind]/4)
}

// works tells whether this process works on a kind of row at all.
func (g *Gateway) works(kind ports.Kind) bool {
	switch kind {
	case ports.KindRefund:
		return !g.Hold
	case ports.KindDelivery:
		return !g.Hold && g.Events != nil
	case ports.KindAlarm:
		return g.Events != nil
	case ports.KindFulfilment:
		return !g.Hold && g.Fulfilments != nil
	case ports.KindStatement:
		return !g.Hold && g.Optional != nil
	}
	return true
}

// Work finishes what is due, until the context ends, and then waits for what it has begun. Every replica runs it:
// rows are claimed, so that each is worked once at a time.
func (g *Gateway) Work(ctx context.Context) {
	var kinds sync.WaitGroup
	for kind := range shares {
		if !g.works(kind) {
			continue
		}
		w := worker{Gateway: g, kind: kind, slots: make(chan struct{}, g.slots(kind))}
		kinds.Go(func() { w.work(ctx) })
	}
	kinds.Go(func() { g.publish(ctx) })
	kinds.Go(func() { g.watchRows(ctx) })
	if g.works(ports.KindStatement) {
		kinds.Go(func() { g.planStatements(ctx) })
	}
	kinds.Wait()
}

// worker works on one kind of row.
type worker struct {
	*Gateway
	kind    ports.Kind
	slots   chan struct{} // one for each row that is being worked on
	backlog atomic.Bool   // more was due than there were slots
	running sync.WaitGroup
}

func (w *worker) work(ctx context.Context) {
	defer w.running.Wait()
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for ctx.Err() == nil {
		if w.claimDue(ctx) {
			continue
		}
		select {
		case <-ctx.Done():
		case <-ticker.C:
		case <-w.nudged[w.kind]:
		}
	}
}

// claimTime is how long the database may take to hand out work: one that hangs must not stop this replica for ever.
const claimTime = 10 * time.Second

// claimDue claims as much as there are free slots. It tells whether to claim again at once.
func (w *worker) claimDue(ctx context.Context) (again bool) {
	free := cap(w.slots) - len(w.slots)
	if free == 0 {
		w.backlog.Store(true)
		return false
	}
	limited, cancel := context.WithTimeout(ctx, claimTime)
	defer cancel()
	claims, err := w.Store.ClaimDue(limited, w.kind, free, hold, w.Clock.Now())
	if err != nil {
		if ctx.Err() == nil {
			w.Log.Warn("due rows could not be claimed; tried again in a second", "kind", w.kind, "error", err)
		}
		return false
	}
	if w.Observe.Work != nil {
		w.Observe.Work(w.kind, len(claims))
	}
	w.backlog.Store(len(claims) == free)
	for _, claim := range claims {
		w.slots <- struct{}{}
		w.running.Go(func() {
			w.workOn(ctx, claim)
			if <-w.slots; w.backlog.Load() {
				w.nudge(w.kind) // a slot is free, and more was due than there were slots
			}
		})
	}
	return false
}

// workOn takes one claimed row one step on. What fails is due again: soon where the database was away, else when the claim
// runs out.
func (g *Gateway) workOn(ctx context.Context, claim ports.Claim) {
	working := ctx
	ctx, cancel := detached(ctx, hold)
	defer cancel()
	ctx, end := g.span(ctx, "work "+string(claim.Kind), claim.Number)
	var err error
	switch claim.Kind {
	case ports.KindOrder:
		_, err = g.decide(ctx, byOrder(claim.Number), decided(pay.LookAtOrder), claim)
	case ports.KindPayment:
		err = g.workOnPayment(ctx, claim)
	case ports.KindRefund:
		err = g.refund(ctx, claim)
	case ports.KindInbox:
		err = g.tryInbox(ctx, claim)
	case ports.KindDelivery:
		err = g.deliver(ctx, claim)
	case ports.KindAlarm:
		err = g.tellAlarm(ctx, claim)
	case ports.KindFulfilment:
		err = g.reportFulfilment(ctx, claim)
	case ports.KindStatement:
		err = g.reconcile(working, claim)
	}
	end(err)
	if errors.Is(err, ports.ErrStoreAway) { // any call of ours has ended: nobody has to wait until the claim runs out
		g.letGo(ctx, claim)
	}
	if err != nil && !errors.Is(err, ports.ErrNotFound) {
		g.Log.Warn("work was not finished; it is tried again when due", "kind", claim.Kind, "number", claim.Number, "error", err)
	}
}

// workOnPayment closes what is closing and asks about everything else: a sweep never creates (R06).
func (g *Gateway) workOnPayment(ctx context.Context, claim ports.Claim) error {
	p, err := g.Store.Payment(ctx, "", claim.Number)
	if err != nil {
		return err
	}
	if until := g.breakers.openUntil(p.Route.Account); until.After(g.Clock.Now()) {
		return g.Store.Unclaim(ctx, claim, until)
	}
	switch {
	case p.State.Final() && p.Disputed == "":
		return g.Store.Unclaim(ctx, claim, time.Time{})
	case p.State == pay.PaymentClosing && p.Disputed == "":
		_, err = g.close(ctx, claim.Number, claim)
	default:
		_, _, err = g.query(ctx, claim.Number, claim)
	}
	return err
}
