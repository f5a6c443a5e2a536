package main

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/paybridge/paybridge/plugins/sdk"
	"github.com/paybridge/paybridge/plugins/wechat/sim"
)

func TestARefundFromAskedToArrived(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	paid := w.paid(number(1))
	ask := refund(paid, "R1", 500)
	taken := accepted(t, w.CreateRefund(t.Context(), ask)).Refund
	if taken.State != sdk.RefundProcessing || taken.Number != "R1" || taken.PaymentNumber != number(1) ||
		taken.ProviderPaymentID != paid.ProviderID || taken.ProviderID == "" || taken.Amount != ask.Amount ||
		taken.Total != paid.Amount || taken.CreatedAt.IsZero() {
		t.Errorf("taken: %+v", taken)
	}
	if again := accepted(t, w.CreateRefund(t.Context(), ask)).Refund; again.ProviderID != taken.ProviderID {
		t.Errorf("the same number refunds once: %s, then %s", taken.ProviderID, again.ProviderID)
	}
	other := ask
	other.Amount.Minor++
	if r := w.CreateRefund(t.Context(), other); r.Verdict != sdk.VerdictRejected || r.Reason != sdk.Conflict {
		t.Errorf("the same number with another amount: %+v", r)
	}
	if err := w.sim.Advance(time.Minute); err != nil {
		t.Fatal(err)
	}
	if err := w.sim.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	arrived := accepted(t, w.QueryRefund(t.Context(), sdk.RefundQuery{Call: call(firstApp), PaymentNumber: number(1), Number: "R1"})).Refund
	if arrived.State != sdk.RefundSucceeded || arrived.SucceededAt.IsZero() || arrived.PayerAmount != ask.Amount || arrived.ReceivedAccount == "" {
		t.Errorf("arrived: %+v", arrived)
	}
	after := accepted(t, w.QueryPayment(t.Context(), sdk.Query{Call: call(firstApp), Number: number(1)})).Payment
	if after.State != sdk.PaymentRefunded || after.StateName != "REFUND" || after.PayerAmount != paid.Amount {
		t.Errorf("the payment after it: %+v", after)
	}
}

func TestR27_ARefundNamesTheTradeThatTookTheMoney(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	paid := w.paid(number(1))
	unknown := w.paid(number(2))
	unknown.ProviderID = "" // as after a callback and every query were lost
	accepted(t, w.CreateRefund(t.Context(), refund(paid, "R1", 500)))
	accepted(t, w.CreateRefund(t.Context(), refund(unknown, "R2", 500)))
	for _, sent := range w.sim.Requests() {
		if sent.Number != "R1" && sent.Number != "R2" {
			continue
		}
		var body struct {
			TransactionID string `json:"transaction_id"`
			OutTradeNo    string `json:"out_trade_no"`
		}
		if err := json.Unmarshal([]byte(sent.Body), &body); err != nil {
			t.Fatal(err)
		}
		byID := body.TransactionID == paid.ProviderID && body.OutTradeNo == ""
		byNumber := body.TransactionID == "" && body.OutTradeNo == number(2)
		if sent.MchID != merchant || sent.Serial != w.sim.Merchant(merchant).Serial || (sent.Number == "R1") != byID || (sent.Number == "R2") != byNumber {
			t.Errorf("refund %s: signed by %s, %s", sent.Number, sent.MchID, sent.Body)
		}
	}
}

func TestWhatARefundComesTo(t *testing.T) {
	t.Parallel()
	const indeterminate, rejected, notSent = sdk.VerdictIndeterminate, sdk.VerdictRejected, sdk.VerdictNotSent
	unknownTrade := func(r *sdk.Refund) { r.ProviderPaymentID, r.PaymentNumber = "", number(9) }
	tooMuch := func(r *sdk.Refund) { r.Amount.Minor = 2000 }
	otherMerchant := func(r *sdk.Refund) { r.Route.MchID = "1900000002" }
	tests := []struct {
		name      string
		fault     sim.FaultKind
		spoil     func(*sdk.Refund)
		verdict   sdk.Verdict
		reason    sdk.Reason
		attention sdk.Attention
		reached   bool // a refund exists at WeChat afterwards
	}{
		{name: "broken after it was done", fault: sim.BrokenExecuted, verdict: indeterminate, reached: true},
		{name: "500 after it was done", fault: sim.ErrorExecuted, verdict: indeterminate, reached: true},
		{name: "too fast", fault: sim.RateLimited, verdict: indeterminate},
		{name: "too fast, and taken all the same", fault: sim.RateLimitedExecuted, verdict: indeterminate, reached: true},
		{name: "R33 not enough funds", fault: sim.NotEnough, verdict: rejected, reason: sdk.Unavailable, attention: sdk.AttentionNotEnough},
		{name: "refused", fault: sim.Refusal, verdict: rejected, reason: sdk.InvalidRequest},
		{name: "unknown trade", spoil: unknownTrade, verdict: rejected, reason: sdk.InvalidRequest},
		{name: "more than was paid", spoil: tooMuch, verdict: rejected, reason: sdk.InvalidRequest},
		{name: "another merchant's account", spoil: otherMerchant, verdict: notSent, reason: sdk.AuthFailed},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			ask := refund(w.paid(number(1)), "R1", 500)
			if test.fault != "" {
				w.faults(sim.Fault{Kind: test.fault})
			}
			if test.spoil != nil {
				test.spoil(&ask)
			}
			r := w.CreateRefund(t.Context(), ask)
			if r.Verdict != test.verdict || r.Reason != test.reason || r.Attention != test.attention || r.Message == "" {
				t.Errorf("got verdict %d reason %d attention %d: %+v", r.Verdict, r.Reason, r.Attention, r)
			}
			if test.attention != sdk.AttentionNone && r.Remedy == "" {
				t.Error("a person must act, and is not told how")
			}
			if _, there := w.sim.Ledger().Refund("R1"); there != test.reached {
				t.Errorf("a refund exists at WeChat: %v, want %v", there, test.reached)
			}
		})
	}
}

func TestAnUnknownRefundIsNotFound(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.QueryRefund(t.Context(), sdk.RefundQuery{Call: call(firstApp), PaymentNumber: number(1), Number: "R1"})
	if r.Verdict != sdk.VerdictRejected || r.Reason != sdk.NotFound || r.Code != "RESOURCE_NOT_EXISTS" {
		t.Errorf("got %+v", r)
	}
}
