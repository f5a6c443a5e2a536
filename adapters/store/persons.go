package store

import (
	"context"
	"errors"
	"time"

	"github.com/paybridge/paybridge/core/pay"
	"github.com/paybridge/paybridge/ports"
)

// ForgetPersons takes names and identity numbers out of bills and payments (ports.Store). What changed meanwhile is left for the
// next time.
func (s *Store) ForgetPersons(ctx context.Context, before time.Time, limit int) (n int, err error) {
	var orders []orderRow
	err = s.read.NewSelect().Model(&orders).Where("persons_at < ?", micros(before)).Where("state not in ('open', 'closing')").
		Where("not exists (select 1 from payments p where p.order_number = o.number and p.state in ('created', 'pending', 'closing'))").
		OrderExpr("persons_at").Limit(int64(limit)).Scan(ctx)
	if err != nil {
		return 0, failed(err, "look for orders that still name persons")
	}
	for _, row := range orders { // one that cannot be opened keeps no other
		if failed := s.forgetPersons(ctx, row); failed != nil {
			err = errors.Join(err, failed)
			continue
		}
		n++
	}
	return n, err
}

func (s *Store) forgetPersons(ctx context.Context, row orderRow) error {
	var o pay.Order
	if err := s.keys.openBill(row, &o); err != nil {
		return err
	}
	bill, err := s.sealed("bill "+row.Number, o.Bill.WithoutPersons())
	if err != nil {
		return err
	}
	return s.inTx(ctx, func(t *tx) error {
		var payments []paymentRow
		if err := t.tx.NewSelect().Model(&payments).Where("order_number = ?", row.Number).Where("details <> ''").Scan(ctx); err != nil {
			return failed(err, "read the payments of order %s", row.Number)
		}
		for _, r := range payments {
			p, err := s.keys.payment(r)
			if err != nil {
				return err
			}
			details, err := s.sealed("details "+r.Number, p.Content.Details.WithoutPersons())
			if err != nil {
				return err
			}
			if _, err := t.tx.NewUpdate().Table("payments").Set("details = ?", details).Where("number = ? and details = ?", r.Number, r.Details).Exec(ctx); err != nil {
				return failed(err, "take the persons out of payment %s", r.Number)
			}
			if err := t.forgetMessages(ctx, r); err != nil {
				return err
			}
		}
		_, err := t.tx.NewUpdate().Table("orders").Set("bill = ?, persons_at = null", bill).Where("number = ? and bill = ?", row.Number, row.Bill).Exec(ctx)
		if err != nil {
			return failed(err, "take the persons out of order %s", row.Number)
		}
		return nil
	})
}

// forgetMessages takes out what the provider's messages about a payment said, which may tell who was treated: that they came, and what
// was decided by them, stays.
func (t *tx) forgetMessages(ctx context.Context, p paymentRow) error {
	_, err := t.tx.NewUpdate().Table("inbox").Set("facts = '', body = ''").Where("account = ?", p.Account).Where("number = ?", p.OutTradeNo).
		Where("verdict <> ?", string(ports.VerdictUnmatched)).Exec(ctx)
	if err != nil {
		return failed(err, "take the persons out of the messages about payment %s", p.Number)
	}
	return nil
}

func (s *Store) sealed(about string, v any) (string, error) {
	text, err := toJSON(v)
	if err != nil {
		return "", err
	}
	return s.keys.seal([]byte(text), about)
}
