package store

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/paybridge/paybridge/core/pay"
	"github.com/paybridge/paybridge/ports"
)

func TestR01_OneLivePaymentOfAnOrder(t *testing.T) {
	onReplicas(t, func(t *testing.T, replicas [2]*Store) {
		s := replicas[0]
		o := addOrder(t, s, newOrder())
		add := func(s *Store, p pay.Payment) error {
			return s.Tx(t.Context(), func(tx ports.Tx) error {
				_, err := tx.AddPayment(t.Context(), p, hold)
				return err
			})
		}
		var made int
		for _, err := range atOnce(16, func(i int) error { return add(replicas[i%2], newPayment(o)) }) { // without the order's lock
			if err == nil {
				made++
			} else {
				wantErr(t, "a second live payment", err, ports.ErrLivePayment)
			}
		}
		if made != 1 {
			t.Errorf("%d live payments, want 1", made)
		}
		rows, err := s.Rows(t.Context(), "", o.Number)
		if err != nil {
			t.Fatal(err)
		}
		p := rows.Payments[0]
		p.State, p.Due = pay.PaymentClosed, time.Time{}
		apply(t, s, p.Number, paymentMoved(pay.PaymentCreated, p, "closed"))
		taken := newPayment(o)
		taken.Number = p.Number
		wantErr(t, "a taken number", add(s, taken), ports.ErrNumberTaken)
		wantErr(t, "after the first was closed", add(s, newPayment(o)), nil)
	})
}

func TestApplyWritesAllOrNothing(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		o := addOrder(t, s, newOrder())
		p := newPayment(o)
		claim := addPayment(t, s, p)
		d := settled(o, p)
		d.NewRefunds = []pay.Refund{newRefund(p, "~duplicate")}
		d.Alarms = []pay.Alarm{{Kind: pay.AlarmPaymentDisputed, Number: p.Number, What: "?"}}
		d.Payments[0].From = pay.PaymentPending // it is created
		err := s.Tx(t.Context(), func(tx ports.Tx) error {
			if _, err := tx.LockPayment(t.Context(), p.Number); err != nil {
				return err
			}
			return tx.Apply(t.Context(), d, at, claim)
		})
		wantErr(t, "a row that has moved", err, ports.ErrMoved)
		wantRows(t, s, pay.Rows{Order: o, Payments: []pay.Payment{p}})
		for query, want := range map[string]int{
			"select count(*) from audit": 2, "select count(*) from events": 0, "select count(*) from alarms": 0,
			"select count(*) from payments where claimed_until is null": 0,
		} {
			if n := count(t, s, query); n != want {
				t.Errorf("%s: %d, want %d", query, n, want)
			}
		}
		err = s.Tx(t.Context(), func(tx ports.Tx) error { return tx.Apply(t.Context(), settled(o, p), at) })
		if err == nil {
			t.Error("events were given a place without the order's lock")
		}
		apply(t, s, p.Number, pay.Decision{}) // nothing is nothing
	})
}

func TestEventsAreGaplessPerOrder(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		o := addOrder(t, s, newOrder())
		p := newPayment(o)
		addPayment(t, s, p)
		errs := atOnce(12, func(i int) error {
			return s.Tx(t.Context(), func(tx ports.Tx) error {
				rows, err := tx.LockOrder(t.Context(), o.Number)
				if err != nil {
					return err
				}
				for range 2 { // twice in one transaction
					d := paymentMoved(pay.PaymentCreated, p, "")
					d.Events = []pay.Event{{Kind: pay.EventPaymentFailed, Number: p.Number}, {Kind: pay.EventPaymentClosed, Number: p.Number}}
					if i%2 == 0 {
						d.Orders = []pay.Move[pay.Order, pay.OrderState]{{From: rows.Order.State, Row: rows.Order}}
					}
					if err := tx.Apply(t.Context(), d, at); err != nil {
						return err
					}
				}
				if i%4 == 3 {
					return errRolledBack
				}
				return nil
			})
		})
		for _, err := range errs {
			if err != nil && !errors.Is(err, errRolledBack) {
				t.Error(err)
			}
		}
		const want = 9 * 2 * 2
		if n := count(t, s, "select count(*) from events"); n != want {
			t.Errorf("%d events, want %d", n, want)
		}
		if n := count(t, s, "select max(seq) from events"); n != want {
			t.Errorf("the last has place %d, want %d", n, want)
		}
		if n := count(t, s, "select count(*) from events a join events b on b.id = a.id + 1 where b.seq <= a.seq"); n != 0 {
			t.Errorf("%d events stand before their elder", n)
		}
		if n := count(t, s, "select count(*) from audit where kind = 'payment'"); n != 1 {
			t.Errorf("%d audit rows: a move without a cause has none", n)
		}
	})
}

var errRolledBack = errors.New("rolled back")

func TestAlarmsAreRaisedOnceWhileOpen(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		_, p := paid(t, s)
		d := pay.Decision{Alarms: []pay.Alarm{{Kind: pay.AlarmPaymentDisputed, Number: p.Number, What: "first"}, {Kind: pay.AlarmRefundAttention, Number: "1", What: "x"}}}
		apply(t, s, p.Number, d)
		apply(t, s, p.Number, d)
		if err := s.RaiseAlarm(t.Context(), pay.Alarm{Kind: pay.AlarmPaymentDisputed, Number: p.Number, What: "again"}, at); err != nil {
			t.Fatal(err)
		}
		want := map[string]int{pay.AlarmPaymentDisputed: 1, pay.AlarmRefundAttention: 1}
		if got, err := s.OpenAlarms(t.Context()); err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("open: %v, %v; want %v", got, err, want)
		}
		exec(t, s, "update alarms set acknowledged_at = 1 where kind = ?", pay.AlarmPaymentDisputed)
		if err := s.RaiseAlarm(t.Context(), pay.Alarm{Kind: pay.AlarmPaymentDisputed, Number: p.Number, What: "again"}, at); err != nil {
			t.Fatal(err)
		}
		if n := count(t, s, "select count(*) from alarms where kind = ?", pay.AlarmPaymentDisputed); n != 2 {
			t.Errorf("%d alarms after the first was acknowledged, want 2", n)
		}
	})
}

func TestR28_OneRefundOfAReference(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		_, p := paid(t, s)
		apply(t, s, p.Number, refundMade(newRefund(p, "one")))
		err := s.Tx(t.Context(), func(tx ports.Tx) error { return tx.Apply(t.Context(), refundMade(newRefund(p, "one")), at) })
		if uniqueViolation(err) == "" {
			t.Errorf("a second refund of the reference: %v", err)
		}
		if n := count(t, s, "select count(*) from refunds where account = 'main'"); n != 1 {
			t.Errorf("%d refunds with the account of their payment's route, want 1 (R27)", n)
		}
	})
}

func TestR35_AnOlderProviderStateNeverOverwrites(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		o := addOrder(t, s, newOrder())
		p := newPayment(o)
		p.ProviderState = pay.ProviderState{Version: 2, Data: []byte("two")}
		addPayment(t, s, p)
		for _, row := range []struct {
			version  int64
			data     string
			wantData string
		}{
			{version: 1, data: "one", wantData: "two"},
			{version: 2, data: "another two", wantData: "two"},
			{version: 3, data: "three", wantData: "three"},
			{version: 2, data: "two", wantData: "three"},
			{version: 4, data: "", wantData: ""},
		} {
			p.ProviderState = pay.ProviderState{Version: row.version, Data: []byte(row.data)}
			apply(t, s, p.Number, paymentMoved(pay.PaymentCreated, p, "checkpoint"))
			got, err := s.Payment(t.Context(), "", p.Number)
			if err != nil || string(got.ProviderState.Data) != row.wantData {
				t.Errorf("after version %d: %q, %v; want %q", row.version, got.ProviderState.Data, err, row.wantData)
			}
		}
	})
}

// R40: nothing unfinished is without a due time, however it is written.
func TestR40_NoUnfinishedRowWithoutADueTime(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		o, p := paid(t, s)
		apply(t, s, p.Number, refundMade(newRefund(p, "one")))
		receive(t, s, message("m", ports.VerdictApplied))
		for _, row := range []struct {
			table, set string
			refused    bool
		}{
			{"orders", "state = 'open'", true},
			{"orders", "state = 'closing'", true},
			{"orders", "state = 'closed'", false},
			{"orders", "state = 'refunded'", false},
			{"payments", "state = 'created'", true},
			{"payments", "state = 'pending'", true},
			{"payments", "state = 'closing'", true},
			{"payments", "state = 'failed'", false},
			{"payments", "state = 'succeeded', disputed = 'why'", true},
			{"refunds", "state = 'created'", true},
			{"refunds", "state = 'processing'", true},
			{"refunds", "state = 'failed'", false},
			{"inbox", "verdict = 'unmatched'", true},
			{"inbox", "verdict = 'notice'", false},
		} {
			_, err := s.db.ExecContext(t.Context(), "update "+row.table+" set due = null, "+row.set)
			if refused := err != nil && strings.Contains(err.Error(), row.table+"_un"); refused != row.refused {
				t.Errorf("%s with %s and no due time: error %v, want refused %v", row.table, row.set, err, row.refused)
			}
		}
		undue := newOrder()
		undue.Due = time.Time{}
		if _, _, err := s.AddOrder(t.Context(), undue); err == nil {
			t.Error("an open order without a due time was inserted")
		}
		payment := newPayment(o)
		payment.Due = time.Time{}
		if err := s.Tx(t.Context(), func(tx ports.Tx) error { _, err := tx.AddPayment(t.Context(), payment, hold); return err }); err == nil {
			t.Error("a created payment without a due time was inserted")
		}
	})
}

func TestApplyReleasesItsClaims(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		o := addOrder(t, s, newOrder())
		p := newPayment(o)
		claim := addPayment(t, s, p)
		orderClaim, err := s.Claim(t.Context(), ports.KindOrder, o.Number, hold, at)
		if err != nil {
			t.Fatal(err)
		}
		stale := claim
		stale.Until--
		claimed := func() int {
			return count(t, s, "select (select count(*) from payments where claimed_until is not null) * 10 + (select count(*) from orders where claimed_until is not null)")
		}
		apply(t, s, p.Number, paymentMoved(pay.PaymentCreated, p, ""), stale)
		if n := claimed(); n != 11 {
			t.Errorf("another's claim was released: %02d", n)
		}
		apply(t, s, p.Number, paymentMoved(pay.PaymentCreated, p, ""), claim, orderClaim) // the order's row is not in the decision
		if n := claimed(); n != 0 {
			t.Errorf("claims are left: %02d", n)
		}
		m := receive(t, s, message("m", ports.VerdictUnmatched))
		inbox, err := s.Claim(t.Context(), ports.KindInbox, m, hold, at)
		if err != nil {
			t.Fatal(err)
		}
		apply(t, s, p.Number, pay.Decision{}, inbox)
		if n := count(t, s, "select count(*) from inbox where claimed_until is not null"); n != 0 {
			t.Error("the message's claim is left")
		}
	})
}

// A row that waited for the lock is read as the one before left it.
func TestLockShowsWhatTheOneBeforeWrote(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		o := addOrder(t, s, newOrder())
		errs := atOnce(8, func(i int) error {
			return s.Tx(t.Context(), func(tx ports.Tx) error {
				rows, err := tx.LockOrder(t.Context(), o.Number)
				if err != nil {
					return err
				}
				for _, p := range rows.Payments {
					if p.State.Live() {
						d := p
						d.State, d.Due = pay.PaymentClosed, time.Time{}
						if err := tx.Apply(t.Context(), paymentMoved(p.State, d, "closed"), at); err != nil {
							return err
						}
					}
				}
				_, err = tx.AddPayment(t.Context(), newPayment(o), hold)
				return err
			})
		})
		if err := errors.Join(errs...); err != nil {
			t.Error(err)
		}
		if n := count(t, s, "select count(*) from payments"); n != 8 {
			t.Errorf("%d payments, want 8", n)
		}
	})
}

func TestATransactionThatLostAgainstAnotherRunsAgain(t *testing.T) {
	t.Parallel()
	s := open(t, migrated(t, "postgres"))
	orders := []string{addOrder(t, s, newOrder()).Number, addOrder(t, s, newOrder()).Number}
	var first sync.WaitGroup // until each holds its first order, so that each waits for the other's
	first.Add(2)
	runs := make([]int, 2)
	errs := atOnce(2, func(i int) error {
		return s.Tx(t.Context(), func(tx ports.Tx) error {
			if _, err := tx.LockOrder(t.Context(), orders[i]); err != nil {
				return err
			}
			if runs[i]++; runs[i] == 1 {
				first.Done()
				first.Wait()
			}
			_, err := tx.LockOrder(t.Context(), orders[1-i])
			return err
		})
	})
	if err := errors.Join(errs...); err != nil || runs[0]+runs[1] < 3 { // on a busy machine each may lose once
		t.Errorf("run %v times, %v; want one of them twice at least", runs, err)
	}
}

func message(key string, verdict ports.Verdict) ports.InboxRow {
	m := ports.InboxRow{
		Provider: "wechat", Account: "main", DedupeKey: key, Verdict: verdict, Number: "n", Facts: []byte(`{"facts":"?"}`),
		Body: []byte("body \x00\xff of " + key), Received: at,
	}
	if verdict == ports.VerdictUnmatched {
		m.Due = at.Add(time.Minute)
	}
	return m
}

// receive keeps a message and gives its id.
func receive(t testing.TB, s *Store, m ports.InboxRow) (id string) {
	t.Helper()
	inTx(t, s, func(tx ports.Tx) error {
		_, err := tx.Receive(context.Background(), m)
		return err
	})
	if err := s.db.QueryRowContext(t.Context(), "select id from inbox where account = ? and dedupe_key = ?", m.Account, m.DedupeKey).Scan(&id); err != nil {
		t.Fatal(err)
	}
	return id
}

func TestAFulfilmentIsReadAsItWasWritten(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		o := addOrder(t, s, newOrder())
		p := newPayment(o)
		p.Route.FulfilmentDays = 3
		claim := addPayment(t, s, p)
		d := settled(o, p)
		d.NewFulfilments = []pay.Fulfilment{newFulfilment(p)}
		apply(t, s, p.Number, d, claim)
		read := func() pay.Fulfilment {
			t.Helper()
			rows, err := s.Rows(t.Context(), "clinic", o.Number)
			if err != nil || len(rows.Fulfilments) != 1 {
				t.Fatalf("fulfilments %v, %v", rows.Fulfilments, err)
			}
			return rows.Fulfilments[0]
		}
		if got, want := read(), newFulfilment(p); got != want {
			t.Errorf("read\n%+v, want\n%+v", got, want)
		}
		whole := pay.Fulfilment{
			Number: p.Number, Order: o.Number, App: o.App, Account: p.Route.Account, State: pay.FulfilmentReporting,
			Content:     pay.FulfilmentContent{Method: pay.FulfilmentExpress, Description: "药品?", Carrier: "SF", TrackingNumber: "SF1", ReceiverPhone: "189****1234"},
			FulfilledAt: at.Add(time.Hour), Reports: 1, Sent: true, Attempts: 2, Refusal: "WeChat's code 1: '?", Deadline: at.AddDate(0, 0, 3), CreatedAt: at,
			ReportedAt: at.Add(2 * time.Hour), Due: at.Add(3 * time.Hour),
		}
		move := pay.Decision{Fulfilments: []pay.Move[pay.Fulfilment, pay.FulfilmentState]{{From: pay.FulfilmentAwaited, Row: whole, Cause: "the app fulfilled it"}}}
		held, err := s.Claim(t.Context(), ports.KindFulfilment, p.Number, hold, at)
		if err != nil {
			t.Fatal(err)
		}
		apply(t, s, p.Number, move, held)
		if got := read(); got != whole {
			t.Errorf("read\n%+v, want\n%+v", got, whole)
		}
		if n := count(t, s, "select count(*) from fulfilments where claimed_until is not null"); n != 0 {
			t.Error("it is still claimed")
		}
		err = s.Tx(t.Context(), func(tx ports.Tx) error {
			if _, err := tx.LockPayment(t.Context(), p.Number); err != nil {
				return err
			}
			return tx.Apply(t.Context(), move, at)
		})
		wantErr(t, "from a state that it is not in", err, ports.ErrMoved)
		timeline, err := s.Timeline(t.Context(), o.Number, p.Number)
		if err != nil || len(timeline) != 4 || timeline[3].Kind != ports.KindFulfilment || timeline[3].New != "reporting" {
			t.Errorf("the timeline is %+v, %v", timeline, err)
		}
	})
}
