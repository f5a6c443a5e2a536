package main

import (
	"context"
	"database/sql"
	"fmt"
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
	sheets                 []sheet  // as tables
	names                  []string // beside the numbers: what a provider or an app calls its own, different in each copy
}

// sheet is rows of one table.
type sheet struct {
	columns []string
	rows    [][]any
}

// readTemplate reads all rows of a finished order.
func readTemplate(ctx context.Context, db *bun.DB, order, payment, refund string) (*template, error) {
	t := &template{order: order, payment: payment, refund: refund}
	for _, table := range tables {
		number := order
		if table.name == "inbox" {
			number = payment
		}
		found, err := readSheet(ctx, db, table.name, table.key, number)
		if err != nil {
			return nil, fmt.Errorf("read %s of order %s: %w", table.name, order, err)
		}
		t.sheets = append(t.sheets, found)
	}
	t.nameAll()
	at := slices.Index(t.sheets[0].columns, "created_at")
	if len(t.sheets[0].rows) != 1 || at < 0 {
		return nil, fmt.Errorf("order %s was not found, or has no time", order)
	}
	made, _ := t.sheets[0].rows[0][at].(int64)
	t.createdAt = time.UnixMicro(made)
	return t, nil
}

// nameAll finds what must be another name in each copy.
func (t *template) nameAll() {
	for i, s := range t.sheets {
		for c, column := range s.columns {
			ours := column == "reference" && tables[i].name == "orders"
			if !ours && column != "provider_id" && column != "dedupe_key" && column != "id" {
				continue
			}
			for _, row := range s.rows {
				if text, ok := row[c].(string); ok && text != "" && !slices.Contains(t.names, text) {
					t.names = append(t.names, text)
				}
			}
		}
	}
}

func readSheet(ctx context.Context, db *bun.DB, table, key, number string) (s sheet, err error) {
	rows, err := db.QueryContext(ctx, "select * from ? where ? = ?", bun.Ident(table), bun.Ident(key), number)
	if err != nil {
		return s, err
	}
	defer func() { _ = rows.Close() }()
	types, err := rows.ColumnTypes()
	if err != nil {
		return s, err
	}
	counted := -1 // the column that the database fills by counting
	for i, c := range types {
		if c.Name() == "id" && strings.Contains("INTEGER INT8 BIGINT", strings.ToUpper(c.DatabaseTypeName())) {
			counted = i
			continue
		}
		s.columns = append(s.columns, c.Name())
	}
	for rows.Next() {
		values, into := make([]any, len(types)), make([]any, len(types))
		for i := range values {
			into[i] = &values[i]
		}
		if err := rows.Scan(into...); err != nil {
			return s, err
		}
		for i, c := range types {
			values[i] = plain(c, values[i])
		}
		if counted >= 0 {
			values = slices.Delete(values, counted, counted+1)
		}
		s.rows = append(s.rows, values)
	}
	return s, rows.Err()
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

// behindAll is a place in an app's list of events that the gateway's own events do not come to.
const behindAll = 1_000_000_000

// copyAs is the template's rows as those of another order, made at another time: its rows by table, and its payment.
func (t *template) copyAs(i int, at time.Time) (copied [][][]any, payment string, err error) {
	order, err := renumber(t.order, at)
	if err != nil {
		return nil, "", err
	}
	if payment, err = renumber(t.payment, at); err != nil {
		return nil, "", err
	}
	olds, news := []string{t.order, t.payment}, []string{order, payment}
	if t.refund != "" {
		refund, err := tradeno.ForRefund(payment, fmt.Sprint(i), func(string) bool { return false })
		if err != nil {
			return nil, "", err
		}
		olds, news = append(olds, t.refund), append(news, refund)
	}
	for _, name := range t.names {
		if !slices.Contains(olds, name) {
			olds, news = append(olds, name), append(news, fmt.Sprintf("%.16s-%d.%d", name, len(olds), i))
		}
	}
	shift := at.Sub(t.createdAt).Microseconds()
	for _, s := range t.sheets {
		place := slices.Index(s.columns, "place")
		var rows [][]any
		for k, row := range s.rows {
			row = slices.Clone(row)
			if place >= 0 {
				row[place] = int64(behindAll + i*1000 + k) // no order has a thousand events
			}
			for c, v := range row {
				switch v := v.(type) {
				case string:
					for n, old := range olds {
						v = strings.ReplaceAll(v, old, news[n])
					}
					row[c] = v
				case int64:
					if v > year2001 {
						row[c] = v + shift
					}
				}
			}
			rows = append(rows, row)
		}
		copied = append(copied, rows)
	}
	return copied, payment, nil
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

// insert writes rows by one statement.
func insert(ctx context.Context, db bun.IDB, table string, columns []string, rows [][]any) error {
	if len(rows) == 0 {
		return nil
	}
	names := make([]bun.Ident, len(columns))
	for i, name := range columns {
		names[i] = bun.Ident(name)
	}
	tuples := make([]bun.TupleValues, len(rows))
	for i, row := range rows {
		tuples[i] = bun.Tuple(row)
	}
	_, err := db.ExecContext(ctx, "insert into ? ? values ?", bun.Ident(table), bun.Tuple(names), bun.List(tuples))
	return err
}

// fill stores so many copies, spread over the last 90 days, every twentieth of them refunded, and returns the payments'
// numbers.
func fill(ctx context.Context, db *bun.DB, count int, paid, refunded *template, say func(string, ...any)) ([]string, error) {
	const span = 90 * 24 * time.Hour
	began := time.Now().Add(-span)
	moment := func(i int) time.Time { return began.Add(span * time.Duration(i) / time.Duration(count)) }
	return copies(ctx, db, count, len(tables), func(i int) *template {
		if i%20 == 0 {
			return refunded
		}
		return paid
	}, moment, say)
}

// copies stores so many copies of templates, their first so many tables alone, and returns the payments' numbers.
func copies(ctx context.Context, db *bun.DB, count, upTo int, of func(i int) *template, at func(i int) time.Time, say func(string, ...any)) ([]string, error) {
	const batch = 200
	payments := make([]string, 0, count)
	for len(payments) < count {
		batched := make([][][]any, len(tables))
		for range min(batch, count-len(payments)) {
			i := len(payments)
			rows, payment, err := of(i).copyAs(i, at(i))
			if err != nil {
				return nil, err
			}
			payments = append(payments, payment)
			for t := range rows {
				batched[t] = append(batched[t], rows[t]...)
			}
		}
		err := db.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error {
			for t, rows := range batched[:upTo] {
				if err := insert(ctx, tx, tables[t].name, of(0).sheets[t].columns, rows); err != nil {
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
