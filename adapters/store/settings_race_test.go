package store

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/paybridge/paybridge/ports"
)

// A payment that is being made while its account is dropped: either it is there first and the account stays, or the
// account is gone first and the payment is not made. Never a payment of an account that nobody has.
func TestR37_APaymentAndTheDropOfItsAccount(t *testing.T) {
	withoutMain := settingsOfNow()
	withoutMain.Accounts, withoutMain.Entries = withoutMain.Accounts[1:], nil

	t.Run("the payment is first", func(t *testing.T) {
		onReplicas(t, func(t *testing.T, replicas [2]*Store) {
			if _, err := replicas[0].ApplySettings(t.Context(), "file", "one", settingsOfNow(), at); err != nil {
				t.Fatal(err)
			}
			p := newPayment(addOrder(t, replicas[0], newOrder()))
			dropped := make(chan error, 1)
			err := replicas[0].Tx(t.Context(), func(tx ports.Tx) error {
				if _, err := tx.AddPayment(t.Context(), p, hold); err != nil {
					return err
				}
				go func() {
					_, err := replicas[1].ApplySettings(t.Context(), "file", "two", withoutMain, at)
					dropped <- err
				}()
				return awaitBlocked(t, replicas[0])
			})
			if err != nil {
				t.Fatal(err)
			}
			var refused *ports.SettingsRefusal
			if err := <-dropped; !errors.As(err, &refused) || refused.Account != "main" || len(refused.Payments) != 1 || refused.Payments[0] != p.Number {
				t.Errorf("the drop ended with %v, want a refusal that names %s", err, p.Number)
			}
		})
	})
	t.Run("the drop is first", func(t *testing.T) {
		onReplicas(t, func(t *testing.T, replicas [2]*Store) {
			if _, err := replicas[0].ApplySettings(t.Context(), "file", "one", settingsOfNow(), at); err != nil {
				t.Fatal(err)
			}
			p := newPayment(addOrder(t, replicas[0], newOrder()))
			made := make(chan error, 1)
			err := replicas[0].inTx(t.Context(), func(dropping *tx) error {
				if _, err := dropping.tx.ExecContext(t.Context(), "delete from settings where kind = 'account' and name = 'main'"); err != nil {
					return err
				}
				go func() {
					made <- replicas[1].Tx(t.Context(), func(tx ports.Tx) error { _, err := tx.AddPayment(t.Context(), p, hold); return err })
				}()
				return awaitBlocked(t, replicas[0])
			})
			if err != nil {
				t.Fatal(err)
			}
			wantErr(t, "a payment of the account that was dropped meanwhile", <-made, ports.ErrNoAccount)
			if n := count(t, replicas[0], "select count(*) from payments"); n != 0 {
				t.Errorf("%d payments were made", n)
			}
		})
	})
}

// awaitBlocked waits, in the middle of a transaction, until another one waits for it. SQLite's one writer lets nobody
// begin before it ends, so that there is nothing to see.
func awaitBlocked(t *testing.T, s *Store) error {
	if !s.postgres {
		return nil
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for {
		var waits bool
		err := s.db.NewSelect().ColumnExpr("exists (select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock')").Scan(ctx, &waits)
		if err != nil || waits {
			return err
		}
	}
}
