package store

import (
	"context"
	"database/sql"

	"github.com/jackc/pgx/v5"
	"github.com/uptrace/bun"

	"github.com/paybridge/paybridge/core/pay"
)

// reading is how the rows of an order are read, which is what every step does first: in a transaction or outside.
type reading struct {
	s   *Store
	db  bun.IDB
	raw interface { // the same, past bun, which would write the arguments into the text
		QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	}
}

// scan reads into a slice what where selects by its one argument. PostgreSQL prepares the statement once a connection: planning it
// anew takes three times as long as running it.
func (r reading) scan(ctx context.Context, q *bun.SelectQuery, into any, where, key string) error {
	if !r.s.prepare {
		return q.Where(where, key).Scan(ctx)
	}
	text := q.Where(where, bun.Safe("$1")).String()
	rows, err := r.raw.QueryContext(ctx, text, pgx.QueryExecModeCacheStatement, key) //nolint:rowserrcheck // ScanRows does
	if err != nil {
		return err
	}
	return r.s.db.ScanRows(ctx, rows, into)
}

// rowsOf reads the payments and refunds of an order, by number.
func (r reading) rowsOf(ctx context.Context, o orderRow) (rows pay.Rows, err error) {
	if rows.Order, err = o.order(); err != nil {
		return rows, err
	}
	var payments []paymentRow
	if err := r.scan(ctx, r.db.NewSelect().Model(&payments).Order("number"), &payments, "order_number = ?", o.Number); err != nil {
		return rows, failed(err, "read the payments of order %s", o.Number)
	}
	for _, p := range payments {
		payment, err := r.s.keys.payment(p)
		if err != nil {
			return rows, err
		}
		rows.Payments = append(rows.Payments, payment)
	}
	if len(payments) == 0 {
		return rows, nil
	}
	var refunds []refundRow
	if err := r.scan(ctx, r.db.NewSelect().Model(&refunds).Order("number"), &refunds, "order_number = ?", o.Number); err != nil {
		return rows, failed(err, "read the refunds of order %s", o.Number)
	}
	for _, f := range refunds {
		refund, err := f.refund()
		if err != nil {
			return rows, err
		}
		rows.Refunds = append(rows.Refunds, refund)
	}
	return rows, nil
}
