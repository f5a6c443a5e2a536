package gateway

import (
	"context"
	"time"
)

const (
	// forgetEvery is how often bills are looked through for persons whose time is over.
	forgetEvery = time.Hour
	// forgetAtOnce is how many orders are taken in one go, so that none waits long for the others.
	forgetAtOnce = 50
)

// ForgetPersons removes names and identity numbers of bills after PersonsKept, now and then, until ctx is done (R45). Replicas
// may do so at once.
func (g *Gateway) ForgetPersons(ctx context.Context) {
	ticker := time.NewTicker(forgetEvery)
	defer ticker.Stop()
	for {
		g.forgetDue(ctx)
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

func (g *Gateway) forgetDue(ctx context.Context) {
	for total := 0; ; {
		n, err := g.Store.ForgetPersons(ctx, g.Clock.Now().Add(-g.PersonsKept), forgetAtOnce)
		total += n
		switch {
		case err != nil && ctx.Err() == nil:
			g.Log.Warn("persons of bills could not be removed; tried again in an hour", "error", err)
		case err == nil && n == forgetAtOnce:
			continue
		case total > 0:
			g.Log.Info("names and identity numbers of old bills were removed", "orders", total)
		}
		return
	}
}
