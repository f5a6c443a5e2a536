package httpapi

import (
	"encoding/json"

	"github.com/paybridge/paybridge/core/pay"
)

// billOf reads a hospital's bill. It is never answered: it holds personal data.
func billOf(b Bill) *pay.Bill {
	out := &pay.Bill{
		OrderType: b.OrderType, CityID: b.CityID, InstitutionName: b.Institution.Name, InstitutionNo: b.Institution.Number,
		Total: b.Fees.Total, Gov: given(b.Fees.Gov), Self: given(b.Fees.Self), Other: given(b.Fees.Other), Cash: given(b.Fees.Cash),
		Additions: changesOf(given(b.Fees.Additions)), Reductions: changesOf(given(b.Fees.Reductions)),
		Person: patientOf(b.Person), ChannelNo: given(b.ChannelNo), Passthrough: json.RawMessage(given(b.Passthrough)),
	}
	if b.Payer != nil {
		payer := patientOf(*b.Payer)
		out.Payer = &payer
	}
	return out
}

func changesOf(all []BillChange) (out []pay.CashChange) {
	for _, c := range all {
		out = append(out, pay.CashChange{Type: c.Type, Fen: c.Amount})
	}
	return out
}

func patientOf(p BillPerson) pay.MedicalPerson {
	return pay.MedicalPerson{Name: p.Name, IDNumber: p.IDNumber, CardType: p.CardType}
}

func medicalOf(m Medical) *pay.MedicalPart {
	return &pay.MedicalPart{
		SerialNo: m.SerialNo, PayOrderID: given(m.PayOrderID), PayAuthNo: given(m.PayAuthNo), GeoLocation: given(m.GeoLocation),
		OrderedAt: given(m.OrderedAt),
	}
}
