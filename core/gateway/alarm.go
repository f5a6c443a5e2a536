package gateway

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/paybridge/paybridge/core/pay"
	"github.com/paybridge/paybridge/ports"
)

// raise writes an alarm that no decision carries. One that cannot be written is told in the log, since its cause goes on
// and will raise it again.
func (g *Gateway) raise(ctx context.Context, a pay.Alarm) {
	if err := g.Store.RaiseAlarm(ctx, a, g.Clock.Now()); err != nil {
		g.Log.Warn("an alarm was not raised", "kind", a.Kind, "number", a.Number, "what", a.What, "error", err)
		return
	}
	g.nudge(ports.KindAlarm)
}

// tellAlarm tells the operator of one alarm, once.
func (g *Gateway) tellAlarm(ctx context.Context, claim ports.Claim) error {
	id, err := strconv.ParseInt(claim.Number, 10, 64)
	if err != nil {
		return err
	}
	a, err := g.Store.Alarm(ctx, id)
	if err != nil {
		return err
	}
	if !a.SentAt.IsZero() || !a.AcknowledgedAt.IsZero() {
		return g.Store.Unclaim(ctx, claim, time.Time{})
	}
	sending, cancel := context.WithTimeout(ctx, sendTime)
	defer cancel()
	switch err := g.Events.SendAlarm(sending, a); {
	case err == nil:
		return g.Store.AlarmSent(ctx, claim, g.Clock.Now())
	case errors.Is(err, ports.ErrNoOperator):
		return g.Store.Unclaim(ctx, claim, g.Clock.Now().Add(time.Hour)) // one may be configured later
	default:
		now := g.Clock.Now()
		due, _ := pay.RetryEvent(a.Attempts+1, now, now, 0)
		g.Log.Warn("the operator's webhook did not take an alarm; it is sent again", "kind", a.Kind, "number", a.Number, "due", due, "error", err)
		return g.Store.AlarmUnsent(ctx, claim, a.Attempts+1, due)
	}
}

// Alarms lists alarms, newest first.
func (g *Gateway) Alarms(ctx context.Context, q ports.AlarmQuery) ([]ports.AlarmRow, error) {
	return g.Store.Alarms(ctx, q)
}

// Acknowledge closes an alarm in somebody's name. What raised it may raise it anew.
func (g *Gateway) Acknowledge(ctx context.Context, id int64, name string) (ports.AlarmRow, error) {
	if err := signed(name); err != nil {
		return ports.AlarmRow{}, err
	}
	return g.Store.Acknowledge(ctx, id, name, g.Clock.Now())
}

// SettleOutside ends a refund that can never succeed at the provider, because its money went back another way (R33).
func (g *Gateway) SettleOutside(ctx context.Context, number string, s pay.SettledOutside) (pay.Refund, error) {
	if err := signed(s.Name); err != nil {
		return pay.Refund{}, err
	}
	if err := reasoned(s.Reason, "how the money went back"); err != nil {
		return pay.Refund{}, err
	}
	rows, err := g.decide(ctx, byRefund(number), decided(func(rows pay.Rows, now time.Time) (pay.Decision, error) {
		return pay.SettleOutside(rows, number, s, now)
	}))
	if err != nil {
		return pay.Refund{}, err
	}
	return rows.Refund(number)
}

// signed refuses what an operator does without a name.
func signed(name string) error {
	if name == "" || len(name) > 64 || !printable(name) {
		return &Invalid{"name", "who does this, in 1 to 64 bytes of printable text"}
	}
	return nil
}
