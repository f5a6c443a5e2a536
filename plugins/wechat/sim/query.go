package sim

import "net/http"

// queryByNumber answers GET /v3/pay/transactions/out-trade-no/{out_trade_no}?mchid=.
func (s *Simulator) queryByNumber(c *call) answer { return s.queryNumber(c, (*Simulator).directQuery) }

// queryByTransaction answers GET /v3/pay/transactions/id/{transaction_id}?mchid=.
func (s *Simulator) queryByTransaction(c *call) answer {
	return s.directQuery(c, func(w *world) *Trade { return w.byTxn[c.path["transaction_id"]] })
}

func (s *Simulator) queryNumber(c *call, query func(*Simulator, *call, func(*world) *Trade) answer) answer {
	rule := field{path: "out_trade_no", label: "商户订单号", min: 6, max: 32, pattern: numberText}
	if bad := rule.checkText("uri_template", c.path["out_trade_no"]); bad != nil {
		return *bad
	}
	return query(s, c, func(w *world) *Trade { return w.trades[tradeKey{c.merchant.MchID, c.path["out_trade_no"]}] })
}

func (s *Simulator) directQuery(c *call, find func(*world) *Trade) answer {
	mchID := c.query.Get("mchid")
	switch {
	case mchID == "":
		return *missing("query", "mchid", "直连商户号")
	case mchID != c.merchant.MchID:
		return mchIDMismatch()
	}
	return s.query(c, "", find)
}

// query shows a trade of the signer's, and of that sub merchant's where there is one.
func (s *Simulator) query(c *call, subMchID string, find func(*world) *Trade) answer {
	s.mu.Lock()
	t := find(s.world)
	if t == nil || t.MchID != c.merchant.MchID || t.SubMchID != subMchID {
		s.mu.Unlock()
		return refuse(http.StatusNotFound, "ORDER_NOT_EXIST", "订单不存在", causeNoTrade)
	}
	seen := t.copy()
	s.mu.Unlock()
	return ok(seen.queried())
}

// stateText is trade_state_desc.
var stateText = map[TradeState]string{
	NotPaid:  "订单未支付",
	Paid:     "支付成功",
	Closed:   "订单已关闭",
	Refunded: "订单发生过退款，退款详情请查询退款单",
}

// bankType says that the payer used their balance.
const bankType = "OTHERS"

// queried is the trade as a query shows it. A trade that nobody paid has no payer, no trade type, and an
// amount of two fields only; an expired one stays NOTPAY until it is closed.
func (t Trade) queried() map[string]any {
	q := map[string]any{
		"out_trade_no":     t.OutTradeNo,
		"promotion_detail": []any{},
		"trade_state":      t.State,
		"trade_state_desc": stateText[t.State],
	}
	if t.partner() {
		q["sp_appid"], q["sp_mchid"], q["sub_mchid"] = t.AppID, t.MchID, t.SubMchID
		if t.SubAppID != "" {
			q["sub_appid"] = t.SubAppID
		}
	} else {
		q["appid"], q["mchid"] = t.AppID, t.MchID
	}
	if t.State == NotPaid || t.State == Closed {
		q["amount"] = map[string]any{"payer_currency": "CNY", "total": t.Total}
		q["scene_info"] = map[string]any{"device_id": t.DeviceID}
		return q
	}
	q["amount"] = map[string]any{"currency": "CNY", "payer_currency": "CNY", "payer_total": t.Total, "total": t.Total}
	q["attach"] = t.Attach
	q["bank_type"] = bankType
	q["payer"] = t.payer()
	q["success_time"] = onWire(t.PaidAt)
	q["trade_type"] = "JSAPI"
	q["transaction_id"] = t.TransactionID
	return q
}

// payer is the payer as a query and a callback name them.
func (p Parties) payer() any {
	if !p.partner() {
		return directPayer{p.OpenID}
	}
	return partnerPayer{p.OpenID, p.SubOpenID}
}

type directPayer struct {
	OpenID string `json:"openid"`
}

type partnerPayer struct {
	SpOpenID  string `json:"sp_openid"`
	SubOpenID string `json:"sub_openid,omitempty"`
}
