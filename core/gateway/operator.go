package gateway

import (
	"context"
	"slices"

	"github.com/paybridge/paybridge/core/pay"
	"github.com/paybridge/paybridge/ports"
)

type operatorKey struct{}

// ByOperator has what is decided under this context carry an operator's name in the audit. The name is one that signed takes.
func ByOperator(ctx context.Context, name string) (context.Context, error) {
	return context.WithValue(ctx, operatorKey{}, name), signed(name)
}

// operator is who decides; empty: no operator does.
func operator(ctx context.Context) string {
	name, _ := ctx.Value(operatorKey{}).(string)
	return name
}

// Story is all that is kept of an order, its payments and refunds.
type Story struct {
	Rows     pay.Rows
	Audit    []ports.AuditRow  // oldest first
	Messages []ports.InboxRow  // of its payments, newest first, without facts and body
	Events   []pay.StoredEvent // lowest first, without data
	Taken    int64             // up to which event the app's endpoint has taken them
	Alarms   []ports.AlarmRow
}

// mostOfStory is how many messages of a payment, and alarms of a number, are told.
const mostOfStory = 200

// Tell reads the story of an order.
func (g *Gateway) Tell(ctx context.Context, order string) (s Story, err error) {
	if s.Rows, err = g.Store.Rows(ctx, "", order); err != nil {
		return s, err
	}
	if s.Audit, err = g.Store.Timeline(ctx, order, ""); err != nil {
		return s, err
	}
	if s.Events, s.Taken, err = g.Store.OrderEvents(ctx, order); err != nil {
		return s, err
	}
	numbers := []string{order}
	for _, p := range s.Rows.Payments {
		of, err := g.Store.Messages(ctx, ports.MessageQuery{Number: p.OutTradeNo(), Account: p.Route.Account, Limit: mostOfStory})
		if err != nil {
			return s, err
		}
		s.Messages = append(s.Messages, of...)
		numbers = append(numbers, p.Number, p.OutTradeNo())
	}
	for _, r := range s.Rows.Refunds {
		numbers = append(numbers, r.Number)
	}
	slices.Sort(numbers)
	for _, number := range slices.Compact(numbers) {
		of, err := g.Store.Alarms(ctx, ports.AlarmQuery{Number: number, Limit: mostOfStory})
		if err != nil {
			return s, err
		}
		s.Alarms = append(s.Alarms, of...)
	}
	return s, nil
}

// Replay has a message applied again from its stored facts, in an operator's name.
func (g *Gateway) Replay(ctx context.Context, id string) (ports.InboxRow, error) {
	if err := g.Store.Replay(ctx, id, g.Clock.Now()); err != nil {
		return ports.InboxRow{}, err
	}
	g.Log.Info("a message is applied again", "message", id, "operator", operator(ctx))
	g.nudge(ports.KindInbox)
	m, err := g.Store.InboxRow(ctx, id)
	m.Facts, m.Body = nil, nil
	return m, err
}
