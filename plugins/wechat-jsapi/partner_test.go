package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/paybridge/paybridge/plugins/sdk"
	"github.com/paybridge/paybridge/plugins/wechat"
	"github.com/paybridge/paybridge/plugins/wechat/sim"
)

// The partner of the simulator's seed, with a sub merchant that has an app of its own and one that has none.
const (
	partner    = "1900000100"
	withApp    = "1900000101"
	withoutApp = "1900000102"
	partnerApp = "wxp000000000000001"
	subApp     = "wxs000000000000001"
)

// partnerWorld has an account for each sub merchant, named after it; both sign with the partner's key.
func partnerWorld(t testing.TB) world {
	t.Helper()
	w := newWorld(t)
	for _, sub := range []string{withApp, withoutApp} {
		w.configure(w.accountOf(sub, partner, func(c *wechat.Config) { c.SubMchID = sub }))
	}
	return w
}

// subCall is a call for a sub merchant, whose payer is known to the partner's app or to the sub merchant's own.
func subCall(sub string, kind sdk.OpenidKind) sdk.Call {
	r := sdk.Route{
		Provider: "wechat-jsapi", Entry: "clinic", Account: sub, MchID: partner, SubMchID: sub, SpAppID: partnerApp, AppID: partnerApp,
		OpenidKind: kind, NotifyURL: "https://pay.example.com/notify/wechat-jsapi/" + sub,
	}
	if kind == sdk.OpenidSub {
		r.SubAppID, r.AppID = subApp, subApp
	}
	return sdk.Call{Route: r}
}

// payerOf is the first payer of an app of the partner's or of its sub merchants'.
func (w world) payerOf(appID string) string {
	w.t.Helper()
	m := w.sim.Merchant(partner)
	apps := m.Apps
	for _, sub := range m.SubMerchants {
		apps = append(apps, sub.Apps...)
	}
	for _, app := range apps {
		if app.AppID == appID {
			return app.Users[0].OpenID
		}
	}
	w.t.Fatalf("the partner has no app %s", appID)
	return ""
}

func (w world) subCreate(c sdk.Call, number string) sdk.Create {
	return sdk.Create{
		Call: c, Number: number, Amount: sdk.Amount{Minor: 1250, Currency: "CNY"}, Description: "门诊缴费",
		Payer: sdk.Payer{Openid: w.payerOf(c.Route.AppID)}, TimeExpire: w.sim.Now().Add(time.Hour),
	}
}

// subPaid is a sub merchant's payment that is paid.
func (w world) subPaid(c sdk.Call, number string) sdk.PaymentFacts {
	w.t.Helper()
	h := handOff(w.t, accepted(w.t, w.CreatePayment(w.t.Context(), w.subCreate(c, number))))
	if _, err := w.sim.Pay(sim.Pay{HandOff: &h}); err != nil {
		w.t.Fatal(err)
	}
	return *accepted(w.t, w.QueryPayment(w.t.Context(), sdk.Query{Call: c, Number: number})).Payment
}

func TestASubMerchantsPaymentAndRefund(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, sub string
		kind      sdk.OpenidKind
		app       string
	}{
		{"R09 openid of the partner's app", withoutApp, sdk.OpenidSp, partnerApp},
		{"R09 openid of the partner's app, the sub merchant has one too", withApp, sdk.OpenidSp, partnerApp},
		{"R09 openid of the sub merchant's app", withApp, sdk.OpenidSub, subApp},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := partnerWorld(t)
			c := subCall(test.sub, test.kind)
			create := w.subCreate(c, number(1))
			h := handOff(t, accepted(t, w.CreatePayment(t.Context(), create)))
			if h.AppID != test.app {
				t.Errorf("the page of %s calls pay, want %s", h.AppID, test.app)
			}
			if _, err := w.sim.Pay(sim.Pay{HandOff: &h}); err != nil {
				t.Fatal("the payer's WeChat refuses:", err)
			}
			paid := *accepted(t, w.QueryPayment(t.Context(), sdk.Query{Call: c, Number: number(1)})).Payment
			told := w.told(test.sub, partner, number(1)).Payment
			for source, f := range map[string]*sdk.PaymentFacts{"query": &paid, "notification": told} {
				if f == nil || f.State != sdk.PaymentSucceeded || f.MchID != partner || f.SubMchID != test.sub || f.AppID != test.app ||
					f.Number != number(1) || f.Amount != create.Amount || f.Payer.Openid != create.Payer.Openid || f.Payer.SpOpenid == "" {
					t.Errorf("R12 %s: %+v", source, f)
				}
			}
			ask := sdk.Refund{
				Call: c, PaymentNumber: number(1), ProviderPaymentID: paid.ProviderID, Number: "R1", LegID: "self",
				Amount: sdk.Amount{Minor: 500, Currency: "CNY"}, Total: paid.Amount, Reason: "退号", NotifyURL: c.Route.NotifyURL,
			}
			accepted(t, w.CreateRefund(t.Context(), ask))
			w.pass(time.Minute)
			back := accepted(t, w.QueryRefund(t.Context(), sdk.RefundQuery{Call: c, PaymentNumber: number(1), Number: "R1"})).Refund
			if back.State != sdk.RefundSucceeded || back.Amount != ask.Amount || back.PaymentNumber != number(1) {
				t.Errorf("refund: %+v", back)
			}
			if f := w.told(test.sub, partner, "R1").Refund; f == nil || f.MchID != partner || f.SubMchID != test.sub || f.Number != "R1" {
				t.Errorf("R13 the refund's notification: %+v", f)
			}
			for _, sent := range w.sim.Requests() {
				if sent.MchID != partner || sent.Serial != w.sim.Merchant(partner).Serial {
					t.Errorf("R27 %s %s is signed by %s with %s", sent.Method, sent.Path, sent.MchID, sent.Serial)
				}
			}
		})
	}
}

// told is what the notification about a number of that signer says, read with the keys of that account.
func (w world) told(account, mchID, number string) sdk.Parsed {
	w.t.Helper()
	_, header, body, err := w.sim.SignedCallback(mchID, number, "")
	if err != nil {
		w.t.Fatal(err)
	}
	p := w.ParseNotification(w.t.Context(), sdk.Notification{Account: account, Method: "POST", Header: header, Body: body, ReceivedAt: time.Now()})
	if p.Cause != 0 {
		w.t.Fatalf("refused: %+v", p)
	}
	return p
}

func TestASubMerchantsTradeIsClosed(t *testing.T) {
	t.Parallel()
	w := partnerWorld(t)
	c := subCall(withoutApp, sdk.OpenidSp)
	accepted(t, w.CreatePayment(t.Context(), w.subCreate(c, number(1))))
	accepted(t, w.ClosePayment(t.Context(), sdk.Close{Call: c, Number: number(1)}))
	if f := accepted(t, w.QueryPayment(t.Context(), sdk.Query{Call: c, Number: number(1)})).Payment; f.State != sdk.PaymentClosed || f.SubMchID != withoutApp {
		t.Errorf("closed: %+v", f)
	}
}

// R13: what one sub merchant's trade is called says nothing about another's, though one key signs for both.
func TestR13_SubMerchantsOfOneSignerDoNotMeet(t *testing.T) {
	t.Parallel()
	w := partnerWorld(t)
	first, second := subCall(withApp, sdk.OpenidSub), subCall(withoutApp, sdk.OpenidSp)
	paid := w.subPaid(first, number(1))
	if r := w.QueryPayment(t.Context(), sdk.Query{Call: second, Number: number(1)}); r.Verdict == sdk.VerdictAccepted {
		t.Errorf("another sub merchant's trade is shown: %+v", r.Payment)
	}
	ask := sdk.Refund{
		Call: second, PaymentNumber: number(1), ProviderPaymentID: paid.ProviderID, Number: "R1", Amount: paid.Amount, Total: paid.Amount,
		NotifyURL: second.Route.NotifyURL,
	}
	if r := w.CreateRefund(t.Context(), ask); r.Verdict != sdk.VerdictRejected {
		t.Errorf("another sub merchant's trade is refunded: %+v", r)
	}
	// The path picks the keys, which are one signer's; whose trade it is stands in the facts.
	if f := w.told(withoutApp, partner, number(1)).Payment; f.SubMchID != withApp {
		t.Errorf("read with the other account's keys: %+v", f)
	}
	crossed := first
	crossed.Route.Account = withoutApp
	if r := w.QueryPayment(t.Context(), sdk.Query{Call: crossed, Number: number(1)}); r.Verdict != sdk.VerdictNotSent || r.Reason != sdk.AuthFailed {
		t.Errorf("an account signs for another sub merchant than its own: %+v", r)
	}
}

func TestAPartnersMistakesAreSaid(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		spoil func(*sdk.Create)
		want  string // in the message
	}{
		{"no relation", func(c *sdk.Create) { c.Route.SubMchID, c.Route.Account = "1900000199", "any" }, "受理关系不存在"},
		{"openid of another app", func(c *sdk.Create) { c.Payer.Openid = "oSomebody" }, "openid"},
		{"not said whose openid", func(c *sdk.Create) { c.Route.OpenidKind = sdk.OpenidNone }, "set openid_kind"},
		{"the partner's app is not said", func(c *sdk.Create) { c.Route.SpAppID = "" }, "set the entry's sp_app_id"},
		{"two apps for one openid", func(c *sdk.Create) { c.Route.AppID = partnerApp }, "one of them is wrong"},
		{"an openid of the partner's under another app", func(c *sdk.Create) { c.Route.OpenidKind = sdk.OpenidSp }, "one of them is wrong"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := partnerWorld(t)
			w.configure(w.accountOf("any", partner, func(*wechat.Config) {})) // signs for whatever sub merchant the route names
			create := w.subCreate(subCall(withApp, sdk.OpenidSub), number(1))
			test.spoil(&create)
			if r := w.CreatePayment(t.Context(), create); r.Verdict != sdk.VerdictRejected || !strings.Contains(r.Message, test.want) {
				t.Errorf("got %+v, want %s", r, test.want)
			}
		})
	}
}

// Sub merchants are added while others pay; each trade is its own.
func TestR13_ManySubMerchantsAtOnce(t *testing.T) {
	t.Parallel()
	const many = 40
	w := partnerWorld(t)
	var group sync.WaitGroup
	for i := range many {
		sub := fmt.Sprintf("19100%05d", i)
		if err := w.sim.AddSubMerchant(partner, sim.SeedSubMerchant{MchID: sub, Name: "School " + sub}); err != nil {
			t.Fatal(err)
		}
		group.Go(func() {
			if _, err := w.Configure(t.Context(), w.accountOf(sub, partner, func(c *wechat.Config) { c.SubMchID = sub })); err != nil {
				t.Error(err)
				return
			}
			c := subCall(sub, sdk.OpenidSp)
			r := w.CreatePayment(t.Context(), w.subCreate(c, number(i)))
			if r.Verdict != sdk.VerdictAccepted {
				t.Errorf("%s: %+v", sub, r)
			}
		})
	}
	group.Wait()
	for i := range many {
		trade, err := w.sim.Trade(partner, number(i))
		if err != nil || trade.SubMchID != fmt.Sprintf("19100%05d", i) {
			t.Errorf("trade %s is of %s: %v", number(i), trade.SubMchID, err)
		}
	}
}

// What WeChat is sent names both merchants, and the payer under the app that knows her.
func TestWhatAPartnerSends(t *testing.T) {
	t.Parallel()
	w := partnerWorld(t)
	w.subPaid(subCall(withApp, sdk.OpenidSub), number(1))
	w.subPaid(subCall(withoutApp, sdk.OpenidSp), number(2))
	want := map[string]string{
		number(1): fmt.Sprintf(`{"sp_appid":%q,"sp_mchid":%q,"sub_appid":%q,"sub_mchid":%q,"payer":{"sub_openid":%q}}`,
			partnerApp, partner, subApp, withApp, w.payerOf(subApp)),
		number(2): fmt.Sprintf(`{"sp_appid":%q,"sp_mchid":%q,"sub_mchid":%q,"payer":{"sp_openid":%q}}`,
			partnerApp, partner, withoutApp, w.payerOf(partnerApp)),
	}
	for _, sent := range w.sim.Requests() {
		if !strings.HasSuffix(sent.Path, "/jsapi") {
			continue
		}
		var parties wechat.Parties
		if err := json.Unmarshal([]byte(sent.Body), &parties); err != nil {
			t.Fatal(err)
		}
		got, err := json.Marshal(parties)
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != want[sent.Number] {
			t.Errorf("%s:\n got %s\nwant %s", sent.Number, got, want[sent.Number])
		}
	}
}
