package pay

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/paybridge/paybridge/core/money"
)

// The oracle knows the facts alone: both formulas of WeChat's, each part no less than nothing, each change at least a fen.
func billHolds(b Bill, amount int64) bool {
	var added, taken int64
	for _, c := range b.Additions {
		if c.Fen < 1 {
			return false
		}
		added += c.Fen
	}
	for _, c := range b.Reductions {
		if c.Fen < 1 {
			return false
		}
		taken += c.Fen
	}
	wechat := amount - b.Gov - b.Self - b.Other // wechat_pay_cash_fee
	return b.Gov >= 0 && b.Self >= 0 && b.Other >= 0 && b.Cash >= 0 && wechat >= 0 && b.Total >= 0 &&
		wechat == b.Cash+added-taken &&
		b.Total == b.Gov+b.Self+b.Other+wechat+taken &&
		b.Total == b.Gov+b.Self+b.Other+b.Cash+added
}

// blamed are the fields of which the facts say that they are wrong.
func blamed(b Bill, amount int64) (fields []string) {
	add := func(wrong bool, field string) {
		if wrong {
			fields = append(fields, field)
		}
	}
	var added, taken int64
	for i, c := range b.Additions {
		add(c.Fen < 1, fmt.Sprintf("bill.fees.additions[%d].amount", i))
		added += c.Fen
	}
	for i, c := range b.Reductions {
		add(c.Fen < 1, fmt.Sprintf("bill.fees.reductions[%d].amount", i))
		taken += c.Fen
	}
	insured := b.Gov + b.Self + b.Other
	add(b.Gov < 0, "bill.fees.gov")
	add(b.Self < 0, "bill.fees.self")
	add(b.Other < 0, "bill.fees.other")
	add(b.Cash < 0, "bill.fees.cash")
	add(b.Total < 0 || b.Total != insured+b.Cash+added, "bill.fees.total")
	add(b.Cash+added < taken, "bill.fees.reductions")
	add(amount != insured+b.Cash+added-taken, "amount")
	return fields
}

// randomBill is valid in half of its draws; in the others one number is moved.
func randomBill(r *rand.Rand) (b Bill, amount int64) {
	part := func() int64 { return r.Int64N(3) * r.Int64N(100_000) }
	changes := func() (all []CashChange) {
		for range r.IntN(4) {
			all = append(all, CashChange{"X", 1 + r.Int64N(500)})
		}
		return all
	}
	b = Bill{Gov: part(), Self: part(), Other: part(), Cash: part(), Additions: changes(), Reductions: changes()}
	for b.Payable() < 0 {
		b.Reductions = b.Reductions[1:]
	}
	b.Total, amount = b.Insured()+b.Cash+sumOf(b.Additions), b.Insured()+b.Payable()
	if r.IntN(2) == 0 {
		return b, amount
	}
	by := (1 + r.Int64N(1000)) * (1 - 2*r.Int64N(2))
	of := []*int64{&b.Gov, &b.Self, &b.Other, &b.Cash, &b.Total, &amount}
	for i := range b.Additions {
		of = append(of, &b.Additions[i].Fen)
	}
	for i := range b.Reductions {
		of = append(of, &b.Reductions[i].Fen)
	}
	*of[r.IntN(len(of))] += by
	return b, amount
}

func TestTenThousandBillsAgainstTheFacts(t *testing.T) {
	t.Parallel()
	const seed = 20261126
	r := rand.New(rand.NewPCG(seed, 1)) //nolint:gosec // repeatable on purpose
	good := 0
	for i := range 10_000 {
		b, amount := randomBill(r)
		field, problem := b.Check(money.Amount{Minor: amount, Currency: "CNY"})
		holds := billHolds(b, amount)
		if (field == "") != holds || (field == "") != (problem == "") {
			t.Fatalf("seed %d, bill %d: %+v of %d: %q %q, and the facts say %v", seed, i, b, amount, field, problem, holds)
		}
		if !holds {
			if wrong := blamed(b, amount); !slices.Contains(wrong, field) {
				t.Fatalf("seed %d, bill %d: %+v of %d: %s is blamed, and the facts blame %v", seed, i, b, amount, field, wrong)
			}
			continue
		}
		good++
		var sum int64
		for _, leg := range b.Legs("CNY") {
			sum += leg.Amount.Minor
		}
		if sum != amount {
			t.Fatalf("seed %d, bill %d: legs of %d, amount %d", seed, i, sum, amount)
		}
	}
	if good < 4000 || good > 6000 {
		t.Errorf("%d of 10000 were valid: the draw says little", good)
	}
}

// An order that is asked for again is the stored one, also when that no longer names its persons.
func TestR45_ABillWithoutPersonsIsTheSame(t *testing.T) {
	t.Parallel()
	bill := Bill{OrderType: "REG_PAY", Gov: 7, Person: MedicalPerson{"A", "1", "ID_CARD"}, Payer: &MedicalPerson{"B", "2", "ID_CARD"}, Passthrough: []byte(`{}`)}
	other := bill
	other.Gov = 8
	forgotten := bill.WithoutPersons()
	for _, row := range []struct {
		name          string
		stored, asked *Bill
		want          bool
	}{
		{"the same", &bill, &bill, true},
		{"other fees", &bill, &other, false},
		{"other persons", &bill, &Bill{OrderType: "REG_PAY", Gov: 7, Person: MedicalPerson{"C", "3", "ID_CARD"}}, false},
		{"persons forgotten", &forgotten, &bill, true},
		{"persons forgotten, other fees", &forgotten, &other, false},
		{"none", nil, nil, true},
		{"none stored", nil, &bill, false},
	} {
		check(t, row.name, sameBill(row.stored, row.asked), row.want)
	}
}
