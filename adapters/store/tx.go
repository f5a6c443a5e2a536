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

	unprepared []string // statements that SQLite should know the next time
}

var _ ports.Tx = (*tx)(nil)

// LockOrder locks an order and reads its rows.
func (t *tx) LockOrder(ctx context.Context, number string) (pay.Rows, error) {
	return t.lock(ctx, "order "+number, "number = ?", number)
}

// LockPayment locks the order of a payment and reads its rows.
func (t *tx) LockPayment(ctx context.Context, number string) (pay.Rows, error) {
	return t.lock(ctx, "payment "+number, "number = (select order_number from payments where number = ?)", number)
}

// LockTrade locks the order of the payment that a provider knows by these names, and reads its rows.
func (t *tx) LockTrade(ctx context.Context, mchID, subMchID, outTradeNo string) (pay.Rows, error) {
	return t.lock(ctx, "payment "+outTradeNo+" of merchant "+mchID,
		"number = (select order_number from payments where mchid = ? and sub_mchid = ? and out_trade_no = ?)", mchID, subMchID, outTradeNo)
}

// LockRefund locks the order of a refund and reads its rows.
func (t *tx) LockRefund(ctx context.Context, number string) (pay.Rows, error) {
	return t.lock(ctx, "refund "+number, "number = (select order_number from refunds where number = ?)", number)
}

// lock takes the order's row first. Its payments and refunds are read by later statements: one that joined them would
// show them as they were before it waited for the lock.
func (t *tx) lock(ctx context.Context, about, where string, args ...any) (pay.Rows, error) {
	if t.s.postgres {
		where += " for update"
	}
	in := reading{t.s, t.query}
	found, err := readAll[orderRow](ctx, in, where, args...)
	if err != nil {
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
	// R37: its account is there, and is not dropped before this transaction ends. Where it is gone the column is null.
	account := t.s.statement("(select name from settings where kind = 'account' and name = ?", row.Account)
	if t.s.postgres {
		account.add(" for key share")
	}
	others := map[string]*statement{"claimed_until": t.s.now().add(" + ?", hold.Microseconds()), "account": account.add(")")}
	q := inserting(t.s, []paymentRow{row}, others).add(" returning claimed_until")
	audited := inserting(t.s, []auditRow{made}, nil)
	if t.s.postgres { // one round trip
		q = t.s.statement("with audited as (").append(audited).add(") ").append(q)
	}
	var claimed []int64
	rows, err := t.query(ctx, q)
	err = t.s.scan(ctx, &claimed, rows, err)
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
	claim.Until = claimed[0]
	if t.s.postgres {
		return claim, nil
	}
	if _, err = t.exec(ctx, audited); err != nil {
		return claim, failed(err, "audit payment %s", p.Number)
	}
	return claim, nil
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
