package wechat

import (
	"errors"

	"github.com/paybridge/paybridge/plugins/sdk"
)

// NewPrepay is what a call asks for. It depends on nothing else: a repeat that differed in one byte would be refused. The
// error says what the entry lacks, and that no repeat can help.
func NewPrepay(r sdk.Create) (Prepay, error) {
	parties, err := parties(r.Route, r.Payer.Openid)
	if err != nil {
		return Prepay{}, err
	}
	body := Prepay{
		Parties:     parties,
		Description: r.Description,
		OutTradeNo:  r.Number,
		TimeExpire:  Time(r.TimeExpire),
		Attach:      r.Attach,
		NotifyURL:   r.Route.NotifyURL,
		Amount:      Total{Total: r.Amount.Minor, Currency: r.Amount.Currency},
	}
	if r.Payer.ClientIP != "" {
		body.SceneInfo = &SceneInfo{PayerClientIP: r.Payer.ClientIP}
	}
	return body, nil
}

// parties puts the payer's openid under the app id that it belongs to. A sub merchant's app id goes out only with an openid
// of its own, so that it tells in every answer and notification which app the trade was made with (R12).
func parties(r sdk.Route, openid string) (Parties, error) {
	if r.SubMchID == "" {
		return Parties{AppID: r.AppID, MchID: r.MchID, Payer: Payer{OpenID: openid}}, nil
	}
	p := Parties{SpMchID: r.MchID, SpAppID: r.SpAppID, SubMchID: r.SubMchID}
	switch {
	case r.OpenidKind == sdk.OpenidSp && (r.SpAppID == "" || r.SpAppID == r.AppID):
		p.SpAppID, p.Payer.SpOpenID = r.AppID, openid
	case r.OpenidKind == sdk.OpenidSp:
		return Parties{}, errors.New("the entry's openids are of the partner's app (openid_kind sp), and its app_id is not sp_app_id: one of them is wrong")
	case r.OpenidKind != sdk.OpenidSub:
		return Parties{}, errors.New("a sub merchant's entry must say whose app its openids are of: set openid_kind to sp or sub")
	case r.SpAppID == "":
		return Parties{}, errors.New("WeChat wants the partner's app id with each payment of a sub merchant: set the entry's sp_app_id")
	case r.SubAppID != "" && r.SubAppID != r.AppID:
		return Parties{}, errors.New("the entry's openids are of the sub merchant's app (openid_kind sub), and its app_id is not sub_app_id: one of them is wrong")
	default:
		p.SubAppID, p.Payer.SubOpenID = r.AppID, openid
	}
	return p, nil
}
