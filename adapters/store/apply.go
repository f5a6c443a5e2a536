package store

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/paybridge/paybridge/core/pay"
	"github.com/paybridge/paybridge/ports"
)

// Apply writes a decision whole (ports.Tx). On PostgreSQL it is one statement, so one round trip: each part is a CTE,
// and the answer counts the rows that moved.
func (t *tx) Apply(ctx context.Context, d pay.Decision, now time.Time, release ...ports.Claim) error {
	a := applying{tx: t, now: now, requestID: d.RequestID, by: d.By, release: slices.Clone(release)}
	if err := a.decision(d); err != nil {
		return err
	}
	for _, c := range a.release { // of rows that the decision left alone
		of := claimables[c.Kind]
		a.also(t.s.statement("update "+of.table+" set claimed_until = null where "+of.key+" = ? and claimed_until = ?", c.Number, c.Until))
	}
	if len(a.audits) > 0 {
		a.also(inserting(t.s, a.audits, nil))
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
	tx        *tx
	now       time.Time
	release   []ports.Claim // those not yet part of a row's own update
	must      []*statement  // updates that must each find their row as it was read
	others    []*statement
	by        string // who decides, for the audit
	requestID string // of the answer that is decided about, for the audit

	audits []auditRow // written by one insert: of several in one statement PostgreSQL does not promise the order
}

// also adds a statement that need not find a row.
func (a *applying) also(q *statement) { a.others = append(a.others, q) }

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
	for _, m := range d.Fulfilments {
		a.fulfilment(m)
	}
	for _, f := range d.NewFulfilments {
		row := toFulfilmentRow(f)
		a.also(inserting(a.tx.s, []fulfilmentRow{row}, nil))
		a.audit("expected by "+f.Deadline.UTC().Format(time.RFC3339), auditRow{OrderNumber: row.OrderNumber, Payment: row.Number, Kind: string(ports.KindFulfilment), Number: row.Number, New: row.State})
	}
	if err := a.events(d); err != nil {
		return err
	}
	var alarms []alarmRow
	for _, alarm := range d.Alarms {
		alarms = append(alarms, raised(alarm, a.now))
	}
	if len(alarms) > 0 {
		a.also(inserting(a.tx.s, alarms, nil).add(" on conflict do nothing"))
	}
	return nil
}

func (a *applying) order(m pay.Move[pay.Order, pay.OrderState], events int) error {
	row, err := toOrderRow(m.Row)
	if err != nil {
		return err
	}
	q := a.tx.s.statement("update orders set ").set(row, orderChanges).add(", event_seq = event_seq + ?", events)
	a.mustMove(q, ports.KindOrder, row.Number, string(m.From))
	a.audit(m.Cause, auditRow{OrderNumber: row.Number, Kind: string(ports.KindOrder), Number: row.Number, Old: string(m.From), New: row.State})
	return nil
}

func (a *applying) payment(m pay.Move[pay.Payment, pay.PaymentState]) error {
	row, err := a.tx.s.keys.toPaymentRow(m.Row)
	if err != nil {
		return err
	}
	v := row.ProviderStateVersion
	q := a.tx.s.statement("update payments set ").set(row, paymentChanges).
		// R35: a plugin's older state never overwrites a newer one.
		add(", provider_state = case when provider_state_version < ? then ? else provider_state end", v, row.ProviderState).
		add(", provider_state_version = case when provider_state_version < ? then ? else provider_state_version end", v, v)
	a.mustMove(q, ports.KindPayment, row.Number, string(m.From))
	a.audit(m.Cause, auditRow{OrderNumber: row.OrderNumber, Payment: row.Number, Kind: string(ports.KindPayment), Number: row.Number, Old: string(m.From), New: row.State})
	return nil
}

func (a *applying) refund(m pay.Move[pay.Refund, pay.RefundState]) error {
	row, err := toRefundRow(m.Row)
	if err != nil {
		return err
	}
	a.mustMove(a.tx.s.statement("update refunds set ").set(row, refundChanges), ports.KindRefund, row.Number, string(m.From))
	a.audit(m.Cause, auditRow{OrderNumber: row.OrderNumber, Payment: row.Payment, Kind: string(ports.KindRefund), Number: row.Number, Old: string(m.From), New: row.State})
	return nil
}

func (a *applying) fulfilment(m pay.Move[pay.Fulfilment, pay.FulfilmentState]) {
	row := toFulfilmentRow(m.Row)
	a.mustMove(a.tx.s.statement("update fulfilments set ").set(row, fulfilmentChanges), ports.KindFulfilment, row.Number, string(m.From))
	a.audit(m.Cause, auditRow{OrderNumber: row.OrderNumber, Payment: row.Number, Kind: string(ports.KindFulfilment), Number: row.Number, Old: string(m.From), New: row.State})
}

func (a *applying) newRefund(f pay.Refund) error {
	row, err := toRefundRow(f)
	if err != nil {
		return err
	}
	account := a.tx.s.statement("(select account from payments where number = ?)", f.Payment)
	a.also(inserting(a.tx.s, []refundRow{row}, map[string]*statement{"account": account}))
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
	a.also(inserting(a.tx.s, rows, nil))
	a.tx.seq[order] = last + int64(len(d.Events))
	if len(d.Orders) == 0 {
		a.also(a.tx.s.statement("update orders set event_seq = event_seq + ? where number = ?", len(d.Events), order))
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

// mustMove ends an update that has to find its row in the state in which it was read. It gives the row's claim back, as
// long as it still is ours.
func (a *applying) mustMove(q *statement, kind ports.Kind, number, from string) {
	for i, c := range a.release {
		if c.Kind == kind && c.Number == number {
			a.release = slices.Delete(a.release, i, i+1)
			q.add(", claimed_until = case when claimed_until = ? then null else claimed_until end", c.Until)
			break
		}
	}
	a.must = append(a.must, q.add(" where number = ? and state = ?", number, from))
}

func (a *applying) audit(cause string, row auditRow) {
	if cause == "" {
		return
	}
	if a.by != "" {
		cause += " (by " + a.by + ")"
	}
	row.Cause, row.RequestID, row.At = cause, a.requestID, micros(a.now)
	a.audits = append(a.audits, row)
}

// write runs what was collected and tells how many of the updates that must find their row did.
func (a *applying) write(ctx context.Context) (moved int64, err error) {
	if len(a.must)+len(a.others) == 0 {
		return 0, nil
	}
	parts := slices.Concat(a.must, a.others)
	if !a.tx.s.postgres {
		for i, q := range parts {
			result, err := a.tx.exec(ctx, q)
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
	whole := a.tx.s.statement("with ")
	for i, q := range parts {
		whole.comma(i).add(fmt.Sprintf("w%d as (", i)).append(q).add(" returning 1)")
	}
	whole.add(" select 0")
	for i := range a.must {
		whole.add(fmt.Sprintf(" + (select count(*) from w%d)", i))
	}
	var counted []int64
	rows, err := a.tx.query(ctx, whole)
	if err := a.tx.s.scan(ctx, &counted, rows, err); err != nil {
		return 0, err
	}
	return counted[0], nil
}
