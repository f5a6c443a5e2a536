package sim

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"
)

// WeChat's error codes of 小程序发货信息管理服务.
const (
	errNoTrade       = 10060001
	errShippedTwice  = 10060003
	errNotShippable  = 10060004
	errLogistics     = 10060005
	errNoItem        = 10060008
	errLongItem      = 10060009
	errShippingParam = 10060014
	errShippingSame  = 10060023
	errOtherPayer    = 10060031
	errUploadTime    = 268485216
)

// Shipping is what a mini program's merchant reported of a trade. Without it WeChat keeps the money back.
type Shipping struct {
	LogisticsType  int    `json:"logistics_type"` // 1 express, 2 same city, 3 virtual, 4 pick-up
	ItemDesc       string `json:"item_desc"`
	TrackingNo     string `json:"tracking_no,omitempty"`
	ExpressCompany string `json:"express_company,omitempty"`

	UploadTime time.Time `json:"-"`
	Times      int       `json:"times"` // reports that were taken: 1, or 2 with the one correction
	Came       int       `json:"came"`  // reports of it that came since, taken or not: a correct client sends none twice
}

// sameAs tells whether a report says nothing new.
func (s Shipping) sameAs(other Shipping) bool {
	return s.LogisticsType == other.LogisticsType && s.ItemDesc == other.ItemDesc && s.TrackingNo == other.TrackingNo && s.ExpressCompany == other.ExpressCompany
}

// readShipping reads the body of one of the calls, and whose token it came with.
func (s *Simulator) readShipping(r *http.Request, q url.Values, into any) (appID string, code int) {
	if r.Method != http.MethodPost {
		return "", errMethod
	}
	appID, ok := s.tokenOf(q.Get("access_token"))
	if !ok {
		return "", errBadCredential
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody))
	if err != nil || json.Unmarshal(body, into) != nil {
		return "", errBadJSON
	}
	return appID, 0
}

// shippedTrade finds a trade of an app id by WeChat's id; s.mu is held.
func (w *world) shippedTrade(appID, transactionID string) *Trade {
	if t := w.byTxn[transactionID]; t != nil && t.callerApp() == appID {
		return t
	}
	return nil
}

func (s *Simulator) uploadShippingCall(r *http.Request, q url.Values) (map[string]any, int) {
	var in struct {
		OrderKey struct {
			Type          int    `json:"order_number_type"`
			TransactionID string `json:"transaction_id"`
		} `json:"order_key"`
		LogisticsType int `json:"logistics_type"`
		DeliveryMode  int `json:"delivery_mode"`
		List          []struct {
			TrackingNo     string `json:"tracking_no"`
			ExpressCompany string `json:"express_company"`
			ItemDesc       string `json:"item_desc"`
			Contact        struct {
				Receiver string `json:"receiver_contact"`
			} `json:"contact"`
		} `json:"shipping_list"`
		UploadTime string `json:"upload_time"`
		Payer      struct {
			OpenID string `json:"openid"`
		} `json:"payer"`
	}
	appID, code := s.readShipping(r, q, &in)
	if code != 0 {
		return nil, code
	}
	at, err := time.Parse("2006-01-02T15:04:05.000Z07:00", in.UploadTime)
	switch {
	case err != nil:
		return nil, errUploadTime
	case in.OrderKey.Type != 2 || in.DeliveryMode != 1 || len(in.List) != 1:
		return nil, errShippingParam
	case in.LogisticsType < 1 || in.LogisticsType > 4:
		return nil, errLogistics
	}
	item := in.List[0]
	express := in.LogisticsType == 1
	switch {
	case item.ItemDesc == "":
		return nil, errNoItem
	case utf8.RuneCountInString(item.ItemDesc) > 120:
		return nil, errLongItem
	case express != (item.TrackingNo != "" && item.ExpressCompany != ""),
		item.ExpressCompany == "SF" && !strings.Contains(item.Contact.Receiver, "*"):
		return nil, errShippingParam
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.world.shippedTrade(appID, in.OrderKey.TransactionID)
	report := Shipping{in.LogisticsType, item.ItemDesc, item.TrackingNo, item.ExpressCompany, at, 1, 1}
	if t != nil && t.Shipping != nil {
		had := *t.Shipping
		had.Came++
		t.Shipping, report.Came = &had, had.Came
	}
	switch {
	case t == nil:
		return nil, errNoTrade
	case in.Payer.OpenID != t.OpenID && in.Payer.OpenID != t.SubOpenID:
		return nil, errOtherPayer
	case t.State != Paid && (t.State != Refunded || s.world.refundedWhole(t)):
		return nil, errNotShippable
	case t.Shipping == nil:
	case t.Shipping.sameAs(report):
		return nil, errShippingSame
	case t.Shipping.Times == 2:
		return nil, errShippedTwice
	case !at.After(t.Shipping.UploadTime):
		return nil, errUploadTime
	default:
		report.Times = 2
	}
	t.Shipping = &report
	return map[string]any{"errcode": 0, "errmsg": "ok"}, 0
}

func (s *Simulator) shippedOrderCall(r *http.Request, q url.Values) (map[string]any, int) {
	var in struct {
		TransactionID string `json:"transaction_id"`
	}
	appID, code := s.readShipping(r, q, &in)
	if code != 0 {
		return nil, code
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.world.shippedTrade(appID, in.TransactionID)
	if t == nil {
		return nil, errNoTrade
	}
	order := map[string]any{
		"transaction_id": t.TransactionID, "merchant_trade_no": t.OutTradeNo, "merchant_id": t.MchID, "sub_merchant_id": t.SubMchID, "description": t.Description,
		"paid_amount": t.Total, "openid": t.OpenID, "trade_create_time": t.CreatedAt.Unix(), "pay_time": t.PaidAt.Unix(), "in_complaint": false, "order_state": 1,
	}
	if t.Shipping != nil {
		order["order_state"] = 2
		order["shipping"] = map[string]any{
			"delivery_mode": 1, "logistics_type": t.Shipping.LogisticsType, "finish_shipping": true, "finish_shipping_count": t.Shipping.Times, "goods_desc": t.Shipping.ItemDesc,
			"shipping_list": []map[string]any{{"tracking_no": t.Shipping.TrackingNo, "express_company": t.Shipping.ExpressCompany, "upload_time": t.Shipping.UploadTime.Unix()}},
		}
	}
	if s.world.refundedWhole(t) {
		order["order_state"] = 5
	}
	return map[string]any{"errcode": 0, "errmsg": "ok", "order": order}, 0
}

// refundedWhole tells whether all of a trade's money went back; s.mu is held.
func (w *world) refundedWhole(t *Trade) bool {
	left := t.Total
	for _, r := range w.refundsOf[t.TransactionID] {
		if r.Status == RefundSuccess {
			left -= r.Amount
		}
	}
	return left <= 0
}
