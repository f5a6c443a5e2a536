package store

import (
	"context"
	"database/sql"
	"slices"

	"github.com/paybridge/paybridge/core/pay"
)

// reading reads the rows of an order, which every step does first: in a transaction or outside.
type reading struct {
	s     *Store
	query func(context.Context, *statement) (*sql.Rows, error)
}

// readAll reads all rows of a kind for which a condition holds.
func readAll[Row any](ctx context.Context, r reading, where string, args ...any) (found []Row, err error) {
	rows, err := r.query(ctx, selecting[Row](r.s).add(" where "+where, args...))
	return found, r.s.scan(ctx, &found, rows, err)
}

// rowsOf reads the payments, refunds and fulfilments of an order, by number.
func (r reading) rowsOf(ctx context.Context, o orderRow) (rows pay.Rows, err error) {
	if rows.Order, err = o.order(); err == nil {
		err = r.s.keys.openBill(o, &rows.Order)
	}
	if err != nil {
		return rows, err
	}
	payments, err := readAll[paymentRow](ctx, r, "order_number = ? order by number", o.Number)
	if err != nil {
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
	refunds, err := readAll[refundRow](ctx, r, "order_number = ? order by number", o.Number)
	if err != nil {
		return rows, failed(err, "read the refunds of order %s", o.Number)
	}
	for _, f := range refunds {
		refund, err := f.refund()
		if err != nil {
			return rows, err
		}
		rows.Refunds = append(rows.Refunds, refund)
	}
	if !slices.ContainsFunc(rows.Payments, func(p pay.Payment) bool { return p.Route.FulfilmentDays > 0 }) {
		return rows, nil
	}
	fulfilments, err := readAll[fulfilmentRow](ctx, r, "order_number = ? order by number", o.Number)
	if err != nil {
		return rows, failed(err, "read the fulfilments of order %s", o.Number)
	}
	for _, f := range fulfilments {
		rows.Fulfilments = append(rows.Fulfilments, f.fulfilment())
	}
	return rows, nil
}
