package pay

import "github.com/paybridge/paybridge/core/identity"

// madeBy is whom a payment was made by.
func (p Payment) madeBy() identity.Name {
	return identity.Name{AppID: p.Route.AppID, OpenID: p.Content.OpenID}
}

// MaySee tells whether an order is a payer's: it names them, they have tried to pay it, or nobody has and it is for
// whoever comes first (R41). An order that names nobody and is for anyone is everyone's who has its number.
func MaySee(rows Rows, p identity.Payer) bool {
	if rows.Order.App != p.App || len(p.Names) == 0 {
		return false
	}
	switch rows.Order.Payer {
	case PayerAnyone:
		return true
	case PayerNamed:
		return p.Answers(rows.Order.PayerID)
	}
	for _, made := range rows.Payments {
		if p.Is(made.madeBy()) {
			return true
		}
	}
	return len(rows.Payments) == 0
}
