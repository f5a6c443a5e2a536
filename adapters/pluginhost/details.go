package pluginhost

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/paybridge/paybridge/core/pay"
	pb "github.com/paybridge/paybridge/plugins/proto/providerv1"
)

// details is what only some payments need, as the contract says it; nil for an ordinary payment.
func details(d *pay.Details) *pb.Details {
	switch {
	case d == nil:
		return nil
	case d.Medical != nil:
		return &pb.Details{Kind: &pb.Details_Medical{Medical: medical(d.Medical)}}
	case d.Extension != nil:
		return &pb.Details{Kind: &pb.Details_Extension{Extension: &pb.ExtensionDetails{Type: d.Extension.Type, Json: d.Extension.JSON}}}
	}
	return nil
}

func medical(m *pay.Medical) *pb.MedicalDetails {
	out := &pb.MedicalDetails{
		OrderType: m.OrderType, SerialNo: m.SerialNo, PayOrderId: m.PayOrderID, PayAuthNo: m.PayAuthNo, GeoLocation: m.GeoLocation,
		CityId: m.CityID, InstitutionName: m.InstitutionName, InstitutionNo: m.InstitutionNo, OrderedAt: instant(m.OrderedAt),
		Gov: m.Gov, Self: m.Self, Other: m.Other, Cash: m.Cash, CashAdditions: cashChanges(m.CashAdditions),
		CashReductions: cashChanges(m.CashReductions), Person: person(m.Person), Passthrough: m.Passthrough, ChannelNo: m.ChannelNo, BillNo: m.BillNo,
	}
	if m.Payer != nil {
		out.Payer = person(*m.Payer)
	}
	return out
}

func cashChanges(all []pay.CashChange) (out []*pb.MedicalCashChange) {
	for _, c := range all {
		out = append(out, &pb.MedicalCashChange{Type: c.Type, Minor: c.Fen})
	}
	return out
}

func person(p pay.MedicalPerson) *pb.MedicalPerson {
	return &pb.MedicalPerson{Name: p.Name, IdNumber: p.IDNumber, CardType: p.CardType}
}

// maxPassthrough is in bytes.
const maxPassthrough = 16 << 10

// medicalFacts reads what a provider says of a medical insurance payment; nil where it says nothing.
func medicalFacts(d *pb.FactDetails) (*pay.MedicalFacts, error) {
	m := d.GetMedical()
	if m == nil {
		return nil, nil
	}
	answer := m.GetPassthroughResponse()
	if len(answer) > maxPassthrough {
		return nil, fmt.Errorf("a passthrough of %d bytes, %d are allowed", len(answer), maxPassthrough)
	}
	if len(answer) > 0 && !json.Valid(answer) { // it is passed on as it is: as a text
		answer, _ = json.Marshal(string(answer)) // a string always marshals
	}
	for _, part := range []int64{m.GetGov(), m.GetSelf(), m.GetOther(), m.GetCash()} {
		if part < 0 {
			return nil, errors.New("a part of a medical payment below zero")
		}
	}
	return &pay.MedicalFacts{
		MixStatus: clean(m.GetMixStatus(), maxID), CashStatus: clean(m.GetCashStatus(), maxID), InsuranceStatus: clean(m.GetInsuranceStatus(), maxID),
		FailReason: clean(m.GetFailReason(), maxMessage), Gov: m.GetGov(), Self: m.GetSelf(), Other: m.GetOther(), Cash: m.GetCash(), Passthrough: answer,
	}, nil
}
