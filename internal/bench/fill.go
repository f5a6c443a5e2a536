package main

import (
	"context"
	"database/sql"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/uptrace/bun"

	"github.com/paybridge/paybridge/core/tradeno"
)

// tables hold what one payment leaves behind, each with the column that names its order or, in the inbox, its payment.
// Those that others refer to come first.
var tables = []struct{ name, key string }{
	{"orders", "number"}, {"payments", "order_number"}, {"refunds", "order_number"}, {"audit", "order_number"},
	{"events", "order_number"}, {"inbox", "number"},
}

// template is every row of an order that the gateway itself made, paid and perhaps refunded. Copies of it are what the
// gateway would have written.
type template struct {
	order, payment, refund string // numbers; refund may be empty
	createdAt              time.Time
	rows                   [][]map[string]any // as tables
}

// readTemplate reads all rows of a finished order.
func readTemplate(ctx context.Context, db *bun.DB, order, payment, refund string) (*template, error) {
	t := &template{order: order, payment: payment, refund: refund}
	for _, table := range tables {
		number := order
		if table.name == "inbox" {
			number = payment
		}
		found, err := readRows(ctx, db, table.name, table.key, number)
		if err != nil {
			return nil, fmt.Errorf("read %s of order %s: %w", table.name, order, err)
		}
		t.rows = append(t.rows, found)
	}
	at, ok := t.rows[0][0]["created_at"].(int64)
	if !ok {
		return nil, fmt.Errorf("order %s was not found, or has no time", order)
	}
	t.createdAt = time.UnixMicro(at)
	return t, nil
}

func readRows(ctx context.Context, db *bun.DB, table, key, number string) (all []map[string]any, err error) {
	rows, err := db.QueryContext(ctx, "select * from ? where ? = ?", bun.Ident(table), bun.Ident(key), number)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	columns, err := rows.ColumnTypes()
	if err != nil {
		return nil, err
	}
	for rows.Next() {
		values, into := make([]any, len(columns)), make([]any, len(columns))
		for i := range values {
			into[i] = &values[i]
		}
		if err := rows.Scan(into...); err != nil {
			return nil, err
		}
		row := map[string]any{}
		for i, c := range columns {
			row[c.Name()] = plain(c, values[i])
		}
		if _, counted := row["id"].(int64); counted {
			delete(row, "id") // the database gives another
		}
		all = append(all, row)
	}
	return all, rows.Err()
}

// plain is a value as it is written again.
func plain(c *sql.ColumnType, v any) any {
	switch text := v.(type) {
	case nil:
		return bun.Safe("null")
	case []byte:
		return string(text)
	}
	if n, ok := v.(int64); ok && strings.EqualFold(c.DatabaseTypeName(), "boolean") {
		return n != 0
	}
	return v
}

// copyAs is the template's rows as those of another order, made at another time.
func (t *template) copyAs(i int, at time.Time) (rows [][]map[string]any, payment string, err error) {
	order, err := renumber(t.order, at)
	if err != nil {
		return nil, "", err
	}
	if payment, err = renumber(t.payment, at); err != nil {
		return nil, "", err
	}
	pairs := []string{t.order, order, t.payment, payment}
	if t.refund != "" {
		refund, err := tradeno.ForRefund(payment, fmt.Sprint(i), func(string) bool { return false })
		if err != nil {
			return nil, "", err
		}
		pairs = append(pairs, t.refund, refund)
	}
	for table, all := range t.rows {
		for _, row := range all { // what a provider or an app names must be another one in each copy
			for _, column := range []string{"provider_id", "dedupe_key", "id"} {
				if text, ok := row[column].(string); ok && text != "" {
					pairs = append(pairs, text, fmt.Sprintf("%.12s-%d", text, i))
				}
			}
			if text, ok := row["reference"].(string); ok && tables[table].name == "orders" {
				pairs = append(pairs, text, fmt.Sprintf("stored-%d", i))
			}
		}
	}
	other, shift := strings.NewReplacer(pairs...), at.Sub(t.createdAt).Microseconds()
	for _, all := range t.rows {
		var copied []map[string]any
		for _, row := range all {
			row = maps.Clone(row)
			for column, v := range row {
				switch v := v.(type) {
				case string:
					row[column] = other.Replace(v)
				case int64:
					if v > year2001 {
						row[column] = v + shift
					}
				}
			}
			copied = append(copied, row)
		}
		rows = append(rows, copied)
	}
	return rows, payment, nil
}

// year2001 in microseconds since 1970: a number above it is a time, since no amount, count or version is so large.
const year2001 = 1e15

// renumber draws a number of the same kind for another time.
func renumber(number string, at time.Time) (string, error) {
	p, err := tradeno.Parse(number)
	if err != nil {
		return "", err
	}
	return tradeno.New(p.Kind, p.Method, p.ProductType, p.Installation, at)
}

// insert writes rows that have the same columns by one statement.
func insert(ctx context.Context, db bun.IDB, table string, rows []map[string]any) error {
	if len(rows) == 0 {
		return nil
	}
	names := slices.Sorted(maps.Keys(rows[0]))
	columns, values := make([]bun.Ident, len(names)), make([][]any, len(rows))
	for i, name := range names {
		columns[i] = bun.Ident(name)
	}
	for i, row := range rows {
		for _, name := range names {
			values[i] = append(values[i], row[name])
		}
	}
	_, err := db.ExecContext(ctx, "insert into ? (?) values ?", bun.Ident(table), bun.In(columns), bun.In(values))
	return err
}

// fill stores so many copies, spread over the last 90 days, every twentieth of them refunded, and returns the payments'
// numbers.
func fill(ctx context.Context, db *bun.DB, count int, paid, refunded *template, say func(string, ...any)) ([]string, error) {
	const batch, span = 200, 90 * 24 * time.Hour
	payments := make([]string, 0, count)
	began := time.Now().Add(-span)
	for len(payments) < count {
		batched := make([][]map[string]any, len(tables))
		for range min(batch, count-len(payments)) {
			i := len(payments)
			from := paid
			if i%20 == 0 {
				from = refunded
			}
			rows, payment, err := from.copyAs(i, began.Add(span*time.Duration(i)/time.Duration(count)))
			if err != nil {
				return nil, err
			}
			payments = append(payments, payment)
			for t := range rows {
				batched[t] = append(batched[t], rows[t]...)
			}
		}
		err := db.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error {
			for t, rows := range batched {
				if err := insert(ctx, tx, tables[t].name, rows); err != nil {
					return fmt.Errorf("fill %s: %w", tables[t].name, err)
				}
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
		if len(payments)%25_000 == 0 {
			say("  %d payments stored", len(payments))
		}
	}
	return payments, nil
}
