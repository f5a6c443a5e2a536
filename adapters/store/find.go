package store

import (
	"context"
	"slices"
	"strings"

	"github.com/uptrace/bun"

	"github.com/paybridge/paybridge/core/money"
	"github.com/paybridge/paybridge/ports"
)

// mostFound is how many rows of each kind a search by one of its numbers gives.
const mostFound = 100

// foundRow is an order, payment or refund as a search reads it.
type foundRow struct {
	Number    string
	Order     string
	App       string
	Reference string
	State     string
	Amount    int64
	Currency  string
	Account   string
	CreatedAt int64
}

// Find looks for orders, payments and refunds (ports.Store). Each number has an index of its own.
func (s *Store) Find(ctx context.Context, text string) ([]ports.Found, error) {
	var all []ports.Found
	for _, in := range []struct {
		kind    ports.Kind
		table   string
		columns string
		by      []string
	}{
		{ports.KindOrder, "orders", "number, number as \"order\", app, reference, state, amount, currency, '' as account, created_at", []string{"number", "reference"}},
		{ports.KindPayment, "payments", "number, order_number as \"order\", app, '' as reference, state, amount, currency, account, created_at", []string{"number", "out_trade_no", "provider_id", "openid"}},
		{ports.KindRefund, "refunds", "number, order_number as \"order\", app, reference, state, amount, currency, account, created_at", []string{"number", "out_refund_no", "provider_id", "reference"}},
	} {
		for _, column := range in.by {
			var rows []foundRow
			err := s.read.NewSelect().Table(in.table).ColumnExpr(in.columns).Where("? = ?", bun.Ident(column), text).Where("? <> ''", bun.Ident(column)).
				OrderExpr("created_at desc").Limit(mostFound).Scan(ctx, &rows)
			if err != nil {
				return nil, failed(err, "look for %s by %s", in.table, column)
			}
			for _, r := range rows {
				of := ports.Found{
					Kind: in.kind, Number: r.Number, Order: r.Order, App: r.App, Reference: r.Reference, State: r.State,
					Amount: money.Amount{Minor: r.Amount, Currency: r.Currency}, Account: r.Account, CreatedAt: fromMicros(r.CreatedAt),
				}
				if !slices.Contains(all, of) {
					all = append(all, of)
				}
			}
		}
	}
	slices.SortStableFunc(all, func(a, b ports.Found) int {
		if c := b.CreatedAt.Compare(a.CreatedAt); c != 0 {
			return c
		}
		return strings.Compare(a.Number, b.Number)
	})
	return all[:min(len(all), mostFound)], nil
}
