package store

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/uptrace/bun"
	"github.com/uptrace/bun/schema"

	"github.com/paybridge/paybridge/core/pay"
	"github.com/paybridge/paybridge/ports"
)

// Apply writes a decision whole (ports.Tx). On PostgreSQL it is one statement, so one round trip: each part is a CTE,
// and the answer counts the rows that moved.
func (t *tx) Apply(ctx context.Context, d pay.Decision, now time.Time, release ...ports.Claim) error {
	a := applying{tx: t, now: now, release: slices.Clone(release)}
	if err := a.decision(d); err != nil {
		return err
	}
	for _, c := range a.release { // of rows that the decision left alone
		of := claimables[c.Kind]
		a.update(t.tx.NewUpdate().Table(of.table).Set("claimed_until = null").Where(of.key+" = ?", c.Number).Where("claimed_until = ?", c.Until))
	}
	if len(a.audits) > 0 {
		a.insert(t.tx.NewInsert().Model(&a.audits))
	}
	moved, err := a.write(ctx)
	if err != nil {
		return failed(err, "apply a decision")
	}
	if moved != int64(len(a.must)) {
		return fmt.Errorf("%d of %d rows are still as they were read: %w", moved, len(a.must), ports.ErrMoved)
	}
	return nil
}

// applying is a decision on its way into the database.
type applying struct {
	tx      *tx
	now     time.Time
	release []ports.Claim          // those not yet part of a row's own update
	must    []schema.QueryAppender // updates that must each find their row as it was read
	others  []schema.QueryAppender
	audits  []auditRow // written by one insert: of several in one statement PostgreSQL does not promise the order
}

// mustMove adds an update that has to find its row as it was read.
func (a *applying) mustMove(q *bun.UpdateQuery) { a.must = append(a.must, q.Returning(a.returning())) }

// update adds one that need not.
func (a *applying) update(q *bun.UpdateQuery) {
	a.others = append(a.others, q.Returning(a.returning()))
}

func (a *applying) insert(q *bun.InsertQuery) {
	a.others = append(a.others, q.Returning(a.returning()))
}

// returning is what a part of the one statement on PostgreSQL gives, to be counted. Elsewhere it is nothing, which has
// to be said: bun would ask for the columns that the database fills.
func (a *applying) returning() string {
	if a.tx.s.postgres {
		return "1"
	}
	return "NULL"
}

func (a *applying) decision(d pay.Decision) error {
	for _, m := range d.Orders {
		if err := a.order(m, len(d.Events)); err != nil {
			return err
		}
	}
	for _, m := range d.Payments {
		if err := a.payment(m); err != nil {
			return err
		}
	}
	for _, m := range d.Refunds {
		if err := a.refund(m); err != nil {
			return err
		}
	}
	for _, f := range d.NewRefunds {
		if err := a.newRefund(f); err != nil {
			return err
		}
	}
	if err := a.events(d); err != nil {
		return err
	}
	var alarms []alarmRow
	for _, alarm := range d.Alarms {
		alarms = append(alarms, raised(alarm, a.now))
	}
	if len(alarms) > 0 {
		a.insert(a.tx.tx.NewInsert().Model(&alarms).On("conflict do nothing"))
	}
	return nil
}

func (a *applying) order(m pay.Move[pay.Order, pay.OrderState], events int) error {
	row, err := toOrderRow(m.Row)
	if err != nil {
		return err
	}
	q := a.tx.tx.NewUpdate().Model(&row).Column("state", "close_reason", "settled_by", "paid_at", "due").
		Where("number = ?", row.Number).Where("state = ?", string(m.From))
	a.mustMove(a.releasing(q, ports.KindOrder, row.Number).Set("event_seq = event_seq + ?", events))
	a.audit(m.Cause, auditRow{OrderNumber: row.Number, Kind: string(ports.KindOrder), Number: row.Number, Old: string(m.From), New: row.State})
	return nil
}

func (a *applying) payment(m pay.Move[pay.Payment, pay.PaymentState]) error {
	row, err := a.tx.s.keys.toPaymentRow(m.Row)
	if err != nil {
		return err
	}
	q := a.tx.tx.NewUpdate().Model(&row).Column(paymentChanges...).
		// R35: a plugin's older state never overwrites a newer one.
		Set("provider_state = case when provider_state_version < ? then ? else provider_state end", row.ProviderStateVersion, row.ProviderState).
		Set("provider_state_version = case when provider_state_version < ? then ? else provider_state_version end", row.ProviderStateVersion, row.ProviderStateVersion).
		Where("number = ?", row.Number).Where("state = ?", string(m.From))
	a.mustMove(a.releasing(q, ports.KindPayment, row.Number))
	a.audit(m.Cause, auditRow{OrderNumber: row.OrderNumber, Payment: row.Number, Kind: string(ports.KindPayment), Number: row.Number, Old: string(m.From), New: row.State})
	return nil
}

func (a *applying) refund(m pay.Move[pay.Refund, pay.RefundState]) error {
	row, err := toRefundRow(m.Row)
	if err != nil {
		return err
	}
	q := a.tx.tx.NewUpdate().Model(&row).Column(refundChanges...).Where("number = ?", row.Number).Where("state = ?", string(m.From))
	a.mustMove(a.releasing(q, ports.KindRefund, row.Number))
	a.audit(m.Cause, auditRow{OrderNumber: row.OrderNumber, Payment: row.Payment, Kind: string(ports.KindRefund), Number: row.Number, Old: string(m.From), New: row.State})
	return nil
}

func (a *applying) newRefund(f pay.Refund) error {
	row, err := toRefundRow(f)
	if err != nil {
		return err
	}
	a.insert(a.tx.tx.NewInsert().Model(&row).Value("account", "(select account from payments where number = ?)", f.Payment))
	a.audit("made ("+string(f.Origin)+")", auditRow{OrderNumber: row.OrderNumber, Payment: row.Payment, Kind: string(ports.KindRefund), Number: row.Number, New: row.State})
	return nil
}

// events gives each event its place behind the order's last one, which was read under the order's lock.
func (a *applying) events(d pay.Decision) error {
	if len(d.Events) == 0 {
		return nil
	}
	order, app := orderOf(d)
	last, locked := a.tx.seq[order]
	if !locked {
		return fmt.Errorf("events of order %q, which is not locked", order)
	}
	var rows []eventRow
	for i, e := range d.Events {
		data, err := toJSON(e.Data)
		if err != nil {
			return err
		}
		rows = append(rows, eventRow{App: app, OrderNumber: order, Seq: last + int64(i) + 1, Kind: string(e.Kind), Number: e.Number, Data: data, CreatedAt: micros(a.now)})
	}
	a.insert(a.tx.tx.NewInsert().Model(&rows))
	a.tx.seq[order] = last + int64(len(d.Events))
	if len(d.Orders) == 0 {
		a.update(a.tx.tx.NewUpdate().Table("orders").Set("event_seq = event_seq + ?", len(d.Events)).Where("number = ?", order))
	}
	return nil
}

// orderOf is the order that a decision is about, and its app.
func orderOf(d pay.Decision) (order, app string) {
	switch {
	case len(d.Orders) > 0:
		return d.Orders[0].Row.Number, d.Orders[0].Row.App
	case len(d.Payments) > 0:
		return d.Payments[0].Row.Order, d.Payments[0].Row.App
	case len(d.Refunds) > 0:
		return d.Refunds[0].Row.Order, d.Refunds[0].Row.App
	case len(d.NewRefunds) > 0:
		return d.NewRefunds[0].Order, d.NewRefunds[0].App
	}
	return "", ""
}

// releasing lets a row's update give its claim back, as long as it still is ours.
func (a *applying) releasing(q *bun.UpdateQuery, kind ports.Kind, number string) *bun.UpdateQuery {
	for i, c := range a.release {
		if c.Kind == kind && c.Number == number {
			a.release = slices.Delete(a.release, i, i+1)
			return q.Set("claimed_until = case when claimed_until = ? then null else claimed_until end", c.Until)
		}
	}
	return q
}

func (a *applying) audit(cause string, row auditRow) {
	if cause == "" {
		return
	}
	row.Cause, row.At = cause, micros(a.now)
	a.audits = append(a.audits, row)
}

// write runs what was collected and tells how many of the updates that must find their row did.
func (a *applying) write(ctx context.Context) (moved int64, err error) {
	if len(a.must)+len(a.others) == 0 {
		return 0, nil
	}
	gen := a.tx.s.db.QueryGen()
	if !a.tx.s.postgres {
		for i, q := range append(slices.Clone(a.must), a.others...) {
			text, err := q.AppendQuery(gen, nil)
			if err != nil {
				return 0, err
			}
			result, err := a.tx.tx.ExecContext(ctx, string(text))
			if err != nil {
				return 0, err
			}
			if n, err := result.RowsAffected(); err != nil {
				return 0, err
			} else if i < len(a.must) {
				moved += n
			}
		}
		return moved, nil
	}
	text := []byte("with ")
	for i, q := range append(slices.Clone(a.must), a.others...) {
		if i > 0 {
			text = append(text, ", "...)
		}
		text = fmt.Appendf(text, "w%d as (", i)
		if text, err = q.AppendQuery(gen, text); err != nil {
			return 0, err
		}
		text = append(text, ')')
	}
	text = append(text, " select 0"...)
	for i := range a.must {
		text = fmt.Appendf(text, " + (select count(*) from w%d)", i)
	}
	err = a.tx.tx.QueryRowContext(ctx, string(text)).Scan(&moved)
	return moved, err
}
