package sim

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"time"
)

// refundFields is the body of POST /v3/refund/domestic/refunds.
var refundFields = []field{
	{path: "sub_mchid", label: labelSubMchID, max: 32},
	{path: "transaction_id", label: "微信支付订单号", max: 32},
	{path: "out_trade_no", label: "商户订单号", max: 32, pattern: numberText},
	{path: "out_refund_no", label: "商户退款单号", required: true, max: 64, pattern: refundNumberText},
	{path: "reason", label: "退款原因", max: 80},
	{path: "notify_url", label: "退款结果回调url", max: 256, pattern: notifyURL},
	{path: "funds_account", label: "退款资金来源", max: 32},
	{path: "amount", label: "金额信息", kind: object, required: true},
	{path: "amount/refund", label: "退款金额", kind: number, required: true, min: 1},
	{path: "amount/total", label: "原订单金额", kind: number, required: true, min: 1},
	{path: "amount/currency", label: "退款币种", required: true, max: 16},
	{path: "amount/from", label: "退款出资账户及金额", kind: opaque},
	{path: "goods_detail", label: "退款商品", kind: opaque},
}

const (
	refundYear   = 365 * 24 * time.Hour
	refundsMost  = 50
	refundApart  = time.Minute
	textNoOrder  = "原订单不存在"
	textNoRefund = "退款单不存在"
)

// refund starts sending money back, or repeats what it said about the same number with the same content.
func (s *Simulator) refund(c *call) answer {
	body, bad := parseBody(c.body, refundFields)
	if bad != nil {
		return *bad
	}
	if body.text("transaction_id") == "" && body.text("out_trade_no") == "" {
		return *missing("body", "transaction_id", "微信支付订单号")
	}
	if bad := s.refundParty(c.merchant, "body", body.text("sub_mchid")); bad != nil {
		return *bad
	}
	if currency := body.text("amount/currency"); currency != "CNY" {
		return *paramError("body", currency, "输入源“/body/amount/currency”映射到值字段“退款币种”字符串规则校验失败，字符串值不在枚举范围内")
	}
	key := tradeKey{c.merchant.MchID, body.text("out_refund_no")}
	said := body.canonical()

	s.mu.Lock()
	if r := s.world.refunds[key]; r != nil {
		defer s.mu.Unlock()
		if r.Content != said {
			return refuse(http.StatusBadRequest, "INVALID_REQUEST", textReentry, causeReentry)
		}
		return ok(r.shown())
	}
	t, bad := s.world.refundable(c, body)
	if bad != nil {
		s.mu.Unlock()
		return *bad
	}
	r := &Refund{
		MchID: key.mchID, SubMchID: t.SubMchID, Serial: c.serial, OutRefundNo: key.number, RefundID: refundID(c.now),
		OutTradeNo: t.OutTradeNo, TransactionID: t.TransactionID,
		Amount: body.number("amount/refund"), Total: t.Total, NotifyURL: body.text("notify_url"),
		FundsAccount: body.text("funds_account"), Content: said, Status: RefundProcessing,
		CreatedAt: c.now, SettlesAt: c.now.Add(s.cfg.RefundDelay),
	}
	if r.FundsAccount == "" {
		r.FundsAccount = "AVAILABLE"
	}
	s.world.keepRefund(r)
	t.State = Refunded
	shown := r.shown()
	s.planRefund(r)
	s.mu.Unlock()
	s.changed()
	return ok(shown)
}

// refundable finds the trade that a refund names and says whether so much of it can go back now.
func (w *world) refundable(c *call, body content) (*Trade, *answer) {
	no := func(status int, code, message string) (*Trade, *answer) {
		a := refuse(status, code, message, causeUnspecified)
		return nil, &a
	}
	var t *Trade
	number, transaction := body.text("out_trade_no"), body.text("transaction_id")
	if transaction != "" {
		t = w.byTxn[transaction]
	} else {
		t = w.trades[tradeKey{c.merchant.MchID, number}]
	}
	// The signer that took the money is the only one that can give it back, and for the sub merchant it was taken
	// for: another's trade does not exist.
	if t == nil || t.MchID != c.merchant.MchID || t.SubMchID != body.text("sub_mchid") || t.State != Paid && t.State != Refunded {
		return no(http.StatusNotFound, "RESOURCE_NOT_EXISTS", textNoOrder)
	}
	if transaction != "" && number != "" && t.OutTradeNo != number {
		return no(http.StatusBadRequest, "INVALID_REQUEST", "微信支付订单号与商户订单号不是同一笔订单")
	}
	if body.number("amount/total") != t.Total {
		return no(http.StatusBadRequest, "REFUND_FEE_MISMATCH", "订单金额或退款金额与之前请求不一致，请核实后再试")
	}
	if c.now.Sub(t.PaidAt) > refundYear {
		return no(http.StatusForbidden, "TRADE_OVERDUE", "订单已经超过可退款的最大期限")
	}
	var sum int64
	count := 0
	var last time.Time
	for _, r := range w.refundsOf[t.TransactionID] {
		count++
		last = r.CreatedAt
		if r.Status != RefundClosed {
			sum += r.Amount
		}
	}
	refund := body.number("amount/refund")
	switch {
	case refund > t.Total-sum:
		return no(http.StatusBadRequest, "INVALID_REQUEST", fmt.Sprintf("申请退款金额超过订单可退金额，剩余可退%d分", t.Total-sum))
	case count >= refundsMost:
		return no(http.StatusForbidden, "RULE_LIMIT", "一笔订单最多支持50次部分退款")
	case count > 0 && c.now.Sub(last) < refundApart:
		return no(http.StatusTooManyRequests, "FREQUENCY_LIMITED", "同一笔订单的多次退款需间隔1分钟以上")
	}
	return t, nil
}

// refundParty checks the sub_mchid of a refund: a partner names one of its own, a direct merchant none.
func (s *Simulator) refundParty(m *merchant, location, subMchID string) *answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case subMchID == "" && m.partner():
		return missing(location, "sub_mchid", labelSubMchID)
	case subMchID != "" && m.sub(subMchID) == nil:
		bad := noRelation()
		return &bad
	}
	return nil
}

// queryRefund answers GET /v3/refund/domestic/refunds/{out_refund_no}[?sub_mchid=].
func (s *Simulator) queryRefund(c *call) answer {
	subMchID := c.query.Get("sub_mchid")
	if bad := s.refundParty(c.merchant, "query", subMchID); bad != nil {
		return *bad
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.world.refunds[tradeKey{c.merchant.MchID, c.path["out_refund_no"]}]
	if r == nil || r.SubMchID != subMchID {
		return refuse(http.StatusNotFound, "RESOURCE_NOT_EXISTS", textNoRefund, causeUnspecified)
	}
	return ok(r.shown())
}

// payerAccount is where the money goes back to: the payer's balance.
const payerAccount = "支付用户零钱"

func (r *Refund) account() string { return cmp.Or(r.Account, payerAccount) }

func (r *Refund) channel() string { return cmp.Or(r.Channel, "ORIGINAL") }

// shown is the refund as the create and the query answer it.
func (r *Refund) shown() map[string]any {
	v := map[string]any{
		"amount": map[string]any{
			"currency": "CNY", "discount_refund": 0, "from": []any{}, "payer_refund": r.Amount, "payer_total": r.Total,
			"refund": r.Amount, "refund_fee": 0, "settlement_refund": r.Amount, "settlement_total": r.Total, "total": r.Total,
		},
		"channel":               r.channel(),
		"create_time":           onWire(r.CreatedAt),
		"funds_account":         r.FundsAccount,
		"out_refund_no":         r.OutRefundNo,
		"out_trade_no":          r.OutTradeNo,
		"promotion_detail":      []any{},
		"refund_id":             r.RefundID,
		"status":                r.Status,
		"transaction_id":        r.TransactionID,
		"user_received_account": r.account(),
	}
	if r.Status == RefundSuccess {
		v["success_time"] = onWire(r.SuccessAt)
	}
	return v
}

// planRefund puts the end of a refund on the agenda. Nothing happens then when a person was faster.
func (s *Simulator) planRefund(r *Refund) {
	epoch, settles := s.world.epoch, r.SettlesAt
	s.agenda.at(settles, func(_ context.Context, due time.Time) {
		s.mu.Lock()
		if s.world.epoch != epoch || r.Status != RefundProcessing || !r.SettlesAt.Equal(settles) {
			s.mu.Unlock()
			return
		}
		o := occasion{number: r.OutRefundNo, mchID: r.MchID}
		status := RefundSuccess
		if f, bad := s.faults.take(o, RefundGoesBad, RefundGoesShut); bad && f.Kind == RefundGoesBad {
			status = RefundAbnormal
		} else if bad {
			status = RefundClosed
		}
		c := s.endRefund(r, status, due)
		s.mu.Unlock()
		s.changed()
		s.send(c, epoch, due)
	})
}

// endRefund gives a refund its end; s.mu is held. The callback that tells the merchant is nil where the refund
// named no notify URL.
func (s *Simulator) endRefund(r *Refund, status RefundStatus, at time.Time) *Callback {
	s.world.become(r, status, at)
	if status == RefundSuccess {
		r.SuccessAt = at
	}
	if r.NotifyURL == "" {
		return nil
	}
	return refundCallback(*r, s.world.merchants[r.MchID].keys, at)
}

// SettleRefund ends a refund now: SUCCESS, ABNORMAL or CLOSED. An ABNORMAL one can still come to SUCCESS or
// CLOSED, as when a person settles it on the merchant platform.
func (s *Simulator) SettleRefund(mchID, outRefundNo string, status RefundStatus) error {
	switch status {
	case RefundSuccess, RefundAbnormal, RefundClosed:
	default:
		return fmt.Errorf("a refund ends as %s, %s or %s, not as %q", RefundSuccess, RefundAbnormal, RefundClosed, status)
	}
	s.mu.Lock()
	r := s.world.refunds[tradeKey{mchID, outRefundNo}]
	switch {
	case r == nil:
		s.mu.Unlock()
		return fmt.Errorf("merchant %s has no refund %s", mchID, outRefundNo)
	case r.Status == RefundSuccess || r.Status == RefundClosed || r.Status == status:
		s.mu.Unlock()
		return fmt.Errorf("refund %s of merchant %s is %s already", outRefundNo, mchID, r.Status)
	}
	now, epoch := s.clock.now(), s.world.epoch
	c := s.endRefund(r, status, now)
	s.mu.Unlock()
	s.changed()
	s.send(c, epoch, now)
	return nil
}
