package main

import (
	"crypto/ed25519"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"
)

// provider is everything that it knows, in memory. It is safe for concurrent use.
type provider struct {
	base    string        // where it is, scheme and host
	arrival time.Duration // how long a refund is under way; 0: until somebody says so
	keys    *keyring

	mu        sync.Mutex
	merchants map[string][]byte // their API keys, by number
	trades    map[string]*trade // by merchant and number
	outbox    chan notification // what is to be told
}

func newProvider(base string) *provider {
	return &provider{
		base: base, keys: &keyring{private: map[string]ed25519.PrivateKey{}}, merchants: map[string][]byte{}, trades: map[string]*trade{},
		outbox: make(chan notification, 1024),
	}
}

// trade is a payment. What a create may not change stands in content.
type trade struct {
	ID       string `json:"id"`
	Number   string `json:"number"`
	Merchant string `json:"merchant"`
	Store    string `json:"store"`
	Amount   int64  `json:"amount"` // minor units
	Currency string `json:"currency"`
	State    string `json:"state"` // WAITING, PAID, CLOSED, REFUNDED
	PaidAt   int64  `json:"paid_at,omitempty"`
	Code     string `json:"code"`

	content   order
	notifyURL string
	expires   time.Time
	refunds   []*refund
}

// refund is money that goes back.
type refund struct {
	ID        string `json:"id"`
	Number    string `json:"refund"`
	Payment   string `json:"number"`
	Merchant  string `json:"merchant"`
	Amount    int64  `json:"amount"` // minor units
	Currency  string `json:"currency"`
	State     string `json:"state"` // GOING, ARRIVED
	ArrivedAt int64  `json:"arrived_at,omitempty"`

	notifyURL string
}

// order is the body of /create. A repeat must be the same.
type order struct {
	Number    string `json:"number"`
	Store     string `json:"store"`
	Amount    int64  `json:"amount"`
	Currency  string `json:"currency"`
	Subject   string `json:"subject"`
	ExpiresAt int64  `json:"expires_at"`
	NotifyURL string `json:"notify_url"`
}

// wish is the body of every other call.
type wish struct {
	Number    string `json:"number"`
	Refund    string `json:"refund"`
	Amount    int64  `json:"amount"`
	NotifyURL string `json:"notify_url"`
}

// refusal is a no.
type refusal struct {
	status  int
	Code    string `json:"code"`
	Message string `json:"message"`
}

func no(status int, code, message string) *refusal { return &refusal{status, code, message} }

// maxBody bounds a request, in bytes.
const maxBody = 64 << 10

// ServeHTTP answers merchants' signed calls, and payers at /pay/.
func (p *provider) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.HasPrefix(r.URL.Path, "/pay/") {
		p.page(w, r)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		p.answer(w, nil, no(http.StatusBadRequest, "BAD_FIELD", "the body cannot be read"))
		return
	}
	merchant := r.Header.Get("X-Merchant")
	if !p.signedBy(merchant, r.Header.Get("X-Signature"), body) {
		p.answer(w, nil, no(http.StatusUnauthorized, "BAD_SIGNATURE", "the signature is not this merchant's"))
		return
	}
	said, refused := p.call(merchant, r.URL.Path, body)
	p.answer(w, said, refused)
}

func (p *provider) call(merchant, path string, body []byte) (any, *refusal) {
	var o order
	var ask wish
	into := any(&ask)
	if path == "/create" {
		into = &o
	}
	if json.Unmarshal(body, into) != nil {
		return nil, no(http.StatusBadRequest, "BAD_FIELD", "the body is not JSON of this call")
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if path == "/create" {
		return p.create(merchant, o)
	}
	t := p.trades[merchant+"/"+ask.Number]
	if t == nil {
		return nil, no(http.StatusNotFound, "NO_TRADE", "there is no trade of this number")
	}
	if t.State == "WAITING" && time.Now().After(t.expires) {
		t.State = "CLOSED"
	}
	switch path {
	case "/query":
		return t, nil
	case "/close":
		if t.State == "WAITING" {
			t.State = "CLOSED"
		}
		return t, nil
	case "/refund":
		return p.refund(t, ask)
	case "/query-refund":
		if f := t.refund(ask.Refund); f != nil {
			return f, nil
		}
		return nil, no(http.StatusNotFound, "NO_REFUND", "there is no refund of this number")
	}
	return nil, no(http.StatusNotFound, "NO_CALL", "there is no such call")
}

func (p *provider) create(merchant string, o order) (any, *refusal) {
	if t := p.trades[merchant+"/"+o.Number]; t != nil {
		switch {
		case t.content != o:
			return nil, no(http.StatusConflict, "NUMBER_USED", "the number has another content")
		case t.State == "CLOSED":
			return nil, no(http.StatusConflict, "TRADE_CLOSED", "the trade is closed")
		}
		return t, nil
	}
	if o.Number == "" || o.Store == "" || o.Amount < 1 || len(o.Currency) != 3 || o.ExpiresAt == 0 {
		return nil, no(http.StatusBadRequest, "BAD_FIELD", "number, store, amount, currency and expires_at are needed")
	}
	id := randomHex(16)
	t := &trade{
		ID: "t" + id, Number: o.Number, Merchant: merchant, Store: o.Store, Amount: o.Amount, Currency: o.Currency,
		State: "WAITING", Code: p.base + "/pay/" + id, content: o, notifyURL: o.NotifyURL, expires: time.Unix(o.ExpiresAt, 0),
	}
	p.trades[merchant+"/"+o.Number] = t
	return t, nil
}

func (p *provider) refund(t *trade, ask wish) (any, *refusal) {
	if f := t.refund(ask.Refund); f != nil {
		if f.Amount != ask.Amount {
			return nil, no(http.StatusConflict, "NUMBER_USED", "the refund number has another amount")
		}
		return f, nil
	}
	left := t.Amount
	for _, f := range t.refunds {
		left -= f.Amount
	}
	switch {
	case t.State != "PAID" && t.State != "REFUNDED":
		return nil, no(http.StatusBadRequest, "BAD_FIELD", "the trade is not paid")
	case ask.Refund == "" || ask.Amount < 1:
		return nil, no(http.StatusBadRequest, "BAD_FIELD", "refund and amount are needed")
	case ask.Amount > left:
		return nil, no(http.StatusBadRequest, "TOO_MUCH", "that is more than is left of the trade")
	}
	f := &refund{
		ID: "r" + randomHex(16), Number: ask.Refund, Payment: t.Number, Merchant: t.Merchant, Amount: ask.Amount,
		Currency: t.Currency, State: "GOING", notifyURL: ask.NotifyURL,
	}
	t.refunds, t.State = append(t.refunds, f), "REFUNDED"
	if p.arrival > 0 {
		time.AfterFunc(p.arrival, func() { p.arrive(f) })
	}
	return f, nil
}

func (t *trade) refund(number string) *refund {
	for _, f := range t.refunds {
		if f.Number == number {
			return f
		}
	}
	return nil
}

// pay is the payer paying. It says why not, or nothing.
func (p *provider) pay(t *trade) (why string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case t.State != "WAITING":
		return "it is " + t.State
	case time.Now().After(t.expires):
		return "its time is over"
	}
	t.State, t.PaidAt = "PAID", time.Now().Unix()
	p.tell(t.notifyURL, event{Trade: t})
	return ""
}

// arrive ends a refund that is under way.
func (p *provider) arrive(f *refund) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if f.State == "GOING" {
		f.State, f.ArrivedAt = "ARRIVED", time.Now().Unix()
		p.tell(f.notifyURL, event{Refund: f})
	}
}
