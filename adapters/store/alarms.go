package store

import (
	"context"
	"fmt"
	"time"

	"github.com/uptrace/bun"

	"github.com/paybridge/paybridge/core/pay"
	"github.com/paybridge/paybridge/ports"
)

// alarmRow is an alarm as it is raised.
type alarmRow struct {
	bun.BaseModel `bun:"table:alarms"`

	Kind     string
	Number   string
	What     string
	RaisedAt int64
	Due      int64 `bun:",nullzero"`
}

// storedAlarm is an alarm as it is read: the database counts it, and its later life fills in the rest.
type storedAlarm struct {
	bun.BaseModel `bun:"table:alarms"`

	ID             int64
	Kind           string
	Number         string
	What           string
	RaisedAt       int64
	SentAt         int64
	Attempts       int64
	AcknowledgedAt int64 `bun:",nullzero"`
	AcknowledgedBy string
}

// raised is a new alarm, which the operator's webhook is owed at once.
func raised(a pay.Alarm, now time.Time) alarmRow {
	return alarmRow{Kind: a.Kind, Number: a.Number, What: a.What, RaisedAt: micros(now), Due: micros(now)}
}

func (r storedAlarm) alarm() ports.AlarmRow {
	return ports.AlarmRow{
		Alarm: pay.Alarm{Kind: r.Kind, Number: r.Number, What: r.What}, ID: r.ID, RaisedAt: fromMicros(r.RaisedAt), SentAt: fromMicros(r.SentAt),
		Attempts: int(r.Attempts), AcknowledgedAt: fromMicros(r.AcknowledgedAt), AcknowledgedBy: r.AcknowledgedBy,
	}
}

// RaiseAlarm writes an alarm, once while it is open (ports.Alarms).
func (s *Store) RaiseAlarm(ctx context.Context, a pay.Alarm, now time.Time) error {
	row := raised(a, now)
	if _, err := s.db.NewInsert().Model(&row).On("conflict do nothing").Returning("NULL").Exec(ctx); err != nil {
		return failed(err, "raise alarm %s %s", a.Kind, a.Number)
	}
	return nil
}

// OpenAlarms counts open alarms by kind (ports.Alarms).
func (s *Store) OpenAlarms(ctx context.Context) (map[string]int, error) {
	var rows []struct {
		Kind  string
		Count int
	}
	err := s.read.NewSelect().Table("alarms").ColumnExpr("kind, count(*) as count").Where("acknowledged_at is null").Group("kind").Scan(ctx, &rows)
	if err != nil {
		return nil, failed(err, "count the open alarms")
	}
	byKind := map[string]int{}
	for _, r := range rows {
		byKind[r.Kind] = r.Count
	}
	return byKind, nil
}

// Alarms lists alarms, newest first (ports.Alarms).
func (s *Store) Alarms(ctx context.Context, q ports.AlarmQuery) ([]ports.AlarmRow, error) {
	var found []storedAlarm
	sel := s.read.NewSelect().Model(&found).OrderExpr("id desc").Limit(int64(q.Limit))
	if q.Open {
		sel = sel.Where("acknowledged_at is null")
	}
	if q.Kind != "" {
		sel = sel.Where("kind = ?", q.Kind)
	}
	if q.Number != "" {
		sel = sel.Where("number = ?", q.Number)
	}
	if q.Before != 0 {
		sel = sel.Where("id < ?", q.Before)
	}
	if err := sel.Scan(ctx); err != nil {
		return nil, failed(err, "list the alarms")
	}
	all := make([]ports.AlarmRow, len(found))
	for i, r := range found {
		all[i] = r.alarm()
	}
	return all, nil
}

// Alarm reads one (ports.Alarms).
func (s *Store) Alarm(ctx context.Context, id int64) (ports.AlarmRow, error) {
	var row storedAlarm
	err := one(ctx, s.read.NewSelect().Model(&row).Where("id = ?", id), fmt.Sprintf("alarm %d", id))
	return row.alarm(), err
}

// Acknowledge closes an alarm (ports.Alarms).
func (s *Store) Acknowledge(ctx context.Context, id int64, name string, now time.Time) (ports.AlarmRow, error) {
	_, err := s.db.ExecContext(ctx, "update alarms set acknowledged_at = ?, acknowledged_by = ?, due = null where id = ? and acknowledged_at is null", micros(now), name, id)
	if err != nil {
		return ports.AlarmRow{}, failed(err, "acknowledge alarm %d", id)
	}
	var row storedAlarm // from the writer: the row as it is after this very statement
	err = one(ctx, s.db.NewSelect().Model(&row).Where("id = ?", id), fmt.Sprintf("alarm %d", id))
	return row.alarm(), err
}

// AlarmSent notes that an alarm was taken (ports.Alarms).
func (s *Store) AlarmSent(ctx context.Context, c ports.Claim, now time.Time) error {
	_, err := s.db.ExecContext(ctx, "update alarms set sent_at = ?, due = null, claimed_until = null where id = ? and claimed_until = ?", micros(now), c.Number, c.Until)
	if err != nil {
		return failed(err, "note that alarm %s was sent", c.Number)
	}
	return nil
}

// AlarmUnsent notes a failed try (ports.Alarms). Acknowledged meanwhile, the alarm is owed to nobody.
func (s *Store) AlarmUnsent(ctx context.Context, c ports.Claim, attempts int, due time.Time) error {
	_, err := s.db.ExecContext(ctx, "update alarms set attempts = ?, claimed_until = null, due = case when acknowledged_at is null then ? else null end where id = ? and claimed_until = ?",
		attempts, micros(due), c.Number, c.Until)
	if err != nil {
		return failed(err, "note that alarm %s was not sent", c.Number)
	}
	return nil
}
