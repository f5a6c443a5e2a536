package sim

import (
	"crypto/rsa"
	"fmt"
	"slices"
	"time"
)

// world is what the simulator remembers. It is guarded by Simulator.mu, which is never held while something is
// signed, verified, encrypted or sent.
type world struct {
	merchants map[string]*merchant
	apps      map[string]*app
	trades    map[tradeKey]*Trade
	byTxn     map[string]*Trade
	byPrepay  map[string]*Trade
	order     []*Trade // as they were made
	spent     map[tradeKey]bool
	refunds   map[tradeKey]*Refund
	refunded  []*Refund               // as they were made
	refundsOf map[string][]*Refund    // of a transaction
	steps     map[string][]RefundStep // of a refund_id: each state after the first PROCESSING
	callbacks []*Callback
	numbers   map[sentKey]*Sent
	sent      []*Sent
	requests  requestLog
	bills     map[string]billFile // by the token of their download_url
	insured   map[tradeKey]*MedIns
	byMix     map[string]*MedIns
	mixed     []*MedIns // as they were made
	bureau    bureau
	insurance []*Insurance10 // as they were made

	receiptLinks map[string]string   // of partners
	goldPlans    map[string]GoldPlan // of sub merchants

	epoch int // rises with each Reset, so that what was under way then changes nothing
}

// tradeKey names a trade or a refund: numbers are unique per merchant, not in the world.
type tradeKey struct{ mchID, number string }

// merchant is who signs requests. All of it but MchID may change, so it is read under Simulator.mu.
type merchant struct {
	SeedMerchant
	keys  merchantKeys
	certs map[string]merchantCert // by serial: what a request may be signed with
	share float64                 // of callbacks that the public key signs while Switching, 0 to 1
}

// merchantCert is an API certificate that the merchant has or had.
type merchantCert struct {
	key   *rsa.PublicKey
	ended bool // another took its place
}

func (m *merchant) partner() bool { return m.Partner || len(m.SubMerchants) > 0 }

// sub is the sub merchant of that number; nil: there is no such relation.
func (m *merchant) sub(mchID string) *SeedSubMerchant {
	for i := range m.SubMerchants {
		if m.SubMerchants[i].MchID == mchID {
			return &m.SubMerchants[i]
		}
	}
	return nil
}

func (m *merchant) bound(appID string) bool { return slices.Contains(m.AppIDs, appID) }

type app struct {
	SeedApp
	users map[string]bool
}

func newWorld(seed Seed, ring keyRing, keepRequests int) (*world, error) {
	w := &world{
		merchants: map[string]*merchant{},
		apps:      map[string]*app{},
		requests:  requestLog{keep: keepRequests},
	}
	w.forget()
	for _, m := range seed.Merchants {
		keys, ok := ring.merchants[m.MchID]
		if !ok {
			return nil, fmt.Errorf("merchant %s has no key", m.MchID)
		}
		if m.KeyMode == "" {
			m.KeyMode = PublicKey
		}
		m.SubMerchants = slices.Clone(m.SubMerchants) // AddSubMerchant must not write into the caller's seed
		w.merchants[m.MchID] = &merchant{
			SeedMerchant: m, keys: keys, certs: map[string]merchantCert{keys.serial: {key: &keys.key.PublicKey}},
		}
	}
	for _, a := range seed.Apps {
		users := map[string]bool{}
		for _, u := range a.Users {
			users[u.OpenID] = true
		}
		w.apps[a.AppID] = &app{SeedApp: a, users: users}
	}
	return w, nil
}

// forget drops every trade and all that followed from one; merchants, apps and users stay.
func (w *world) forget() {
	w.trades, w.byTxn, w.byPrepay = map[tradeKey]*Trade{}, map[string]*Trade{}, map[string]*Trade{}
	w.spent, w.refunds, w.numbers = map[tradeKey]bool{}, map[tradeKey]*Refund{}, map[sentKey]*Sent{}
	w.refundsOf = map[string][]*Refund{}
	w.steps, w.bills = map[string][]RefundStep{}, map[string]billFile{}
	w.order, w.refunded, w.callbacks, w.sent = nil, nil, nil, nil
	w.insured, w.byMix, w.mixed = map[tradeKey]*MedIns{}, map[string]*MedIns{}, nil
	w.insurance = nil
	w.bureau = bureau{authorizations: map[string]*Authorization{}}
	w.receiptLinks, w.goldPlans = map[string]string{}, map[string]GoldPlan{}
	w.requests.forget()
	w.epoch++
}

// keepTrade puts a trade where it is looked for.
func (w *world) keepTrade(t *Trade) {
	w.trades[tradeKey{t.MchID, t.OutTradeNo}] = t
	w.order = append(w.order, t)
	for _, p := range t.Prepays {
		w.byPrepay[p.ID] = t
	}
	if t.TransactionID != "" {
		w.byTxn[t.TransactionID] = t
	}
}

// keepRefund puts a refund where it is looked for.
func (w *world) keepRefund(r *Refund) {
	w.refunds[tradeKey{r.MchID, r.OutRefundNo}] = r
	w.refunded = append(w.refunded, r)
	w.refundsOf[r.TransactionID] = append(w.refundsOf[r.TransactionID], r)
}

// TradeState is WeChat's trade_state.
type TradeState string

// The states that a JSAPI trade can have.
const (
	NotPaid  TradeState = "NOTPAY"
	Paid     TradeState = "SUCCESS"
	Closed   TradeState = "CLOSED"
	Refunded TradeState = "REFUND" // after any refund, a partial one too
)

// Parties are whom a trade is between. The sub fields are empty for a direct merchant.
type Parties struct {
	MchID     string `json:"mchid"`                       // who signs: the merchant, or the partner (sp_mchid)
	AppID     string `json:"appid"`                       // the merchant's, or the partner's (sp_appid)
	OpenID    string `json:"openid"`                      // the payer as AppID knows them (openid, sp_openid)
	SubMchID  string `json:"sub_mchid,omitempty"`         // for whom a partner takes the money
	SubAppID  string `json:"sub_appid,omitempty"`         // the sub merchant's app, where the trade names one
	SubOpenID string `json:"sub_openid,omitempty"`        // the payer as SubAppID knows them
	InSubApp  bool   `json:"paid_in_sub_appid,omitempty"` // the trade named the payer by sub_openid
}

// callerApp is the app id whose page calls pay, and which the pay signature is over.
func (p Parties) callerApp() string {
	if p.InSubApp {
		return p.SubAppID
	}
	return p.AppID
}

func (p Parties) partner() bool { return p.SubMchID != "" }

// Trade is one trade as WeChat keeps it.
type Trade struct {
	Parties
	OutTradeNo    string     `json:"out_trade_no"`
	Total         int64      `json:"total"` // fen
	Description   string     `json:"description"`
	Attach        string     `json:"attach,omitempty"`
	NotifyURL     string     `json:"notify_url"`
	DeviceID      string     `json:"device_id,omitempty"`
	Content       string     `json:"content"` // what every repeat must equal: the first body, keys sorted
	State         TradeState `json:"trade_state"`
	Prepays       []Prepay   `json:"prepays"`
	TransactionID string     `json:"transaction_id,omitempty"`
	CreatedAt     time.Time  `json:"created_at"`
	ExpiresAt     time.Time  `json:"expires_at"`
	PaidAt        time.Time  `json:"paid_at,omitzero"`
	ClosedAt      time.Time  `json:"closed_at,omitzero"`
	Shipping      *Shipping  `json:"shipping,omitempty"` // reported by its mini program
}

// Prepay is one prepay_id of a trade; each lives two hours.
type Prepay struct {
	ID string    `json:"prepay_id"`
	At time.Time `json:"at"`
}

// RefundStatus is WeChat's refund status.
type RefundStatus string

// The states of a refund. A closed one gives its sum free again.
const (
	RefundProcessing RefundStatus = "PROCESSING"
	RefundSuccess    RefundStatus = "SUCCESS"
	RefundAbnormal   RefundStatus = "ABNORMAL"
	RefundClosed     RefundStatus = "CLOSED"
)

// RefundStep is a state that a refund came to.
type RefundStep struct {
	Status RefundStatus `json:"status"`
	At     time.Time    `json:"at"`
}

// Refund is one refund as WeChat keeps it.
type Refund struct {
	MchID         string       `json:"mchid"`               // the signer
	SubMchID      string       `json:"sub_mchid,omitempty"` // for whom a partner took the money
	Serial        string       `json:"serial"`              // of the certificate that signed it
	OutRefundNo   string       `json:"out_refund_no"`
	RefundID      string       `json:"refund_id"`
	OutTradeNo    string       `json:"out_trade_no"`
	TransactionID string       `json:"transaction_id"`
	Amount        int64        `json:"refund"` // fen
	Total         int64        `json:"total"`  // fen
	NotifyURL     string       `json:"notify_url,omitempty"`
	FundsAccount  string       `json:"funds_account"`
	Content       string       `json:"content"` // what every repeat must equal
	Status        RefundStatus `json:"status"`
	CreatedAt     time.Time    `json:"created_at"`
	SettlesAt     time.Time    `json:"settles_at"`
	Account       string       `json:"user_received_account,omitempty"` // empty: the payer's balance
	Channel       string       `json:"channel,omitempty"`               // empty: ORIGINAL
	SuccessAt     time.Time    `json:"success_at,omitzero"`
}

// become moves a refund to a state; s.mu is held.
func (w *world) become(r *Refund, status RefundStatus, at time.Time) {
	r.Status = status
	w.steps[r.RefundID] = append(w.steps[r.RefundID], RefundStep{status, at})
}

// statusAt is the state that a refund had at a time; s.mu is held.
func (w *world) statusAt(r *Refund, at time.Time) RefundStatus {
	status := RefundProcessing
	for _, s := range w.steps[r.RefundID] {
		if !s.At.After(at) {
			status = s.Status
		}
	}
	return status
}
