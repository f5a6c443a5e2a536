package pay

import (
	"errors"
	"fmt"
	"slices"
	"strings"
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
		{"R31 the insurance part waits for the hospital", PaymentPending, FactFailed, []LegFacts{leg("self", 300, FactFailed), leg("insurance", 700, FactSucceeded)}, false, "failed failed succeeded incomplete insurance 700 created"},
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

// mixedRefund is a payment whose cash and insurance parts were both taken, with one refund of 300 cash and 700 insurance.
func mixedRefund(t *testing.T) (Rows, string) {
	t.Helper()
	rows := mixedRows(PaymentSucceeded)
	rows.Order.State, rows.Order.SettledBy = OrderPaid, rows.Payments[0].Number
	for i := range rows.Payments[0].Legs {
		rows.Payments[0].Legs[i].State = PaymentSucceeded
	}
	f, d, err := RequestRefund(rows, rows.Payments[0].Number, RefundRequest{Reference: "back", Amount: rows.Order.Amount}, now)
	if err != nil {
		t.Fatal(err)
	}
	return d.After(rows), f.Number
}

// legStep is something that happens to a refund of two legs.
type legStep struct {
	name string
	do   func(rows Rows, number string) (Decision, error)
	want string // refund, cash leg, insurance leg; then what else is to be seen
}

// Each leg of a refund moves by itself: what one waits for, the other does not (R31, R33).
func TestTheLegsOfARefundMoveByThemselves(t *testing.T) {
	t.Parallel()
	refused := Outcome{Verdict: Rejected, Reason: InvalidRequest, Message: "RULE_LIMIT"}
	bureau := BureauRefund{Number: "B1", Gov: 500, Self: 150, Other: 50, RefundedAt: now}
	said := legStep{"the app says what the bureau gave back", func(rows Rows, n string) (Decision, error) { return RefundedAtBureau(rows, n, bureau, now) }, ""}
	report := func(o Outcome) func(Rows, string) (Decision, error) {
		return func(rows Rows, n string) (Decision, error) {
			leg, _ := rows.Refunds[0].Insurance()
			return RefundReported(rows, n, *leg.Bureau, o, now)
		}
	}
	send := func(rows Rows, n string) (Decision, error) {
		d, ready, err := SendRefund(rows, n, now)
		if !ready && err == nil {
			err = errors.New("it was not sent")
		}
		return d, err
	}
	answer := func(o Outcome) func(Rows, string) (Decision, error) {
		return func(rows Rows, n string) (Decision, error) { return RefundAnswered(rows, n, o, nil, now) }
	}
	query := func(o Outcome) func(Rows, string) (Decision, error) {
		return func(rows Rows, n string) (Decision, error) { return RefundQueried(rows, n, o, nil, now) }
	}
	facts := func(s RefundFactState) func(Rows, string) (Decision, error) {
		return func(rows Rows, n string) (Decision, error) {
			f := RefundFacts{State: s, Number: n, Payment: rows.Payments[0].Number, MchID: "1", ProviderID: "wx", Amount: money.Amount{Minor: 300, Currency: "CNY"}}
			return SettleRefund(rows, n, f, FromQuery, now)
		}
	}
	cancel := func(rows Rows, n string) (Decision, error) { return CancelInsuranceLeg(rows, n, now) }
	outside := func(rows Rows, n string) (Decision, error) {
		return SettleOutside(rows, n, SettledOutside{Name: "Li", Reason: "paid in cash", Anyway: true}, now)
	}
	accepted := Outcome{Verdict: Accepted}
	as := func(s legStep, want string) legStep { s.want = want; return s }
	for name, steps := range map[string][]legStep{
		"the report is refused, and the cash goes back all the same": {
			as(said, "created created processing, due in 0s"),
			{"the report is refused", report(refused), "created created processing, due in 0s, needs attention, alarm"},
			{"sent", send, "processing processing processing, due in 10s, needs attention"},
			{"the cash is back", facts(RefundFactSucceeded), "processing succeeded processing, due in 10s, needs attention"},
			{"refused again", report(refused), "processing succeeded processing, due in 30s, needs attention"},
			{"the app puts the sums right", func(rows Rows, n string) (Decision, error) {
				right := bureau
				right.Gov, right.Self = 550, 100
				return RefundedAtBureau(rows, n, right, now)
			}, "processing succeeded processing, due in 0s"},
			{"and now they are taken", report(accepted), "succeeded succeeded succeeded, refund.succeeded"},
		},
		"the app had said that the bureau refunded, and gives up": {
			as(said, "created created processing, due in 0s"),
			{"before anything is refused", cancel, "the insurance leg of refund"},
			{"the report is refused", report(refused), "created created processing, due in 0s, needs attention, alarm"},
			{"given up", cancel, "created created closed, due in 0s"},
			{"sent", send, "processing processing closed, due in 40s"},
			{"the cash is back", facts(RefundFactSucceeded), "succeeded succeeded closed, refund.succeeded"},
		},
		"the cash is refused while the report is to be sent": {
			{"sent", send, "processing processing created, due in 40s"},
			as(said, "processing processing processing, due in 0s"),
			{"refused", answer(refused), "failed failed processing, due in 0s, refund.failed"},
			{"the provider does not know it", query(Outcome{Verdict: Rejected, Reason: NotFound}), "failed failed processing, due in 0s"},
			{"reported", report(accepted), "failed failed succeeded"},
			{"retried", func(rows Rows, n string) (Decision, error) { return RetryRefund(rows, n, now) }, "processing processing succeeded, due in 0s"},
			{"sent", send, "processing processing succeeded, due in 40s"},
			{"closed", facts(RefundFactClosed), "succeeded closed succeeded, refund.succeeded"},
		},
		"the cash is settled outside, and is asked about while the report waits": {
			{"sent", send, "processing processing created, due in 40s"},
			{"the provider has it", answer(accepted), "processing processing created, due in 10s"},
			{"settled", outside, "settled_outside settled_outside created, due in 1h0m0s, refund.settled_outside"},
			as(said, "settled_outside settled_outside processing, due in 0s"),
			{"reported", report(accepted), "settled_outside settled_outside succeeded, due in 24h0m0s"},
			{"the provider does not know the cash", query(Outcome{Verdict: Rejected, Reason: NotFound}), "settled_outside settled_outside succeeded"},
		},
		"the sums are put right while the old ones are being told": {
			as(said, "created created processing, due in 0s"),
			{"other sums", func(rows Rows, n string) (Decision, error) {
				right := bureau
				right.Gov, right.Self = 550, 100
				return RefundedAtBureau(rows, n, right, now)
			}, "created created processing, due in 0s"},
			{"the old ones are taken", func(rows Rows, n string) (Decision, error) { return RefundReported(rows, n, bureau, accepted, now) }, "created created processing, due in 0s"},
			{"the right ones are taken", report(accepted), "created created succeeded, due in 0s"},
		},
		"the part is given up while it is being told": {
			as(said, "created created processing, due in 0s"),
			{"refused", report(refused), "created created processing, due in 0s, needs attention, alarm"},
			{"given up", cancel, "created created closed, due in 0s"},
			{"taken all the same", func(rows Rows, n string) (Decision, error) { return RefundReported(rows, n, bureau, accepted, now) }, "created created closed, due in 0s, alarm"},
		},
		"a report that is never taken is settled outside": {
			{"sent", send, "processing processing created, due in 40s"},
			{"the cash is back", facts(RefundFactSucceeded), "processing succeeded created, due in 1h0m0s"},
			{"there is nothing to settle yet", outside, "waits for the app"},
			as(said, "processing succeeded processing, due in 0s"),
			{"refused", report(refused), "processing succeeded processing, due in 10s, needs attention, alarm"},
			{"settled", outside, "settled_outside succeeded settled_outside, refund.settled_outside"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rows, number := mixedRefund(t)
			for _, step := range steps {
				d, err := step.do(rows, number)
				if err != nil {
					if !strings.Contains(err.Error(), step.want) {
						t.Fatalf("%s: %v, want %s", step.name, err, step.want)
					}
					continue
				}
				rows = d.After(rows)
				r := rows.Refunds[0]
				got := fmt.Sprintf("%s %s %s", r.State, r.Legs[0].State, r.Legs[1].State)
				if !r.Due.IsZero() {
					got += fmt.Sprintf(", due in %s", r.Due.Sub(now))
				}
				if r.NeedsAttention != "" {
					got += ", needs attention"
				}
				if len(d.Alarms) > 0 {
					got += ", alarm"
				}
				for _, e := range d.Events {
					got += ", " + string(e.Kind)
				}
				if got != step.want {
					t.Fatalf("%s: got %q, want %q", step.name, got, step.want)
				}
			}
		})
	}
}

// A refund that nobody asked for tells the app which part of it the hospital has to have refunded at the bureau (R32).
func TestR32_TheAppIsToldOfTheInsurancePart(t *testing.T) {
	t.Parallel()
	paid := func(rows Rows) Facts {
		return Facts{State: FactSucceeded, Number: rows.Payments[0].Number, MchID: "1", AppID: "wx", Amount: rows.Order.Amount, PaidAt: now}
	}
	for name, row := range map[string]struct {
		state  OrderState
		facts  func(Rows) Facts
		origin Origin
	}{
		"twice": {OrderPaid, paid, OriginDuplicate},
		"late":  {OrderClosed, paid, OriginLate},
		"incomplete": {OrderOpen, func(rows Rows) Facts {
			f := paid(rows)
			f.State, f.Legs = FactFailed, []LegFacts{
				{ID: "self", Amount: money.Amount{Minor: 300, Currency: "CNY"}, State: FactFailed},
				{ID: "insurance", Amount: money.Amount{Minor: 700, Currency: "CNY"}, State: FactSucceeded},
			}
			return f
		}, OriginIncomplete},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rows := mixedRows(PaymentPending)
			if rows.Order.State = row.state; row.state == OrderPaid {
				rows.Order.SettledBy = "another"
			}
			d, err := Settle(rows, rows.Payments[0].Number, row.facts(rows), FromQuery, now)
			if err != nil || len(d.NewRefunds) != 1 {
				t.Fatalf("%+v, %v", d.NewRefunds, err)
			}
			r := d.NewRefunds[0]
			leg, ok := r.Insurance()
			if r.Origin != row.origin || !ok || leg.Amount.Minor != 700 || leg.State != RefundCreated || r.Due.IsZero() {
				t.Errorf("the refund is %+v", r)
			}
			if len(d.Alarms) != 1 || d.Alarms[0].Number != r.Number || !strings.Contains(d.Alarms[0].What, "700") {
				t.Errorf("the alarms are %+v", d.Alarms)
			}
			i := slices.IndexFunc(d.Events, func(e Event) bool { return e.Kind == EventRefundBureauDue })
			if i < 0 {
				t.Fatalf("the events are %+v", d.Events)
			}
			if told := d.Told(d.After(rows)).Events[i].Data.Refund; told == nil || told.Number != r.Number || told.Insurance != 700 {
				t.Errorf("the event says %+v", told)
			}
		})
	}
}

// What the provider says was refunded is recorded of the part that it says it of, once, and what we said ourselves is not (R21).
func TestR21_APartWasRefundedElsewhere(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		refunded string // which legs, as the provider says
		reported bool   // we have told it of the bureau's refund
		want     string
	}{
		"the cash":                  {"self", false, "external self, alarm"},
		"the insurance part":        {"insurance", false, "alarm"},
		"what we reported":          {"insurance", true, ""},
		"the cash, beside our part": {"self insurance", true, "external self, alarm"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rows := mixedRows(PaymentSucceeded)
			p := rows.Payments[0]
			if row.reported {
				amount := money.Amount{Minor: 200, Currency: "CNY"}
				rows.Refunds = []Refund{{Number: "r", Payment: p.Number, Amount: amount, State: RefundSucceeded, Legs: []RefundLeg{
					{LegID: "insurance", Amount: amount, State: RefundSucceeded, Bureau: &BureauRefund{Number: "B", Gov: 200}},
				}}}
			}
			f := Facts{State: FactSucceeded, Refunded: true, Number: p.Number, MchID: "1", AppID: "wx", Amount: p.Content.Amount, PaidAt: now}
			for _, leg := range p.Legs {
				f.Legs = append(f.Legs, LegFacts{ID: leg.ID, Amount: leg.Amount, State: FactSucceeded, Refunded: strings.Contains(row.refunded, leg.ID)})
			}
			d, err := Settle(rows, p.Number, f, FromQuery, now)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, r := range d.NewRefunds {
				got = append(got, string(r.Origin)+" "+r.Legs[0].LegID)
			}
			if len(d.Alarms) > 0 {
				got = append(got, "alarm")
			}
			if s := strings.Join(got, ", "); s != row.want {
				t.Fatalf("got %q, want %q", s, row.want)
			}
			if len(d.NewRefunds) == 0 {
				return
			}
			after := d.After(rows) // of how much nobody knows: the cash waits for the bill, and the insurance part does not (R21)
			for leg, code := range map[string]string{"self": CodeRefundUnknown, "insurance": ""} {
				_, _, err := RequestRefund(after, p.Number, RefundRequest{Reference: leg, Amount: money.Amount{Minor: 100, Currency: "CNY"}, Legs: map[string]int64{leg: 100}}, now)
				var refusal *Refusal
				if errors.As(err, &refusal); err != nil && (refusal == nil || refusal.Code != code) || err == nil && code != "" {
					t.Errorf("a refund of %s: %v, want %q", leg, err, code)
				}
			}
		})
	}
}
