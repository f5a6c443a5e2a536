package store

import (
	"context"
	"database/sql"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/uptrace/bun"

	"github.com/paybridge/paybridge/core/pay"
	"github.com/paybridge/paybridge/ports"
)

// AddOrder inserts an order, or reads the one that has its reference (ports.Store).
func (s *Store) AddOrder(ctx context.Context, o pay.Order) (stored pay.Order, added bool, err error) {
	row, err := toOrderRow(o)
	if err != nil {
		return o, false, err
	}
	if o.Bill != nil {
		if row.Bill, err = s.sealed("bill "+o.Number, o.Bill); err != nil {
			return o, false, err
		}
		row.PersonsAt = row.CreatedAt
	}
	err = s.inTx(ctx, func(t *tx) error {
		result, err := t.exec(ctx, inserting(s, []orderRow{row}, nil).add(" on conflict (app, reference) do nothing"))
		if uniqueViolation(err) != "" {
			return fmt.Errorf("add order %s: %w", o.Number, ports.ErrNumberTaken)
		} else if err != nil {
			return failed(err, "add order %s", o.Number)
		}
		n, err := result.RowsAffected()
		if added = n == 1; err != nil || !added {
			return err
		}
		made := auditRow{OrderNumber: o.Number, Kind: string(ports.KindOrder), Number: o.Number, New: string(o.State), Cause: "made by " + o.App, At: micros(o.CreatedAt)}
		if _, err = t.exec(ctx, inserting(s, []auditRow{made}, nil)); err != nil {
			return failed(err, "audit order %s", o.Number)
		}
		return nil
	})
	if err != nil || added {
		return o, added, err
	}
	var there orderRow
	if err := s.read.NewSelect().Model(&there).Where("app = ?", o.App).Where("reference = ?", o.Reference).Scan(ctx); err != nil {
		return o, false, failed(err, "read order %q of %s", o.Reference, o.App)
	}
	if stored, err = there.order(); err == nil {
		err = s.keys.openBill(there, &stored)
	}
	return stored, false, err
}

func (s *Store) inTx(ctx context.Context, f func(*tx) error) error {
	return s.Tx(ctx, func(t ports.Tx) error { return f(t.(*tx)) })
}

// ofApp narrows a query to one app; to every app when it is empty.
func ofApp(q *bun.SelectQuery, app string) *bun.SelectQuery {
	if app == "" {
		return q
	}
	return q.Where("app = ?", app)
}

// one reads one row, or says that there is none (R41: another app's is none).
func one(ctx context.Context, q *bun.SelectQuery, about string) error {
	err := q.Scan(ctx)
	if errors.Is(err, sql.ErrNoRows) {
		return fmt.Errorf("%s: %w", about, ports.ErrNotFound)
	} else if err != nil {
		return failed(err, "read %s", about)
	}
	return nil
}

// Order reads one order (ports.Store).
func (s *Store) Order(ctx context.Context, app, number string) (pay.Order, error) {
	var row orderRow
	if err := one(ctx, ofApp(s.read.NewSelect().Model(&row).Where("number = ?", number), app), "order "+number); err != nil {
		return pay.Order{}, err
	}
	return row.order()
}

// Payment reads one payment (ports.Store).
func (s *Store) Payment(ctx context.Context, app, number string) (pay.Payment, error) {
	var row paymentRow
	if err := one(ctx, ofApp(s.read.NewSelect().Model(&row).Where("number = ?", number), app), "payment "+number); err != nil {
		return pay.Payment{}, err
	}
	return s.keys.payment(row)
}

// Refund reads one refund (ports.Store).
func (s *Store) Refund(ctx context.Context, app, number string) (pay.Refund, error) {
	var row refundRow
	if err := one(ctx, ofApp(s.read.NewSelect().Model(&row).Where("number = ?", number), app), "refund "+number); err != nil {
		return pay.Refund{}, err
	}
	return row.refund()
}

// Rows reads an order with all that belongs to it (ports.Store).
func (s *Store) Rows(ctx context.Context, app, order string) (pay.Rows, error) {
	var row orderRow
	if err := one(ctx, ofApp(s.read.NewSelect().Model(&row).Where("number = ?", order), app), "order "+order); err != nil {
		return pay.Rows{}, err
	}
	return reading{s, s.reads.query}.rowsOf(ctx, row)
}

// Orders lists an app's orders (ports.Store). A cursor is the time and number of the last one seen.
func (s *Store) Orders(ctx context.Context, q ports.OrderQuery) (ports.OrderPage, error) {
	var found []orderRow
	sel := s.read.NewSelect().Model(&found).Where("app = ?", q.App).OrderExpr("created_at desc, number desc").Limit(int64(q.Limit) + 1)
	if q.Reference != "" {
		sel = sel.Where("reference = ?", q.Reference)
	}
	if q.State != "" {
		sel = sel.Where("state = ?", string(q.State))
	}
	if !q.CreatedAfter.IsZero() {
		sel = sel.Where("created_at > ?", micros(q.CreatedAfter))
	}
	if q.Cursor != "" {
		at, number, err := parseCursor(q.Cursor)
		if err != nil {
			return ports.OrderPage{}, err
		}
		sel = sel.Where("(created_at, number) < (?, ?)", at, number)
	}
	if err := sel.Scan(ctx); err != nil {
		return ports.OrderPage{}, failed(err, "list the orders of %s", q.App)
	}
	var page ports.OrderPage
	if len(found) > q.Limit {
		found = found[:q.Limit]
		last := found[q.Limit-1]
		page.Next = base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, "%d %s", last.CreatedAt, last.Number))
	}
	for _, row := range found {
		o, err := row.order()
		if err != nil {
			return page, err
		}
		page.Orders = append(page.Orders, o)
	}
	return page, nil
}

func parseCursor(cursor string) (at int64, number string, err error) {
	text, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil {
		return 0, "", ports.ErrCursor
	}
	first, number, ok := strings.Cut(string(text), " ")
	if at, err = strconv.ParseInt(first, 10, 64); err != nil || !ok || strings.Trim(number, "0123456789") != "" {
		return 0, "", ports.ErrCursor
	}
	return at, number, nil
}

// Timeline reads the audit of an order, or of one payment (ports.Store).
func (s *Store) Timeline(ctx context.Context, order, payment string) ([]ports.AuditRow, error) {
	var found []auditRow
	q := s.read.NewSelect().Model(&found).Where("order_number = ?", order).OrderExpr("id")
	if payment != "" {
		q = q.Where("payment = ?", payment)
	}
	if err := q.Scan(ctx); err != nil {
		return nil, failed(err, "read the timeline of order %s", order)
	}
	rows := make([]ports.AuditRow, len(found))
	for i, r := range found {
		rows[i] = ports.AuditRow{At: fromMicros(r.At), Kind: ports.Kind(r.Kind), Number: r.Number, Old: r.Old, New: r.New, Cause: r.Cause, RequestID: r.RequestID}
	}
	return rows, nil
}
