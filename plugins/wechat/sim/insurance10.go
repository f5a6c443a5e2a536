package sim

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"time"
)

// Insurance10 is one payment of medical insurance 1.0 (the redirect of 2019) as WeChat keeps it. Sums are fen.
type Insurance10 struct {
	Parties
	MedTransID string              `json:"med_trans_id"`
	Number     string              `json:"hosp_out_trade_no"`
	State      string              `json:"med_trade_state"`
	CashState  string              `json:"cash_trade_status"`      // empty: there is no such part
	InsState   string              `json:"insurance_trade_status"` // empty: there is no such part
	Total      int64               `json:"total_fee"`
	Cash       int64               `json:"cash_fee"`
	Insured    int64               `json:"insurance_fee"`
	Body       string              `json:"body"`
	PayURL     string              `json:"pay_url"` // a path in the insurance mini program
	NotifyURL  string              `json:"notify_url"`
	SignType   string              `json:"sign_type"`
	Content    string              `json:"content"` // what was asked for, to tell a repeat from another order: a digest, since persons are in it
	CreatedAt  time.Time           `json:"created_at"`
	PaidAt     time.Time           `json:"paid_at,omitzero"`
	Refunds    []Insurance10Refund `json:"refunds,omitempty"`
}

// Insurance10Refund is cash that went back by 1.0's own call.
type Insurance10Refund struct {
	Number   string    `json:"hosp_out_refund_no"`
	RefundID string    `json:"med_refund_id"`
	Cash     int64     `json:"cash_refund_fee"`
	At       time.Time `json:"at"`
}

// InsuranceAppID is the simulated insurance mini program, where payers of 1.0 are sent.
const InsuranceAppID = "wxi0insurance00001"

const eventInsurance10 = "PAYINSURANCE"

// insurance10Call answers one path with what is signed, or refuses by an err_code. s.mu is held.
type insurance10Call func(s *Simulator, m *merchant, said v2) (v2, string)

var insurance10Calls = map[string]insurance10Call{
	"/payinsurance/unifiedorder": (*Simulator).unifiedInsurance,
	"/payinsurance/queryorder":   (*Simulator).queriedInsurance,
	"/payinsurance/refund":       (*Simulator).refundInsurance,
	"/payinsurance/queryrefund":  (*Simulator).queriedInsuranceRefund,
}

// insurance10 answers a call of 1.0, which is authenticated twice: by the app id's access token and by the merchant's signature.
func (s *Simulator) insurance10(call insurance10Call, w http.ResponseWriter, r *http.Request) {
	appID, ok := s.tokenOf(r.URL.Query().Get("access_token"))
	if !ok {
		w.Header().Set("Content-Type", "application/json; encoding=utf-8")
		_, _ = w.Write(compact(map[string]any{"errcode": errBadCredential, "errmsg": weixinWords[errBadCredential] + ", rid: " + rid(s.Now())}))
		return
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody))
	said, bad := readV2(body)
	if err != nil || bad != nil {
		failV2(w, "XML格式错误")
		return
	}
	wall := s.wallFor(occasion{})
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.world.merchants[said["mch_id"]]
	how := cmp.Or(said["sign_type"], signMD5)
	switch {
	case r.Method != http.MethodPost:
		failV2(w, "请使用post方法")
		return
	case m == nil:
		failV2(w, "商户号mch_id不存在")
		return
	case how != signMD5 && how != signHMAC || said["sign"] != said.signature(how, APIv2Key(m.MchID)):
		failV2(w, "签名错误")
		return
	case said["appid"] != appID && said["sub_appid"] != appID:
		failV2(w, "appid与access_token不匹配")
		return
	}
	told, code := call(s, m, said)
	if code != "" {
		told = v2{"result_code": "FAIL", "err_code": code, "err_code_des": insurance10Words[code]}
	} else {
		told["result_code"] = "SUCCESS"
	}
	told["return_code"], told["return_msg"], told["nonce_str"], told["mch_id"] = "SUCCESS", "OK", alphanumeric(16), m.MchID
	told["sign"] = told.signature(how, APIv2Key(m.MchID))
	w.Header().Set("Content-Type", "text/plain")
	w.Header().Set("Date", wall.UTC().Format(http.TimeFormat))
	_, _ = w.Write(told.xml()) // a caller that has gone away is the caller's business
}

var insurance10Words = map[string]string{
	"APPID_MCHID_NOT_MATCH": "appid和mch_id不匹配", "LACK_PARAMS": "缺少参数", "PARAM_ERROR": "参数错误", "OUT_TRADE_NO_USED": "商户订单号重复",
	"ORDERPAID": "订单已支付", "ORDERNOTEXIST": "订单不存在", "REFUNDNOTEXIST": "退款订单不存在", "REFUND_FEE_MISMATCH": "订单金额或退款金额与之前请求不一致",
	"INVALID_REQUEST": "订单未支付或退款金额大于支付金额",
}

func failV2(w http.ResponseWriter, why string) {
	w.Header().Set("Content-Type", "text/plain")
	_, _ = io.WriteString(w, "<xml><return_code><![CDATA[FAIL]]></return_code>\n<return_msg><![CDATA["+why+"]]></return_msg></xml>")
}

// insurance10Shapes are the fields of an order and what they look like.
var insurance10Shapes = map[string]*regexp.Regexp{
	"order_type": regexp.MustCompile(`^[A-Z][A-Za-z]{2,15}$`), "hosp_out_trade_no": regexp.MustCompile(`^[0-9A-Za-z_*|-]{6,64}$`),
	"hospital_name": regexp.MustCompile(`^.{1,128}$`), "total_fee": regexp.MustCompile(`^[1-9]\d*$`), "cash_fee": regexp.MustCompile(`^\d+$`),
	"insurance_fee": regexp.MustCompile(`^\d+$`), "allow_fee_change": regexp.MustCompile(`^[01]$`), "notify_url": regexp.MustCompile(`^https?://[^?#]{1,250}$`),
	"body": regexp.MustCompile(`^.{1,128}$`), "pay_type": regexp.MustCompile(`^[123]$`), "city_id": regexp.MustCompile(`^.{1,32}$`),
	"user_card_type": regexp.MustCompile(`^1$`), "user_card_no": regexp.MustCompile(`^[0-9a-f]{32}$`), "user_name": regexp.MustCompile(`^.{1,32}$`),
	"serial_no": regexp.MustCompile(`^.{1,20}$`), "org_no": regexp.MustCompile(`^.{1,32}$`), "gmt_out_create": regexp.MustCompile(`^\d{14}$`),
}

func (s *Simulator) unifiedInsurance(m *merchant, said v2) (v2, string) {
	for name, shape := range insurance10Shapes {
		switch {
		case said[name] == "":
			return nil, "LACK_PARAMS"
		case !shape.MatchString(said[name]):
			return nil, "PARAM_ERROR"
		}
	}
	p := &Insurance10{
		Parties: Parties{
			MchID: m.MchID, AppID: said["appid"], OpenID: said["openid"], SubMchID: said["sub_mch_id"], SubAppID: said["sub_appid"],
			SubOpenID: said["sub_openid"], InSubApp: said["sub_openid"] != "",
		},
		Number: said["hosp_out_trade_no"], State: "NOTPAY", Total: number10(said["total_fee"]), Cash: number10(said["cash_fee"]), Insured: number10(said["insurance_fee"]),
		Body: said["body"], NotifyURL: said["notify_url"], SignType: cmp.Or(said["sign_type"], signMD5), CreatedAt: s.clock.now(),
	}
	if s.world.mayTrade(m, &p.Parties) != nil {
		return nil, "APPID_MCHID_NOT_MATCH"
	}
	if p.Total != p.Cash+p.Insured || said["pay_type"] != map[[2]bool]string{{true, false}: "1", {false, true}: "2", {true, true}: "3"}[[2]bool{p.Cash > 0, p.Insured > 0}] {
		return nil, "PARAM_ERROR"
	}
	if p.Cash > 0 {
		p.CashState = "NOTPAY"
	}
	if p.Insured > 0 {
		p.InsState = "NOTPAY"
	}
	content := maps.Clone(said)
	delete(content, "nonce_str")
	delete(content, "sign")
	p.Content = content.signature(signHMAC, "content")
	at := slices.IndexFunc(s.world.insurance, func(old *Insurance10) bool { return old.MchID == p.MchID && old.Number == p.Number })
	switch {
	case at < 0:
		p.MedTransID = "MED" + s.clock.now().In(shanghai).Format("20060102") + draw(17, digits)
		p.PayURL = "pages/pay/index?trans=" + p.MedTransID
		s.world.insurance = append(s.world.insurance, p)
		s.changed()
	case s.world.insurance[at].Content != p.Content:
		return nil, "OUT_TRADE_NO_USED"
	case s.world.insurance[at].State != "NOTPAY":
		return nil, "ORDERPAID"
	default:
		p = s.world.insurance[at]
	}
	return v2{"appid": p.AppID, "sub_appid": p.SubAppID, "sub_mch_id": p.SubMchID, "med_trans_id": p.MedTransID, "pay_url": p.PayURL, "pay_appid": InsuranceAppID}, ""
}

func number10(text string) int64 {
	n, _ := strconv.ParseInt(text, 10, 64) // 0 where it is none
	return n
}

// insuranceOf finds a merchant's payment by what a call names.
func (w *world) insuranceOf(m *merchant, said v2) *Insurance10 {
	for _, p := range w.insurance {
		if p.MchID == m.MchID && p.SubMchID == said["sub_mch_id"] && (p.Number == said["hosp_out_trade_no"] || p.MedTransID == said["med_trans_id"]) {
			return p
		}
	}
	return nil
}

func (s *Simulator) queriedInsurance(m *merchant, said v2) (v2, string) {
	p := s.world.insuranceOf(m, said)
	if p == nil {
		return nil, "ORDERNOTEXIST"
	}
	told := p.told()
	told["med_trade_state"], told["cash_trade_status"], told["insurance_trade_status"] = p.State, p.CashState, p.InsState
	told["trade_status_desc"] = p.State
	return told, ""
}

// told are the values that answers and messages share.
func (p *Insurance10) told() v2 {
	m := v2{
		"appid": p.AppID, "sub_appid": p.SubAppID, "sub_mch_id": p.SubMchID, "openid": p.OpenID, "sub_openid": p.SubOpenID,
		"med_trans_id": p.MedTransID, "hosp_out_trade_no": p.Number, "total_fee": fmt.Sprint(p.Total), "cash_fee": fmt.Sprint(p.Cash), "insurance_fee": fmt.Sprint(p.Insured),
	}
	if !p.PaidAt.IsZero() {
		m["time_end"], m["response_content"] = p.PaidAt.In(shanghai).Format("20060102150405"), "{}"
	}
	return m
}

func (s *Simulator) refundInsurance(m *merchant, said v2) (v2, string) {
	p := s.world.insuranceOf(m, said)
	back, number := number10(said["cash_refund_fee"]), said["hosp_out_refund_no"]
	switch {
	case p == nil:
		return nil, "ORDERNOTEXIST"
	case number == "" || back < 1:
		return nil, "LACK_PARAMS"
	case said["appid"] != p.AppID: // it must be the payment's
		return nil, "APPID_MCHID_NOT_MATCH"
	}
	left := p.Cash
	for _, r := range p.Refunds {
		if r.Number == number {
			if r.Cash != back {
				return nil, "REFUND_FEE_MISMATCH"
			}
			return p.toldRefund(r), ""
		}
		left -= r.Cash
	}
	if p.CashState != "PAYED" && p.CashState != "REFUND" || back > left {
		return nil, "INVALID_REQUEST"
	}
	r := Insurance10Refund{Number: number, RefundID: "MREF" + draw(20, digits), Cash: back, At: s.clock.now()}
	p.Refunds, p.CashState = append(p.Refunds, r), "REFUND"
	s.changed()
	return p.toldRefund(r), ""
}

func (p *Insurance10) toldRefund(r Insurance10Refund) v2 {
	return v2{
		"appid": p.AppID, "sub_appid": p.SubAppID, "sub_mch_id": p.SubMchID, "med_trans_id": p.MedTransID, "hosp_out_trade_no": p.Number,
		"hosp_out_refund_no": r.Number, "med_refund_id": r.RefundID, "cash_refund_fee": fmt.Sprint(r.Cash), "med_refund_state": "SUCCESS",
		"cash_refund_stauts": "SUCCESS", // so WeChat spells it
	}
}

func (s *Simulator) queriedInsuranceRefund(m *merchant, said v2) (v2, string) {
	if p := s.world.insuranceOf(m, said); p != nil {
		for _, r := range p.Refunds {
			if r.Number == said["hosp_out_refund_no"] {
				return p.toldRefund(r), ""
			}
		}
	}
	return nil, "REFUNDNOTEXIST"
}

// Insurance10Pay says which payment of 1.0 a payer pays: by its number, or by the path that the page was given.
type Insurance10Pay struct {
	Number string `json:"hosp_out_trade_no,omitempty"`
	PayURL string `json:"pay_url,omitempty"`
	OpenID string `json:"openid,omitempty"` // who pays; empty: the one whom it is for
	// Refunding leaves a failure where WeChat has not given the cash back yet.
	Refunding bool `json:"refunding,omitempty"`
}

// PayInsurance10 is the payer typing the password in the insurance mini program: all parts are paid, and the message is on its way.
func (s *Simulator) PayInsurance10(p Insurance10Pay) (Insurance10, error) {
	return s.inInsuranceApp(p, func(i *Insurance10) {
		i.State, i.PaidAt = "SUCCESS", s.clock.now()
		for _, part := range []*string{&i.CashState, &i.InsState} {
			if *part != "" {
				*part = "PAYED"
			}
		}
	})
}

// FailInsurance10 is the bureau refusing after the password: the cash was taken, and WeChat gives it back by itself.
func (s *Simulator) FailInsurance10(p Insurance10Pay) (Insurance10, error) {
	return s.inInsuranceApp(p, func(i *Insurance10) {
		i.State, i.InsState = "SYS_REFUNDED", "CLOSED"
		if i.CashState != "" {
			i.CashState = "REFUND"
		}
		if p.Refunding && i.CashState != "" {
			i.State, i.CashState = "SYS_REFUNDING", "PAYED"
		}
	})
}

// DivideInsurance10 is the bureau dividing a payment in another way than the hospital asked for.
func (s *Simulator) DivideInsurance10(number string, cash, insured int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, i := range s.world.insurance {
		if i.Number == number && i.State == "NOTPAY" {
			i.Cash, i.Insured, i.Total = cash, insured, cash+insured
			return nil
		}
	}
	return &Refused{ReasonUnknown, "订单不存在：" + number}
}

// OpenInsurance10 is the payer seeing what is to be paid, and perhaps leaving: nothing changes.
func (s *Simulator) OpenInsurance10(p Insurance10Pay) (Insurance10, error) {
	return s.inInsuranceApp(p, nil)
}

func (s *Simulator) inInsuranceApp(p Insurance10Pay, do func(*Insurance10)) (Insurance10, error) {
	s.mu.Lock()
	var i *Insurance10
	for _, made := range s.world.insurance {
		if made.Number == p.Number || p.Number == "" && made.PayURL == p.PayURL {
			i = made
		}
	}
	var err error
	switch {
	case i == nil:
		err = &Refused{ReasonUnknown, "订单不存在：" + p.Number + p.PayURL}
	case p.OpenID != "" && p.OpenID != i.OpenID && p.OpenID != i.SubOpenID:
		err = &Refused{ReasonPayer, "下单账号与支付账号不一致，请核实后再支付"}
	case i.State != "NOTPAY":
		err = &Refused{ReasonPaid, "该订单已支付，请勿重复支付"}
	}
	if err != nil || do == nil {
		defer s.mu.Unlock()
		if err != nil {
			return Insurance10{}, err
		}
		return i.copy(), nil
	}
	do(i)
	seen, epoch, now := i.copy(), s.world.epoch, s.clock.now()
	s.mu.Unlock()
	s.changed()
	if seen.State == "SUCCESS" {
		s.send(seen.callback(), epoch, now)
	}
	return seen, nil
}

func (p *Insurance10) copy() Insurance10 {
	seen := *p
	seen.Refunds = slices.Clone(p.Refunds)
	return seen
}

// callback is the message about a paid payment. Version 2 has no time and no key serial in it.
func (p *Insurance10) callback() *Callback {
	m := p.told()
	m["pay_type"] = map[[2]bool]string{{true, false}: "1", {false, true}: "2", {true, true}: "3"}[[2]bool{p.Cash > 0, p.Insured > 0}]
	m["return_code"], m["result_code"], m["mch_id"], m["nonce_str"] = "SUCCESS", "SUCCESS", p.MchID, alphanumeric(16)
	m["sign"] = m.signature(p.SignType, APIv2Key(p.MchID))
	text := string(m.xml())
	return &Callback{ID: callbackID(), EventType: eventInsurance10, MchID: p.MchID, OutTradeNo: p.Number, URL: p.NotifyURL, CreatedAt: p.PaidAt, Plaintext: text, Envelope: text}
}

// insurance10Headers are those of a message of version 2; spoiled as the fault says, as far as it has what can be spoiled.
func (c *Callback) insurance10Headers(fault FaultKind) (http.Header, []byte) {
	body := c.Envelope
	switch fault {
	case CallbackSignTampered, CallbackBodyTampered, CallbackOtherKey, CallbackUnknownSerial, CallbackProbe:
		body = flip(body)
	}
	return http.Header{"Content-Type": {"text/xml"}, "User-Agent": {"Mozilla/4.0"}, "Accept": {"*/*"}}, []byte(body)
}
