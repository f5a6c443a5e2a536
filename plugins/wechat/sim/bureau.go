package sim

import (
	"crypto/md5" // WeChat's digest of identity numbers
	"encoding/hex"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// MedPerson is one person as the insurance bureau knows them.
type MedPerson struct {
	Name     string `json:"name"`
	IDNumber string `json:"id_number"`
	digest   string // of a request; empty here
}

// sum is the digest that a request must carry for this person.
func (p MedPerson) sum() string {
	sum := md5.Sum([]byte(strings.ToUpper(p.IDNumber)))
	return hex.EncodeToString(sum[:])
}

// Authorization is what the bureau gives a hospital after it has pre-settled a bill: for one payment by one payer, within
// its life.
type Authorization struct {
	PayOrderID string     `json:"pay_order_id"`
	PayAuthNo  string     `json:"pay_auth_no"`
	SerialNo   string     `json:"serial_no"`
	OpenID     string     `json:"openid,omitempty"` // who may use it; empty: whoever comes first
	Gov        int64      `json:"gov"`
	Self       int64      `json:"self"`
	Other      int64      `json:"other"`
	Cash       int64      `json:"cash"`
	Person     MedPerson  `json:"person"`                     // who was treated
	Payer      *MedPerson `json:"payer,omitempty"`            // who pays for a relative
	Life       Duration   `json:"life,omitempty"`             // 5 minutes when 0
	Inactive   bool       `json:"inactive,omitempty"`         // the person has no electronic credential
	Unbound    bool       `json:"relative_unbound,omitempty"` // the relative is not bound to the payer
	OrderedAt  time.Time  `json:"ordered_at,omitzero"`
	ExpiresAt  time.Time  `json:"expires_at,omitzero"`
	UsedBy     string     `json:"used_by,omitempty"` // an out_trade_no
}

const authorizationLife = 5 * time.Minute

// bureau is the insurance bureau: what it has authorized, and what it gave back. Guarded by Simulator.mu.
type bureau struct {
	authorizations map[string]*Authorization // by pay_auth_no
	refunds        []BureauRefund
}

// BureauRefund is what the bureau gave back of a payment, as the hospital asked it to.
type BureauRefund struct {
	BureauRefundNo string    `json:"bureau_refund_no"`
	PayOrderID     string    `json:"pay_order_id"`
	Gov            int64     `json:"gov"`
	Self           int64     `json:"self"`
	Other          int64     `json:"other"`
	At             time.Time `json:"refunded_at"`
}

// Authorize is the hospital's upload and the bureau's pre-settlement: it fills in the numbers.
func (s *Simulator) Authorize(a Authorization) (Authorization, error) {
	if min(a.Gov, a.Self, a.Other, a.Cash) < 0 || a.Gov+a.Self+a.Other == 0 {
		return a, fmt.Errorf("an authorization is for an insurance part: give gov, self or other in fen")
	}
	if a.Person.Name == "" || a.Person.IDNumber == "" {
		return a, fmt.Errorf("an authorization is for a person: give person.name and person.id_number")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.clock.now()
	a.PayOrderID, a.PayAuthNo = "ORD"+draw(24, digits), "AUTH"+draw(24, digits)
	if a.SerialNo == "" {
		a.SerialNo = draw(13, digits)
	}
	a.OrderedAt, a.ExpiresAt = now.Truncate(time.Second), now.Add(a.Life.or(authorizationLife))
	s.world.bureau.authorizations[a.PayAuthNo] = &a
	s.changed()
	return a, nil
}

// authorizes says what the bureau has against a payment; what it has not against is used by it. s.mu is held.
func (b *bureau) authorizes(m *MedIns, body content, persons map[string]MedPerson, now time.Time) *answer {
	no := func(code, message string, cause int) *answer {
		a := refuse(http.StatusBadRequest, code, message, cause)
		return &a
	}
	a := b.authorizations[m.PayAuthNo]
	if a == nil {
		return no("INVALID_REQUEST", "医保局查无此授权", causeMedInsNoAuth)
	}
	openid := m.OpenID
	if m.InSubApp {
		openid = m.SubOpenID
	}
	pays, treated := persons["payer"], persons["payer"]
	if relative, there := persons["relative"]; there {
		treated = relative
	}
	payer := a.Person
	if a.Payer != nil {
		payer = *a.Payer
	}
	switch {
	case a.UsedBy != "" || now.After(a.ExpiresAt) || a.OpenID != "" && a.OpenID != openid || a.PayOrderID != body.text("pay_order_id"):
		return no("INVALID_REQUEST", "支付授权码无效或已过期", causeMedInsAuth)
	case a.Inactive:
		return no("INVALID_REQUEST", "用户未激活医保电子凭证", causeMedInsInactive)
	case (a.Payer != nil) != (body["pay_for_relatives"] == true) || a.Unbound:
		return no("INVALID_REQUEST", "亲属未绑定", causeMedInsRelative)
	case treated.digest != a.Person.sum() || pays.digest != payer.sum():
		return no("PARAM_ERROR", "证件号与参保人不符", causeMedInsDigest)
	case treated.Name != a.Person.Name || pays.Name != payer.Name:
		return no("PARAM_ERROR", "姓名与参保人不符", causeMedInsName)
	case body.number("med_ins_gov_fee") != a.Gov || body.number("med_ins_self_fee") != a.Self ||
		body.number("med_ins_other_fee") != a.Other || body.number("med_ins_cash_fee") != a.Cash:
		bad := refuse(http.StatusForbidden, "RULE_LIMIT", "金额与医保局结算结果不符", causeMedInsSettle)
		return &bad
	}
	a.UsedBy = m.OutTradeNo
	return nil
}

// BureauRefund is the hospital having the bureau give back a part of what it paid.
func (s *Simulator) BureauRefund(r BureauRefund) (BureauRefund, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := s.world
	var m *MedIns
	var a *Authorization
	for _, authorized := range w.bureau.authorizations {
		if authorized.PayOrderID == r.PayOrderID {
			a = authorized
		}
	}
	for _, paid := range w.mixed {
		if a != nil && paid.PayAuthNo == a.PayAuthNo && (paid.InsState == "MED_INS_PAY_SUCCESS" || paid.InsState == "MED_INS_PAY_REFUND") {
			m = paid
		}
	}
	if m == nil {
		return r, &controlError{http.StatusNotFound, "not_found", "the bureau has paid no order " + r.PayOrderID}
	}
	gov, self, other := r.Gov, r.Self, r.Other
	for _, before := range w.bureau.refunds {
		if before.PayOrderID == r.PayOrderID {
			gov, self, other = gov+before.Gov, self+before.Self, other+before.Other
		}
	}
	if min(r.Gov, r.Self, r.Other) < 0 || gov > a.Gov || self > a.Self || other > a.Other {
		return r, &controlError{http.StatusConflict, "too_much", "the bureau gives back no more of a part than it paid"}
	}
	r.BureauRefundNo, r.At = "REF"+draw(20, digits), s.clock.now().Truncate(time.Second)
	w.bureau.refunds = append(w.bureau.refunds, r)
	s.changed()
	return r, nil
}

// MedInsPay says which payment a payer pays: by its mix_trade_no or number, or by the hand-off that the page was given.
type MedInsPay struct {
	MixTradeNo string            `json:"mix_trade_no,omitempty"`
	OutTradeNo string            `json:"out_trade_no,omitempty"`
	HandOff    map[string]string `json:"hand_off,omitempty"` // of wx.requestMedicalInsurancePay
	OpenID     string            `json:"openid,omitempty"`   // who pays; empty: the one whom it is for
	Reverse    bool              `json:"reverse,omitempty"`  // with a failure: the self-paid part goes back by itself
	Reason     string            `json:"reason,omitempty"`   // of a failure, med_ins_fail_reason
}

// PayMedIns is the payer typing the password at the insurance cashier: both parts are paid, both callbacks on their way.
func (s *Simulator) PayMedIns(p MedInsPay) (MedIns, error) {
	return s.atCashier(p, true, "MIX_PAY_SUCCESS")
}

// FailMedIns is the bureau refusing after the password: the self-paid part, where there is one, was taken, and is given
// back at once where Reverse says so.
func (s *Simulator) FailMedIns(p MedInsPay) (MedIns, error) {
	return s.atCashier(p, true, "MIX_PAY_FAIL")
}

// CancelMedIns is the payer leaving the cashier: nothing changes.
func (s *Simulator) CancelMedIns(p MedInsPay) (MedIns, error) { return s.atCashier(p, false, "") }

func (s *Simulator) atCashier(p MedInsPay, password bool, to string) (MedIns, error) {
	s.mu.Lock()
	m, t, err := s.medInsPayable(p)
	if err != nil || !password {
		defer s.mu.Unlock()
		if err != nil {
			return MedIns{}, err
		}
		return *m, nil
	}
	now, keys, epoch := s.clock.now(), s.world.merchants[m.MchID].keys, s.world.epoch
	var told []*Callback
	if t != nil {
		t.State, t.PaidAt, t.TransactionID = Paid, now, transactionID(now)
		s.world.byTxn[t.TransactionID] = t
		m.SelfState = "SELF_PAY_SUCCESS"
		told = append(told, paidCallback(t.copy(), keys))
	}
	m.State = to
	if to == "MIX_PAY_FAIL" {
		m.FailReason = p.Reason
		if m.FailReason == "" {
			m.FailReason = "医保局结算失败"
		}
		if m.InsState != "NO_MED_INS_PAY" {
			m.InsState = "MED_INS_PAY_FAIL"
		}
		if t != nil && p.Reverse {
			t.State, m.SelfState = Refunded, "SELF_PAY_REFUND"
		}
	} else {
		m.PaidAt = now
		if m.InsState != "NO_MED_INS_PAY" {
			m.InsState = "MED_INS_PAY_SUCCESS"
		}
		told = append(told, s.world.medInsCallback(m, keys))
	}
	seen := *m
	seen.Reports = slices.Clone(m.Reports)
	s.mu.Unlock()
	s.changed()
	for _, c := range told {
		s.send(c, epoch, now)
	}
	return seen, nil
}

// medInsPayable finds the payment and the trade of its self-paid part, and says whether this payer can pay them now; s.mu is
// held.
func (s *Simulator) medInsPayable(p MedInsPay) (*MedIns, *Trade, error) {
	w := s.world
	mix := p.MixTradeNo
	if p.HandOff != nil {
		mix = p.HandOff["mixTradeNo"]
	}
	m := w.byMix[mix]
	for _, made := range w.mixed {
		if mix == "" && made.OutTradeNo == p.OutTradeNo {
			m = made
		}
	}
	if m == nil {
		return nil, nil, &Refused{ReasonUnknown, "订单不存在：" + mix + p.OutTradeNo}
	}
	switch {
	case p.OpenID != "" && p.OpenID != m.OpenID && p.OpenID != m.SubOpenID:
		return nil, nil, &Refused{ReasonPayer, "下单账号与支付账号不一致，请核实后再支付"}
	case m.State != "MIX_PAY_CREATED":
		return nil, nil, &Refused{ReasonPaid, "该订单已支付，请勿重复支付"}
	case m.PrepayID == "":
		return m, nil, nil
	}
	pay := Pay{PrepayID: m.PrepayID}
	if p.HandOff != nil {
		pay = Pay{HandOff: &HandOff{
			AppID: m.callerApp(), TimeStamp: p.HandOff["timeStamp"], NonceStr: p.HandOff["nonceStr"], Package: p.HandOff["package"],
			SignType: p.HandOff["signType"], PaySign: p.HandOff["paySign"],
		}}
	}
	t, err := s.payable(pay)
	if err == nil && (t.OutTradeNo != m.OutTradeNo || t.MchID != m.MchID) {
		err = &Refused{ReasonSignature, "支付验证签名失败"}
	}
	return m, t, err
}

// medInsCallback is the message about a payment whose parts are all paid; s.mu is held.
func (w *world) medInsCallback(m *MedIns, keys merchantKeys) *Callback {
	c := &Callback{EventType: eventMedIns, MchID: m.MchID, OutTradeNo: m.OutTradeNo, URL: m.CallbackURL, CreatedAt: m.PaidAt}
	c.seal(compact(w.shownMedIns(m)), "医保支付成功", "medical_insurance", keys)
	return c
}

const eventMedIns = "MEDICAL_INSURANCE.SUCCESS"
