package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/uptrace/bun"

	"github.com/paybridge/paybridge/core/pay"
	"github.com/paybridge/paybridge/ports"
)

// eventRow is something that an app is told, as it is stored.
type eventRow struct {
	bun.BaseModel `bun:"table:events,alias:e"`

	App         string
	OrderNumber string
	Seq         int64
	Kind        string
	Number      string
	Data        string
	CreatedAt   int64
	Place       int64 `bun:",nullzero"`
}

func (r eventRow) event() (pay.StoredEvent, error) {
	e := pay.StoredEvent{
		App: r.App, Order: r.OrderNumber, Seq: r.Seq, Cursor: r.Place, At: fromMicros(r.CreatedAt),
		Event: pay.Event{Kind: pay.EventKind(r.Kind), Number: r.Number},
	}
	return e, fromJSON("event "+e.ID(), r.Data, &e.Data)
}

// PublishEvents gives events their place (ports.Events). An event is seen here only after its commit, and the places of
// an app are given under the lock of its row in event_places, so that a place that is given later is a higher one.
func (s *Store) PublishEvents(ctx context.Context, limit int, owed func(app string) bool, now time.Time) (published int, err error) {
	var apps []string
	if err := s.read.NewSelect().Table("events").ColumnExpr("distinct app").Where("place is null").Scan(ctx, &apps); err != nil {
		return 0, failed(err, "look for new events")
	}
	for _, app := range apps {
		n, err := s.publish(ctx, app, limit-published, owed(app), now)
		if published += n; err != nil || published >= limit {
			return published, err
		}
	}
	return published, nil
}

func (s *Store) publish(ctx context.Context, app string, limit int, owed bool, now time.Time) (published int, err error) {
	err = s.inTx(ctx, func(t *tx) error {
		published = 0
		if _, err := t.tx.ExecContext(ctx, "insert into event_places (app, last) values (?, 0) on conflict do nothing", app); err != nil {
			return failed(err, "begin the list of %s", app)
		}
		skip := ""
		if s.postgres {
			skip = " for update skip locked"
		}
		var last int64
		err := t.tx.QueryRowContext(ctx, "select last from event_places where app = ?"+skip, app).Scan(&last)
		if errors.Is(err, sql.ErrNoRows) {
			return nil // another replica is at it
		} else if err != nil {
			return failed(err, "read the list of %s", app)
		}
		result, err := t.tx.ExecContext(ctx, `with placed as (select id, row_number() over (order by id) as turn from events where app = ? and place is null order by id limit ?)
			update events set place = ? + placed.turn from placed where events.id = placed.id`, app, limit, last)
		if err != nil {
			return failed(err, "place the events of %s", app)
		}
		n, err := result.RowsAffected()
		if err != nil || n == 0 {
			return err
		}
		if _, err := t.tx.ExecContext(ctx, "update event_places set last = ? where app = ?", last+n, app); err != nil {
			return failed(err, "place the events of %s", app)
		}
		if owed {
			if _, err := t.tx.ExecContext(ctx, `insert into deliveries (order_number, app, next_seq, last_seq, due)
				select order_number, app, min(seq), max(seq), ? from events where app = ? and place between ? and ? group by order_number, app
				on conflict (order_number) do update set last_seq = excluded.last_seq, due = coalesce(deliveries.due, excluded.due)`,
				micros(now), app, last+1, last+n); err != nil {
				return failed(err, "owe the events of %s", app)
			}
		}
		published = int(n)
		return nil
	})
	return published, err
}

// AppEvents lists published events (ports.Events).
func (s *Store) AppEvents(ctx context.Context, app string, after int64, limit int) ([]pay.StoredEvent, error) {
	var found []eventRow
	if err := s.read.NewSelect().Model(&found).Where("app = ?", app).Where("place > ?", after).OrderExpr("place").Limit(int64(limit)).Scan(ctx); err != nil {
		return nil, failed(err, "list the events of %s", app)
	}
	all := make([]pay.StoredEvent, len(found))
	for i, r := range found {
		var err error
		if all[i], err = r.event(); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// OrderEvents lists an order's events (ports.Events).
func (s *Store) OrderEvents(ctx context.Context, order string) (all []pay.StoredEvent, taken int64, err error) {
	var found []eventRow
	if err := s.read.NewSelect().Model(&found).ExcludeColumn("data").Where("order_number = ?", order).OrderExpr("seq").Scan(ctx); err != nil {
		return nil, 0, failed(err, "list the events of order %s", order)
	}
	for _, r := range found {
		all = append(all, pay.StoredEvent{
			App: r.App, Order: r.OrderNumber, Seq: r.Seq, Cursor: r.Place, Event: pay.Event{Kind: pay.EventKind(r.Kind), Number: r.Number}, At: fromMicros(r.CreatedAt),
		})
	}
	err = s.read.NewSelect().Table("deliveries").ColumnExpr("next_seq - 1").Where("order_number = ?", order).Scan(ctx, &taken)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return nil, 0, failed(err, "read how far the events of order %s were taken", order)
	}
	return all, taken, nil
}

// Delivery reads what is owed next (ports.Events).
func (s *Store) Delivery(ctx context.Context, order string) (ports.Delivery, error) {
	var row struct {
		eventRow
		Attempts     int
		FailingSince int64
	}
	q := s.db.NewSelect().TableExpr("deliveries as d").Join("join events as e on e.order_number = d.order_number and e.seq = (select min(n.seq) from events as n where n.order_number = d.order_number and n.seq >= d.next_seq)").
		ColumnExpr("e.app, e.order_number, e.seq, e.kind, e.number, e.data, e.created_at, e.place, d.attempts, d.failing_since").
		Where("d.order_number = ?", order).Where("d.next_seq <= d.last_seq")
	if err := q.Scan(ctx, &row); errors.Is(err, sql.ErrNoRows) {
		return ports.Delivery{}, fmt.Errorf("delivery of order %s: %w", order, ports.ErrNotFound)
	} else if err != nil {
		return ports.Delivery{}, failed(err, "read the delivery of order %s", order)
	}
	next, err := row.event()
	return ports.Delivery{App: row.App, Next: next, Attempts: row.Attempts, FailingSince: fromMicros(row.FailingSince)}, err
}

// Delivered notes that an event was taken (ports.Events). A resend that was asked for meanwhile set another due time.
func (s *Store) Delivered(ctx context.Context, c ports.Claim, seq int64) (more bool, err error) {
	var last int64
	err = s.db.NewRaw(`update deliveries set next_seq = ?, attempts = 0, failing_since = 0, parked = false, error = '',
		due = case when last_seq <= ? then null else due end, claimed_until = case when last_seq <= ? then null else claimed_until end
		where order_number = ? and claimed_until = ? and due = ? and next_seq <= ? returning last_seq`,
		seq+1, seq, seq, c.Number, c.Until, c.Due, seq).Scan(ctx, &last)
	if errors.Is(err, sql.ErrNoRows) {
		return false, fmt.Errorf("event %d of order %s was taken: %w", seq, c.Number, ports.ErrMoved)
	} else if err != nil {
		return false, failed(err, "note that event %d of order %s was taken", seq, c.Number)
	}
	return last > seq, nil
}

// Undelivered notes a failed try (ports.Events). A resend that was asked for meanwhile keeps its due time.
func (s *Store) Undelivered(ctx context.Context, c ports.Claim, t ports.FailedTry) error {
	_, err := s.db.ExecContext(ctx, `update deliveries set attempts = ?, failing_since = ?, parked = ?, error = ?, claimed_until = null,
		due = case when due = ? then ? else due end where order_number = ? and claimed_until = ?`,
		t.Attempts, micros(t.FailingSince), t.Parked, t.Error, c.Due, micros(t.Due), c.Number, c.Until)
	if err != nil {
		return failed(err, "note a failed delivery of order %s", c.Number)
	}
	return nil
}

// HoldDeliveries moves what is due later (ports.Events).
func (s *Store) HoldDeliveries(ctx context.Context, app string, until time.Time) error {
	_, err := s.db.ExecContext(ctx, "update deliveries set due = ? where app = ? and due < ? and claimed_until is null", micros(until), app, micros(until))
	if err != nil {
		return failed(err, "hold the deliveries to %s", app)
	}
	return nil
}

// WakeDeliveries makes due now what waits (ports.Events).
func (s *Store) WakeDeliveries(ctx context.Context, app string, now time.Time) error {
	_, err := s.db.ExecContext(ctx, "update deliveries set due = ? where app = ? and due > ? and claimed_until is null", micros(now), app, micros(now))
	if err != nil {
		return failed(err, "wake the deliveries to %s", app)
	}
	return nil
}

// owedAgain is what a resend does with a delivery that is there already.
const owedAgain = ` on conflict (order_number) do update set
	next_seq = case when deliveries.next_seq < excluded.next_seq then deliveries.next_seq else excluded.next_seq end,
	last_seq = case when deliveries.last_seq > excluded.last_seq then deliveries.last_seq else excluded.last_seq end,
	attempts = 0, failing_since = 0, parked = false, error = '', due = excluded.due`

// Resend makes an order's events due again (ports.Events).
func (s *Store) Resend(ctx context.Context, order string, seq int64, now time.Time) error {
	result, err := s.db.ExecContext(ctx, `insert into deliveries (order_number, app, next_seq, last_seq, due)
		select order_number, app, seq, (select max(m.seq) from events as m where m.order_number = events.order_number and m.place is not null), ?
		from events where order_number = ? and seq = ? and place is not null`+owedAgain, micros(now), order, seq)
	if err != nil {
		return failed(err, "resend event %d of order %s", seq, order)
	}
	if n, err := result.RowsAffected(); err != nil {
		return err
	} else if n == 0 {
		return fmt.Errorf("event %d of order %s: %w", seq, order, ports.ErrNotFound)
	}
	return nil
}

// ResendApp makes an app's events due again (ports.Events).
func (s *Store) ResendApp(ctx context.Context, app string, after int64, now time.Time) (orders int, err error) {
	result, err := s.db.ExecContext(ctx, `insert into deliveries (order_number, app, next_seq, last_seq, due)
		select order_number, app, min(seq), max(seq), ? from events where app = ? and place > ? group by order_number, app`+owedAgain, micros(now), app, after)
	if err != nil {
		return 0, failed(err, "resend the events of %s", app)
	}
	n, err := result.RowsAffected()
	return int(n), err
}

// Endpoints tells how the delivery to each app goes (ports.Events).
func (s *Store) Endpoints(ctx context.Context) ([]ports.EndpointStatus, error) {
	var rows []struct {
		App     string
		Waiting int
		Failing int
		Parked  int
		Since   int64
	}
	err := s.read.NewSelect().Table("deliveries").ColumnExpr(`app, count(*) as waiting, sum(case when attempts > 0 then 1 else 0 end) as failing,
		sum(case when parked then 1 else 0 end) as parked, coalesce(min(case when attempts > 0 then failing_since end), 0) as since`).
		Where("due is not null").Group("app").Order("app").Scan(ctx, &rows)
	if err != nil {
		return nil, failed(err, "look at the deliveries")
	}
	all := make([]ports.EndpointStatus, len(rows))
	for i, r := range rows {
		all[i] = ports.EndpointStatus{App: r.App, Waiting: r.Waiting, Failing: r.Failing, Parked: r.Parked, FailingSince: fromMicros(r.Since)}
	}
	return all, nil
}
