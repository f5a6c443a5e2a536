package store

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/paybridge/paybridge/core/pay"
	"github.com/paybridge/paybridge/ports"
)

// AddLost inserts a payment whose rows were lost (ports.Store).
func (s *Store) AddLost(ctx context.Context, o pay.Order, p pay.Payment, events int64) (order string, err error) {
	row, err := toOrderRow(o)
	if err != nil {
		return "", err
	}
	err = s.inTx(ctx, func(t *tx) error {
		var here []string
		rows, err := t.query(ctx, s.statement("select number from orders where number = ? or app = ? and reference = ?", o.Number, o.App, o.Reference))
		if err := s.scan(ctx, &here, rows, err); err != nil {
			return failed(err, "look for order %s", o.Number)
		}
		p.Order = o.Number
		switch {
		case slices.Contains(here, o.Number):
		case len(here) > 0:
			return fmt.Errorf("order %q of %s is %s: %w", o.Reference, o.App, here[0], ports.ErrReferenceTaken)
		default:
			row.EventSeq, row.EventsRaised = events, events
			made := auditRow{OrderNumber: o.Number, Kind: string(ports.KindOrder), Number: o.Number, New: string(o.State), Cause: "made anew: its row was lost", At: micros(o.CreatedAt)}
			if _, err := t.exec(ctx, inserting(s, []orderRow{row}, nil)); err != nil {
				return failed(err, "add order %s", o.Number)
			}
			if _, err := t.exec(ctx, inserting(s, []auditRow{made}, nil)); err != nil {
				return failed(err, "audit order %s", o.Number)
			}
		}
		payment, err := s.keys.toPaymentRow(p)
		if err != nil {
			return err
		}
		made := auditRow{
			OrderNumber: p.Order, Payment: p.Number, Kind: string(ports.KindPayment), Number: p.Number, New: string(p.State),
			Cause: "made anew: its row was lost", At: micros(p.CreatedAt),
		}
		if _, err := t.exec(ctx, inserting(s, []paymentRow{payment}, nil)); uniqueViolation(err) != "" {
			return fmt.Errorf("payment %s: %w", p.Number, ports.ErrNumberTaken)
		} else if err != nil {
			return failed(err, "add payment %s", p.Number)
		}
		if _, err := t.exec(ctx, inserting(s, []auditRow{made}, nil)); err != nil {
			return failed(err, "audit payment %s", p.Number)
		}
		return nil
	})
	return p.Order, err
}

// RaiseEvents counts events on from a higher number (ports.Store). What an endpoint has taken of an order is counted on as well.
func (s *Store) RaiseEvents(ctx context.Context, events int64) error {
	return s.inTx(ctx, func(t *tx) error {
		for _, statement := range []string{
			"update deliveries set next_seq = next_seq + ?, last_seq = last_seq + ? where next_seq > last_seq and not exists (select 1 from events e where e.order_number = deliveries.order_number and e.place is null)",
			"update orders set event_seq = event_seq + ?, events_raised = events_raised + ?",
		} {
			if _, err := t.exec(ctx, s.statement(statement, events, events)); err != nil {
				return failed(err, "raise the sequences of events")
			}
		}
		if _, err := t.exec(ctx, s.statement("update event_places set last = last + ?", 1000*events)); err != nil {
			return failed(err, "raise the places of events")
		}
		return nil
	})
}

// unfinishedStates are those of rows that work goes on for.
var unfinishedStates = map[ports.Kind]string{
	ports.KindOrder: "state in ('open', 'closing')", ports.KindPayment: "state in ('created', 'pending', 'closing') or disputed <> ''",
	ports.KindRefund: "state in ('created', 'processing')",
}

// Unfinished makes unfinished rows due (ports.Store).
func (s *Store) Unfinished(ctx context.Context, kind ports.Kind, now time.Time) (int, error) {
	result, err := s.db.ExecContext(ctx, "update "+claimables[kind].table+" set due = ?, claimed_until = null where "+unfinishedStates[kind], micros(now))
	if err != nil {
		return 0, failed(err, "look for unfinished %ss", kind)
	}
	n, err := result.RowsAffected()
	return int(n), err
}
