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
	merchant = "1900000001" // of the simulator's seed
	app      = "wxa000000000000001"
	notify   = "https://pay.example.com/notify/wechat-medins/main"
)

// patient and payer are made up, with numbers whose check digits are right.
var (
	patient = sdk.Person{Name: "测试甲", IDNumber: "440300190001011237", CardType: "ID_CARD"}
	payer   = sdk.Person{Name: "测试乙", IDNumber: "11010519491231002X", CardType: "ID_CARD"}
)

// world is a plugin that is configured for the simulator's first merchant. Callbacks are made by the test.
type world struct {
	plugin
	sim *sim.Simulator
	t   testing.TB
}

func newWorld(t testing.TB) world {
	t.Helper()
	s := sim.New(t)
	connections := &http.Transport{MaxIdleConnsPerHost: 64}
	t.Cleanup(connections.CloseIdleConnections)
	w := world{plugin: newPlugin(wechat.Options{Transport: connections}), sim: s, t: t}
	w.faults()
	if _, err := w.Configure(t.Context(), w.account(sdk.Mode{BaseURL: s.BaseURL()})); err != nil {
		t.Fatal(err)
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

func (w world) account(mode sdk.Mode) sdk.Account {
	w.t.Helper()
	return w.accountOf("main", merchant, "", mode)
}

// accountOf is a merchant's own account, or a partner's for a sub merchant.
func (w world) accountOf(name, mchID, subMchID string, mode sdk.Mode) sdk.Account {
	w.t.Helper()
	m := w.sim.Merchant(mchID)
	config, err := json.Marshal(wechat.Config{
		MchID: m.MchID, SubMchID: subMchID, SerialNo: m.Serial, PrivateKey: m.PrivateKeyPEM, APIv3Keys: []string{m.APIv3Key},
		PublicKeys: map[string]string{w.sim.PublicKeyID(): w.sim.PublicKeyPEM()},
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return sdk.Account{Name: name, Generation: 1, Config: config, Mode: mode}
}

func (w world) openid() string { return w.sim.Merchant(merchant).Apps[0].Users[0].OpenID }

func call() sdk.Call {
	return sdk.Call{Route: sdk.Route{
		Provider: "wechat-medins", Entry: "insured", Account: "main", MchID: merchant, AppID: app, OpenidKind: sdk.OpenidDirect, NotifyURL: notify,
	}}
}

func number(n int) string { return fmt.Sprintf("0310120261124211500000%010d", n) }

func yuan(fen int64) sdk.Amount { return sdk.Amount{Minor: fen, Currency: "CNY"} }

// bill is 7.00 by insurance and 3.00 by the payer: of 4.00 in cash and 0.50 of freight the hospital takes off 1.50.
func bill() sdk.Medical {
	return sdk.Medical{
		OrderType: "REG_PAY", CityID: "530100", InstitutionName: "First Hospital", InstitutionNo: "530100001", Gov: 500, Self: 150, Other: 50,
		Cash: 400, CashAdditions: []sdk.CashChange{{Type: "FREIGHT", Minor: 50}},
		CashReductions: []sdk.CashChange{{Type: "HOSPITAL_REDUCE", Minor: 150}}, Person: patient,
	}
}

// create is a payment of a bill, authorized at the bureau where a part is insured.
func (w world) create(n int, m sdk.Medical, change ...func(*sim.Authorization)) sdk.Create {
	w.t.Helper()
	m.SerialNo = "S0001"
	insured, cash := m.Gov+m.Self+m.Other, m.Cash
	for _, c := range m.CashAdditions {
		cash += c.Minor
	}
	for _, c := range m.CashReductions {
		cash -= c.Minor
	}
	r := sdk.Create{
		Call: call(), Number: number(n), Amount: yuan(insured + cash), Description: "门诊缴费", Payer: sdk.Payer{Openid: w.openid()},
		TimeExpire: w.sim.Now().Add(2 * time.Hour),
	}
	if cash > 0 {
		r.Legs = append(r.Legs, sdk.Leg{ID: "self", Kind: "self", Amount: yuan(cash)})
	}
	if insured > 0 {
		r.Legs = append(r.Legs, sdk.Leg{ID: "insurance", Kind: "insurance", Amount: yuan(insured)})
		a := sim.Authorization{
			OpenID: w.openid(), Gov: m.Gov, Self: m.Self, Other: m.Other, Cash: m.Cash,
			Person: sim.MedPerson{Name: m.Person.Name, IDNumber: m.Person.IDNumber},
		}
		if m.Payer != nil {
			a.Payer = &sim.MedPerson{Name: m.Payer.Name, IDNumber: m.Payer.IDNumber}
		}
		for _, c := range change {
			c(&a)
		}
		a, err := w.sim.Authorize(a)
		if err != nil {
			w.t.Fatal(err)
		}
		m.PayOrderID, m.PayAuthNo, m.OrderedAt, m.GeoLocation = a.PayOrderID, a.PayAuthNo, a.OrderedAt, "102.682296,25.054260"
	}
	r.Details.Medical = &m
	return r
}

// made goes through the steps as the host does: each checkpoint is stored and handed back.
func (w world) made(r sdk.Create) (sdk.Result, sdk.State) {
	w.t.Helper()
	for range 5 {
		result := w.CreatePayment(w.t.Context(), r)
		if result.State != nil {
			r.State = *result.State
		}
		if result.Verdict != sdk.VerdictCheckpoint {
			return result, r.State
		}
	}
	w.t.Fatal("five checkpoints")
	return sdk.Result{}, sdk.State{}
}

func (w world) query(r sdk.Create, s sdk.State) sdk.Result {
	c := r.Call
	c.State = s
	return w.QueryPayment(w.t.Context(), sdk.Query{Call: c, Number: r.Number, Legs: r.Legs})
}

func (w world) close(r sdk.Create, s sdk.State) sdk.Result {
	c := r.Call
	c.State = s
	return w.ClosePayment(w.t.Context(), sdk.Close{Call: c, Number: r.Number, Legs: r.Legs})
}

// params are what the payer's client gets, all text.
func params(t testing.TB, h *sdk.HandOff) map[string]string {
	t.Helper()
	if h == nil || h.Kind != "wechat_medins" {
		t.Fatalf("hand-off %+v", h)
	}
	text, err := json.Marshal(h.Params)
	if err != nil {
		t.Fatal(err)
	}
	var p map[string]string
	if err := json.Unmarshal(text, &p); err != nil {
		t.Fatal(err)
	}
	return p
}

// parts are a payment's legs with their states.
func parts(f *sdk.PaymentFacts) string {
	if f == nil {
		return "no facts"
	}
	out := fmt.Sprint(f.State)
	for _, l := range f.Legs {
		out += fmt.Sprintf(" %s %d %d", l.ID, l.Amount.Minor, l.State)
	}
	return out
}
