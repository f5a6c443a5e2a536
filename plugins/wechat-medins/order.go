package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"time"

	"github.com/paybridge/paybridge/plugins/sdk"
	"github.com/paybridge/paybridge/plugins/wechat"
)

// settings are an entry's.
type settings struct {
	GoodsTag       string `json:"goods_tag"`
	PayableMinutes int    `json:"payable_minutes"`
	Mode           string `json:"mode"`      // modeMixed when empty
	SubAppID       string `json:"sub_appid"` // of modeMixed: the sub merchant's, where the route has none

	// Of modeRedirect alone.
	ReturnURL string `json:"return_url"` // where the payer comes back to, paid or not
	IsDept    string `json:"is_dept"`    // 医保标识, as the bureau gave it
	Paths     struct {
		UnifiedOrder string `json:"unified_order"`
		QueryOrder   string `json:"query_order"`
		Refund       string `json:"refund"`
		QueryRefund  string `json:"query_refund"`
	} `json:"paths"`
}

// defaultPayable is how long what was handed out can be paid, where the entry does not say otherwise.
const defaultPayable = 30 * time.Minute

func (s settings) payable() time.Duration {
	if s.PayableMinutes > 0 {
		return time.Duration(s.PayableMinutes) * time.Minute
	}
	return defaultPayable
}

// progress is what the host remembers of a payment between its steps, and for as long as there is something to ask.
type progress struct {
	PrepayID   string    `json:"prepay_id,omitempty"`
	PrepaidAt  time.Time `json:"prepaid_at,omitzero"`
	MixTradeNo string    `json:"mix_trade_no,omitempty"`
}

func (p progress) next(s sdk.State) sdk.State {
	text, err := json.Marshal(p)
	if err != nil {
		panic(err) // strings and a time always marshal
	}
	return s.Next(text)
}

func progressOf(s sdk.State) (p progress, err error) {
	if s.Version == 0 {
		return p, nil
	}
	if err = json.Unmarshal(s.Data, &p); err != nil {
		return p, fmt.Errorf("the state of the payment cannot be read: version %d", s.Version)
	}
	return p, nil
}

// order is the body of the second step. It depends on the call's content and the prepay id alone.
func order(r sdk.Create, f fees, prepay wechat.Parties, prepayID string, s settings, test bool) wechat.MedInsOrder {
	m := r.Details.Medical
	o := wechat.MedInsOrder{
		MixPayType: f.kind, OrderType: m.OrderType, AppID: prepay.AppID, OpenID: prepay.Payer.OpenID,
		Payer: digested(m.Person), OutTradeNo: r.Number, SerialNo: m.SerialNo, PayOrderID: m.PayOrderID, PayAuthNo: m.PayAuthNo,
		GeoLocation: m.GeoLocation, CityID: m.CityID, MedInstName: m.InstitutionName, MedInstNo: m.InstitutionNo,
		TotalFee: f.total, CallbackURL: r.Route.NotifyURL, PrepayID: prepayID, Passthrough: string(m.Passthrough),
		ChannelNo: m.ChannelNo, TestEnv: test,
	}
	if prepay.SubMchID != "" { // appid stays, and is the partner's; exactly one openid says whose page invokes
		o.AppID, o.SubMchID, o.SubAppID = prepay.SpAppID, prepay.SubMchID, cmp.Or(r.Route.SubAppID, s.SubAppID)
		o.OpenID, o.SubOpenID = prepay.Payer.SpOpenID, prepay.Payer.SubOpenID
	}
	if m.Payer != nil {
		treated := o.Payer
		o.Payer, o.PayForRelatives, o.Relative = digested(*m.Payer), true, &treated
	}
	if !m.OrderedAt.IsZero() {
		o.CreateTime = wechat.Time(m.OrderedAt)
	}
	cash := f.cash
	o.WechatPayFee = &cash
	if f.kind != cashOnly {
		o.GovFee, o.SelfFee, o.OtherFee, o.CashFee = &m.Gov, &m.Self, &m.Other, &m.Cash
	}
	for _, c := range m.CashAdditions {
		o.Additions = append(o.Additions, wechat.MedInsAdd{Fee: c.Minor, Type: c.Type})
	}
	for _, c := range m.CashReductions {
		o.Reductions = append(o.Reductions, wechat.MedInsReduce{Fee: c.Minor, Type: c.Type})
	}
	return o
}

func digested(p sdk.Person) wechat.MedInsPerson {
	return wechat.MedInsPerson{Name: p.Name, IDDigest: wechat.IDDigest(p.IDNumber, p.CardType), CardType: p.CardType}
}

// sameOrder tells whether what WeChat has under the number is what was asked for.
func sameOrder(o wechat.MedInsOrder, m wechat.MedIns) bool {
	return m.OutTradeNo == o.OutTradeNo && m.AppID == o.AppID && m.SubMchID == o.SubMchID && m.OpenID == o.OpenID &&
		m.SubOpenID == o.SubOpenID && m.TotalFee == o.TotalFee && m.SerialNo == o.SerialNo && m.PayOrderID == o.PayOrderID &&
		m.WechatPayFee == *o.WechatPayFee
}
