package main

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"

	"github.com/paybridge/paybridge/plugins/sdk/fixture"
)

// played is the provider as the conformance kit plays with it: it tells nobody anything by itself.
type played struct {
	*provider
	faults fixture.Faults
}

const account = "main"

func newPlayed() (*played, error) {
	listener, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &played{provider: newProvider("http://" + listener.Addr().String())}
	p.faults = fixture.Faults{API: p.provider, Identify: identify, Refuse: p.refuse}
	p.merchants[merchant] = []byte(randomHex(16))
	go func() { _ = http.Serve(listener, &p.faults) }() // it ends with the process
	return p, p.keys.add("key-1", randomHex(32))
}

// identify reads which call a request is, and the number that it is about.
func identify(r *http.Request, body []byte) (fixture.Call, string, bool) {
	var about struct{ Number, Refund string }
	if json.Unmarshal(body, &about) != nil {
		return "", "", false
	}
	call := fixture.Call(strings.ReplaceAll(strings.TrimPrefix(r.URL.Path, "/"), "-", "_"))
	if about.Refund != "" {
		about.Number = about.Refund
	}
	return call, about.Number, true
}

// refuse is the answer that the provider has for a reason.
func (p *played) refuse(reason string) http.HandlerFunc {
	r, ok := map[string]*refusal{
		"INVALID_REQUEST": no(http.StatusBadRequest, "BAD_FIELD", "a field is wrong"),
		"DECLINED":        no(http.StatusForbidden, "DECLINED", "the payer's bank says no"),
		"NOT_FOUND":       no(http.StatusNotFound, "NO_TRADE", "there is no trade of this number"),
		"CONFLICT":        no(http.StatusConflict, "NUMBER_USED", "the number has another content"),
		"RATE_LIMITED":    no(http.StatusTooManyRequests, "SLOW_DOWN", "too many calls"),
		"AUTH":            no(http.StatusUnauthorized, "BAD_SIGNATURE", "the signature is not this merchant's"),
		"UNAVAILABLE":     no(http.StatusServiceUnavailable, "BUSY", "later, please"),
	}[reason]
	if !ok {
		return nil
	}
	return func(w http.ResponseWriter, _ *http.Request) { p.answer(w, nil, r) }
}

func (p *played) About(context.Context) (fixture.About, error) {
	return fixture.About{
		BaseURL: p.base, Currency: "CNY", Accounts: []fixture.Account{p.account("key-1")},
		Routes: []fixture.Route{{Account: account, AppID: "store-1"}, {Account: account, AppID: "store-2"}},
	}, nil
}

func (p *played) account(keys ...string) fixture.Account {
	public := map[string]string{}
	for _, id := range keys {
		public[id] = p.keys.public(id)
	}
	config := marshal(map[string]any{"mchid": merchant, "api_key": string(p.merchants[merchant]), "provider_keys": public})
	return fixture.Account{Name: account, MchID: merchant, Config: config}
}

func (p *played) Next(_ context.Context, n fixture.Next) error { return p.faults.Set(n) }

// find is the trade of that number, nil without one.
func (p *played) find(number string) *trade {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.trades[merchant+"/"+number]
}

func (p *played) Pay(_ context.Context, t fixture.Trade) error {
	found := p.find(t.Number)
	if found == nil {
		return fmt.Errorf("there is no trade %s", t.Number)
	}
	if why := p.pay(found); why != "" {
		return errors.New(why)
	}
	return nil
}

func (p *played) Arrive(_ context.Context, r fixture.Refund) error {
	if t := p.find(r.Payment); t != nil {
		if f := t.refund(r.Number); f != nil {
			p.arrive(f)
			return nil
		}
	}
	return fmt.Errorf("there is no refund %s", r.Number)
}

func (p *played) Ledger(_ context.Context, t fixture.Trade) (fixture.Ledger, error) {
	l := fixture.Ledger{Hanging: p.faults.Hanging(t.Number)}
	found := p.find(t.Number)
	if found == nil {
		return l, nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	l.Found, l.AppID, l.Amount, l.Currency = true, found.Store, found.Amount, found.Currency
	l.Closed, l.Paid = found.State == "CLOSED", found.PaidAt != 0
	for _, f := range found.refunds {
		l.Refunds = append(l.Refunds, fixture.LedgerRefund{Number: f.Number, Amount: f.Amount})
	}
	return l, nil
}

func (p *played) Notification(_ context.Context, w fixture.Wanted) (n fixture.Notification, err error) {
	t := p.find(w.Trade.Number)
	if t == nil {
		return n, fmt.Errorf("there is no trade %s", w.Trade.Number)
	}
	p.mu.Lock()
	e := event{ID: "n" + randomHex(16), Trade: t}
	if w.Refund != "" {
		e.Trade, e.Refund = nil, t.refund(w.Refund)
	}
	payload := marshal(e)
	p.mu.Unlock()
	if w.Flaw == fixture.Malformed {
		payload = []byte("neither this nor that")
	}
	said := p.keys.sign(payload)
	stranger := &keyring{private: map[string]ed25519.PrivateKey{}}
	if err := stranger.add("key-9", randomHex(32)); err != nil {
		return n, err
	}
	switch w.Flaw {
	case fixture.Tampered:
		said.Payload = strings.Replace(said.Payload, `"amount":`, `"amount":9`, 1)
	case fixture.OtherKey:
		said.Signature = stranger.sign(payload).Signature
	case fixture.UnknownSerial:
		said = stranger.sign(payload)
	case fixture.Genuine, fixture.Malformed:
	}
	return fixture.Notification{
		Method: http.MethodPost, Headers: [][2]string{{"Content-Type", "application/json"}}, Body: marshal(said),
	}, nil
}

func (p *played) Rotate(context.Context, string) (fixture.Account, error) {
	if err := p.keys.add("key-2", randomHex(32)); err != nil {
		return fixture.Account{}, err
	}
	return p.account("key-1", "key-2"), nil
}

func (p *played) Bill(context.Context, fixture.Bill) (string, error) {
	return "", fixture.ErrUnsupported
}
