package main

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/paybridge/paybridge/plugins/sdk"
	"github.com/paybridge/paybridge/plugins/wechat/sim"
)

// The partner of the simulator's seed, and a sub merchant that has an app of its own.
const (
	partner     = "1900000100"
	subMerchant = "1900000101"
	partnerApp  = "wxp000000000000001"
	subApp      = "wxs000000000000001"
)

// A sub merchant's bill is paid, asked for, told of, closed and refunded as its own, whoever's app the payer came by; the app whose
// openid it is calls pay (R09, R13).
func TestR13_ASubMerchantsBill(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name, app, openid string
		kind              sdk.OpenidKind
	}{
		{"by the partner's app", partnerApp, "oP1-alice-000000000000000001", sdk.OpenidSp},
		{"by the sub merchant's app", subApp, "oS1-alice-000000000000000001", sdk.OpenidSub},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.t = t
			if _, err := w.Configure(t.Context(), w.accountOf("clinic", partner, subMerchant, sdk.Mode{BaseURL: w.sim.BaseURL()})); err != nil {
				t.Fatal(err)
			}
			bill := func(n int) sdk.Create {
				r := w.create(n, bill(), func(a *sim.Authorization) { a.OpenID = row.openid })
				r.Payer.Openid = row.openid
				r.Route = sdk.Route{
					Provider: "wechat-medins", Entry: "insured", Account: "clinic", MchID: partner, SubMchID: subMerchant, SpAppID: partnerApp,
					AppID: row.app, OpenidKind: row.kind, NotifyURL: "https://pay.example.com/notify/wechat-medins/clinic",
				}
				if row.kind == sdk.OpenidSub {
					r.Route.SubAppID = subApp
				} else {
					r.Route.Options = json.RawMessage(`{"sub_appid":"` + subApp + `"}`)
				}
				return r
			}
			r := bill(1)
			made, state := w.made(r)
			if made.Verdict != sdk.VerdictAccepted {
				t.Fatalf("create: %+v", made)
			}
			paid, err := w.sim.PayMedIns(sim.MedInsPay{HandOff: params(t, made.HandOff), OpenID: row.openid})
			if err != nil || paid.SubMchID != subMerchant || paid.SubAppID != subApp {
				t.Fatalf("WeChat has %+v: %v", paid.Parties, err)
			}
			f := w.query(r, state).Payment
			if parts(f) != "2 self 300 2 insurance 700 2" || f.MchID != partner || f.SubMchID != subMerchant || f.AppID != row.app || f.Payer.Openid != row.openid {
				t.Errorf("query: %s, %+v", parts(f), f)
			}
			_, header, body, err := w.sim.SignedCallback(partner, paid.MixTradeNo, "")
			if err != nil {
				t.Fatal(err)
			}
			told := w.ParseNotification(t.Context(), sdk.Notification{
				Account: "clinic", Method: "POST", Path: "/notify/wechat-medins/clinic", Header: header, Body: body, ReceivedAt: time.Now(),
			})
			if told.Payment == nil || told.Payment.SubMchID != subMerchant || told.Payment.AppID != row.app || told.Payment.MchID != partner {
				t.Errorf("notification: %+v", told)
			}

			call := r.Call
			call.State = state
			refund := sdk.Refund{
				Call: call, PaymentNumber: r.Number, ProviderPaymentID: paid.MixTradeNo, Number: "R" + r.Number[1:], LegID: "self",
				Amount: yuan(100), Total: yuan(300), NotifyURL: r.Route.NotifyURL,
			}
			if got := w.CreateRefund(t.Context(), refund); got.Verdict != sdk.VerdictAccepted {
				t.Errorf("refund: %+v", got)
			} else if made, _ := w.sim.Ledger().Refund(refund.Number); made.SubMchID != subMerchant {
				t.Errorf("WeChat has the refund %+v", made)
			}
			report := sdk.RefundReport{
				Call: call, PaymentNumber: r.Number, ProviderPaymentID: paid.MixTradeNo, Number: refund.Number, LegID: "insurance", Gov: 500, RefundedAt: w.sim.Now(),
			}
			if got := w.ReportRefund(t.Context(), report); got.Verdict != sdk.VerdictAccepted {
				t.Errorf("report: %+v", got)
			}

			left := bill(2)
			_, state = w.made(left)
			if got := w.close(left, state); parts(got.Payment) != "1 self 300 3 insurance 700 1" {
				t.Errorf("close: %s", parts(got.Payment))
			}
		})
	}
}

// WeChat wants the sub merchant's app id, also where the payer came by the partner's: without it nothing is sent.
func TestASubMerchantWithoutAnAppID(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if _, err := w.Configure(t.Context(), w.accountOf("clinic", partner, subMerchant, sdk.Mode{BaseURL: w.sim.BaseURL()})); err != nil {
		t.Fatal(err)
	}
	r := w.create(1, bill())
	r.Route = sdk.Route{
		Provider: "wechat-medins", Entry: "insured", Account: "clinic", MchID: partner, SubMchID: subMerchant, SpAppID: partnerApp,
		AppID: partnerApp, OpenidKind: sdk.OpenidSp, NotifyURL: notify,
	}
	if got := w.CreatePayment(t.Context(), r); got.Verdict != sdk.VerdictRejected || got.Reason != sdk.InvalidRequest {
		t.Errorf("got %+v", got)
	}
	if made := w.sim.Ledger(); len(made.Trades)+len(made.MedIns) != 0 {
		t.Errorf("WeChat has %+v", made)
	}
}
