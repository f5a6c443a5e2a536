package pay

import (
	"fmt"
	"slices"
	"testing"

	"github.com/paybridge/paybridge/core/money"
)

// A query had said only that the payment was refunded; the statement tells by how much, and from then on the app can refund the rest.
func TestR21_TheStatementTellsTheAmount(t *testing.T) {
	t.Parallel()
	fen := func(n int64) money.Amount { return money.Amount{Minor: n, Currency: "CNY"} }
	unknown := Refund{
		Number: "r1", Payment: "p", Order: "o", Reference: "~external", Amount: fen(0), AmountUnknown: true, Origin: OriginExternal, State: RefundSucceeded,
		Legs: []RefundLeg{{LegID: "self", Amount: fen(0), State: RefundSucceeded}}, SucceededAt: now,
	}
	known := unknown
	known.Number, known.Reference, known.ProviderNumber, known.Amount, known.AmountUnknown = "r2", "~external:50", "THEIRS-1", fen(300), false
	for _, row := range []struct {
		name    string
		refunds []Refund
		said    RefundFacts
		want    map[string]int64 // what went back, by the provider's number
		moved   bool
	}{
		{"the amount of the unknown one", []Refund{unknown}, RefundFacts{State: RefundFactSucceeded, Number: "THEIRS-1", ProviderID: "50", Amount: fen(300)}, map[string]int64{"THEIRS-1": 300}, true},
		{"one that is known already", []Refund{known}, RefundFacts{State: RefundFactSucceeded, Number: "THEIRS-1", ProviderID: "50", Amount: fen(300)}, map[string]int64{"THEIRS-1": 300}, false},
		{"a second one beside it", []Refund{known}, RefundFacts{State: RefundFactSucceeded, Number: "THEIRS-2", ProviderID: "51", Amount: fen(200)}, map[string]int64{"THEIRS-1": 300, "THEIRS-2": 200}, true},
		{"one that never came into effect", []Refund{unknown}, RefundFacts{State: RefundFactClosed, Number: "THEIRS-1", Amount: fen(300)}, map[string]int64{"r1": 0}, false},
	} {
		rows := refundRows(slices.Clone(row.refunds)...)
		row.said.Payment, row.said.MchID = rows.Payments[0].Number, rows.Payments[0].Route.MchID
		for i := range rows.Refunds {
			rows.Refunds[i].Payment, rows.Refunds[i].Order = rows.Payments[0].Number, rows.Order.Number
		}
		d, err := StatedRefund(rows, rows.Payments[0].Number, row.said, now)
		if err != nil {
			t.Errorf("%s: %v", row.name, err)
			continue
		}
		after, got := d.After(rows), map[string]int64{}
		for _, r := range after.Refunds {
			got[r.OutRefundNo()] = r.Amount.Minor
			if r.AmountUnknown && row.moved {
				t.Errorf("%s: the amount of %s is not known still", row.name, r.OutRefundNo())
			}
		}
		check(t, row.name, fmt.Sprint(got), fmt.Sprint(row.want))
		check(t, row.name+": decides", !d.Empty(), row.moved)
	}
}
