package pay

import (
	"fmt"
	"testing"
	"time"

	"github.com/paybridge/paybridge/core/money"
)

func mixedRows(state PaymentState) Rows {
	amount := func(fen int64) money.Amount { return money.Amount{Minor: fen, Currency: "CNY"} }
	number := "03101202611242115000000000000015"
	return Rows{
		Order: Order{Number: "o", State: OrderOpen, Amount: amount(1000)},
		Payments: []Payment{{
			Number: number, Order: "o", State: state, Route: Route{MchID: "1", AppID: "wx", Policy: Policy{NoClose: true, Insurance: true}},
			Content: Content{Amount: amount(1000), TimeExpire: now.Add(2 * time.Hour)},
			Legs: []Leg{
				{ID: "self", Kind: LegSelf, Amount: amount(300), State: PaymentPending},
				{ID: "insurance", Kind: LegInsurance, Amount: amount(700), State: PaymentPending},
			},
		}},
	}
}

// Each row is what a provider says of a mixed payment, and where payment, legs and refunds are after it.
func TestLegs(t *testing.T) {
	t.Parallel()
	leg := func(id string, fen int64, s FactState) LegFacts {
		return LegFacts{ID: id, Amount: money.Amount{Minor: fen, Currency: "CNY"}, State: s}
	}
	reversed := leg("self", 300, FactSucceeded)
	reversed.Refunded = true
	for _, row := range []struct {
		name  string
		was   PaymentState
		state FactState
		legs  []LegFacts
		only  bool
		want  string
	}{
		{"R22 the self-paid trade settles its leg alone", PaymentPending, "", []LegFacts{leg("self", 300, FactSucceeded)}, true, "pending succeeded pending"},
		{"R12 the trade says another amount", PaymentPending, "", []LegFacts{leg("self", 301, FactSucceeded)}, true, "pending pending pending disputed"},
		{"R22 both legs, one after the other", PaymentPending, "", []LegFacts{leg("self", 300, FactSucceeded), leg("insurance", 700, FactSucceeded)}, true, "succeeded succeeded succeeded order paid"},
		{"R32 failed while the trade is payable: close first", PaymentPending, FactFailed, []LegFacts{leg("self", 300, FactUnpaid), leg("insurance", 700, FactFailed)}, false, "closing pending failed"},
		{"R32 closed, and now it is over", PaymentClosing, FactFailed, []LegFacts{leg("self", 300, FactClosed), leg("insurance", 700, FactFailed)}, false, "failed closed failed"},
		{"R32 what was taken goes back", PaymentPending, FactFailed, []LegFacts{leg("self", 300, FactSucceeded), leg("insurance", 700, FactFailed)}, false, "failed succeeded failed incomplete self 300 created"},
		{"R31 reversed by the provider: recorded", PaymentPending, FactFailed, []LegFacts{reversed, leg("insurance", 700, FactFailed)}, false, "failed succeeded failed external self 300 succeeded"},
		{"R31 the insurance leg is not ours to refund", PaymentPending, FactFailed, []LegFacts{leg("self", 300, FactFailed), leg("insurance", 700, FactSucceeded)}, false, "failed failed succeeded alarm"},
		{"R32 a part is paid after the payment failed", PaymentFailed, "", []LegFacts{leg("self", 300, FactSucceeded)}, true, "failed succeeded pending incomplete self 300 created"},
		{"R32 closed at the provider when a part was taken: that part goes back", PaymentClosing, FactClosed, []LegFacts{leg("self", 300, FactSucceeded), leg("insurance", 700, FactClosed)}, false, "failed succeeded closed incomplete self 300 created"},
		{"a part is paid after it closed: ask", PaymentClosed, "", []LegFacts{leg("self", 300, FactSucceeded)}, true, "closing succeeded pending"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			rows := mixedRows(row.was)
			f := Facts{State: row.state, Number: rows.Payments[0].Number, MchID: "1", AppID: "wx", Legs: row.legs, LegsOnly: row.only}
			d, err := Settle(rows, f.Number, f, FromNotification, now)
			if err != nil {
				t.Fatal(err)
			}
			after := d.After(rows)
			p := after.Payments[0]
			got := fmt.Sprintf("%s %s %s", p.State, p.Legs[0].State, p.Legs[1].State)
			if p.Disputed != "" {
				got += " disputed"
			}
			if after.Order.State == OrderPaid {
				got += " order paid"
			}
			for _, r := range d.NewRefunds {
				got += fmt.Sprintf(" %s %s %d %s", r.Origin, r.Legs[0].LegID, r.Legs[0].Amount.Minor, r.Legs[0].State)
			}
			if len(d.Alarms) > 0 && len(d.NewRefunds) == 0 && p.Disputed == "" {
				got += " alarm"
			}
			if got != row.want {
				t.Errorf("got %q, want %q", got, row.want)
			}
		})
	}
}

// A query that still says unpaid when nobody can pay any more ends a mixed payment; what was taken of it goes back, and paid
// after all, only the rest does.
func TestR25_APartWasTakenOfWhatCountsAsClosed(t *testing.T) {
	t.Parallel()
	rows := mixedRows(PaymentClosing)
	p := &rows.Payments[0]
	p.SentAt, p.NotPayableAfter = now.Add(-3*time.Hour), now.Add(-time.Hour)
	f := Facts{State: FactUnpaid, Number: p.Number, MchID: "1", AppID: "wx", Legs: []LegFacts{
		{ID: "self", Amount: money.Amount{Minor: 300, Currency: "CNY"}, State: FactSucceeded},
		{ID: "insurance", Amount: money.Amount{Minor: 700, Currency: "CNY"}, State: FactUnpaid},
	}}
	for range 2 { // the second changes nothing
		d, err := Settle(rows, f.Number, f, FromQuery, now)
		if err != nil {
			t.Fatal(err)
		}
		rows = d.After(rows)
	}
	check(t, "payment", rows.Payments[0].State, PaymentFailed)
	if len(rows.Refunds) != 1 || rows.Refunds[0].Origin != OriginIncomplete || rows.Refunds[0].Amount.Minor != 300 {
		t.Fatalf("R32 what goes back: %+v", rows.Refunds)
	}
	f.State, f.PaidAt, f.Legs[1].State = FactSucceeded, now, FactSucceeded
	f.Amount = rows.Payments[0].Content.Amount
	d, err := Settle(rows, f.Number, f, FromQuery, now)
	if err != nil {
		t.Fatalf("R20 paid after all: %v", err)
	}
	for _, r := range d.NewRefunds {
		if len(r.Legs) != 1 || r.Legs[0].LegID != "insurance" || r.Amount.Minor != 700 {
			t.Errorf("the cash is on its way back already: %+v", r)
		}
	}
	check(t, "payment", d.After(rows).Payments[0].State, PaymentSucceeded)
}

// A failed refund is retried, and settled outside, against what is left of its own part (R29).
func TestR29_RetryLooksAtTheLeg(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name  string
		other RefundLeg
		want  bool
	}{
		{"R29 the cash was taken by another refund", RefundLeg{LegID: "self", State: RefundSucceeded}, false},
		{"R29 the insurance part was", RefundLeg{LegID: "insurance", State: RefundSucceeded}, true},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			rows := mixedRows(PaymentSucceeded)
			number := rows.Payments[0].Number
			amount := func(fen int64) money.Amount { return money.Amount{Minor: fen, Currency: "CNY"} }
			row.other.Amount = amount(200)
			rows.Refunds = []Refund{
				{Number: "a", Payment: number, Amount: amount(300), State: RefundFailed, Absent: true, Legs: []RefundLeg{{LegID: "self", Amount: amount(300), State: RefundFailed}}},
				{Number: "b", Payment: number, Amount: amount(200), State: RefundSucceeded, Legs: []RefundLeg{row.other}},
			}
			if _, err := RetryRefund(rows, "a", now); (err == nil) != row.want {
				t.Errorf("retried: %v", err)
			}
		})
	}
}
