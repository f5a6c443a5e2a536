package sim

import (
	"net/http"
	"time"
)

// prepayFields is the body of POST /v3/pay/transactions/jsapi.
var prepayFields = append([]field{
	{path: "appid", label: "公众号ID", required: true, max: 32},
	{path: "mchid", label: "直连商户号", required: true, max: 32},
	{path: "payer", label: "支付者", kind: object, required: true},
	{path: "payer/openid", label: "用户标识", required: true, max: 128},
}, tradeFields...)

// tradeFields are those that direct merchants and partners share.
var tradeFields = []field{
	{path: "description", label: "商品描述", required: true, max: 127},
	{path: "out_trade_no", label: "商户订单号", required: true, min: 6, max: 32, pattern: numberText},
	{path: "time_expire", label: "交易结束时间", max: 64},
	{path: "attach", label: "附加数据", max: 128},
	{path: "notify_url", label: "通知地址", required: true, max: 255, pattern: notifyURL},
	{path: "goods_tag", label: "订单优惠标记", max: 32},
	{path: "support_fapiao", label: "电子发票入口开放标识", kind: boolean},
	{path: "amount", label: "订单金额", kind: object, required: true},
	{path: "amount/total", label: "总金额", kind: number, required: true, min: 1},
	{path: "amount/currency", label: "货币类型", max: 16},
	{path: "detail", label: "优惠功能", kind: opaque},
	{path: "scene_info", label: "场景信息", kind: object},
	{path: "scene_info/payer_client_ip", label: "用户终端IP", max: 45},
	{path: "scene_info/device_id", label: "商户端设备号", max: 32},
	{path: "scene_info/store_info", label: "商户门店信息", kind: opaque},
	{path: "settle_info", label: "结算信息", kind: object},
	{path: "settle_info/profit_sharing", label: "是否指定分账", kind: boolean},
}

const (
	prepayLife  = 2 * time.Hour       // of a prepay_id, whatever time_expire says
	tradeLife   = 7 * 24 * time.Hour  // without a time_expire
	tradeMost   = 15 * 24 * time.Hour // a later time_expire is cut to this
	tradeLeast  = time.Minute         // an earlier one is raised to this
	textReentry = "请求重入时，参数与首次请求时不一致"
)

// prepay answers POST /v3/pay/transactions/jsapi.
func (s *Simulator) prepay(c *call) answer {
	return s.openTrade(c, prepayFields, func(body content) (Parties, *answer) {
		return Parties{MchID: body.text("mchid"), AppID: body.text("appid"), OpenID: body.text("payer/openid")}, nil
	})
}

// openTrade opens a trade, or gives the one that is there a fresh prepay_id when everything is as it was.
func (s *Simulator) openTrade(c *call, fields []field, read func(content) (Parties, *answer)) answer {
	body, bad := parseBody(c.body, fields)
	if bad != nil {
		return *bad
	}
	expires, bad := s.expiry(body, c.now)
	if bad != nil {
		return *bad
	}
	if currency := body.text("amount/currency"); currency != "" && currency != "CNY" {
		return *paramError("body", currency, "输入源“/body/amount/currency”映射到值字段“货币类型”字符串规则校验失败，字符串值不在枚举范围内")
	}
	parties, bad := read(body)
	switch {
	case bad != nil:
		return *bad
	case parties.MchID != c.merchant.MchID:
		return mchIDMismatch()
	}
	key := tradeKey{c.merchant.MchID, body.text("out_trade_no")}
	o := occasion{path: c.request.Method + " " + c.request.Path, number: key.number, mchID: key.mchID}
	said := body.canonical()

	s.mu.Lock()
	defer s.mu.Unlock()
	if bad := s.world.mayTrade(c.merchant, &parties); bad != nil {
		return *bad
	}
	t := s.world.trades[key]
	switch {
	case s.world.spent[key]:
		return orderClosed()
	case t == nil:
		t = &Trade{
			Parties: parties, OutTradeNo: key.number,
			Total: body.number("amount/total"), Description: body.text("description"), Attach: body.text("attach"),
			NotifyURL: body.text("notify_url"), DeviceID: body.text("scene_info/device_id"),
			Content: said, State: NotPaid, CreatedAt: c.now, ExpiresAt: expires,
		}
		s.world.keepTrade(t)
	case t.Content != said:
		if _, other := s.faults.take(o, NumberUsedCode); other {
			return refuse(http.StatusForbidden, "OUT_TRADE_NO_USED", "商户订单号重复", causeReentry)
		}
		return refuse(http.StatusBadRequest, "INVALID_REQUEST", textReentry, causeReentry)
	case t.State == Closed:
		return orderClosed()
	case t.State != NotPaid:
		return orderPaid()
	}
	p := Prepay{ID: prepayID(c.now), At: c.now}
	t.Prepays = append(t.Prepays, p)
	s.world.byPrepay[p.ID] = t
	s.changed()
	return ok(map[string]any{"prepay_id": p.ID})
}

// expiry is when the trade can no longer be paid: raised to a minute, cut to 15 days.
func (s *Simulator) expiry(body content, now time.Time) (time.Time, *answer) {
	text := body.text("time_expire")
	if text == "" {
		return now.Add(tradeLife), nil
	}
	named, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return time.Time{}, paramError("body", text, "输入源“/body/time_expire”映射到值字段“交易结束时间”字符串规则校验失败，时间格式应为RFC3339")
	}
	at := s.clock.deadline(named)
	switch {
	case at.Before(now.Add(tradeLeast)):
		return now.Add(tradeLeast), nil
	case at.After(now.Add(tradeMost)):
		return now.Add(tradeMost), nil
	}
	return at, nil
}

// mayTrade checks that these may make a trade together; s.mu is held.
func (w *world) mayTrade(m *merchant, p *Parties) *answer {
	if p.partner() {
		return w.partyMismatch(m, p)
	}
	if m.partner() {
		a := notDirect()
		return &a
	}
	return w.payerMismatch(m, p)
}

// payerMismatch checks that the app is bound to the merchant and the payer is one of the app's.
func (w *world) payerMismatch(m *merchant, p *Parties) *answer {
	a := w.apps[p.AppID]
	switch {
	case a == nil || !m.bound(p.AppID):
		bad := refuse(http.StatusBadRequest, "APPID_MCHID_NOT_MATCH", "appid和mch_id不匹配，请检查后再试", causeUnspecified)
		return &bad
	case a.users[p.OpenID]:
		return nil
	case w.knows(p.OpenID):
		bad := refuse(http.StatusInternalServerError, "OPENID_MISMATCH", "openid和appid不匹配", causeUnspecified)
		return &bad
	}
	bad := refuse(http.StatusBadRequest, "PARAM_ERROR", "无效的openid", causeParam)
	return &bad
}

func mchIDMismatch() answer {
	return refuse(http.StatusBadRequest, "PARAM_ERROR", "http header中的mchid与post payload中的mchid不匹配", causeParam)
}

func orderClosed() answer {
	return refuse(http.StatusBadRequest, "ORDER_CLOSED", "订单已关闭", causeUnspecified)
}

func orderPaid() answer {
	return refuse(http.StatusBadRequest, "ORDER_PAID", "订单已支付", causeUnspecified)
}
