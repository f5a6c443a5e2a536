package sim

import "net/http"

var closeFields = []field{{path: "mchid", label: "直连商户号", required: true, max: 32}}

// closeTrade answers POST …/out-trade-no/{out_trade_no}/close: 204 for what is unpaid, as often as it is asked.
// A number that was never used is spent by it.
func (s *Simulator) closeTrade(c *call) answer {
	body, bad := parseBody(c.body, closeFields)
	if bad != nil {
		return *bad
	}
	number := c.path["out_trade_no"]
	rule := field{path: "out_trade_no", label: "商户订单号", min: 6, max: 32, pattern: numberText}
	if bad := rule.checkText("uri_template", number); bad != nil {
		return *bad
	}
	if body.text("mchid") != c.merchant.MchID {
		return mchIDMismatch()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	key := tradeKey{c.merchant.MchID, number}
	t := s.world.trades[key]
	switch {
	case t == nil:
		s.world.spent[key] = true
	case t.State == NotPaid:
		t.State, t.ClosedAt = Closed, c.now
	case t.State != Closed:
		return orderPaid()
	}
	s.changed()
	return answer{status: http.StatusNoContent}
}
