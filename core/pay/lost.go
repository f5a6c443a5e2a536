package pay

import (
	"time"

	"github.com/paybridge/paybridge/core/money"
)

// Lost is a payment that the provider has and that no row here is: a backup was restored that is older, or an earlier system took it.
type Lost struct {
	Number string
	// ProviderNumber is its out_trade_no where that is not Number: another system made it.
	ProviderNumber string
	Route          Route // of the entry that is its own today
	Order          Attached
	ProductType    string // two digits, of the number
	Description    string // where nobody knows any more what was bought
}

// Payment is the lost payment as it may be asked about: nothing is known of it yet but its names.
func (l Lost) Payment(now time.Time) Payment {
	return Payment{
		Number: l.Number, ProviderNumber: l.ProviderNumber, Order: l.Order.Order, App: l.Order.App, Route: l.Route,
		Content: Content{Description: l.Description, TimeExpire: now},
		State:   PaymentClosed, CreatedAt: now,
	}
}

// Rows are the rows of the lost payment, from what a query says of it: closed, so that the same facts settle it like any payment that is
// found paid late, and an order for it, should that be lost as well. ok is false where the query does not say that it was paid.
func (l Lost) Rows(f Facts, now time.Time) (o Order, p Payment, ok bool) {
	if f.State != FactSucceeded || f.LegsOnly || f.Amount.Payable() != nil {
		return o, p, false
	}
	p = l.Payment(now)
	p.Content.Amount, p.Content.OpenID, p.SentAt = f.Amount, f.Payer, now
	if !f.PaidAt.IsZero() {
		p.CreatedAt, p.Content.TimeExpire = f.PaidAt, f.PaidAt
	}
	p.Legs = []Leg{{ID: string(LegSelf), Kind: LegSelf, Amount: f.Amount, State: PaymentClosed}}
	if len(f.Legs) > 0 {
		p.Legs = nil
	}
	sum := money.Amount{Currency: f.Amount.Currency}
	for _, leg := range f.Legs {
		p.Legs = append(p.Legs, Leg{ID: leg.ID, Kind: leg.Kind, Amount: leg.Amount, State: PaymentClosed, ProviderID: leg.ProviderID})
		sum.Minor += leg.Amount.Minor
	}
	if len(f.Legs) > 0 && sum != f.Amount {
		return o, p, false
	}
	reference := l.Order.Reference
	if reference == "" {
		reference = "~recovered:" + l.Number
	}
	// It stays open long enough for the facts to settle it, whatever happens in between.
	const open = 7 * 24 * time.Hour
	return Order{
		Number: l.Order.Order, App: l.Order.App, Reference: reference, Amount: f.Amount, Description: l.Description, ProductType: l.ProductType,
		Payer: PayerAnyone, ExpiresAt: now.Add(open), Due: now.Add(open), State: OrderOpen, CreatedAt: p.CreatedAt,
	}, p, true
}

// Held is the decision with what it would give back by itself held for a person (`paybridge refund retry` lets it go): after a backup was
// restored nobody knows for sure which of two paid attempts had paid an order.
func (d Decision) Held() Decision {
	made := make([]Refund, len(d.NewRefunds))
	for i, r := range d.NewRefunds {
		if r.owed() {
			r.Hold = true
			d.alarm(AlarmRefundAttention, r.Number, "made after a restored backup ("+string(r.Origin)+") and held: see that the payment did not go back already and that its order has no use for it, then let it go by paybridge refund retry")
		}
		made[i] = r
	}
	d.NewRefunds = made
	return d
}
