package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/paybridge/paybridge/plugins/sdk"
	"github.com/paybridge/paybridge/plugins/wechat"
)

// wrong is one field that WeChat would refuse. It never repeats the value: that may be a person's.
type wrong struct{ Field, Problem string }

func (w *wrong) Error() string { return w.Field + " " + w.Problem }

func not(field, format string, a ...any) error { return &wrong{field, fmt.Sprintf(format, a...)} }

// fees is how a payment is divided, in fen.
type fees struct {
	kind             string // mix_pay_type
	total            int64  // additions included, reductions not taken off
	insured          int64  // fund, personal account and other insurance
	cash             int64  // what WeChat Pay takes
	additions, taken int64
}

// The kinds of payment.
const (
	cashOnly      = "CASH_ONLY"
	insuranceOnly = "INSURANCE_ONLY"
	mixed         = "CASH_AND_INSURANCE"
)

// divide adds the parts up, both ways that WeChat does. It fails on a part below zero and on sums that do not fit together.
func divide(m sdk.Medical) (f fees, err error) {
	for _, part := range []struct {
		field string
		fen   int64
	}{{"gov", m.Gov}, {"self", m.Self}, {"other", m.Other}, {"cash", m.Cash}} {
		if part.fen < 0 || part.fen > mostFen {
			return f, not("fees."+part.field, "must be 0 to %d fen", int64(mostFen))
		}
	}
	if f.additions, err = sum("fees.additions", additionTypes, m.CashAdditions); err != nil {
		return f, err
	}
	if f.taken, err = sum("fees.reductions", reductionTypes, m.CashReductions); err != nil {
		return f, err
	}
	f.insured = m.Gov + m.Self + m.Other
	f.cash = m.Cash + f.additions - f.taken
	f.total = f.insured + m.Cash + f.additions
	switch {
	case f.cash < 0:
		return f, not("fees.reductions", "are more than the cash part and its additions")
	case f.insured == 0 && f.cash == 0:
		return f, not("fees", "leave nothing to pay")
	case f.insured == 0:
		f.kind = cashOnly
	case f.cash == 0:
		f.kind = insuranceOnly
	default:
		f.kind = mixed
	}
	return f, nil
}

// mostFen keeps sums of all parts within WeChat's and ours.
const mostFen = math.MaxInt64 >> 16

const mostChanges = 20

func sum(field string, types []string, changes []sdk.CashChange) (total int64, err error) {
	if len(changes) > mostChanges {
		return 0, not(field, "has more than %d entries", mostChanges)
	}
	for i, c := range changes {
		at := field + "[" + strconv.Itoa(i) + "]"
		switch {
		case !slices.Contains(types, c.Type):
			return 0, not(at+".type", "must be one of %s", strings.Join(types, ", "))
		case c.Minor < 1 || c.Minor > mostFen:
			return 0, not(at+".amount", "must be 1 to %d fen", int64(mostFen))
		}
		total += c.Minor
	}
	return total, nil
}

// WeChat's enumerations.
var (
	orderTypes = []string{
		"REG_PAY", "DIAG_PAY", "COVID_EXAM_PAY", "IN_HOSP_PAY", "PHARMACY_PAY", "INSURANCE_PAY", "INT_REG_PAY", "INT_RE_DIAG_PAY",
		"INT_RX_PAY", "COVID_ANTIGEN_PAY", "MED_PAY",
	}
	cardTypes = []string{
		"ID_CARD", "HOUSEHOLD_REGISTRATION", "FOREIGNER_PASSPORT", "MAINLAND_TRAVEL_PERMIT_FOR_TW", "MAINLAND_TRAVEL_PERMIT_FOR_MO",
		"MAINLAND_TRAVEL_PERMIT_FOR_HK", "FOREIGN_PERMANENT_RESIDENT",
	}
	additionTypes  = []string{"DEFAULT_ADD_TYPE", "FREIGHT", "OTHER_MEDICAL_EXPENSES"}
	reductionTypes = []string{"DEFAULT_REDUCE_TYPE", "HOSPITAL_REDUCE", "PHARMACY_DISCOUNT", "DISCOUNT", "PRE_PAYMENT", "DEPOSIT_DEDUCTION"}
)

// check holds a payment against WeChat's document before anything is sent: lengths in bytes (字节数), as WeChat counts them. The error
// names one field.
func check(r sdk.Create) (fees, error) {
	m := r.Details.Medical
	if m == nil {
		return fees{}, not("medical", "is missing: an insurance entry pays orders with a bill")
	}
	f, err := divide(*m)
	if err != nil {
		return f, err
	}
	if err := f.agree(r); err != nil {
		return f, err
	}
	if err := texts(*m); err != nil {
		return f, err
	}
	if err := bureau(f.kind, *m); err != nil {
		return f, err
	}
	if err := passedThrough(m.Passthrough); err != nil {
		return f, err
	}
	if err := person("person", m.Person); err != nil {
		return f, err
	}
	if m.Payer != nil {
		return f, person("payer", *m.Payer)
	}
	return f, nil
}

// texts are the fields that both modes have.
func texts(m sdk.Medical) error {
	for _, c := range []struct {
		field, text string
		least, most int
	}{
		{"order_type", m.OrderType, 1, 32},
		{"serial_no", m.SerialNo, 1, 20},
		{"city_id", m.CityID, 1, 8},
		{"institution.name", m.InstitutionName, 1, 128},
		{"institution.number", m.InstitutionNo, 1, 32},
		{"channel_no", m.ChannelNo, 0, 32},
		{"passthrough", string(m.Passthrough), 0, 2048},
	} {
		if n := len(c.text); n < c.least || n > c.most {
			return not(c.field, "must have %d to %d bytes", c.least, c.most)
		}
	}
	switch {
	case !slices.Contains(orderTypes, m.OrderType):
		return not("order_type", "must be one of %s", strings.Join(orderTypes, ", "))
	case len(m.Passthrough) > 0 && !json.Valid(m.Passthrough):
		return not("passthrough", "must be JSON")
	}
	return nil
}

// passedThrough refuses what WeChat says itself to the bureau, and forbids to be passed through beside.
func passedThrough(content json.RawMessage) error {
	var given map[string]json.RawMessage
	if json.Unmarshal(content, &given) != nil { // no object: nothing is named
		return nil
	}
	for _, name := range []string{"pay_auth_no", "pay_ord_id", "setl_latlnt"} {
		if _, there := given[name]; there {
			return not("passthrough", "must not hold %s, which WeChat sends by itself", name)
		}
	}
	return nil
}

// agree compares the parts with the payment's amount and legs, which they were divided into.
func (f fees) agree(r sdk.Create) error {
	if r.Amount.Currency != "CNY" || r.Amount.Minor != f.insured+f.cash {
		return not("amount", "must be %d fen, the sum of the insurance and self-paid parts", f.insured+f.cash)
	}
	want := map[string]int64{wechat.LegSelf: f.cash, wechat.LegInsurance: f.insured}
	for _, leg := range r.Legs {
		if leg.Amount.Minor != want[leg.ID] || leg.Amount.Minor == 0 {
			return not("legs."+leg.ID, "is not the part of the bill that it stands for")
		}
		delete(want, leg.ID)
	}
	for id, fen := range want {
		if fen != 0 {
			return not("legs."+id, "is missing")
		}
	}
	return nil
}

// bureau is the table of the fields that come from the insurance bureau: all of them with an insurance part, else none.
func bureau(kind string, m sdk.Medical) error {
	none := kind == cashOnly
	for _, c := range []struct {
		field, text string
		most        int
	}{
		{"pay_order_id", m.PayOrderID, 64},
		{"pay_auth_no", m.PayAuthNo, 40},
		{"geo_location", m.GeoLocation, 40},
	} {
		switch {
		case none && c.text != "":
			return not(c.field, "must be left out where nothing is paid by insurance")
		case none:
		case c.text == "" || len(c.text) > c.most:
			return not(c.field, "must have 1 to %d bytes where a part is paid by insurance", c.most)
		}
	}
	switch {
	case none && !m.OrderedAt.IsZero():
		return not("ordered_at", "must be left out where nothing is paid by insurance")
	case none:
		return nil
	case m.OrderedAt.IsZero():
		return not("ordered_at", "is missing: when the bureau made its order")
	case !onEarth(m.GeoLocation):
		return not("geo_location", `must be longitude and latitude, as in "102.682296,25.054260"`)
	}
	return nil
}

func onEarth(location string) bool {
	longitude, latitude, ok := strings.Cut(location, ",")
	x, errX := strconv.ParseFloat(longitude, 64)
	y, errY := strconv.ParseFloat(latitude, 64)
	return ok && errX == nil && errY == nil && math.Abs(x) <= 180 && math.Abs(y) <= 90
}

func person(field string, p sdk.Person) error {
	switch {
	case p.Name == "" || len(p.Name) > 128:
		return not(field+".name", "must have 1 to 128 bytes")
	case !slices.Contains(cardTypes, p.CardType):
		return not(field+".card_type", "must be one of %s", strings.Join(cardTypes, ", "))
	case p.CardType == "ID_CARD" || p.CardType == "HOUSEHOLD_REGISTRATION":
		if err := citizen(p.IDNumber); err != nil {
			return not(field+".id_number", "%v", err)
		}
	case p.IDNumber == "" || len(p.IDNumber) > 64:
		return not(field+".id_number", "must have 1 to 64 bytes")
	}
	return nil
}

// citizen checks a citizen's number, of 18 characters or, in the old form, of 15 digits.
func citizen(number string) error {
	birth := ""
	switch {
	case len(number) == 18 && strings.Trim(number[:17], "0123456789") == "":
		birth = number[6:14]
		if last := strings.ToUpper(number[17:]); last != string(wechat.IDCheckDigit(number[:17])) {
			return errors.New("has a wrong check digit")
		}
	case len(number) == 15 && strings.Trim(number, "0123456789") == "":
		birth = "19" + number[6:12]
	default:
		return errors.New("must have 18 characters, or 15 digits in the old form")
	}
	if _, err := time.Parse("20060102", birth); err != nil {
		return errors.New("holds a date of birth that there is not")
	}
	return nil
}
