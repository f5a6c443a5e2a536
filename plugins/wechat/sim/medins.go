package sim

import (
	"bytes"
	"fmt"
	"net/http"
	"slices"
	"time"
)

// MedIns is one medical insurance payment as WeChat keeps it. Sums are fen.
type MedIns struct {
	Parties
	MixTradeNo  string         `json:"mix_trade_no"`
	OutTradeNo  string         `json:"out_trade_no"`
	Kind        string         `json:"mix_pay_type"`
	State       string         `json:"mix_pay_status"`
	SelfState   string         `json:"self_pay_status"`
	InsState    string         `json:"med_ins_pay_status"`
	FailReason  string         `json:"med_ins_fail_reason,omitempty"`
	PrepayID    string         `json:"prepay_id,omitempty"`
	PayAuthNo   string         `json:"pay_auth_no,omitempty"`
	CallbackURL string         `json:"callback_url"`
	Insured     int64          `json:"insured"` // fund, personal account and other insurance
	Cash        int64          `json:"cash"`
	Echo        string         `json:"echo"` // the order as it was asked for, without persons: what queries show
	CreatedAt   time.Time      `json:"created_at"`
	PaidAt      time.Time      `json:"paid_at,omitzero"`
	Reports     []MedInsReport `json:"reports,omitempty"` // refunds that the merchant told of, the last of a number
}

// MedInsReport is an insurance refund at the bureau that the merchant told WeChat of.
type MedInsReport struct {
	OutRefundNo string    `json:"out_refund_no"`
	Gov         int64     `json:"gov"`
	Self        int64     `json:"self"`
	Other       int64     `json:"other"`
	At          time.Time `json:"at"`
	Times       int       `json:"times"`
}

// The causes of medical insurance at the end of a Request-ID.
const (
	causeMedInsUsed      = 268512536
	causeMedInsUnknown   = 268529515
	causeMedInsOpenID    = 268510603
	causeMedInsSubOpenID = 268510604
	causeMedInsSettle    = 268510610
	causeMedInsFields    = 268529474
	causeMedInsSelf      = 268529476
	causeMedInsTotal     = 268529477
	causeMedInsMixed     = 268529481
	causeMedInsDigest    = 268545961
	causeMedInsName      = 268545962
	causeMedInsInactive  = 268545963
	causeMedInsRelative  = 268545964
	causeMedInsNoAuth    = 268545967
	causeMedInsAuth      = 268547120
)

const cashOnly, insuranceOnly, cashAndInsurance = "CASH_ONLY", "INSURANCE_ONLY", "CASH_AND_INSURANCE"

// medInsFields is the body of POST /v3/med-ins/orders.
var medInsFields = []field{
	{path: "mix_pay_type", label: "混合支付类型", required: true, max: 32},
	{path: "order_type", label: "订单类型", required: true, max: 32},
	{path: "appid", label: "公众账号ID", required: true, max: 32},
	{path: "sub_appid", label: "子商户公众账号ID", max: 32},
	{path: "sub_mchid", label: "子商户号", max: 32},
	{path: "openid", label: "用户标识", max: 128},
	{path: "sub_openid", label: "用户子标识", max: 128},
	{path: "payer", label: "支付人", kind: object, required: true},
	{path: "payer/name", label: "姓名", required: true, max: 1024},
	{path: "payer/id_digest", label: "证件号摘要", required: true, max: 1024},
	{path: "payer/card_type", label: "证件类型", required: true, max: 64},
	{path: "pay_for_relatives", label: "是否代亲属支付", kind: boolean},
	{path: "relative", label: "亲属", kind: object},
	{path: "relative/name", label: "亲属姓名", required: true, max: 1024},
	{path: "relative/id_digest", label: "亲属证件号摘要", required: true, max: 1024},
	{path: "relative/card_type", label: "亲属证件类型", required: true, max: 64},
	{path: "out_trade_no", label: "商户订单号", required: true, min: 6, max: 64, pattern: numberText},
	{path: "serial_no", label: "医疗机构订单号", required: true, max: 20},
	{path: "pay_order_id", label: "医保局返回的支付单ID", max: 64},
	{path: "pay_auth_no", label: "医保局返回的支付授权码", max: 40},
	{path: "geo_location", label: "用户定位信息", max: 40},
	{path: "city_id", label: "城市ID", required: true, max: 8},
	{path: "med_inst_name", label: "医疗机构名称", required: true, max: 128},
	{path: "med_inst_no", label: "医疗机构编码", required: true, max: 32},
	{path: "med_ins_order_create_time", label: "医保下单时间", max: 64},
	{path: "total_fee", label: "总金额", kind: number, required: true, min: 1},
	{path: "med_ins_gov_fee", label: "医保统筹基金支付金额", kind: number},
	{path: "med_ins_self_fee", label: "医保个人账户支付金额", kind: number},
	{path: "med_ins_other_fee", label: "医保其他支付金额", kind: number},
	{path: "med_ins_cash_fee", label: "医保结算现金部分金额", kind: number},
	{path: "wechat_pay_cash_fee", label: "微信支付现金支付金额", kind: number},
	{path: "cash_add_detail", label: "现金补充明细", kind: opaque},
	{path: "cash_reduce_detail", label: "现金减少明细", kind: opaque},
	{path: "callback_url", label: "回调通知的url", required: true, max: 256, pattern: notifyURL},
	{path: "prepay_id", label: "预支付交易会话标识", max: 64},
	{path: "passthrough_request_content", label: "透传请求内容", max: 2048},
	{path: "extends", label: "扩展字段", max: 2048},
	{path: "attach", label: "附加数据", max: 128},
	{path: "channel_no", label: "渠道编号", max: 32},
	{path: "med_ins_test_env", label: "医保局测试环境", kind: boolean},
}

// medInsEnums are the fields whose values are listed.
var medInsEnums = map[string][]string{
	"mix_pay_type": {cashOnly, insuranceOnly, cashAndInsurance},
	"order_type": {"REG_PAY", "DIAG_PAY", "COVID_EXAM_PAY", "IN_HOSP_PAY", "PHARMACY_PAY", "INSURANCE_PAY", "INT_REG_PAY",
		"INT_RE_DIAG_PAY", "INT_RX_PAY", "COVID_ANTIGEN_PAY", "MED_PAY"},
	"payer/card_type":    cardTypes,
	"relative/card_type": cardTypes,
}

var cardTypes = []string{
	"ID_CARD", "HOUSEHOLD_REGISTRATION", "FOREIGNER_PASSPORT", "MAINLAND_TRAVEL_PERMIT_FOR_TW", "MAINLAND_TRAVEL_PERMIT_FOR_MO",
	"MAINLAND_TRAVEL_PERMIT_FOR_HK", "FOREIGN_PERMANENT_RESIDENT",
}

// medInsOrder answers POST /v3/med-ins/orders: shape, persons, kind and sums first, then what the bureau knows.
func (s *Simulator) medInsOrder(c *call) answer {
	body, bad := parseBody(c.body, medInsFields)
	if bad != nil {
		return *bad
	}
	for path, values := range medInsEnums {
		if said := body.text(path); said != "" && !slices.Contains(values, said) {
			return *paramError("body", said, "输入源“/body/"+path+"”字符串规则校验失败，字符串值不在枚举范围内")
		}
	}
	persons, bad := s.persons(c, body)
	if bad != nil {
		return *bad
	}
	if bad := checkMedInsSums(body); bad != nil {
		return *bad
	}
	m := &MedIns{
		Parties: Parties{
			MchID: c.merchant.MchID, AppID: body.text("appid"), OpenID: body.text("openid"), SubMchID: body.text("sub_mchid"),
			SubAppID: body.text("sub_appid"), SubOpenID: body.text("sub_openid"), InSubApp: body.text("sub_openid") != "",
		},
		OutTradeNo: body.text("out_trade_no"), Kind: body.text("mix_pay_type"), PrepayID: body.text("prepay_id"),
		PayAuthNo: body.text("pay_auth_no"), CallbackURL: body.text("callback_url"), CreatedAt: c.now,
		Insured: insuredPart(body), Cash: body.number("wechat_pay_cash_fee"),
		State: "MIX_PAY_CREATED", SelfState: "SELF_PAY_CREATED", InsState: "MED_INS_PAY_CREATED",
	}
	if m.Kind == insuranceOnly {
		m.SelfState = "NO_SELF_PAY"
	}
	if m.Kind == cashOnly {
		m.InsState = "NO_MED_INS_PAY"
	}
	delete(body, "payer")
	delete(body, "relative")
	m.Echo = body.canonical()
	s.mu.Lock()
	defer s.mu.Unlock()
	if bad := s.world.mayInsure(c, m, body, persons); bad != nil {
		return *bad
	}
	m.MixTradeNo = c.now.In(shanghai).Format("20060102150405") + draw(16, digits)
	s.world.keepMedIns(m)
	s.changed()
	return ok(s.world.shownMedIns(m))
}

// persons are who pays and who was treated, decrypted.
func (s *Simulator) persons(c *call, body content) (all map[string]MedPerson, bad *answer) {
	all = map[string]MedPerson{}
	for _, who := range []string{"payer", "relative"} {
		if _, there := body.find(who); !there {
			continue
		}
		name, bad := s.sensitive(c, who+"/name", body.text(who+"/name"))
		if bad != nil {
			return nil, bad
		}
		digest, bad := s.sensitive(c, who+"/id_digest", body.text(who+"/id_digest"))
		if bad != nil {
			return nil, bad
		}
		all[who] = MedPerson{Name: string(name), digest: string(digest)}
	}
	relatives, _ := body.find("pay_for_relatives")
	if _, there := all["relative"]; there != (relatives == true) {
		return nil, missing("body", "relative", "亲属")
	}
	return all, nil
}

func insuredPart(body content) int64 {
	return body.number("med_ins_gov_fee") + body.number("med_ins_self_fee") + body.number("med_ins_other_fee")
}

// checkMedInsSums holds the table of fields of each kind and both sum formulas.
func checkMedInsSums(body content) *answer {
	no := func(code, message string, cause int) *answer {
		a := refuse(http.StatusBadRequest, code, message, cause)
		return &a
	}
	kind := body.text("mix_pay_type")
	for _, of := range []string{"pay_order_id", "pay_auth_no", "geo_location", "med_ins_order_create_time"} {
		if (body.text(of) != "") != (kind != cashOnly) {
			return no("PARAM_ERROR", "混合支付类型"+kind+"与字段"+of+"不符", causeMedInsFields)
		}
	}
	for _, of := range []string{"med_ins_gov_fee", "med_ins_self_fee", "med_ins_other_fee", "med_ins_cash_fee"} {
		if _, there := body.find(of); there != (kind != cashOnly) || body.number(of) < 0 {
			return no("PARAM_ERROR", "混合支付类型"+kind+"与字段"+of+"不符", causeMedInsFields)
		}
	}
	cash := body.number("wechat_pay_cash_fee")
	if (body.text("prepay_id") != "") != (kind != insuranceOnly) || (cash > 0) != (kind != insuranceOnly) {
		return no("PARAM_ERROR", "混合支付类型"+kind+"与自费部分不符", causeMedInsFields)
	}
	added, bad := changes(body, "cash_add_detail", "cash_add_fee", "cash_add_type", []string{"DEFAULT_ADD_TYPE", "FREIGHT", "OTHER_MEDICAL_EXPENSES"})
	if bad != nil {
		return bad
	}
	taken, bad := changes(body, "cash_reduce_detail", "cash_reduce_fee", "cash_reduce_type",
		[]string{"DEFAULT_REDUCE_TYPE", "HOSPITAL_REDUCE", "PHARMACY_DISCOUNT", "DISCOUNT", "PRE_PAYMENT", "DEPOSIT_DEDUCTION"})
	if bad != nil {
		return bad
	}
	total, insured := body.number("total_fee"), insuredPart(body)
	switch bureauCash := body.number("med_ins_cash_fee"); {
	case total != insured+cash+taken:
		return no("PARAM_ERROR", "总金额与各部分金额之和不符", causeMedInsTotal)
	case kind == cashOnly:
	case cash != bureauCash+added-taken:
		return no("PARAM_ERROR", "自费部分金额不符", causeMedInsSelf)
	case kind == cashAndInsurance && insured == 0:
		return no("PARAM_ERROR", "混合支付的医保部分金额为0", causeMedInsMixed)
	}
	return nil
}

// changes adds up a list of additions or reductions.
func changes(body content, list, fee, kind string, kinds []string) (sum int64, bad *answer) {
	v, _ := body.find(list)
	items, _ := v.([]any)
	for _, item := range items {
		inner, _ := item.(map[string]any)
		of := content(inner)
		if n := of.number(fee); n < 1 || !slices.Contains(kinds, of.text(kind)) {
			return 0, paramError("body", n, "输入源“/body/"+list+"”规则校验失败")
		}
		sum += of.number(fee)
	}
	return sum, nil
}

// mayInsure says what speaks against a payment that is well formed; s.mu is held.
func (w *world) mayInsure(c *call, m *MedIns, body content, persons map[string]MedPerson) *answer {
	no := func(status int, code, message string, cause int) *answer {
		a := refuse(status, code, message, cause)
		return &a
	}
	if w.insured[tradeKey{m.MchID, m.OutTradeNo}] != nil {
		return no(http.StatusBadRequest, "ALREADY_EXISTS", "商户订单号已存在", causeMedInsUsed)
	}
	if m.SubMchID != "" && m.SubAppID == "" {
		return missing("body", "sub_appid", "子商户公众账号ID")
	}
	if (m.OpenID == "") == (m.SubOpenID == "") {
		return no(http.StatusBadRequest, "PARAM_ERROR", "openid和sub_openid必须且只能传一个", causeMedInsSubOpenID)
	}
	if bad := w.mayTrade(c.merchant, &m.Parties); bad != nil {
		cause := causeMedInsOpenID
		if m.InSubApp {
			cause = causeMedInsSubOpenID
		}
		return no(http.StatusBadRequest, "PARAM_ERROR", "appid与openid不匹配", cause)
	}
	if m.PrepayID != "" {
		t := w.byPrepay[m.PrepayID]
		switch {
		case t == nil || t.OutTradeNo != m.OutTradeNo || t.MchID != m.MchID || t.Total != m.Cash:
			return no(http.StatusBadRequest, "PARAM_ERROR", "预支付订单与自费部分不符", causeMedInsSelf)
		case t.State != NotPaid:
			return no(http.StatusBadRequest, "INVALID_REQUEST", "预支付订单已关闭或已支付", causeUnspecified)
		}
	}
	if m.Kind == cashOnly {
		return nil
	}
	return w.bureau.authorizes(m, body, persons, c.now)
}

// keepMedIns puts a payment where it is looked for.
func (w *world) keepMedIns(m *MedIns) {
	w.insured[tradeKey{m.MchID, m.OutTradeNo}] = m
	w.byMix[m.MixTradeNo] = m
	w.mixed = append(w.mixed, m)
}

// shownMedIns is the payment as an answer shows it: its states, and the order without persons. s.mu is held.
func (w *world) shownMedIns(m *MedIns) shownMedIns {
	shown, _ := decode([]byte(m.Echo))
	shown["mix_trade_no"], shown["mix_pay_status"] = m.MixTradeNo, m.State
	shown["self_pay_status"], shown["med_ins_pay_status"] = m.SelfState, m.InsState
	if t := w.trades[tradeKey{m.MchID, m.OutTradeNo}]; t != nil && t.State == Refunded && m.SelfState == "SELF_PAY_SUCCESS" {
		shown["self_pay_status"] = "SELF_PAY_REFUND"
		if m.State == "MIX_PAY_SUCCESS" {
			shown["mix_pay_status"] = "MIX_PAY_REFUND"
		}
	}
	if m.FailReason != "" {
		shown["med_ins_fail_reason"] = m.FailReason
	}
	if !m.PaidAt.IsZero() {
		shown["paid_time"] = onWire(m.PaidAt)
		shown["passthrough_response_content"] = "{}"
	}
	return shownMedIns(shown)
}

// shownMedIns is written in WeChat's order: its numbers and states, then the order as it was asked for, without persons.
type shownMedIns map[string]any

// shownFirst is what comes before the order's own fields.
var shownFirst = []string{
	"mix_trade_no", "mix_pay_status", "self_pay_status", "med_ins_pay_status", "paid_time", "passthrough_response_content", "med_ins_fail_reason",
}

// MarshalJSON writes the fields that there are.
func (m shownMedIns) MarshalJSON() ([]byte, error) {
	names := slices.Clone(shownFirst)
	for _, f := range medInsFields {
		names = append(names, f.path)
	}
	var b bytes.Buffer
	for _, name := range names {
		if value, there := m[name]; there {
			fmt.Fprintf(&b, ",%q:%s", name, compact(value))
		}
	}
	return append(append([]byte("{"), bytes.TrimPrefix(b.Bytes(), []byte(","))...), '}'), nil
}

// medInsByNumber answers GET /v3/med-ins/orders/out-trade-no/{out_trade_no}.
func (s *Simulator) medInsByNumber(c *call) answer {
	return s.medInsQuery(c, func(w *world) *MedIns { return w.insured[tradeKey{c.merchant.MchID, c.path["out_trade_no"]}] })
}

// medInsByMix answers GET /v3/med-ins/orders/mix-trade-no/{mix_trade_no}.
func (s *Simulator) medInsByMix(c *call) answer {
	return s.medInsQuery(c, func(w *world) *MedIns { return w.byMix[c.path["mix_trade_no"]] })
}

func (s *Simulator) medInsQuery(c *call, find func(*world) *MedIns) answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := find(s.world)
	if m == nil || m.MchID != c.merchant.MchID || m.SubMchID != c.query.Get("sub_mchid") {
		return refuse(http.StatusNotFound, "ORDER_NOT_EXIST", "订单不存在", causeMedInsUnknown)
	}
	return ok(s.world.shownMedIns(m))
}

var medInsRefundFields = []field{
	{path: "sub_mchid", label: "子商户号", max: 32},
	{path: "med_refund_total_fee", label: "医保退款的总金额", kind: number, required: true},
	{path: "med_refund_gov_fee", label: "医保统筹退款金额", kind: number, required: true},
	{path: "med_refund_self_fee", label: "医保个账退款金额", kind: number, required: true},
	{path: "med_refund_other_fee", label: "医保其他退款金额", kind: number, required: true},
	{path: "refund_time", label: "医保退款成功时间", required: true, max: 64},
	{path: "out_refund_no", label: "商户退款单号", required: true, max: 64, pattern: refundNumberText},
}

// medInsRefund answers POST /v3/med-ins/refunds/notify. Told again, the last one counts.
func (s *Simulator) medInsRefund(c *call) answer {
	body, bad := parseBody(c.body, medInsRefundFields)
	if bad != nil {
		return *bad
	}
	r := MedInsReport{
		OutRefundNo: body.text("out_refund_no"), Gov: body.number("med_refund_gov_fee"), Self: body.number("med_refund_self_fee"),
		Other: body.number("med_refund_other_fee"), At: c.now, Times: 1,
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.world.byMix[c.query.Get("mix_trade_no")]
	switch {
	case m == nil || m.MchID != c.merchant.MchID || m.SubMchID != body.text("sub_mchid"):
		return refuse(http.StatusNotFound, "ORDER_NOT_EXIST", "订单不存在", causeMedInsUnknown)
	case body.number("med_refund_total_fee") != r.Gov+r.Self+r.Other || min(r.Gov, r.Self, r.Other) < 0:
		return refuse(http.StatusForbidden, "RULE_LIMIT", "退款总金额与各部分之和不符", causeUnspecified)
	case m.InsState != "MED_INS_PAY_SUCCESS" && m.InsState != "MED_INS_PAY_REFUND":
		return refuse(http.StatusForbidden, "RULE_LIMIT", "订单未支付医保部分", causeUnspecified)
	}
	told := r.Gov + r.Self + r.Other
	i := slices.IndexFunc(m.Reports, func(old MedInsReport) bool { return old.OutRefundNo == r.OutRefundNo })
	for j, old := range m.Reports {
		if j != i {
			told += old.Gov + old.Self + old.Other
		}
	}
	if told > m.Insured {
		return refuse(http.StatusForbidden, "RULE_LIMIT", "医保退款金额超过支付金额", causeUnspecified)
	}
	if i < 0 {
		m.Reports = append(m.Reports, r)
	} else {
		r.Times = m.Reports[i].Times + 1
		m.Reports[i] = r
	}
	m.State, m.InsState = "MIX_PAY_REFUND", "MED_INS_PAY_REFUND"
	s.changed()
	return answer{status: http.StatusNoContent}
}
