package main

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/paybridge/paybridge/plugins/sdk"
	"github.com/paybridge/paybridge/plugins/wechat"
)

// valid is a mixed payment that passes; each row of the table breaks one field of it.
func valid() sdk.Create {
	m := bill()
	m.SerialNo, m.PayOrderID, m.PayAuthNo, m.GeoLocation, m.OrderedAt = "S1", "ORD1", "AUTH1", "102.682296,25.054260", time.Unix(1_790_000_000, 0)
	return sdk.Create{
		Call: call(), Number: number(1), Amount: yuan(1000), Details: sdk.Details{Medical: &m},
		Legs: []sdk.Leg{{ID: "self", Amount: yuan(300)}, {ID: "insurance", Amount: yuan(700)}},
	}
}

func TestViolationsNameTheirField(t *testing.T) {
	t.Parallel()
	if _, err := check(valid()); err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		field string
		spoil func(r *sdk.Create, m *sdk.Medical)
	}{
		{"amount", func(r *sdk.Create, _ *sdk.Medical) { r.Amount.Minor++ }},
		{"legs.self", func(r *sdk.Create, _ *sdk.Medical) { r.Legs[0].Amount.Minor-- }},
		{"legs.insurance", func(r *sdk.Create, _ *sdk.Medical) { r.Legs = r.Legs[:1] }},
		{"fees.gov", func(_ *sdk.Create, m *sdk.Medical) { m.Gov = -1 }},
		{"fees.reductions", func(_ *sdk.Create, m *sdk.Medical) { m.CashReductions[0].Minor = 451 }},
		{"fees.reductions[0].type", func(_ *sdk.Create, m *sdk.Medical) { m.CashReductions[0].Type = "FREIGHT" }},
		{"fees.additions[0].amount", func(_ *sdk.Create, m *sdk.Medical) { m.CashAdditions[0].Minor = 0 }},
		{"order_type", func(_ *sdk.Create, m *sdk.Medical) { m.OrderType = "RegPay" }},
		{"serial_no", func(_ *sdk.Create, m *sdk.Medical) { m.SerialNo = strings.Repeat("1", 21) }},
		{"city_id", func(_ *sdk.Create, m *sdk.Medical) { m.CityID = "" }},
		{"institution.name", func(_ *sdk.Create, m *sdk.Medical) { m.InstitutionName = strings.Repeat("院", 43) }},
		{"institution.number", func(_ *sdk.Create, m *sdk.Medical) { m.InstitutionNo = "" }},
		{"passthrough", func(_ *sdk.Create, m *sdk.Medical) { m.Passthrough = []byte("{") }},
		{"passthrough", func(_ *sdk.Create, m *sdk.Medical) { m.Passthrough = []byte(`{"a":1,"setl_latlnt":"102,25"}`) }},
		{"pay_order_id", func(_ *sdk.Create, m *sdk.Medical) { m.PayOrderID = "" }},
		{"pay_auth_no", func(_ *sdk.Create, m *sdk.Medical) { m.PayAuthNo = strings.Repeat("1", 41) }},
		{"geo_location", func(_ *sdk.Create, m *sdk.Medical) { m.GeoLocation = "25.05" }},
		{"ordered_at", func(_ *sdk.Create, m *sdk.Medical) { m.OrderedAt = time.Time{} }},
		{"pay_order_id", func(r *sdk.Create, m *sdk.Medical) { // in cash alone
			m.Gov, m.Self, m.Other = 0, 0, 0
			r.Amount, r.Legs = yuan(300), r.Legs[:1]
		}},
		{"person.name", func(_ *sdk.Create, m *sdk.Medical) { m.Person.Name = "" }},
		{"person.card_type", func(_ *sdk.Create, m *sdk.Medical) { m.Person.CardType = "" }},
		{"person.id_number", func(_ *sdk.Create, m *sdk.Medical) { m.Person.IDNumber = "440300190001011238" }},
		{"person.id_number", func(_ *sdk.Create, m *sdk.Medical) { m.Person.IDNumber = "440300991301012" }},
		{"payer.id_number", func(_ *sdk.Create, m *sdk.Medical) { m.Payer = &sdk.Person{Name: "n", CardType: "FOREIGNER_PASSPORT"} }},
	} {
		r := valid()
		row.spoil(&r, r.Details.Medical)
		_, err := check(r)
		var w *wrong
		if !errors.As(err, &w) || w.Field != row.field {
			t.Errorf("want %s, got %v", row.field, err)
			continue
		}
		if strings.Contains(err.Error(), r.Details.Medical.Person.IDNumber) {
			t.Errorf("R45: %v", err)
		}
	}
	old := valid()
	old.Details.Medical.Person.IDNumber = "440300900101123"
	if _, err := check(old); err != nil {
		t.Errorf("a number of 15 digits: %v", err)
	}
}

func TestTheDigestIsWeChats(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join("testdata", "id-digest.json"))
	if err != nil {
		t.Fatal(err)
	}
	var vector struct {
		Number string `json:"id_number"`
		Digest string `json:"id_digest"`
	}
	if err := json.Unmarshal(text, &vector); err != nil {
		t.Fatal(err)
	}
	if got := wechat.IDDigest(vector.Number, "ID_CARD"); got != vector.Digest {
		t.Errorf("got %s, want %s", got, vector.Digest)
	}
	if wechat.IDDigest("110105491231002", "ID_CARD") != wechat.IDDigest("11010519491231002x", "ID_CARD") {
		t.Error("15 digits and their form of 18 differ")
	}
}

func TestStates(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		mix, self, insurance string
		want                 sdk.PaymentState
	}{
		{"MIX_PAY_CREATED", "SELF_PAY_CREATED", "MED_INS_PAY_CREATED", sdk.PaymentPending},
		{"MIX_PAY_CREATED", "SELF_PAY_SUCCESS", "MED_INS_PAY_CREATED", sdk.PaymentPending},
		{"MIX_PAY_SUCCESS", "SELF_PAY_SUCCESS", "MED_INS_PAY_SUCCESS", sdk.PaymentSucceeded},
		{"MIX_PAY_SUCCESS", "NO_SELF_PAY", "MED_INS_PAY_SUCCESS", sdk.PaymentSucceeded},
		{"MIX_PAY_SUCCESS", "SELF_PAY_SUCCESS", "NO_MED_INS_PAY", sdk.PaymentSucceeded},
		{"MIX_PAY_SUCCESS", "SELF_PAY_CREATED", "MED_INS_PAY_SUCCESS", sdk.PaymentUnknown},
		{"MIX_PAY_SUCCESS", "NO_SELF_PAY", "NO_MED_INS_PAY", sdk.PaymentUnknown},
		{"MIX_PAY_SUCCESS", "SELF_PAY_REFUND", "MED_INS_PAY_SUCCESS", sdk.PaymentRefunded},
		{"MIX_PAY_REFUND", "SELF_PAY_SUCCESS", "MED_INS_PAY_REFUND", sdk.PaymentRefunded},
		{"MIX_PAY_REFUND", "SELF_PAY_FAIL", "MED_INS_PAY_REFUND", sdk.PaymentUnknown},
		{"MIX_PAY_FAIL", "SELF_PAY_SUCCESS", "MED_INS_PAY_FAIL", sdk.PaymentFailed},
		{"MIX_PAY_FAIL", "UNKNOWN_SELF_PAY_STATUS", "MED_INS_PAY_FAIL", sdk.PaymentUnknown},
		{"UNKNOWN_MIX_PAY_STATUS", "SELF_PAY_SUCCESS", "MED_INS_PAY_SUCCESS", sdk.PaymentUnknown},
	} {
		if got := (wechat.MedIns{MixStatus: row.mix, SelfStatus: row.self, InsStatus: row.insurance}).State(); got != row.want {
			t.Errorf("%s %s %s: %d, want %d", row.mix, row.self, row.insurance, got, row.want)
		}
	}
}

// Whatever the signed body decrypts to, it is read or refused.
func FuzzMedInsFacts(f *testing.F) {
	f.Add([]byte(`{"mix_trade_no":"1","out_trade_no":"030101","mix_pay_status":"MIX_PAY_SUCCESS","self_pay_status":"NO_SELF_PAY","med_ins_pay_status":"MED_INS_PAY_SUCCESS","med_ins_gov_fee":700}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		var m wechat.MedIns
		if json.Unmarshal(text, &m) != nil {
			return
		}
		if facts := m.Facts(); facts.State == sdk.PaymentSucceeded && m.MixStatus != "MIX_PAY_SUCCESS" {
			t.Errorf("%s is read as paid", m.MixStatus)
		}
	})
}
