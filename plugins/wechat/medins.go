package wechat

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
)

// MedInsOrder is the body of POST /v3/med-ins/orders: a medical insurance payment (2.0) under the number of its self-paid
// trade. All sums are fen. A nil sum is one that the kind of payment has not, and is not sent.
type MedInsOrder struct {
	MixPayType      string         `json:"mix_pay_type"`           // CASH_ONLY, INSURANCE_ONLY or CASH_AND_INSURANCE
	OrderType       string         `json:"order_type"`             // REG_PAY, …
	AppID           string         `json:"appid"`                  // the merchant's or, in partner mode, the partner's
	SubAppID        string         `json:"sub_appid,omitempty"`    //
	SubMchID        string         `json:"sub_mchid,omitempty"`    //
	OpenID          string         `json:"openid,omitempty"`       // of AppID: this, or
	SubOpenID       string         `json:"sub_openid,omitempty"`   // of SubAppID, which then invokes
	Payer           MedInsPerson   `json:"payer"`                  // who pays
	PayForRelatives bool           `json:"pay_for_relatives"`      //
	Relative        *MedInsPerson  `json:"relative,omitempty"`     // who was treated, with PayForRelatives
	OutTradeNo      string         `json:"out_trade_no"`           // ≤ 64, the self-paid trade's
	SerialNo        string         `json:"serial_no"`              // ≤ 20, of the hospital's upload
	PayOrderID      string         `json:"pay_order_id,omitempty"` // ≤ 64, the bureau's
	PayAuthNo       string         `json:"pay_auth_no,omitempty"`  // ≤ 40, the bureau's; lives minutes, one use
	GeoLocation     string         `json:"geo_location,omitempty"` // ≤ 40, "lng,lat"
	CityID          string         `json:"city_id"`                // ≤ 8, WeChat's
	MedInstName     string         `json:"med_inst_name"`          // ≤ 128
	MedInstNo       string         `json:"med_inst_no"`            // ≤ 32
	CreateTime      string         `json:"med_ins_order_create_time,omitempty"`
	TotalFee        int64          `json:"total_fee"`
	GovFee          *int64         `json:"med_ins_gov_fee,omitempty"`
	SelfFee         *int64         `json:"med_ins_self_fee,omitempty"`
	OtherFee        *int64         `json:"med_ins_other_fee,omitempty"`
	CashFee         *int64         `json:"med_ins_cash_fee,omitempty"`
	WechatPayFee    *int64         `json:"wechat_pay_cash_fee,omitempty"`
	Additions       []MedInsAdd    `json:"cash_add_detail,omitempty"`
	Reductions      []MedInsReduce `json:"cash_reduce_detail,omitempty"`
	CallbackURL     string         `json:"callback_url"`
	PrepayID        string         `json:"prepay_id,omitempty"`
	Passthrough     string         `json:"passthrough_request_content,omitempty"` // ≤ 2048, JSON
	ChannelNo       string         `json:"channel_no,omitempty"`
	TestEnv         bool           `json:"med_ins_test_env,omitempty"`
}

// MedInsPerson is one person: in clear here, encrypted on the wire.
type MedInsPerson struct {
	Name     string `json:"name"`
	IDDigest string `json:"id_digest"` // IDDigest of the number on the card
	CardType string `json:"card_type"`
}

// MedInsAdd raises the cash part, MedInsReduce lowers it.
type MedInsAdd struct {
	Fee  int64  `json:"cash_add_fee"`
	Type string `json:"cash_add_type"`
}

// MedInsReduce lowers the cash part.
type MedInsReduce struct {
	Fee  int64  `json:"cash_reduce_fee"`
	Type string `json:"cash_reduce_type"`
}

// MedIns is what an answer or a MEDICAL_INSURANCE notification says of a medical insurance payment: its three states, and
// what was asked for, without persons.
type MedIns struct {
	MixTradeNo   string         `json:"mix_trade_no"`
	MixStatus    string         `json:"mix_pay_status"`
	SelfStatus   string         `json:"self_pay_status"`
	InsStatus    string         `json:"med_ins_pay_status"`
	FailReason   string         `json:"med_ins_fail_reason"`
	PaidTime     string         `json:"paid_time"`
	Passthrough  string         `json:"passthrough_response_content"`
	AppID        string         `json:"appid"`
	SubAppID     string         `json:"sub_appid"`
	SubMchID     string         `json:"sub_mchid"`
	OpenID       string         `json:"openid"`
	SubOpenID    string         `json:"sub_openid"`
	OutTradeNo   string         `json:"out_trade_no"`
	SerialNo     string         `json:"serial_no"`
	PayOrderID   string         `json:"pay_order_id"`
	TotalFee     int64          `json:"total_fee"`
	GovFee       int64          `json:"med_ins_gov_fee"`
	SelfFee      int64          `json:"med_ins_self_fee"`
	OtherFee     int64          `json:"med_ins_other_fee"`
	CashFee      int64          `json:"med_ins_cash_fee"`
	WechatPayFee int64          `json:"wechat_pay_cash_fee"`
	Additions    []MedInsAdd    `json:"cash_add_detail"`
	Reductions   []MedInsReduce `json:"cash_reduce_detail"`
	PrepayID     string         `json:"prepay_id"`

	mchID string // the signer's: it asked with its certificate, or its APIv3 key opened the message
}

var errNoMixTradeNo = errors.New("its answer holds no mix_trade_no")

// CreateMedIns makes a medical insurance payment. Persons are encrypted on the way. The number is spent by it: after an
// unclear outcome it is queried, never sent again blindly.
func (c *Client) CreateMedIns(ctx context.Context, o MedInsOrder) (m MedIns, a Answer, err error) {
	r := request{op: OpMedIns, number: o.OutTradeNo, method: http.MethodPost, path: "/v3/med-ins/orders"}
	to, err := c.sealer(ctx)
	if err != nil {
		return m, a, &Error{Op: r.op, Number: r.number, Kind: NotSent, cause: err}
	}
	if o.Payer, err = to.person(o.Payer); err == nil && o.Relative != nil {
		var relative MedInsPerson
		relative, err = to.person(*o.Relative)
		o.Relative = &relative
	}
	if err != nil {
		return m, a, &Error{Op: r.op, Number: r.number, Kind: NotSent, cause: err}
	}
	r.serial, r.body = to.serial, o
	if a, err = c.do(ctx, r, &m); err == nil && m.MixTradeNo == "" {
		err = &Error{Op: r.op, Number: r.number, Status: http.StatusOK, RequestID: a.RequestID, cause: errNoMixTradeNo}
	}
	m.mchID = c.mchID
	return m, a, err
}

func (s sealer) person(p MedInsPerson) (sealed MedInsPerson, err error) {
	sealed.CardType = p.CardType
	if sealed.Name, err = s.seal(p.Name); err == nil {
		sealed.IDDigest, err = s.seal(p.IDDigest)
	}
	return sealed, err
}

// QueryMedIns asks for a medical insurance payment by our number; subMchID is empty for a direct merchant's.
func (c *Client) QueryMedIns(ctx context.Context, subMchID, outTradeNo string) (m MedIns, a Answer, err error) {
	path := "/v3/med-ins/orders/out-trade-no/" + url.PathEscape(outTradeNo)
	if subMchID != "" {
		path += "?sub_mchid=" + url.QueryEscape(subMchID)
	}
	r := request{op: OpMedInsQuery, number: outTradeNo, method: http.MethodGet, path: path}
	if a, err = c.do(ctx, r, &m); err == nil && m.MixTradeNo == "" {
		err = &Error{Op: r.op, Number: r.number, Status: http.StatusOK, RequestID: a.RequestID, cause: errNoMixTradeNo}
	}
	m.mchID = c.mchID
	return m, a, err
}

// MedInsRefund is the body of POST /v3/med-ins/refunds/notify: what the bureau gave back. Sums are fen, and the total is the
// sum of the others. Repeated, the last one counts.
type MedInsRefund struct {
	SubMchID    string `json:"sub_mchid,omitempty"`
	TotalFee    int64  `json:"med_refund_total_fee"`
	GovFee      int64  `json:"med_refund_gov_fee"`
	SelfFee     int64  `json:"med_refund_self_fee"`
	OtherFee    int64  `json:"med_refund_other_fee"`
	RefundTime  string `json:"refund_time"`
	OutRefundNo string `json:"out_refund_no"`
}

// ReportMedInsRefund tells WeChat of an insurance refund that was made at the bureau.
func (c *Client) ReportMedInsRefund(ctx context.Context, mixTradeNo string, r MedInsRefund) (Answer, error) {
	return c.do(ctx, request{
		op: OpMedInsRefund, number: r.OutRefundNo, method: http.MethodPost,
		path: "/v3/med-ins/refunds/notify?mix_trade_no=" + url.QueryEscape(mixTradeNo), body: r,
	}, nil)
}

// readMedIns reads a decrypted MEDICAL_INSURANCE notification.
func (c *Client) readMedIns(plaintext []byte) (*MedIns, error) {
	m := MedIns{mchID: c.mchID}
	if err := json.Unmarshal(plaintext, &m); err != nil || m.MixTradeNo == "" || m.OutTradeNo == "" {
		return nil, ErrUnreadable
	}
	return &m, nil
}
