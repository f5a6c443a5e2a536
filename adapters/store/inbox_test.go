package store

import (
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/paybridge/paybridge/core/pay"
	"github.com/paybridge/paybridge/ports"
)

func TestR11_AHundredTimesAtOnceIsAppliedOnce(t *testing.T) {
	onReplicas(t, func(t *testing.T, replicas [2]*Store) {
		s := replicas[0]
		o := addOrder(t, s, newOrder())
		p := newPayment(o)
		addPayment(t, s, p)
		before := make([]bool, 100)
		errs := atOnce(100, func(i int) error {
			return replicas[i%2].Tx(t.Context(), func(tx ports.Tx) (err error) {
				rows, err := tx.LockPayment(t.Context(), p.Number)
				if err != nil {
					return err
				}
				if before[i], err = tx.Receive(t.Context(), message("paid", ports.VerdictApplied)); err != nil || before[i] {
					return err
				}
				return tx.Apply(t.Context(), settled(rows.Order, rows.Payments[0]), at)
			})
		})
		if err := errors.Join(errs...); err != nil {
			t.Fatal(err)
		}
		applied := 0
		for _, b := range before {
			if !b {
				applied++
			}
		}
		if applied != 1 {
			t.Errorf("applied %d times, want once", applied)
		}
		if n := count(t, s, "select count(*) from events"); n != 1 {
			t.Errorf("%d events, want 1", n)
		}
	})
}

func TestR15_OnlyAnAppliedMessageMakesARepeatADuplicate(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		for _, row := range []struct {
			name       string
			account    string
			verdict    ports.Verdict
			rollBack   bool
			wantBefore bool
		}{
			{name: "applied, but the transition failed", account: "main", verdict: ports.VerdictApplied, rollBack: true},
			{name: "unmatched", account: "main", verdict: ports.VerdictUnmatched},
			{name: "unmatched again", account: "main", verdict: ports.VerdictUnmatched},
			{name: "applied at last", account: "main", verdict: ports.VerdictApplied},
			{name: "a repeat", account: "main", verdict: ports.VerdictApplied, wantBefore: true},
			{name: "a late unmatched undoes nothing", account: "main", verdict: ports.VerdictUnmatched, wantBefore: true},
			{name: "another account's of the same key", account: "other", verdict: ports.VerdictApplied},
		} {
			m := message("key", row.verdict)
			m.Account = row.account
			var before bool
			err := s.Tx(t.Context(), func(tx ports.Tx) (err error) {
				if before, err = tx.Receive(t.Context(), m); err == nil && row.rollBack {
					err = errRolledBack
				}
				return err
			})
			if before != row.wantBefore || (err != nil) != row.rollBack {
				t.Errorf("%s: applied before %v, %v; want %v", row.name, before, err, row.wantBefore)
			}
		}
		if n := count(t, s, "select count(*) from inbox where verdict = 'applied' and due is null"); n != 2 {
			t.Errorf("%d applied messages that are no longer due, want 2", n)
		}
	})
}

func TestAMessageComesBackAsItWasKept(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		want := message("key '?", ports.VerdictUnmatched)
		want.Cause = "no such number"
		want.ID = receive(t, s, want)
		got, err := s.InboxRow(t.Context(), want.ID)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v, %v\nwant %+v", got, err, want)
		}
		_, err = s.InboxRow(t.Context(), "none")
		wantErr(t, "one that is not there", err, ports.ErrNotFound)
	})
}

func TestR14_RefusedMessagesAreOnlyCounted(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		errs := atOnce(20, func(i int) error {
			return s.CountRefused(t.Context(), "wechat", "main", ports.RefusedUnknownSerial, at.Add(time.Duration(i%2)*time.Minute))
		})
		errs = append(errs, s.CountRefused(t.Context(), "wechat", "main", ports.RefusedTooLarge, at))
		if err := errors.Join(errs...); err != nil {
			t.Fatal(err)
		}
		for query, want := range map[string]int{
			"select count(*) from refused_notifications":   3, // by cause and minute
			"select sum(count) from refused_notifications": 21,
			"select count(*) from inbox":                   0,
		} {
			if n := count(t, s, query); n != want {
				t.Errorf("%s: %d, want %d", query, n, want)
			}
		}
	})
}

func TestR45_SecretsAreInNoPlainColumn(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		const secret = "VERYSECRET"
		p := newPayment(addOrder(t, s, newOrder()))
		p.ProviderState = pay.ProviderState{Version: 1, Data: []byte(secret)}
		addPayment(t, s, p)
		p.ProviderState.Version = 2
		apply(t, s, p.Number, paymentMoved(pay.PaymentCreated, p, "checkpoint"))
		m := message("m", ports.VerdictUnmatched)
		m.Body, m.Facts = []byte(secret), []byte(secret)
		receive(t, s, m)
		for _, column := range textColumns(t, s) {
			if n := count(t, s, "select count(*) from "+column.table+" where "+column.name+" like '%"+secret+"%'"); n != 0 {
				t.Errorf("%s.%s has the secret in plain", column.table, column.name)
			}
		}
	})
}

type column struct{ table, name string }

// textColumns is every column that a text may stand in, of every table.
func textColumns(t *testing.T, s *Store) (all []column) {
	t.Helper()
	query := "select table_name, column_name from information_schema.columns where table_schema = 'public' and data_type = 'text'"
	if !s.postgres {
		query = "select t.name, c.name from sqlite_master t, pragma_table_info(t.name) c where t.type = 'table' and lower(c.type) = 'text'"
	}
	rows, err := s.db.QueryContext(t.Context(), query)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var c column
		if err := rows.Scan(&c.table, &c.name); err != nil {
			t.Fatal(err)
		}
		all = append(all, c)
	}
	if err := rows.Err(); err != nil || len(all) < 50 {
		t.Fatalf("%d text columns, %v", len(all), err)
	}
	return all
}
