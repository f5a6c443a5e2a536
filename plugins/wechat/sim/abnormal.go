package sim

import "net/http"

// abnormalFields is the body of POST /v3/refund/domestic/refunds/{refund_id}/apply-abnormal-refund.
var abnormalFields = []field{
	{path: "sub_mchid", label: labelSubMchID, max: 32},
	{path: "out_refund_no", label: "商户退款单号", required: true, max: 64, pattern: refundNumberText},
	{path: "type", label: "异常退款处理方式", required: true, max: 32},
	{path: "bank_type", label: "开户银行", max: 16},
	{path: "bank_account", label: "收款银行卡号", max: 1024},
	{path: "real_name", label: "收款用户姓名", max: 1024},
}

const (
	toUserCard     = "USER_BANK_CARD"
	toMerchantCard = "MERCHANT_BANK_CARD"
)

// debitCards are the banks to whose debit cards an abnormal refund can go.
var debitCards = map[string]string{
	"CMB_DEBIT": "招商银行", "COMM_DEBIT": "交通银行", "ABC_DEBIT": "农业银行", "CCB_DEBIT": "建设银行", "ICBC_DEBIT": "工商银行",
	"BOC_DEBIT": "中国银行", "PAB_DEBIT": "平安银行", "SPDB_DEBIT": "浦发银行", "CITIC_DEBIT": "中信银行", "CEB_DEBIT": "光大银行",
	"CMBC_DEBIT": "民生银行", "CIB_DEBIT": "兴业银行", "GDB_DEBIT": "广发银行", "PSBC_DEBIT": "邮储银行", "NBCB_DEBIT": "宁波银行",
}

// abnormalRefund sends an ABNORMAL refund on its way again: to another card of the payer's, whose number and name
// come encrypted to WeChat's key, or to the merchant's own account. Sent again it says the same.
func (s *Simulator) abnormalRefund(c *call) answer {
	body, bad := parseBody(c.body, abnormalFields)
	if bad != nil {
		return *bad
	}
	sub := body.text("sub_mchid")
	if bad := s.refundParty(c.merchant, "body", sub); bad != nil {
		return *bad
	}
	account, bad := s.refundAccount(c, body)
	if bad != nil {
		return *bad
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.world.refunds[tradeKey{c.merchant.MchID, body.text("out_refund_no")}]
	switch {
	case r == nil || r.SubMchID != sub || r.RefundID != c.path["refund_id"]:
		return refuse(http.StatusNotFound, "RESOURCE_NOT_EXISTS", textNoRefund, causeUnspecified)
	case r.Account == account && r.Status != RefundAbnormal:
		return ok(r.shown())
	case r.Status != RefundAbnormal:
		return refuse(http.StatusBadRequest, "INVALID_REQUEST", "退款单状态不是退款异常，不能发起异常退款", causeUnspecified)
	}
	r.Account = account
	s.world.become(r, RefundProcessing, c.now)
	if body.text("type") == toUserCard {
		r.Channel = "OTHER_BANKCARD"
	}
	r.SettlesAt = c.now.Add(s.cfg.RefundDelay)
	s.planRefund(r)
	s.changed()
	return ok(r.shown())
}

// refundAccount is where an abnormal refund goes, as user_received_account names it. Of the card only the last
// four digits are kept.
func (s *Simulator) refundAccount(c *call, body content) (string, *answer) {
	switch kind := body.text("type"); kind {
	case toMerchantCard:
		return "商户结算银行账户", nil
	case toUserCard:
	default:
		return "", paramError("body", kind, "输入源“/body/type”映射到值字段“异常退款处理方式”字符串规则校验失败，字符串值不在枚举范围内")
	}
	for _, f := range abnormalFields[3:] {
		if body.text(f.path) == "" {
			return "", missing("body", f.path, f.label)
		}
	}
	bank, known := debitCards[body.text("bank_type")]
	if !known {
		bad := refuse(http.StatusBadRequest, "PARAM_ERROR", "不支持的开户银行", causeParam)
		return "", &bad
	}
	card, bad := s.sensitive(c, "bank_account", body.text("bank_account"))
	if bad != nil {
		return "", bad
	}
	if _, bad := s.sensitive(c, "real_name", body.text("real_name")); bad != nil {
		return "", bad
	}
	if len(card) < 8 {
		bad := refuse(http.StatusBadRequest, "PARAM_ERROR", "收款银行卡号不正确", causeParam)
		return "", &bad
	}
	return bank + "借记卡" + string(card[len(card)-4:]), nil
}
