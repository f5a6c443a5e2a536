package sim

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"time"
)

// schedule is WeChat's: how long after an attempt that was not acknowledged the next one comes.
var schedule = []time.Duration{
	15 * time.Second, 15 * time.Second, 30 * time.Second, 3 * time.Minute, 10 * time.Minute, 20 * time.Minute,
	30 * time.Minute, 30 * time.Minute, 30 * time.Minute, time.Hour, 3 * time.Hour, 3 * time.Hour, 3 * time.Hour,
	6 * time.Hour, 6 * time.Hour,
}

// retries is the part of the schedule that applies: an echo is sent 10 times at most.
func (c *Callback) retries() []time.Duration {
	if c.EventType == eventEcho {
		return schedule[:9]
	}
	return schedule
}

// answerTime is how long a merchant may take to answer, on the machine's clock.
const answerTime = 5 * time.Second

// sendingMost is how many callbacks are on their way at once.
const sendingMost = 128

const gcmAlgorithm = "AEAD_AES_256_GCM"

// envelope is a callback's body; its keys come in this order.
type envelope struct {
	ID           string   `json:"id"`
	CreateTime   string   `json:"create_time"`
	ResourceType string   `json:"resource_type"`
	EventType    string   `json:"event_type"`
	Summary      string   `json:"summary"`
	Resource     resource `json:"resource"`
}

type resource struct {
	OriginalType   string `json:"original_type"`
	Algorithm      string `json:"algorithm"`
	Ciphertext     string `json:"ciphertext"`
	AssociatedData string `json:"associated_data"`
	Nonce          string `json:"nonce"`
}

// tradeNotice is what TRANSACTION.SUCCESS decrypts to. Its keys come in another order than a query's, attach is
// there even when it is empty, and promotion_detail is not.
type tradeNotice struct {
	paidParties
	OutTradeNo     string     `json:"out_trade_no"`
	TransactionID  string     `json:"transaction_id"`
	TradeType      string     `json:"trade_type"`
	TradeState     TradeState `json:"trade_state"`
	TradeStateDesc string     `json:"trade_state_desc"`
	BankType       string     `json:"bank_type"`
	Attach         string     `json:"attach"`
	SuccessTime    string     `json:"success_time"`
	Payer          any        `json:"payer"`
	Amount         struct {
		Total         int64  `json:"total"`
		PayerTotal    int64  `json:"payer_total"`
		Currency      string `json:"currency"`
		PayerCurrency string `json:"payer_currency"`
	} `json:"amount"`
}

// paidParties are whose payment it was: a direct merchant's, or a partner's with its sub merchant's.
type paidParties struct {
	MchID    string `json:"mchid,omitempty"`
	AppID    string `json:"appid,omitempty"`
	SpMchID  string `json:"sp_mchid,omitempty"`
	SpAppID  string `json:"sp_appid,omitempty"`
	SubMchID string `json:"sub_mchid,omitempty"`
	SubAppID string `json:"sub_appid,omitempty"`
}

func (p Parties) told() paidParties {
	if p.partner() {
		return paidParties{SpMchID: p.MchID, SpAppID: p.AppID, SubMchID: p.SubMchID, SubAppID: p.SubAppID}
	}
	return paidParties{MchID: p.MchID, AppID: p.AppID}
}

// refundNotice is what REFUND.* decrypts to. It names no app.
type refundNotice struct {
	paidParties
	OutTradeNo    string       `json:"out_trade_no"`
	TransactionID string       `json:"transaction_id"`
	OutRefundNo   string       `json:"out_refund_no"`
	RefundID      string       `json:"refund_id"`
	RefundStatus  RefundStatus `json:"refund_status"`
	SuccessTime   string       `json:"success_time,omitempty"`
	Amount        struct {
		Total       int64 `json:"total"`
		Refund      int64 `json:"refund"`
		PayerTotal  int64 `json:"payer_total"`
		PayerRefund int64 `json:"payer_refund"`
	} `json:"amount"`
	UserReceivedAccount string `json:"user_received_account"`
}

// paidCallback is the message about a paid trade.
func paidCallback(t Trade, keys merchantKeys) *Callback {
	n := tradeNotice{
		paidParties: t.told(), Payer: t.payer(), OutTradeNo: t.OutTradeNo, TransactionID: t.TransactionID, TradeType: "JSAPI",
		TradeState: Paid, TradeStateDesc: stateText[Paid], BankType: bankType, Attach: t.Attach, SuccessTime: onWire(t.PaidAt),
	}
	n.Amount.Total, n.Amount.PayerTotal = t.Total, t.Total
	n.Amount.Currency, n.Amount.PayerCurrency = "CNY", "CNY"
	c := &Callback{EventType: "TRANSACTION.SUCCESS", MchID: t.MchID, OutTradeNo: t.OutTradeNo, URL: t.NotifyURL, CreatedAt: t.PaidAt}
	c.seal(compact(n), stateText[Paid], "transaction", keys)
	return c
}

var refundSummary = map[RefundStatus]string{
	RefundSuccess: "退款成功", RefundAbnormal: "退款异常", RefundClosed: "退款关闭",
}

// refundCallback is the message about a refund that has ended.
func refundCallback(r Refund, keys merchantKeys, at time.Time) *Callback {
	n := refundNotice{
		paidParties: Parties{MchID: r.MchID, SubMchID: r.SubMchID}.told(), OutTradeNo: r.OutTradeNo, TransactionID: r.TransactionID, OutRefundNo: r.OutRefundNo,
		RefundID: r.RefundID, RefundStatus: r.Status, UserReceivedAccount: r.account(),
	}
	if r.Status == RefundSuccess {
		n.SuccessTime = onWire(r.SuccessAt)
	}
	n.Amount.Total, n.Amount.PayerTotal = r.Total, r.Total
	n.Amount.Refund, n.Amount.PayerRefund = r.Amount, r.Amount
	c := &Callback{
		EventType: "REFUND." + string(r.Status), MchID: r.MchID, OutTradeNo: r.OutTradeNo, OutRefundNo: r.OutRefundNo,
		URL: r.NotifyURL, CreatedAt: at,
	}
	c.seal(compact(n), refundSummary[r.Status], "refund", keys)
	return c
}

func (c *Callback) seal(plaintext []byte, summary, kind string, keys merchantKeys) {
	c.ID = callbackID()
	c.Plaintext = string(plaintext)
	nonce := alphanumeric(12)
	c.Envelope = string(compact(envelope{
		ID: c.ID, CreateTime: onWire(c.CreatedAt), ResourceType: "encrypt-resource", EventType: c.EventType, Summary: summary,
		Resource: resource{
			OriginalType: kind, Algorithm: gcmAlgorithm, AssociatedData: kind, Nonce: nonce,
			Ciphertext: seal(keys.apiV3Key, nonce, kind, plaintext),
		},
	}))
}

// seal encrypts by AES-256-GCM under an APIv3 key: base64 of the ciphertext with its 16-byte tag.
func seal(apiV3Key, nonce, associated string, plaintext []byte) string {
	block, err := aes.NewCipher([]byte(apiV3Key))
	if err != nil {
		panic(fmt.Sprintf("an APIv3 key has 32 bytes: %v", err)) // checked when the keys were read
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		panic(err) // AES always has a GCM
	}
	return base64.StdEncoding.EncodeToString(gcm.Seal(nil, []byte(nonce), plaintext, []byte(associated)))
}

// notifyClient sends callbacks as WeChat does: a connection each, no redirects, five seconds.
func notifyClient() *http.Client {
	return &http.Client{
		Timeout:       answerTime,
		Transport:     &http.Transport{DisableKeepAlives: true, DisableCompression: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// send puts a new callback on its way; nil is none.
func (s *Simulator) send(c *Callback, epoch int, at time.Time) {
	if c == nil {
		return
	}
	s.mu.Lock()
	if s.world.epoch != epoch {
		s.mu.Unlock()
		return
	}
	c.NextAt = at
	s.world.callbacks = append(s.world.callbacks, c)
	s.planAttempt(c, epoch)
	s.mu.Unlock()
	s.changed()
}

// planAttempt puts the next attempt on the agenda; s.mu is held.
func (s *Simulator) planAttempt(c *Callback, epoch int) {
	s.agenda.at(c.NextAt, func(ctx context.Context, due time.Time) { s.attempt(ctx, c, epoch, due) })
}

// attempt is one entry of the schedule: held back, spoiled or sent as the faults say.
func (s *Simulator) attempt(ctx context.Context, c *Callback, epoch int, due time.Time) {
	o := c.occasion()
	if f, late := s.fault(o, CallbackLate); late {
		s.agenda.at(due.Add(f.Delay.or(time.Minute)), func(ctx context.Context, at time.Time) {
			s.deliver(ctx, c, epoch, at, f.Kind)
		})
		return
	}
	if f, reordered := s.fault(o, CallbackReordered); reordered {
		s.hold(c, epoch, due, f)
		return
	}
	s.deliver(ctx, c, epoch, due, "")
}

// hold keeps an attempt back until another callback was sent, or its time is over.
func (s *Simulator) hold(c *Callback, epoch int, due time.Time, f Fault) {
	gone := false
	release := func(ctx context.Context, _ time.Time) {
		s.mu.Lock()
		already := gone
		gone = true
		s.mu.Unlock()
		if !already {
			s.deliver(ctx, c, epoch, due, f.Kind)
		}
	}
	s.mu.Lock()
	s.held = append(s.held, release)
	s.mu.Unlock()
	s.agenda.at(due.Add(f.Delay.or(time.Minute)), release)
}

func (c *Callback) occasion() occasion {
	number := c.OutTradeNo
	if c.OutRefundNo != "" {
		number = c.OutRefundNo
	}
	return occasion{number: number, event: c.EventType, mchID: c.MchID}
}

// spoiling are the faults that change what is sent.
var spoiling = []FaultKind{CallbackBodyTampered, CallbackSignTampered, CallbackOtherKey, CallbackUnknownSerial, CallbackStale}

// deliver sends one attempt, notes it and plans the next when it was not acknowledged.
func (s *Simulator) deliver(ctx context.Context, c *Callback, epoch int, at time.Time, fault FaultKind) {
	o := c.occasion()
	if _, lost := s.fault(o, CallbackLost); lost {
		s.noteAttempt(c, epoch, Attempt{At: at, Error: "lost on the way", Fault: CallbackLost}, nil, false)
		s.releaseHeld()
		return
	}
	if _, probe := s.fault(o, CallbackProbe); probe {
		header, body := s.signCallback(c, CallbackProbe)
		a := s.post(ctx, c.URL, header, body)
		a.At, a.Fault = at, CallbackProbe
		if a.Status < 300 && a.Status != 0 {
			s.cfg.Logger.Warn("a probe with a false signature was acknowledged: the merchant does not verify callbacks",
				"url", c.URL, "status", a.Status)
		}
		s.noteProbe(c, epoch, a)
	}
	if f, spoiled := s.fault(o, spoiling...); spoiled {
		fault = f.Kind
	}
	header, body := s.signCallback(c, fault)
	var twin chan Attempt
	if _, doubled := s.fault(o, CallbackDoubled); doubled {
		fault = CallbackDoubled
		twin = make(chan Attempt, 1)
		go func() { twin <- s.post(ctx, c.URL, header.Clone(), body) }()
	}
	a := s.post(ctx, c.URL, header, body)
	a.At, a.Fault = at, fault
	if twin != nil {
		b := <-twin
		b.At, b.Fault = at, fault
		s.noteProbe(c, epoch, b)
	}
	s.noteAttempt(c, epoch, a, header, a.Status == http.StatusOK || a.Status == http.StatusNoContent)
	s.releaseHeld()
}

// releaseHeld lets those go that waited for another callback to be first.
func (s *Simulator) releaseHeld() {
	s.mu.Lock()
	held := s.held
	s.held = nil
	s.mu.Unlock()
	for _, release := range held {
		s.agenda.at(s.Now(), release)
	}
}

// noteProbe keeps a sending that is no entry of the schedule.
func (s *Simulator) noteProbe(c *Callback, epoch int, a Attempt) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.world.epoch == epoch {
		c.Attempts = append(c.Attempts, a)
	}
}

func (s *Simulator) noteAttempt(c *Callback, epoch int, a Attempt, header http.Header, acknowledged bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.world.epoch != epoch {
		return
	}
	c.Attempts = append(c.Attempts, a)
	if header != nil {
		c.LastHeader = header
	}
	next := c.Tried
	c.Tried++
	c.NextAt = time.Time{}
	switch {
	case acknowledged:
		c.Delivered = true
	case next < len(c.retries()):
		// Counted from when this attempt was due, so that a leap of the simulated time plays every attempt in it.
		c.NextAt = a.At.Add(schedule[next])
		s.planAttempt(c, epoch)
	}
	s.changed()
}

// signCallback makes the headers and body of an attempt, new time and nonce, spoiled as the fault says.
func (s *Simulator) signCallback(c *Callback, fault FaultKind) (http.Header, []byte) {
	if c.EventType == eventInsurance10 {
		return c.insurance10Headers(fault)
	}
	body := []byte(c.Envelope)
	wall := s.wallFor(c.occasion())
	by, mode := s.callbackSigner(c.MchID)
	switch fault {
	case CallbackStale:
		wall = wall.Add(-20 * time.Minute)
	case CallbackOtherKey, CallbackUnknownSerial:
		stranger, err := pooledKey("stranger")
		if err != nil {
			s.cfg.Logger.Error("no key for a stranger", "err", err)
			break
		}
		by.key = stranger.key
		if fault == CallbackUnknownSerial {
			by.serial = "PUB_KEY_ID_0119999999992026010100000000009999"
			if mode == PlatformCertificate {
				by.serial = stranger.serial
			}
		}
	}
	sig := signMessage(by.key, wall, alphanumeric(32), body)
	switch fault {
	case CallbackSignTampered:
		sig.signature = flip(sig.signature)
	case CallbackBodyTampered:
		body = []byte(flip(c.Envelope))
	case CallbackProbe:
		sig.signature = probePrefix + sig.signature
	}
	h := http.Header{}
	h["Accept"] = []string{"*/*"}
	h["Cache-Control"] = []string{"no-cache"}
	h["Pragma"] = []string{"no-cache"}
	h["Content-Type"] = []string{"application/json"}
	h["User-Agent"] = []string{"Mozilla/4.0"}
	sig.set(h, by.serial)
	return h, body
}

// post sends a callback once; it never fails, it notes.
func (s *Simulator) post(ctx context.Context, url string, header http.Header, body []byte) Attempt {
	select {
	case s.sending <- struct{}{}:
		defer func() { <-s.sending }()
	case <-ctx.Done():
		return Attempt{Error: ctx.Err().Error()}
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return Attempt{Error: err.Error()}
	}
	r.Header = header.Clone()
	r.Close = true
	resp, err := s.client.Do(r)
	if err != nil {
		return Attempt{Error: err.Error()}
	}
	defer func() { _ = resp.Body.Close() }()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, maxBody))
	return Attempt{Status: resp.StatusCode}
}
