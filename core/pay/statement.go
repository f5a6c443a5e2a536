package pay

import (
	"time"

	"github.com/paybridge/paybridge/core/money"
)

// StatedAmount is what a provider's statement has as the amount of this payment: of one in parts the cash, since insurance's part is no
// trade. The zero Amount: it is in no statement.
func (p Payment) StatedAmount() money.Amount {
	for _, leg := range p.Legs {
		if leg.Kind == LegSelf {
			return leg.Amount
		}
	}
	for _, leg := range p.Legs {
		if leg.Kind == LegInsurance {
			return money.Amount{}
		}
	}
	return p.Total()
}

// StatedAmount is the same of a refund.
func (r Refund) StatedAmount() money.Amount {
	if _, cash := r.Cash(); !cash {
		return money.Amount{}
	}
	return r.sent()
}

// StatedState is the state of what a statement tells of: of a payment in parts its cash's, which may have been taken, and given back,
// of a payment that failed.
func (p Payment) StatedState() PaymentState {
	for _, leg := range p.Legs {
		if leg.Kind == LegSelf && len(p.Legs) > 1 {
			return leg.State
		}
	}
	return p.State
}

// StatedState is the same of a refund.
func (r Refund) StatedState() RefundState { return r.cashState() }

// StatedRefund decides what the line of a statement means that tells of a refund of our payment which no row here is: the amount of
// the one that was known without it (R21), or another that was made elsewhere (R15).
func StatedRefund(rows Rows, payment string, f RefundFacts, now time.Time) (Decision, error) {
	var d Decision
	p, err := rows.Payment(payment)
	if err != nil {
		return d, err
	}
	for _, r := range rows.Refunds {
		if r.Payment == payment && r.OutRefundNo() == f.Number {
			return d, nil
		}
	}
	if f.State == RefundFactClosed { // no money went back
		return d, nil
	}
	for _, r := range rows.Refunds {
		if r.Payment != payment || !r.AmountUnknown {
			continue
		}
		r.Amount, r.AmountUnknown, r.ProviderNumber, r.ProviderID = f.Amount, false, f.Number, f.ProviderID
		r.Legs = []RefundLeg{{LegID: r.Legs[0].LegID, Amount: f.Amount, State: r.Legs[0].State}}
		if d, err = d.putRefund(r.State, r, "the statement tells its amount: "+f.Amount.String()); err != nil {
			return d, err
		}
		return refundedOrder(d, rows, p)
	}
	return ExternalRefund(rows, payment, f, now)
}
