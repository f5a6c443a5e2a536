package phone

import (
	"context"
	"errors"

	"github.com/paybridge/paybridge/plugins/wechat/sim"
)

// Simulated is the simulated WeChat behind the phone.
func Simulated(s *sim.Simulator) WeChat { return simulated{s} }

type simulated struct{ sim *sim.Simulator }

func (s simulated) Persons(context.Context) (persons []Person, err error) {
	for _, p := range s.sim.Persons() {
		persons = append(persons, Person{ID: p.Name, Name: p.Name, UnionID: p.UnionID})
	}
	return persons, nil
}

func (s simulated) LoginCode(_ context.Context, appID, person string) (string, error) {
	return s.sim.LoginCode(appID, person)
}

func (s simulated) AuthorizationCode(_ context.Context, appID, person, scope string) (string, error) {
	return s.sim.OAuthCode(appID, person, scope)
}

func (s simulated) Cashier(_ context.Context, person string, h HandOff) (Bill, error) {
	switch {
	case h.MixTradeNo != "":
		return s.insuranceBill(person, h)
	case h.PayURL != "":
		return s.insuranceAppBill(person, h)
	}
	p, err := s.pay(person, h)
	if err != nil {
		return Bill{}, err
	}
	sheet, err := s.sim.OpenPaySheet(p)
	return Bill{Merchant: sheet.Merchant, Description: sheet.Description, Amount: sheet.Total}, told(err)
}

func (s simulated) Pay(_ context.Context, person string, h HandOff) error {
	switch {
	case h.MixTradeNo != "":
		return s.insure(person, h, s.sim.PayMedIns)
	case h.PayURL != "":
		return s.inInsuranceApp(person, h, s.sim.PayInsurance10)
	}
	return s.act(person, h, s.sim.Pay)
}

func (s simulated) WrongPassword(ctx context.Context, person string, h HandOff) error {
	if h.MixTradeNo != "" || h.PayURL != "" {
		return s.Cancel(ctx, person, h) // as with a cancel, nothing changes
	}
	return s.act(person, h, s.sim.FailPayment)
}

func (s simulated) Cancel(_ context.Context, person string, h HandOff) error {
	switch {
	case h.MixTradeNo != "":
		return s.insure(person, h, s.sim.CancelMedIns)
	case h.PayURL != "":
		return s.inInsuranceApp(person, h, s.sim.OpenInsurance10)
	}
	return s.act(person, h, s.sim.CancelPayment)
}

func (s simulated) CheckPage(_ context.Context, p PageSignature) error {
	return told(s.sim.CheckPage(sim.PageSignature(p)))
}

// insuranceBill is the sheet of a payment by medical insurance.
func (s simulated) insuranceBill(person string, h HandOff) (Bill, error) {
	p, err := s.insured(person, h)
	if err != nil {
		return Bill{}, err
	}
	sheet, err := s.sim.OpenMedInsSheet(p)
	return Bill{
		Merchant: sheet.Merchant, Description: sheet.Description, Amount: sheet.Insured + sheet.Cash, Insured: sheet.Insured, Cash: sheet.Cash,
	}, told(err)
}

// insuranceAppBill is what the insurance mini program shows.
func (s simulated) insuranceAppBill(person string, h HandOff) (Bill, error) {
	openID, _ := s.sim.OpenID(h.AppID, person)
	i, err := s.sim.OpenInsurance10(sim.Insurance10Pay{PayURL: h.PayURL, OpenID: openID})
	return Bill{Merchant: i.MchID, Description: i.Body, Amount: i.Total, Insured: i.Insured, Cash: i.Cash}, told(err)
}

func (s simulated) inInsuranceApp(person string, h HandOff, do func(sim.Insurance10Pay) (sim.Insurance10, error)) error {
	openID, _ := s.sim.OpenID(h.AppID, person)
	_, err := do(sim.Insurance10Pay{PayURL: h.PayURL, OpenID: openID})
	return told(err)
}

func (s simulated) insure(person string, h HandOff, do func(sim.MedInsPay) (sim.MedIns, error)) error {
	p, err := s.insured(person, h)
	if err == nil {
		_, err = do(p)
	}
	return told(err)
}

// insured is what the person does at the cashier of insurance, as whom the calling app knows.
func (s simulated) insured(person string, h HandOff) (sim.MedInsPay, error) {
	openID, known := s.sim.OpenID(h.AppID, person)
	if !known {
		return sim.MedInsPay{}, &Refused{"该用户不是此应用的用户"}
	}
	return sim.MedInsPay{OpenID: openID, HandOff: map[string]string{
		"mixTradeNo": h.MixTradeNo, "timeStamp": h.TimeStamp, "nonceStr": h.NonceStr, "package": h.Package, "signType": h.SignType, "paySign": h.PaySign,
	}}, nil
}

func (s simulated) Receipt(_ context.Context, person string, h HandOff) (Receipt, error) {
	p, err := s.pay(person, h)
	if err != nil {
		return Receipt{}, err
	}
	after, err := s.sim.ReceiptAfter(p)
	switch {
	case err != nil || !after.Partner:
		return Receipt{}, told(err)
	case !after.Open:
		return Receipt{Plan: PlanOff}, nil
	case after.URL == "":
		return Receipt{Plan: PlanWeChat}, nil
	}
	return Receipt{PlanOwn, after.URL}, nil
}

func (s simulated) act(person string, h HandOff, do func(sim.Pay) (sim.Trade, error)) error {
	p, err := s.pay(person, h)
	if err == nil {
		_, err = do(p)
	}
	return told(err)
}

// pay is what the person does with a hand-off, as whom the calling app knows.
func (s simulated) pay(person string, h HandOff) (sim.Pay, error) {
	openID, known := s.sim.OpenID(h.AppID, person)
	if !known {
		return sim.Pay{}, &Refused{"该用户不是此应用的用户"}
	}
	return sim.Pay{OpenID: openID, HandOff: &sim.HandOff{
		AppID: h.AppID, TimeStamp: h.TimeStamp, NonceStr: h.NonceStr, Package: h.Package, SignType: h.SignType, PaySign: h.PaySign,
	}}, nil
}

// told is a refusal in the words that the payer reads.
func told(err error) error {
	var refused *sim.Refused
	if errors.As(err, &refused) {
		return &Refused{refused.Message}
	}
	return err
}
