package gateway

import (
	"context"
	"fmt"
	"time"

	"github.com/paybridge/paybridge/core/pay"
)

const (
	// watchEvery is how often it is looked for rows that nobody looks at.
	watchEvery = 30 * time.Second
	// longOverdue is after which time somebody is told of one.
	longOverdue = time.Hour
)

// watchRows tells a person of rows that are unfinished and nobody looks at, or will in time (R40), until ctx is done.
func (g *Gateway) watchRows(ctx context.Context) {
	ticker := time.NewTicker(watchEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		if err := g.tellOverdue(ctx); err != nil && ctx.Err() == nil {
			g.Log.Warn("it could not be looked for overdue rows; tried again soon", "error", err)
		}
	}
}

func (g *Gateway) tellOverdue(ctx context.Context) error {
	overdue, tooLate, err := g.Store.Overdue(ctx, g.Clock.Now(), longOverdue)
	if err != nil {
		return err
	}
	for kind, count := range overdue {
		g.raise(ctx, pay.Alarm{Kind: pay.AlarmRowsOverdue, Number: string(kind), What: fmt.Sprintf("%d due for over an hour", count)})
	}
	for kind, count := range tooLate {
		g.raise(ctx, pay.Alarm{Kind: pay.AlarmRowsDueTooLate, Number: string(kind), What: fmt.Sprintf("%d due in a far future", count)})
	}
	return nil
}
