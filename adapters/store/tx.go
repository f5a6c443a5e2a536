package store

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/uptrace/bun"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/paybridge/paybridge/core/pay"
	"github.com/paybridge/paybridge/ports"
)

// tx is ports.Tx.
type tx struct {
	s   *Store
	tx  bun.Tx
	seq map[string]int64 // of each order locked here: the last event's place in its sequence
}

var _ ports.Tx = (*tx)(nil)

// LockOrder locks an order and reads its rows.
func (t *tx) LockOrder(ctx context.Context, number string) (pay.Rows, error) {
	return t.lock(ctx, "order "+number, "o.number = ?", number)
}

// LockPayment locks the order of a payment and reads its rows.
func (t *tx) LockPayment(ctx context.Context, number string) (pay.Rows, error) {
	return t.lock(ctx, "payment "+number, "o.number = (select order_number from payments where number = ?)", number)
}

// LockRefund locks the order of a refund and reads its rows.
func (t *tx) LockRefund(ctx context.Context, number string) (pay.Rows, error) {
	return t.lock(ctx, "refund "+number, "o.number = (select order_number from refunds where number = ?)", number)
}

// lock takes the order's row first. Its payments and refunds are read by later statements: one that joined them would
// show them as they were before it waited for the lock.
func (t *tx) lock(ctx context.Context, about, where string, number string) (pay.Rows, error) {
	var found []orderRow
	q := t.tx.NewSelect().Model(&found)
	if t.s.postgres {
		q = q.For("UPDATE")
	}
	in := reading{t.s, t.tx, t.tx.Tx}
	if err := in.scan(ctx, q, &found, where, number); err != nil {
		return pay.Rows{}, failed(err, "lock the order of %s", about)
	}
	if len(found) == 0 {
		return pay.Rows{}, fmt.Errorf("%s: %w", about, ports.ErrNotFound)
	}
	t.seq[found[0].Number] = found[0].EventSeq
	return in.rowsOf(ctx, found[0])
}

// AddPayment inserts an intent (ports.Tx).
func (t *tx) AddPayment(ctx context.Context, p pay.Payment, hold time.Duration) (ports.Claim, error) {
	row, err := t.s.keys.toPaymentRow(p)
	if err != nil {
		return ports.Claim{}, err
	}
	made := auditRow{
		OrderNumber: p.Order, Payment: p.Number, Kind: string(ports.KindPayment), Number: p.Number, New: string(p.State),
		Cause: "made for entry " + p.Route.Entry, At: micros(p.CreatedAt),
	}
	claim := ports.Claim{Kind: ports.KindPayment, Number: p.Number, Due: micros(p.Due)}
	q := t.tx.NewInsert().Model(&row).Value("claimed_until", t.s.dbNow()+" + ?", hold.Microseconds()).Returning("claimed_until")
	// R37: its account is there, and is not dropped before this transaction ends. Where it is gone the column is null.
	account := t.tx.NewSelect().Table("settings").Column("name").Where("kind = 'account' and name = ?", row.Account)
	if t.s.postgres { // one round trip
		account = account.For("KEY SHARE")
		q = q.With("audited", t.tx.NewInsert().Model(&made).Returning("1"))
	}
	err = q.With("known", account).Value("account", "(select name from known)").Scan(ctx, &claim.Until)
	switch where := uniqueViolation(err); {
	case missingValue(err, "account"):
		return claim, fmt.Errorf("add payment %s of account %s: %w", p.Number, row.Account, ports.ErrNoAccount)
	case strings.Contains(where, "payments_one_live") || strings.Contains(where, "payments.order_number"):
		return claim, fmt.Errorf("add payment %s: %w", p.Number, ports.ErrLivePayment)
	case where != "":
		return claim, fmt.Errorf("add payment %s: %w", p.Number, ports.ErrNumberTaken)
	case err != nil:
		return claim, failed(err, "add payment %s", p.Number)
	}
	if t.s.postgres {
		return claim, nil
	}
	return claim, t.audit(ctx, made)
}

func (t *tx) audit(ctx context.Context, row auditRow) error {
	if _, err := t.tx.NewInsert().Model(&row).Exec(ctx); err != nil {
		return failed(err, "audit %s %s", row.Kind, row.Number)
	}
	return nil
}

// uniqueViolation is where a statement broke a unique index: PostgreSQL names the index, SQLite the columns. Empty: it
// did not.
func uniqueViolation(err error) string {
	var pg *pgconn.PgError
	if errors.As(err, &pg) && pg.Code == "23505" {
		return pg.ConstraintName
	}
	var lite *sqlite.Error
	if errors.As(err, &lite) && (lite.Code() == sqlite3.SQLITE_CONSTRAINT_UNIQUE || lite.Code() == sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY) {
		return lite.Error()
	}
	return ""
}

// missingValue tells whether a statement left a column empty that must not be.
func missingValue(err error, column string) bool {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return pg.Code == "23502" && pg.ColumnName == column
	}
	var lite *sqlite.Error
	return errors.As(err, &lite) && lite.Code() == sqlite3.SQLITE_CONSTRAINT_NOTNULL && strings.HasSuffix(lite.Error(), "."+column+" (1299)")
}
