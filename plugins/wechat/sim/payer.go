package sim

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Pay says what a payer does and with which trade: named by prepay_id, by out_trade_no (with the merchant when
// two use the same number), or by the hand-off that the merchant's page was given.
type Pay struct {
	PrepayID   string   `json:"prepay_id,omitempty"`
	OutTradeNo string   `json:"out_trade_no,omitempty"`
	MchID      string   `json:"mchid,omitempty"`
	HandOff    *HandOff `json:"hand_off,omitempty"`
	OpenID     string   `json:"openid,omitempty"` // who pays; empty: the one whom the trade is for
}

// HandOff is what a page passes to getBrandWCPayRequest or wx.requestPayment.
type HandOff struct {
	AppID     string `json:"appId"`
	TimeStamp string `json:"timeStamp"`
	NonceStr  string `json:"nonceStr"`
	Package   string `json:"package"`
	SignType  string `json:"signType"`
	PaySign   string `json:"paySign"`
}

// Refused says why the payer's WeChat does not pay. Reason is stable, Message is what the payer reads.
type Refused struct {
	Reason  string
	Message string
}

// Error is the reason with the message.
func (r *Refused) Error() string { return r.Reason + ": " + r.Message }

// Reasons of Refused.
const (
	ReasonUnknown   = "no_such_trade"
	ReasonSignature = "pay_sign"    // the hand-off is not the merchant's, or not over the trade's app id
	ReasonPayer     = "other_payer" // the trade is for another openid
	ReasonPaid      = "already_paid"
	ReasonClosed    = "trade_closed"
	ReasonExpired   = "trade_expired"   // past time_expire
	ReasonPrepayOld = "prepay_id_stale" // older than two hours
)

// Pay is the payer typing the right password. The trade is paid, its callback on the way.
func (s *Simulator) Pay(p Pay) (Trade, error) {
	s.mu.Lock()
	t, err := s.payable(p)
	if err != nil {
		s.mu.Unlock()
		return Trade{}, err
	}
	now := s.clock.now()
	t.State, t.PaidAt, t.TransactionID = Paid, now, transactionID(now)
	s.world.byTxn[t.TransactionID] = t
	seen, keys, epoch := t.copy(), s.world.merchants[t.MchID].keys, s.world.epoch
	s.mu.Unlock()
	s.changed()
	s.send(paidCallback(seen, keys), epoch, now)
	return seen, nil
}

// FailPayment is the payer typing a wrong password, or having too little money: the trade stays unpaid. The
// error says why even the attempt was impossible.
func (s *Simulator) FailPayment(p Pay) (Trade, error) { return s.leaveUnpaid(p) }

// CancelPayment is the payer leaving the password page: the trade stays unpaid.
func (s *Simulator) CancelPayment(p Pay) (Trade, error) { return s.leaveUnpaid(p) }

func (s *Simulator) leaveUnpaid(p Pay) (Trade, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, err := s.payable(p)
	if err != nil {
		return Trade{}, err
	}
	return t.copy(), nil
}

// PaySheet is what the payer sees before the password.
type PaySheet struct {
	Merchant    string `json:"merchant"` // the name of whom the money goes to
	Description string `json:"description"`
	Total       int64  `json:"total"` // fen
}

// OpenPaySheet is the payer's WeChat opening the pay sheet: it checks what Pay checks and changes nothing.
func (s *Simulator) OpenPaySheet(p Pay) (PaySheet, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, err := s.payable(p)
	if err != nil {
		return PaySheet{}, err
	}
	merchant := s.world.merchants[t.MchID]
	sheet := PaySheet{Merchant: merchant.Name, Description: t.Description, Total: t.Total}
	if sub := merchant.sub(t.SubMchID); sub != nil {
		sheet.Merchant = sub.Name
	}
	if sheet.Merchant == "" {
		sheet.Merchant = t.MchID
	}
	return sheet, nil
}

// payable finds the trade and says whether this payer can pay it now; s.mu is held. Verifying a pay signature
// takes microseconds, so it may be done under the lock.
func (s *Simulator) payable(p Pay) (*Trade, error) {
	t, prepay, err := s.world.wanted(p)
	if err != nil {
		return nil, err
	}
	if p.HandOff != nil {
		if err := s.world.checkHandOff(*p.HandOff, t); err != nil {
			return nil, err
		}
	}
	if p.OpenID != "" && p.OpenID != t.OpenID && p.OpenID != t.SubOpenID {
		return nil, &Refused{ReasonPayer, "下单账号与支付账号不一致，请核实后再支付"}
	}
	now := s.clock.now()
	switch {
	case t.State == Paid || t.State == Refunded:
		return nil, &Refused{ReasonPaid, "该订单已支付，请勿重复支付"}
	case t.State == NotPaid && !now.After(t.ExpiresAt) && now.Sub(prepay.At) <= prepayLife:
		return t, nil
	}
	o := occasion{number: t.OutTradeNo, mchID: t.MchID}
	if _, allTheSame := s.faults.take(o, ClosedPaid); allTheSame {
		return t, nil
	}
	switch {
	case t.State == Closed:
		return nil, &Refused{ReasonClosed, "订单已关闭"}
	case now.After(t.ExpiresAt):
		return nil, &Refused{ReasonExpired, "订单已过期，请重新下单"}
	}
	return nil, &Refused{ReasonPrepayOld, "支付会话已过期，请重新发起支付"}
}

// wanted is the trade that is meant, and its prepay that is used: the last one where the number alone is given.
func (w *world) wanted(p Pay) (*Trade, Prepay, error) {
	id := p.PrepayID
	if p.HandOff != nil {
		var found bool
		if id, found = strings.CutPrefix(p.HandOff.Package, "prepay_id="); !found {
			return nil, Prepay{}, &Refused{ReasonUnknown, "缺少参数：prepay_id"}
		}
	}
	if id != "" {
		t := w.byPrepay[id]
		if t == nil {
			return nil, Prepay{}, &Refused{ReasonUnknown, "支付会话不存在：" + id}
		}
		for _, made := range t.Prepays {
			if made.ID == id {
				return t, made, nil
			}
		}
	}
	var found *Trade
	for mchID := range w.merchants {
		t := w.trades[tradeKey{mchID, p.OutTradeNo}]
		if t == nil || p.MchID != "" && p.MchID != mchID {
			continue
		}
		if found != nil {
			return nil, Prepay{}, fmt.Errorf("two merchants have a trade %s: say which by mchid", p.OutTradeNo)
		}
		found = t
	}
	if found == nil {
		return nil, Prepay{}, &Refused{ReasonUnknown, "订单不存在：" + p.OutTradeNo}
	}
	return found, found.Prepays[len(found.Prepays)-1], nil
}

// checkHandOff does what the payer's client does before it shows the amount: the pay signature must be the
// signer's, by the key of today, over the app id whose page the trade is for.
func (w *world) checkHandOff(h HandOff, t *Trade) error {
	message := strings.Join([]string{h.AppID, h.TimeStamp, h.NonceStr, h.Package, ""}, "\n")
	if _, err := strconv.ParseInt(h.TimeStamp, 10, 64); err != nil || h.SignType != "RSA" || h.AppID != t.callerApp() ||
		!verified(&w.merchants[t.MchID].keys.key.PublicKey, message, h.PaySign) {
		return &Refused{ReasonSignature, "支付验证签名失败"}
	}
	return nil
}

// VerifyHandOff tells whether a hand-off would open the payment page: nil, or the reason why not.
func (s *Simulator) VerifyHandOff(h HandOff) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, _, err := s.world.wanted(Pay{HandOff: &h})
	if err != nil {
		return err
	}
	return s.world.checkHandOff(h, t)
}

// ExpireTrade makes a trade's time_expire pass without moving the clock for others.
func (s *Simulator) ExpireTrade(mchID, outTradeNo string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.world.trades[tradeKey{mchID, outTradeNo}]
	if t == nil {
		return fmt.Errorf("merchant %s has no trade %s", mchID, outTradeNo)
	}
	t.ExpiresAt = s.clock.now().Add(-time.Second)
	return nil
}
