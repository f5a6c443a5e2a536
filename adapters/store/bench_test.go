package store

import (
	"testing"

	"github.com/paybridge/paybridge/core/pay"
	"github.com/paybridge/paybridge/ports"
)

// BenchmarkStore is what a payment costs the store, beside the least that any store could do: one transaction of an
// insert and an update. Run it by scripts/with-postgres.sh with PAYBRIDGE_TEST_POSTGRES_FSYNC=on.
func BenchmarkStore(b *testing.B) {
	for _, driver := range []string{"sqlite", "postgres"} {
		b.Run(driver, func(b *testing.B) {
			s := open(b, migrated(b, driver))
			exec(b, s, "create table bare (id text primary key, state text not null)")
			for _, bench := range []struct {
				name string
				run  func(b *testing.B, s *Store)
			}{{"bare", bare}, {"create", create}, {"settle", settle}} {
				b.Run(bench.name, func(b *testing.B) { bench.run(b, s) })
			}
		})
	}
}

func bare(b *testing.B, s *Store) {
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			n := number()
			err := s.inTx(b.Context(), func(t *tx) error {
				if _, err := t.tx.ExecContext(b.Context(), "insert into bare (id, state) values (?, 'created')", n); err != nil {
					return err
				}
				_, err := t.tx.ExecContext(b.Context(), "update bare set state = 'pending' where id = ? and state = 'created'", n)
				return err
			})
			if err != nil {
				b.Error(err)
			}
		}
	})
}

// create is an order, its payment before the provider is called, and the provider's answer: three transactions.
func create(b *testing.B, s *Store) {
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			o := addOrder(b, s, newOrder())
			p := newPayment(o)
			var claim ports.Claim
			inTx(b, s, func(tx ports.Tx) (err error) {
				if _, err = tx.LockOrder(b.Context(), o.Number); err != nil {
					return err
				}
				claim, err = tx.AddPayment(b.Context(), p, hold)
				return err
			})
			p.State, p.Calling = pay.PaymentPending, false
			p.HandOff = &pay.HandOff{Kind: "wechat_jsapi", Params: map[string]string{"package": "prepay_id=wx201410272009395522657a690389285100"}}
			apply(b, s, p.Number, paymentMoved(pay.PaymentCreated, p, "accepted"), claim)
		}
	})
}

// settle is a callback that pays.
func settle(b *testing.B, s *Store) {
	orders := make(chan pay.Payment, b.N)
	for range b.N {
		p := newPayment(addOrder(b, s, newOrder()))
		addPayment(b, s, p)
		orders <- p
	}
	close(orders)
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			p := <-orders
			inTx(b, s, func(tx ports.Tx) error {
				rows, err := tx.LockPayment(b.Context(), p.Number)
				if err != nil {
					return err
				}
				if _, err := tx.Receive(b.Context(), message(p.Number, ports.VerdictApplied)); err != nil {
					return err
				}
				return tx.Apply(b.Context(), settled(rows.Order, rows.Payments[0]), at)
			})
		}
	})
}
