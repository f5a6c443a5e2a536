package pay

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/paybridge/paybridge/core/money"
)

// Bill is what an order of a hospital says beside its amount: fees, institution and persons. It holds personal data: it is
// encrypted at rest, and stands in no log, event or audit row (R45). Sums are fen.
type Bill struct {
	OrderType       string          `json:"order_type"` // the provider's word, for example "REG_PAY"
	CityID          string          `json:"city_id"`    // the provider's city code
	InstitutionName string          `json:"institution_name"`
	InstitutionNo   string          `json:"institution_no"`
	Total           int64           `json:"total"` // gov + self + other + cash + additions
	Gov             int64           `json:"gov"`   // paid by the fund
	Self            int64           `json:"self"`  // paid from the personal insurance account
	Other           int64           `json:"other"` // paid by other insurance
	Cash            int64           `json:"cash"`  // by the bureau's reckoning, before additions and reductions
	Additions       []CashChange    `json:"additions,omitempty"`
	Reductions      []CashChange    `json:"reductions,omitempty"`
	Person          MedicalPerson   `json:"person"`          // who was treated
	Payer           *MedicalPerson  `json:"payer,omitempty"` // who pays for a relative; nil when the person pays
	Passthrough     json.RawMessage `json:"passthrough,omitempty"`
	ChannelNo       string          `json:"channel_no,omitempty"`
}

// MedicalPart is what the insurance bureau gave for one payment of a bill. All but SerialNo is empty without an insurance part.
type MedicalPart struct {
	SerialNo    string    // the hospital's fee upload number
	PayOrderID  string    // the bureau's order
	PayAuthNo   string    // its one-time authorization; lives minutes
	GeoLocation string    // "lng,lat", of the payer
	OrderedAt   time.Time // when the bureau made its order
}

// mostOfBill is the most that one part of a bill may be, so that no sum of them overflows.
const mostOfBill = math.MaxInt64 >> 16

// Insured is the part that insurance pays, and Payable what the payer pays: the bureau's cash part with what is added to it
// and taken off.
func (b Bill) Insured() int64 { return b.Gov + b.Self + b.Other }

// Payable is what the payer pays.
func (b Bill) Payable() int64 { return b.Cash + sumOf(b.Additions) - sumOf(b.Reductions) }

func sumOf(changes []CashChange) (sum int64) {
	for _, c := range changes {
		sum += c.Fen
	}
	return sum
}

// Check holds a bill's fees against each other and against the amount of its order. field is empty when they agree, else the
// one that is wrong and what it should be. Nothing of it repeats a value of the bill's persons.
func (b Bill) Check(amount money.Amount) (field, problem string) {
	for _, part := range []struct {
		field string
		fen   int64
	}{{"total", b.Total}, {"gov", b.Gov}, {"self", b.Self}, {"other", b.Other}, {"cash", b.Cash}} {
		if part.fen < 0 || part.fen > mostOfBill {
			return "bill.fees." + part.field, "must be 0 fen or more"
		}
	}
	for _, list := range []struct {
		field   string
		changes []CashChange
	}{{"additions", b.Additions}, {"reductions", b.Reductions}} {
		if len(list.changes) > 20 {
			return "bill.fees." + list.field, "must have at most 20 entries"
		}
		for i, c := range list.changes {
			if c.Fen < 1 || c.Fen > mostOfBill {
				return fmt.Sprintf("bill.fees.%s[%d].amount", list.field, i), "must be 1 fen or more"
			}
		}
	}
	switch {
	case len(b.Passthrough) > 0 && !json.Valid(b.Passthrough):
		return "bill.passthrough", "must be JSON"
	case b.Total != b.Insured()+b.Cash+sumOf(b.Additions):
		return "bill.fees.total", "must be gov + self + other + cash + additions"
	case b.Payable() < 0:
		return "bill.fees.reductions", "must not be more than cash + additions"
	case b.Insured()+b.Payable() != amount.Minor:
		return "amount", "must be gov + self + other + cash + additions - reductions of the bill"
	}
	return "", ""
}

// Legs are the parts by which a bill is paid: cash first, then insurance.
func (b Bill) Legs(currency string) (legs []Leg) {
	for _, part := range []struct {
		kind LegKind
		fen  int64
	}{{LegSelf, b.Payable()}, {LegInsurance, b.Insured()}} {
		if part.fen > 0 {
			legs = append(legs, Leg{ID: string(part.kind), Kind: part.kind, Amount: money.Amount{Minor: part.fen, Currency: currency}, State: PaymentCreated})
		}
	}
	return legs
}

// WithoutPersons is the bill without what tells who was treated and who paid. Its fees stay: refunds are held against them.
func (b Bill) WithoutPersons() Bill {
	b.Person, b.Payer, b.Passthrough = b.Person.forgotten(), b.Payer.orNobody(), nil
	return b
}

// WithoutPersons is the details without what tells who was treated and who paid, or where they were.
func (d Details) WithoutPersons() Details {
	d.Extension = nil
	if d.Medical == nil {
		return d
	}
	m := *d.Medical
	m.Person, m.Payer, m.Passthrough, m.PayAuthNo, m.GeoLocation = m.Person.forgotten(), m.Payer.orNobody(), nil, "", ""
	d.Medical = &m
	return d
}

func (p MedicalPerson) forgotten() MedicalPerson { return MedicalPerson{CardType: p.CardType} }

func (p *MedicalPerson) orNobody() *MedicalPerson {
	if p == nil {
		return nil
	}
	nobody := p.forgotten()
	return &nobody
}

// Medical is what a payment of the bill sends.
func (b Bill) Medical(part MedicalPart) *Medical {
	return &Medical{
		OrderType: b.OrderType, SerialNo: part.SerialNo, PayOrderID: part.PayOrderID, PayAuthNo: part.PayAuthNo, GeoLocation: part.GeoLocation,
		CityID: b.CityID, InstitutionName: b.InstitutionName, InstitutionNo: b.InstitutionNo, OrderedAt: part.OrderedAt,
		Gov: b.Gov, Self: b.Self, Other: b.Other, Cash: b.Cash, CashAdditions: b.Additions, CashReductions: b.Reductions,
		Person: b.Person, Payer: b.Payer, Passthrough: b.Passthrough, ChannelNo: b.ChannelNo,
	}
}

// sameBill tells whether two bills ask for the same: of a stored one whose persons were removed, in all but those.
func sameBill(stored, b *Bill) bool {
	if stored == nil || b == nil {
		return stored == b
	}
	asked := *b
	if stored.Person.Name == "" {
		asked = b.WithoutPersons()
	}
	x, errX := json.Marshal(stored)
	y, errY := json.Marshal(asked)
	return errX == nil && errY == nil && slices.Equal(x, y)
}

// paidBy tells whether a payment was made with this medical part. A part without a payment of a bill, or the other way round,
// is another.
func (p Payment) paidBy(part *MedicalPart) bool {
	var m *Medical
	if p.Content.Details != nil {
		m = p.Content.Details.Medical
	}
	if part == nil || m == nil {
		return part == nil && m == nil
	}
	return m.SerialNo == part.SerialNo && m.PayOrderID == part.PayOrderID && m.PayAuthNo == part.PayAuthNo &&
		m.GeoLocation == part.GeoLocation && m.OrderedAt.Equal(part.OrderedAt)
}
