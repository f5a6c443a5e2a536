package sim

import (
	"crypto/md5" // check_code is made by it
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
)

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

// SetReceiptLink is what a partner registers on its platform: the address of its receipt page (商家小票链接), without a query. WeChat
// wants https; here http will do.
func (s *Simulator) SetReceiptLink(mchID, link string) error {
	if u, err := url.Parse(link); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.RawQuery != "" || u.Fragment != "" {
		return fmt.Errorf("the receipt link %q is not an address without a query", link)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if m := s.world.merchants[mchID]; m == nil || !m.partner() {
		return fmt.Errorf("merchant %s is no partner: the gold plan is for partners' sub merchants", mchID)
	}
	s.world.receiptLinks[mchID] = link
	s.changed()
	return nil
}

func (s *Simulator) controlSetReceiptLink(r *http.Request) (any, error) {
	var body struct {
		Link string `json:"link"`
	}
	if err := readControl(r, &body); err != nil {
		return nil, err
	}
	return body, s.SetReceiptLink(r.PathValue("mchid"), body.Link)
}

// GoldPlanOf is what a sub merchant's payers see after paying.
func (s *Simulator) GoldPlanOf(subMchID string) GoldPlan {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.world.goldPlans[subMchID]
}

// Receipt is what WeChat shows a payer after a payment in an official account, once they have tapped 完成. The page that called pay
// is closed in each case of the gold plan.
type Receipt struct {
	Partner bool   // the gold plan is for partners' sub merchants; a direct merchant's page stays, and is told
	Open    bool   // the plan is on: WeChat shows its receipt
	URL     string // of the receipt page in WeChat's frame; empty: WeChat's own receipt
}

// ReceiptAfter is the receipt of what was just paid by a hand-off.
func (s *Simulator) ReceiptAfter(p Pay) (Receipt, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, _, err := s.world.wanted(p)
	if err != nil || t.SubMchID == "" {
		return Receipt{}, err
	}
	plan := s.world.goldPlans[t.SubMchID]
	r := Receipt{Partner: true, Open: plan.Open}
	if link := s.world.receiptLinks[t.MchID]; plan.Open && plan.Custom && link != "" {
		query := fmt.Sprintf("?sub_mch_id=%s&out_trade_no=%s", t.SubMchID, t.OutTradeNo)
		sum := md5.Sum([]byte(link + query + "&transaction_id=" + t.TransactionID))
		r.URL = link + query + "&check_code=" + hex.EncodeToString(sum[:])
	}
	return r, nil
}
