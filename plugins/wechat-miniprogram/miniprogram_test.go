package main

import (
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"github.com/paybridge/paybridge/plugins/sdk"
	"github.com/paybridge/paybridge/plugins/wechat"
	"github.com/paybridge/paybridge/plugins/wechat/sim"
)

// All that the channels share is tested with wechat-jsapi and in plugins/wechat. Here stands what makes this one: its
// name, its hand-off, and whose app id it signs for.

func TestDescribe(t *testing.T) {
	t.Parallel()
	d := plugin{}.Describe()
	if d.Name != "wechat-miniprogram" || len(d.HandOffKinds) != 1 || d.HandOffKinds[0] != "wechat_miniprogram" {
		t.Errorf("got %+v", d)
	}
}

const number = "02101202611242115000000000000001"

// Each row is a way in which a merchant has a mini program: its own, or as a partner's sub merchant.
func TestAPaymentInAMiniProgram(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name            string
		merchant, sub   string
		app, subApp     string
		kind            sdk.OpenidKind
		signs, payerApp string // the app id that paySign is over; whose openid the payer has
	}{
		{"direct", "1900000003", "", "wxm000000000000001", "", sdk.OpenidDirect, "wxm000000000000001", "wxm000000000000001"},
		{"a sub merchant's own", "1900000100", "1900000101", "wxp000000000000001", "wxs000000000000001", sdk.OpenidSub, "wxs000000000000001", "wxs000000000000001"},
		{"the partner's", "1900000100", "1900000102", "wxp000000000000001", "", sdk.OpenidSp, "wxp000000000000001", "wxp000000000000001"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			s := sim.New(t)
			connections := &http.Transport{}
			t.Cleanup(connections.CloseIdleConnections)
			if err := s.SetFaults(sim.Fault{Kind: sim.CallbackLost}); err != nil {
				t.Fatal(err)
			}
			p := newPlugin(wechat.Options{Transport: connections})
			m := s.Merchant(row.merchant)
			config, err := json.Marshal(wechat.Config{
				MchID: m.MchID, SubMchID: row.sub, SerialNo: m.Serial, PrivateKey: m.PrivateKeyPEM, APIv3Keys: []string{m.APIv3Key},
				PublicKeys: map[string]string{s.PublicKeyID(): s.PublicKeyPEM()},
			})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := p.Configure(t.Context(), sdk.Account{Name: "main", Generation: 1, Config: config, Mode: sdk.Mode{BaseURL: s.BaseURL()}}); err != nil {
				t.Fatal(err)
			}
			route := sdk.Route{
				Provider: "wechat-miniprogram", Entry: "mini", Account: "main", MchID: row.merchant, SubMchID: row.sub, OpenidKind: row.kind,
				AppID: row.signs, NotifyURL: "https://pay.example.com/notify/wechat-miniprogram/main",
			}
			if row.sub != "" {
				route.SpAppID, route.SubAppID = row.app, row.subApp
			}
			r := p.CreatePayment(t.Context(), sdk.Create{
				Call: sdk.Call{Route: route}, Number: number, Amount: sdk.Amount{Minor: 1250, Currency: "CNY"}, Description: "门诊缴费",
				Payer: sdk.Payer{Openid: openID(t, s, row.payerApp)}, TimeExpire: s.Now().Add(time.Hour),
			})
			if r.Verdict != sdk.VerdictAccepted || r.HandOff == nil || r.HandOff.Kind != "wechat_miniprogram" {
				t.Fatalf("create: %+v", r)
			}
			text, err := json.Marshal(r.HandOff.Params)
			if err != nil {
				t.Fatal(err)
			}
			var h sim.HandOff
			if err := json.Unmarshal(text, &h); err != nil {
				t.Fatal(err)
			}
			if h.AppID != row.signs {
				t.Errorf("it is signed for app id %s, want %s", h.AppID, row.signs)
			}
			if _, err := s.Pay(sim.Pay{HandOff: &h}); err != nil {
				t.Fatal("the payer's WeChat refuses the hand-off:", err)
			}
			paid := p.QueryPayment(t.Context(), sdk.Query{Call: sdk.Call{Route: route}, Number: number})
			if paid.Verdict != sdk.VerdictAccepted || paid.Payment.State != sdk.PaymentSucceeded || paid.Payment.SubMchID != row.sub {
				t.Errorf("query: %+v", paid)
			}
		})
	}
}

// openid is the first person's, as this app knows her.
func openID(t *testing.T, s *sim.Simulator, app string) string {
	t.Helper()
	for _, a := range sim.DefaultSeed().Apps {
		if a.AppID == app {
			return a.Users[0].OpenID
		}
	}
	t.Fatalf("the simulator has no app %s", app)
	return ""
}
