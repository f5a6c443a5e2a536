package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/paybridge/paybridge/plugins/sdk"
	"github.com/paybridge/paybridge/plugins/wechat"
	"github.com/paybridge/paybridge/plugins/wechat/sim"
)

const (
	merchant  = "1900000001" // of the simulator's seed, with two official accounts
	firstApp  = "wxa000000000000001"
	secondApp = "wxa000000000000002"
)

// world is a plugin that is configured for the simulator's first merchant. Callbacks are made by the test, so the
// simulator sends none.
type world struct {
	plugin
	sim *sim.Simulator
	t   testing.TB
}

func newWorld(t testing.TB) world {
	t.Helper()
	s := sim.New(t)
	// Of its own, so that the simulator has none to wait for when it ends.
	connections := &http.Transport{MaxIdleConnsPerHost: 64}
	t.Cleanup(connections.CloseIdleConnections)
	w := world{plugin: newPlugin(wechat.Options{Transport: connections}), sim: s, t: t}
	w.faults()
	got, err := w.Configure(t.Context(), w.account())
	if err != nil || got.MchID != merchant {
		t.Fatalf("configure: %+v, %v", got, err)
	}
	return w
}

// faults sets the simulator's rules beside the one that keeps its callbacks at home.
func (w world) faults(rules ...sim.Fault) {
	w.t.Helper()
	if err := w.sim.SetFaults(append(rules, sim.Fault{Kind: sim.CallbackLost})...); err != nil {
		w.t.Fatal(err)
	}
}

func (w world) account() sdk.Account { return w.accountOf("main", merchant, func(*wechat.Config) {}) }

// accountOf is a merchant's account as its operator would write it, but for the changes.
func (w world) accountOf(name, mchID string, change func(*wechat.Config)) sdk.Account {
	w.t.Helper()
	m := w.sim.Merchant(mchID)
	c := wechat.Config{
		MchID: m.MchID, SerialNo: m.Serial, PrivateKey: m.PrivateKeyPEM, APIv3Keys: []string{m.APIv3Key},
		PublicKeys: map[string]string{w.sim.PublicKeyID(): w.sim.PublicKeyPEM()}, PublicKeyID: w.sim.PublicKeyID(),
	}
	change(&c)
	config, err := json.Marshal(c)
	if err != nil {
		w.t.Fatal(err)
	}
	return sdk.Account{Name: name, Generation: 1, Config: config, Mode: sdk.Mode{BaseURL: w.sim.BaseURL()}}
}

// configure puts an account in use.
func (w world) configure(a sdk.Account) {
	w.t.Helper()
	if _, err := w.Configure(w.t.Context(), a); err != nil {
		w.t.Fatal(err)
	}
}

// noon moves the simulated time to noon of tomorrow in Shanghai, so that a test's minutes are all of one day, which it
// gives.
func (w world) noon() string {
	w.t.Helper()
	y, m, d := w.sim.Now().In(shanghai).Date()
	at := time.Date(y, m, d+1, 12, 0, 0, 0, shanghai)
	if err := w.sim.SetTime(at); err != nil {
		w.t.Fatal(err)
	}
	return at.Format(time.DateOnly)
}

// pass lets simulated time go by, with what is due in it.
func (w world) pass(d time.Duration) {
	w.t.Helper()
	if err := w.sim.Advance(d); err != nil {
		w.t.Fatal(err)
	}
	if err := w.sim.Drain(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
}

var shanghai = time.FixedZone("Asia/Shanghai", 8*60*60)

// openid is a payer's, as this app knows her.
func (w world) openid(appID string) string {
	for _, app := range w.sim.Merchant(merchant).Apps {
		if app.AppID == appID {
			return app.Users[0].OpenID
		}
	}
	w.t.Fatalf("the simulator has no app %s", appID)
	return ""
}

func call(appID string) sdk.Call {
	return sdk.Call{Route: sdk.Route{
		Provider: "wechat-jsapi", Entry: "clinic", Account: "main", MchID: merchant, AppID: appID,
		OpenidKind: sdk.OpenidDirect, NotifyURL: "https://pay.example.com/notify/wechat-jsapi/main",
	}}
}

// number makes the nth number of a test.
func number(n int) string { return fmt.Sprintf("0110120261124211500000%010d", n) }

func (w world) create(appID, number string) sdk.Create {
	return sdk.Create{
		Call: call(appID), Number: number, Amount: sdk.Amount{Minor: 1250, Currency: "CNY"}, Description: "门诊缴费",
		Payer: sdk.Payer{Openid: w.openid(appID), ClientIP: "203.0.113.7"}, TimeExpire: w.sim.Now().Add(time.Hour),
		Legs: []sdk.Leg{{ID: "self", Kind: "self", Amount: sdk.Amount{Minor: 1250, Currency: "CNY"}}},
	}
}

// paid is a payment that the payer has paid, with what the provider says of it.
func (w world) paid(number string) sdk.PaymentFacts {
	w.t.Helper()
	accepted(w.t, w.CreatePayment(w.t.Context(), w.create(firstApp, number)))
	if _, err := w.sim.Pay(sim.Pay{OutTradeNo: number, MchID: merchant}); err != nil {
		w.t.Fatal(err)
	}
	return *accepted(w.t, w.QueryPayment(w.t.Context(), sdk.Query{Call: call(firstApp), Number: number})).Payment
}

func refund(f sdk.PaymentFacts, number string, fen int64) sdk.Refund {
	return sdk.Refund{
		Call: call(firstApp), PaymentNumber: f.Number, ProviderPaymentID: f.ProviderID, Number: number, LegID: "self",
		Amount: sdk.Amount{Minor: fen, Currency: "CNY"}, Total: f.Amount, Reason: "退号",
		NotifyURL: "https://pay.example.com/notify/wechat-jsapi/main",
	}
}

// notification is what WeChat would post about the number now.
func (w world) notification(number string, fault sim.FaultKind) sdk.Notification {
	w.t.Helper()
	_, header, body, err := w.sim.SignedCallback(merchant, number, fault)
	if err != nil {
		w.t.Fatal(err)
	}
	return sdk.Notification{
		Account: "main", Method: "POST", Path: "/notify/wechat-jsapi/main", Header: header, Body: body, ReceivedAt: time.Now(),
	}
}

func accepted(t testing.TB, r sdk.Result) sdk.Result {
	t.Helper()
	if r.Verdict != sdk.VerdictAccepted {
		t.Fatalf("not accepted: %+v", r)
	}
	if r.RequestID == "" || r.ProviderTime.IsZero() {
		t.Errorf("Request-ID and WeChat's clock come with each answer: %+v", r)
	}
	return r
}

func handOff(t testing.TB, r sdk.Result) sim.HandOff {
	t.Helper()
	if r.HandOff == nil || r.HandOff.Kind != "wechat_jsapi" {
		t.Fatalf("no hand-off: %+v", r)
	}
	text, err := json.Marshal(r.HandOff.Params)
	if err != nil {
		t.Fatal(err)
	}
	var h sim.HandOff
	if err := json.Unmarshal(text, &h); err != nil {
		t.Fatal(err)
	}
	return h
}
