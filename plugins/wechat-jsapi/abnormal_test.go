package main

import (
	"strings"
	"testing"
	"time"

	"github.com/paybridge/paybridge/plugins/sdk"
	"github.com/paybridge/paybridge/plugins/wechat/sim"
)

const cardNumber, holder = "6225880137004246", "张三丰"

// abnormal is a refund that the payer's account could not take.
func (w world) abnormal(number string) sdk.AbnormalRefund {
	w.t.Helper()
	taken := accepted(w.t, w.CreateRefund(w.t.Context(), refund(w.paid(number), "R1", 500))).Refund
	if err := w.sim.SettleRefund(merchant, "R1", sim.RefundAbnormal); err != nil {
		w.t.Fatal(err)
	}
	return sdk.AbnormalRefund{
		Call: call(firstApp), PaymentNumber: number, Number: "R1", ProviderID: taken.ProviderID, Target: sdk.ToPayerCard,
		BankType: "CMB_DEBIT", BankAccount: cardNumber, RealName: holder,
	}
}

func TestR33_AnAbnormalRefundGoesToAnotherCard(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name     string
		target   sdk.AbnormalTarget
		received string
	}{
		{"to another card of the payer's", sdk.ToPayerCard, "招商银行借记卡4246"},
		{"back to the merchant", sdk.ToMerchant, "商户结算银行账户"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			ask := w.abnormal(number(1))
			ask.Target = test.target
			if test.target == sdk.ToMerchant {
				ask.BankType, ask.BankAccount, ask.RealName = "", "", ""
			}
			for range 2 { // it may be repeated
				f := accepted(t, w.ResolveAbnormalRefund(t.Context(), ask)).Refund
				if f.State != sdk.RefundProcessing || f.Number != "R1" || f.ProviderID != ask.ProviderID || f.Amount.Minor != 500 {
					t.Errorf("taken: %+v", f)
				}
			}
			w.pass(time.Minute)
			f := accepted(t, w.QueryRefund(t.Context(), sdk.RefundQuery{Call: ask.Call, PaymentNumber: number(1), Number: "R1"})).Refund
			if f.State != sdk.RefundSucceeded || f.ReceivedAccount != test.received {
				t.Errorf("arrived: %+v", f)
			}
			for _, sent := range w.sim.Requests() {
				if strings.Contains(sent.Body, cardNumber) || strings.Contains(sent.Body, holder) {
					t.Errorf("R45 %s holds the card or the name in clear", sent.Path)
				}
			}
		})
	}
}

func TestAnAbnormalRefundThatIsRefused(t *testing.T) {
	t.Parallel()
	const rejected = sdk.VerdictRejected
	tests := []struct {
		name    string
		fault   sim.FaultKind
		spoil   func(*sdk.AbnormalRefund)
		verdict sdk.Verdict
		reason  sdk.Reason
	}{
		{"another refund's id", "", func(r *sdk.AbnormalRefund) { r.ProviderID = "50300000000000000000000000000" }, rejected, sdk.NotFound},
		{"no id", "", func(r *sdk.AbnormalRefund) { r.ProviderID = "" }, rejected, sdk.InvalidRequest},
		{"no name", "", func(r *sdk.AbnormalRefund) { r.RealName = "" }, rejected, sdk.InvalidRequest},
		{"no target", "", func(r *sdk.AbnormalRefund) { r.Target = 0 }, rejected, sdk.InvalidRequest},
		{"a bank that WeChat does not pay to", "", func(r *sdk.AbnormalRefund) { r.BankType = "OTHERS" }, rejected, sdk.InvalidRequest},
		{"longer than can be encrypted", "", func(r *sdk.AbnormalRefund) { r.RealName = strings.Repeat("张", 80) }, rejected, sdk.InvalidRequest},
		{"another merchant's account", "", func(r *sdk.AbnormalRefund) { r.Route.MchID = "1900000002" }, sdk.VerdictNotSent, sdk.AuthFailed},
		{"too fast", sim.RateLimitedExecuted, func(*sdk.AbnormalRefund) {}, sdk.VerdictIndeterminate, 0},
		{"broken after it was done", sim.BrokenExecuted, func(*sdk.AbnormalRefund) {}, sdk.VerdictIndeterminate, 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			ask := w.abnormal(number(1))
			test.spoil(&ask)
			if test.fault != "" {
				w.faults(sim.Fault{Kind: test.fault})
			}
			r := w.ResolveAbnormalRefund(t.Context(), ask)
			if r.Verdict != test.verdict || r.Reason != test.reason || r.Message == "" {
				t.Errorf("got %+v", r)
			}
			if strings.Contains(r.Message, ask.BankAccount) || (ask.RealName != "" && strings.Contains(r.Message, ask.RealName)) {
				t.Errorf("R45 the message shows the card: %s", r.Message)
			}
		})
	}
}

func TestAnOrdinaryRefundIsNoAbnormalOne(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	taken := accepted(t, w.CreateRefund(t.Context(), refund(w.paid(number(1)), "R1", 500))).Refund
	r := w.ResolveAbnormalRefund(t.Context(), sdk.AbnormalRefund{Call: call(firstApp), Number: "R1", ProviderID: taken.ProviderID, Target: sdk.ToMerchant})
	if r.Verdict != sdk.VerdictRejected || r.Reason != sdk.InvalidRequest {
		t.Errorf("got %+v", r)
	}
}
