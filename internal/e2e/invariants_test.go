package e2e

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/paybridge/paybridge/internal/invariants"
)

// ledger is what WeChat knows, as the invariants read it.
func (w *world) ledger() (l invariants.Ledger) {
	w.t.Helper()
	text, err := json.Marshal(w.sim.Ledger())
	if err == nil {
		err = json.Unmarshal(text, &l)
	}
	if err != nil {
		w.t.Fatal(err)
	}
	return l
}

// wantInvariants: whatever happened, what must be true of money is.
func (w *world) wantInvariants() {
	w.t.Helper()
	conn := w.db.open(w.t)
	defer func() { _ = conn.Close() }()
	broken, err := invariants.Check(w.t.Context(), conn, w.ledger())
	if err != nil {
		w.t.Fatal(err)
	}
	for _, b := range broken {
		w.t.Error(b)
	}
}

// awaitInvariants waits until the invariants hold. Payments that nobody has paid may be left: they are under way rightly.
func (w *world) awaitInvariants() {
	w.t.Helper()
	conn := w.db.open(w.t)
	defer func() { _ = conn.Close() }()
	await(w.t, "the invariants hold", func() error {
		broken, err := invariants.Check(w.t.Context(), conn, w.ledger())
		if err != nil {
			return err
		}
		for _, b := range broken {
			if b.ID != invariants.Finished || !strings.HasPrefix(b.What, "payments under way") {
				return errors.New(b.String())
			}
		}
		return nil
	})
}

// Each invariant is broken by something, and told by its name: one that nothing breaks would prove nothing.
func TestEachInvariantCanBreak(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		w := newWorld(t, db, refundSoon)
		w.addInsurance()
		g := w.start()
		_, payment := w.paid("visit-1", 1000)
		refund := w.refund(payment, "some", 400)
		w.awaitState("/v1/refunds/"+refund, "succeeded")
		w.paidBill("insured", true)
		twice := w.order("twice", 300)
		late := w.pay(twice).Number
		w.atTerminal(0, "closed", "close", "payment", late)
		w.tap(w.pay(twice).Number)
		w.awaitState("/v1/orders/"+twice, "paid")
		w.payLate(late) // a duplicate, given back (R19)
		w.awaitCount(1, "select count(*) from refunds where origin = 'duplicate' and state = 'succeeded'")
		w.awaitCount(0, "select count(*) from events where place is null")
		w.wantInvariants()
		g.stop()

		right := w.ledger()
		of := func(change func(l *invariants.Ledger)) invariants.Ledger {
			l := w.ledger()
			change(&l)
			return l
		}
		at := "' where number = '" + payment + "'"
		for id, broken := range map[invariants.ID][]any{ // statements, or a ledger
			invariants.LedgerIsRows: {
				"update payments set state = 'closed" + at,
				"update payments set legs = replace(legs, '1000', '999') where number = '" + payment + "'",
				of(func(l *invariants.Ledger) { l.Trades[0].State = "NOTPAY" }),
				of(func(l *invariants.Ledger) { l.Trades[0].OutTradeNo = "another" }),
			},
			invariants.RefundsFit: {
				"update refunds set legs = replace(legs, '400', '1001') where number = '" + refund + "'",
				of(func(l *invariants.Ledger) { l.Refunds[0].Amount = 1001 }),
			},
			invariants.OneProviderRefund: {
				"update refunds set out_refund_no = 'another' where number = '" + refund + "'",
				of(func(l *invariants.Ledger) { l.Refunds[0].Amount = 399 }),
				of(func(l *invariants.Ledger) { l.Refunds[0].Status = "PROCESSING" }),
				of(func(l *invariants.Ledger) { l.Refunds = l.Refunds[1:] }),
			},
			invariants.EventsGapless: {
				"update events set seq = 99 where seq = 2 and order_number in (select order_number from payments where number = '" + payment + "')",
				"update orders set event_seq = event_seq + 1",
			},
			invariants.OneAuditEach: {
				"update audit set new = 'closed' where new = 'succeeded'",
				"insert into audit (order_number, payment, kind, number, old, new, cause, request_id, at) select order_number, payment, kind, number, old, new, cause, request_id, at from audit where number = '" + payment + "'",
			},
			invariants.BillIsRows: {
				"insert into differences (account, day, kind, what, number, provider_id, ours, theirs, our_state, their_state, found_at) values ('a', '2026-11-01', 'ours_only', 'payment', '1', '', 1, 0, '', '', 1)",
			},
			invariants.PaidBeforeBack: {"update payments set state = 'closed" + at},
			invariants.PaidOnce: {
				"delete from events where kind = 'order.paid'",
				"update orders set settled_by = ''",
				"update refunds set amount = 299 where origin = 'duplicate'",
			},
			invariants.RouteKept: {
				"update payments set app_id = 'another" + at,
				of(func(l *invariants.Ledger) { l.Refunds[0].MchID = "another" }),
			},
			invariants.OneContent: {of(func(l *invariants.Ledger) { l.Sent[0].Contents = append(l.Sent[0].Contents, "another") })},
			invariants.Finished: {
				"update payments set disputed = 'why', due = 1",
				"update refunds set state = 'processing', due = 1",
				"update events set place = null",
			},
		} {
			for _, b := range broken {
				text, isStatement := b.(string)
				ledger := right
				if !isStatement {
					ledger = b.(invariants.Ledger)
				}
				if found := w.broken(text, ledger); !slices.Contains(found, id) {
					t.Errorf("%.90q breaks %q, want %q", text, found, id)
				}
			}
		}
		for _, unfinished := range []string{ // I06 is the database's own (R40)
			"update payments set state = 'pending', due = null", "update payments set disputed = 'why', due = null", "update orders set state = 'open', due = null",
			"update refunds set state = 'processing', due = null", "update deliveries set last_seq = next_seq, due = null", "update inbox set verdict = 'unmatched', due = null",
			"update statements set state = 'awaited', due = null",
		} {
			conn := db.open(t)
			if _, err := conn.ExecContext(t.Context(), unfinished); err == nil && unfinished[:17] != "update deliveries" {
				t.Errorf("the database takes %q", unfinished)
			}
			_ = conn.Close()
		}
	})
}

// broken is which invariants do not hold after a statement that is taken back.
func (w *world) broken(statement string, ledger invariants.Ledger) (ids []invariants.ID) {
	w.t.Helper()
	conn := w.db.open(w.t)
	defer func() { _ = conn.Close() }()
	tx, err := conn.BeginTx(w.t.Context(), nil)
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = tx.Rollback() }()
	if statement != "" {
		if _, err := tx.ExecContext(w.t.Context(), statement); err != nil {
			w.t.Fatalf("%s: %v", statement, err)
		}
	}
	all, err := invariants.Check(w.t.Context(), tx, ledger)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, b := range all {
		ids = append(ids, b.ID)
	}
	return ids
}
