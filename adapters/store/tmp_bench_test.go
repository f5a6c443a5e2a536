package store

import (
	"testing"
	"github.com/jackc/pgx/v5"
	"github.com/paybridge/paybridge/ports"
)

func BenchmarkTmp(b *testing.B) {
	for _, driver := range []string{"sqlite", "postgres"} {
		s := open(b, migrated(b, driver))
		step := func(name string, f func(tx ports.Tx, n string) error) {
			b.Run(driver+"/"+name, func(b *testing.B) {
				ps := make(chan string, b.N)
				for range b.N {
					p := newPayment(addOrder(b, s, newOrder()))
					addPayment(b, s, p)
					ps <- p.Number
				}
				b.ResetTimer()
				b.RunParallel(func(pb *testing.PB) {
					for pb.Next() {
						n := <-ps
						inTx(b, s, func(tx ports.Tx) error { return f(tx, n) })
					}
				})
			})
		}
		if driver == "sqlite" { continue }
		sel := "select "+cols(s)+" from payments as p where p.order_number = "
		for range 3 {
		step("simple", func(tt ports.Tx, n string) error {
			var p []paymentRow
			if err := tt.(*tx).tx.NewSelect().Model(&p).Where("order_number = ?", n).Scan(b.Context()); err != nil {
				return err
			}
			var o []refundRow
			return tt.(*tx).tx.NewSelect().Model(&o).Where("order_number = ?", n).Scan(b.Context())
		})
		step("cached", func(tt ports.Tx, n string) error {
			var p []paymentRow
			rows, err := tt.(*tx).tx.Tx.QueryContext(b.Context(), sel+"$1", pgx.QueryExecModeCacheStatement, n)
			if err != nil { return err }
			if err := s.db.ScanRows(b.Context(), rows, &p); err != nil { return err }
			var o []refundRow
			rows, err = tt.(*tx).tx.Tx.QueryContext(b.Context(), "select * from refunds where order_number = $1", pgx.QueryExecModeCacheStatement, n)
			if err != nil { return err }
			return s.db.ScanRows(b.Context(), rows, &o)
		})
		}
	}
}
func cols(s *Store) string {
	return "*"
}
