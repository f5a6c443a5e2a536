// Package simfixture plays WeChat Pay for the conformance kit: the simulator behind package fixture's calls. It is the
// fixture of every plugin that speaks to WeChat Pay; `wechatsim fixture` serves it.
package simfixture

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/paybridge/paybridge/plugins/sdk/fixture"
	"github.com/paybridge/paybridge/plugins/wechat/sim"
)

// The merchants that are played: a direct one with two app ids, and a partner with a sub merchant.
const (
	direct, firstApp, secondApp         = "1900000001", "wxa000000000000001", "wxa000000000000002"
	partner, subMerchant, sp, subOwnApp = "1900000100", "1900000101", "wxp000000000000001", "wxs000000000000001"
)

// Provider is a simulated WeChat that tells nobody anything by itself. Close it.
type Provider struct {
	insured bool // payments are bills in medical insurance's form
	sim     *sim.Simulator
	faults  fixture.Faults

	mu   sync.Mutex
	keys map[string][]string // APIv3 keys of a merchant, the newest last
	day  string              // of the statements; empty: none was asked for
}

// Start starts a simulator of its own.
func Start(ctx context.Context) (*Provider, error) {
	p := &Provider{keys: map[string][]string{}}
	p.faults.Identify = identify
	s, err := sim.Start(ctx, sim.Config{
		RefundDelay: 24 * time.Hour, // until somebody says so
		Before:      func(api http.Handler) http.Handler { p.faults.API = api; return &p.faults },
	})
	if err != nil {
		return nil, err
	}
	p.sim = s
	for _, mchID := range []string{direct, partner} {
		p.keys[mchID] = []string{s.Merchant(mchID).APIv3Key}
	}
	return p, s.SetFaults(sim.Fault{Kind: sim.CallbackLost})
}

// StartInsured starts one whose payments are bills that are paid in cash alone, by medical insurance 2.0.
func StartInsured(ctx context.Context) (*Provider, error) {
	p, err := Start(ctx)
	if err == nil {
		p.insured = true
	}
	return p, err
}

// Details are a bill in cash alone (fixture.Detailed). The person is made up.
func (p *Provider) Details(_ context.Context, minor int64) (json.RawMessage, error) {
	if !p.insured {
		return nil, fmt.Errorf("%w: payments by prepay id have no details", fixture.ErrUnsupported)
	}
	return json.Marshal(map[string]any{"medical": map[string]any{
		"order_type": "REG_PAY", "serial_no": "S0001", "city_id": "530100", "institution_name": "First Hospital", "institution_no": "530100001",
		"cash": minor, "person": map[string]any{"name": "测试甲", "id_number": "440300190001011237", "card_type": "ID_CARD"},
	}})
}

// Close ends the simulator.
func (p *Provider) Close() error { return p.sim.Close() }

// About names an account of a direct merchant and one of a partner, with three app ids between them.
func (p *Provider) About(context.Context) (a fixture.About, err error) {
	a = fixture.About{BaseURL: p.sim.BaseURL(), Currency: "CNY", Accounts: []fixture.Account{p.account(direct), p.account(partner)}}
	for _, app := range []string{firstApp, secondApp} {
		a.Routes = append(a.Routes, fixture.Route{Account: direct, AppID: app, OpenidKind: "direct", Openid: p.openid(direct, app)})
	}
	byPartnersApp := fixture.Route{Account: partner, SubMchID: subMerchant, AppID: sp, SpAppID: sp, OpenidKind: "sp", Openid: p.openid(partner, sp)}
	if p.insured { // which asks for the sub merchant's app id whoever's openid it is
		byPartnersApp.SubAppID = subOwnApp
	}
	a.Routes = append(a.Routes, byPartnersApp, fixture.Route{
		Account: partner, SubMchID: subMerchant, AppID: subOwnApp, SpAppID: sp, SubAppID: subOwnApp, OpenidKind: "sub", Openid: subPayer,
	})
	return a, nil
}

// subPayer is alice as the sub merchant's own app knows her.
var subPayer = openidOf(sim.DefaultSeed().Apps, subOwnApp)

func (p *Provider) openid(mchID, appID string) string {
	return openidOf(p.sim.Merchant(mchID).Apps, appID)
}

func openidOf(apps []sim.SeedApp, appID string) string {
	for _, app := range apps {
		if app.AppID == appID {
			return app.Users[0].OpenID
		}
	}
	return ""
}

// account is as an operator writes it; it is called by the merchant's number.
func (p *Provider) account(mchID string) fixture.Account {
	m := p.sim.Merchant(mchID)
	p.mu.Lock()
	defer p.mu.Unlock()
	config, err := json.Marshal(map[string]any{
		"mchid": mchID, "serial_no": m.Serial, "private_key": m.PrivateKeyPEM, "api_v3_keys": p.keys[mchID],
		"public_key_id": p.sim.PublicKeyID(), "public_keys": map[string]string{p.sim.PublicKeyID(): p.sim.PublicKeyPEM()},
	})
	if err != nil {
		panic(err) // strings marshal
	}
	return fixture.Account{Name: mchID, MchID: mchID, Config: config}
}

// Pay is the payer paying.
func (p *Provider) Pay(_ context.Context, t fixture.Trade) error {
	if p.insured {
		_, err := p.sim.PayMedIns(sim.MedInsPay{OutTradeNo: t.Number})
		return err
	}
	_, err := p.sim.Pay(sim.Pay{OutTradeNo: t.Number, MchID: t.MchID})
	return err
}

// Arrive ends a refund well.
func (p *Provider) Arrive(_ context.Context, r fixture.Refund) error {
	if found, ok := p.sim.Ledger().Refund(r.Number); ok && found.Status == sim.RefundSuccess {
		return nil
	}
	return p.sim.SettleRefund(r.MchID, r.Number, sim.RefundSuccess)
}

// Ledger is what the simulator holds.
func (p *Provider) Ledger(_ context.Context, t fixture.Trade) (fixture.Ledger, error) {
	l := fixture.Ledger{Hanging: p.faults.Hanging(t.Number)}
	trade, err := p.sim.Trade(t.MchID, t.Number)
	if err != nil || trade.SubMchID != t.SubMchID {
		return l, nil //nolint:nilerr // a trade that is not there is no error here
	}
	l.Found, l.AppID, l.Amount, l.Currency = true, trade.AppID, trade.Total, "CNY"
	if trade.InSubApp {
		l.AppID = trade.SubAppID
	}
	l.Closed, l.Paid = trade.State == sim.Closed, !trade.PaidAt.IsZero()
	for _, r := range p.sim.Ledger().Refunds {
		if r.MchID == t.MchID && r.OutTradeNo == t.Number {
			l.Refunds = append(l.Refunds, fixture.LedgerRefund{Number: r.OutRefundNo, Amount: r.Amount})
		}
	}
	return l, nil
}

var flaws = map[fixture.Flaw]sim.FaultKind{
	fixture.Genuine: "", fixture.Tampered: sim.CallbackBodyTampered, fixture.OtherKey: sim.CallbackOtherKey,
	fixture.UnknownSerial: sim.CallbackUnknownSerial,
}

// Notification is a callback as WeChat would post it.
func (p *Provider) Notification(_ context.Context, w fixture.Wanted) (n fixture.Notification, err error) {
	fault, ok := flaws[w.Flaw]
	if !ok {
		return n, fmt.Errorf("%w: a callback that is %s", fixture.ErrUnsupported, w.Flaw)
	}
	number := w.Trade.Number
	if w.Refund != "" {
		number = w.Refund
	}
	for _, m := range p.sim.Ledger().MedIns {
		if p.insured && m.OutTradeNo == number { // the whole's message, not the trade's of its cash
			number = m.MixTradeNo
		}
	}
	_, header, body, err := p.sim.SignedCallback(w.Trade.MchID, number, fault)
	if err != nil {
		return n, err
	}
	n = fixture.Notification{Method: http.MethodPost, Body: body}
	for name, values := range header {
		for _, v := range values {
			n.Headers = append(n.Headers, [2]string{name, v})
		}
	}
	return n, nil
}

// Rotate encrypts callbacks by another APIv3 key.
func (p *Provider) Rotate(_ context.Context, account string) (a fixture.Account, err error) {
	p.mu.Lock()
	fresh := fmt.Sprintf("%032d", time.Now().UnixNano())
	known := p.keys[account]
	p.keys[account] = append(known, fresh)
	p.mu.Unlock()
	if known == nil {
		return a, fmt.Errorf("there is no account %s", account)
	}
	return p.account(account), p.sim.SetAPIv3Key(account, fresh)
}

// Bill moves the simulated time to when the statement of the last payment's day is ready. The trades that are open by
// then are over.
func (p *Provider) Bill(_ context.Context, b fixture.Bill) (string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.day == "" {
		var last time.Time
		for _, t := range p.sim.Ledger().Trades {
			if t.MchID == b.Account && t.PaidAt.After(last) {
				last = t.PaidAt
			}
		}
		if last.IsZero() {
			return "", errors.New("nothing was paid yet")
		}
		p.day = last.In(time.FixedZone("Asia/Shanghai", 8*60*60)).Format(time.DateOnly)
		if err := p.sim.Advance(36 * time.Hour); err != nil {
			return "", err
		}
	}
	if b.WrongHash {
		path := "/v3/bill/" + strings.Replace(b.Kind, "fund", "fundflow", 1) + "bill"
		if _, err := p.sim.AddFault(sim.Fault{Kind: sim.BillWrongHash, Path: path, Count: 1}); err != nil {
			return "", err
		}
	}
	return p.day, nil
}
