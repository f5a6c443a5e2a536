package ports

import (
	"context"
	"time"

	"github.com/paybridge/paybridge/core/pay"
)

// Alarms are what a person must see: rows, open until acknowledged. Each is due until the operator's webhook has taken
// it or somebody has acknowledged it.
type Alarms interface {
	// RaiseAlarm writes an alarm outside of any decision, once per kind and number while it is open.
	RaiseAlarm(ctx context.Context, a pay.Alarm, now time.Time) error
	// OpenAlarms counts the alarms that nobody acknowledged, by kind.
	OpenAlarms(ctx context.Context) (map[string]int, error)
	// Alarms lists alarms, newest first.
	Alarms(ctx context.Context, q AlarmQuery) ([]AlarmRow, error)
	// Alarm reads one. ErrNotFound.
	Alarm(ctx context.Context, id int64) (AlarmRow, error)
	// Acknowledge closes an alarm in somebody's name. Closed before, it stays as it is. ErrNotFound.
	Acknowledge(ctx context.Context, id int64, name string, now time.Time) (AlarmRow, error)
	// AlarmSent notes that the operator's webhook took a claimed alarm.
	AlarmSent(ctx context.Context, c Claim, now time.Time) error
	// AlarmUnsent notes a failed try and gives the claim back.
	AlarmUnsent(ctx context.Context, c Claim, attempts int, due time.Time) error
}

// AlarmQuery selects alarms.
type AlarmQuery struct {
	Open   bool   // only those that nobody acknowledged
	Kind   string // empty: any
	Number string // empty: any
	Before int64  // only those with a smaller id; 0: any
	Limit  int
}

// AlarmRow is a stored alarm.
type AlarmRow struct {
	pay.Alarm
	ID             int64
	RaisedAt       time.Time
	SentAt         time.Time // when the operator's webhook took it; zero: not yet
	Attempts       int       // to send it, that failed
	AcknowledgedAt time.Time // zero: open
	AcknowledgedBy string
}
