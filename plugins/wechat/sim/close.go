package sim

import "net/http"

var closeFields = []field{{path: "mchid", label: "直连商户号", required: true, max: 32}}

// closeTrade answers POST /v3/pay/transactions/out-trade-no/{out_trade_no}/close.
func (s *Simulator) closeTrade(c *call) answer {
	return s.closeNumber(c, closeFields, func(body content) (mchID, subMchID string) { return body.text("mchid"), "" })
}

// closeNumber closes what is unpaid with 204, as often as it is asked. A number that was never used is spent by it.
func (s *Simulator) closeNumber(c *call, fields []field, read func(content) (mchID, subMchID string)) answer {
	body, bad := parseBody(c.body, fields)
	if bad != nil {
		return *bad
	}
	number := c.path["out_trade_no"]
	rule := field{path: "out_trade_no", label: "商户订单号", min: 6, max: 32, pattern: numberText}
	if bad := rule.checkText("uri_template", number); bad != nil {
		return *bad
	}
	mchID, subMchID := read(body)
	if mchID != c.merchant.MchID {
		return mchIDMismatch()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	key := tradeKey{mchID, number}
	t := s.world.trades[key]
	switch {
	case subMchID != "" && c.merchant.sub(subMchID) == nil:
		return noRelation()
	case t == nil:
		s.world.spent[key] = true
	case t.SubMchID != subMchID:
		return refuse(http.StatusNotFound, "ORDER_NOT_EXIST", "订单不存在", causeNoTrade)
	case t.State == NotPaid:
		t.State, t.ClosedAt = Closed, c.now
	case t.State != Closed:
		return orderPaid()
	}
	s.changed()
	return answer{status: http.StatusNoContent}
}
