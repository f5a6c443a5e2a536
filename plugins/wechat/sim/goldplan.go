package sim

import "net/http"

// goldPlanFields is the body of both calls of the gold plan (点金计划管理).
var goldPlanFields = []field{
	{path: "sub_mchid", label: labelSubMchID, required: true, max: 32},
	{path: "operation_type", label: "操作类型", required: true, max: 16},
	{path: "operation_pay_scene", label: "支付场景", max: 32},
}

// GoldPlan is what a sub merchant's payers see after paying: nothing where it is not Open, WeChat's receipt, or where it is Custom
// the page at the partner's receipt link.
type GoldPlan struct {
	Open   bool `json:"open"`
	Custom bool `json:"custom"`
}

func (s *Simulator) changeGoldPlan(c *call) answer {
	return s.change(c, func(p *GoldPlan, open bool) { p.Open = open })
}

func (s *Simulator) changeCustomPage(c *call) answer {
	return s.change(c, func(p *GoldPlan, open bool) { p.Custom = open })
}

func (s *Simulator) change(c *call, to func(p *GoldPlan, open bool)) answer {
	body, bad := parseBody(c.body, goldPlanFields)
	if bad != nil {
		return *bad
	}
	kind := body.text("operation_type")
	if kind != "OPEN" && kind != "CLOSE" {
		return *paramError("body", kind, "输入源“/body/operation_type”映射到值字段“操作类型”枚举值不存在")
	}
	sub := body.text("sub_mchid")
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case !c.merchant.partner():
		return refuse(http.StatusForbidden, "NO_AUTH", "商户号无权限使用点金计划", causeUnspecified)
	case c.merchant.sub(sub) == nil:
		return noRelation()
	case kind == "OPEN" && s.world.receiptLinks[c.merchant.MchID] == "":
		return refuse(http.StatusBadRequest, "INVALID_REQUEST", "服务商未配置商家小票链接", causeUnspecified)
	}
	plan := s.world.goldPlans[sub]
	to(&plan, kind == "OPEN")
	s.world.goldPlans[sub] = plan
	s.changed()
	return ok(map[string]any{"sub_mchid": sub})
}

// SetReceiptLink is what a partner registers on its platform: the address of its receipt page (商家小票链接), https in production.
func (s *Simulator) SetReceiptLink(mchID, link string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.world.receiptLinks[mchID] = link
	s.changed()
}

// GoldPlanOf is what a sub merchant's payers see after paying.
func (s *Simulator) GoldPlanOf(subMchID string) GoldPlan {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.world.goldPlans[subMchID]
}
