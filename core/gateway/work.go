package gateway

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/paybridge/paybridge/core/pay"
	"github.com/paybridge/paybridge/ports"
)

// Work finishes what is due, until the context ends, and then waits for what it has begun. Every replica runs it:
// rows are claimed, so that each is worked once at a time.
func (g *Gateway) Work(ctx context.Context) {
	var running sync.WaitGroup
	defer running.Wait()
	slots := make(chan struct{}, g.Workers)
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for {
		if !g.workOnce(ctx, slots, &running) { // nothing more is due, or no worker is free
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
			case <-g.nudged:
			}
		}
		if ctx.Err() != nil {
			return
		}
	}
}

// workOnce claims as much as there are free workers. It tells whether there may be more.
func (g *Gateway) workOnce(ctx context.Context, slots chan struct{}, running *sync.WaitGroup) (more bool) {
	for _, kind := range []ports.Kind{ports.KindPayment, ports.KindRefund, ports.KindOrder, ports.KindInbox} {
		if kind == ports.KindRefund && g.Hold {
			continue
		}
		free := cap(slots) - len(slots)
		if free == 0 {
			g.backlog.Store(true)
			return false
		}
		claims, err := g.Store.ClaimDue(ctx, kind, free, hold, g.Clock.Now())
		if err != nil {
			if ctx.Err() == nil {
				g.Log.Warn("due rows could not be claimed; tried again in a second", "kind", kind, "error", err)
			}
			return false
		}
		if g.Observe.Work != nil {
			g.Observe.Work(kind, len(claims))
		}
		more = more || len(claims) == free
		for _, claim := range claims {
			slots <- struct{}{}
			running.Add(1)
			go func() {
				defer running.Done()
				defer func() {
					if <-slots; g.backlog.Load() {
						g.nudge() // a worker is free, and more was due than there were workers
					}
				}()
				g.workOn(ctx, claim)
			}()
		}
	}
	g.backlog.Store(more)
	return more
}

// workOn takes one claimed row one step on. What fails stays claimed and due: it is found again.
func (g *Gateway) workOn(ctx context.Context, claim ports.Claim) {
	ctx, cancel := detached(ctx, hold)
	defer cancel()
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
		_, err = g.query(ctx, claim.Number, claim)
	}
	return err
}
