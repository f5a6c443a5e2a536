package main

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/paybridge/paybridge/plugins/sdk"
	"github.com/paybridge/paybridge/plugins/wechat/sim"
)

func TestAPaymentFromPrepayToPaid(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	create := w.create(firstApp, number(1))
	made := accepted(t, w.CreatePayment(t.Context(), create))
	if err := w.sim.VerifyHandOff(handOff(t, made)); err != nil {
		t.Error("the payer's WeChat refuses the hand-off:", err)
	}
	if until := made.HandOff.ValidUntil; !until.Equal(create.TimeExpire) {
		t.Errorf("valid until %s, want the trade's end %s", until, create.TimeExpire)
	}
	query := sdk.Query{Call: call(firstApp), Number: number(1)}
	unpaid := accepted(t, w.QueryPayment(t.Context(), query)).Payment
	if unpaid.State != sdk.PaymentPending || unpaid.StateName != "NOTPAY" || unpaid.Amount != create.Amount || !unpaid.PaidAt.IsZero() {
		t.Errorf("unpaid: %+v", unpaid)
	}
	h := handOff(t, made)
	if _, err := w.sim.Pay(sim.Pay{HandOff: &h}); err != nil {
		t.Fatal(err)
	}
	paid := accepted(t, w.QueryPayment(t.Context(), query)).Payment
	if paid.State != sdk.PaymentSucceeded || paid.Number != number(1) || paid.MchID != merchant || paid.AppID != firstApp ||
		paid.Amount != create.Amount || paid.PayerAmount != create.Amount || paid.Payer.Openid != create.Payer.Openid ||
		paid.ProviderID == "" || paid.PaidAt.IsZero() {
		t.Errorf("paid: %+v", paid)
	}
}

func TestARepeatRenewsAndOtherContentIsAConflict(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	create := w.create(firstApp, number(1))
	create.Route.Options = []byte(`{"goods_tag":"WXG"}`)
	first := handOff(t, accepted(t, w.CreatePayment(t.Context(), create)))
	again := handOff(t, accepted(t, w.CreatePayment(t.Context(), create)))
	if err := w.sim.VerifyHandOff(again); err != nil || first.NonceStr == again.NonceStr {
		t.Errorf("the repeat gives a fresh hand-off: %+v, %v", again, err)
	}
	other := create
	other.Amount.Minor++
	for _, code := range []string{"INVALID_REQUEST", "OUT_TRADE_NO_USED"} {
		if r := w.CreatePayment(t.Context(), other); r.Verdict != sdk.VerdictRejected || r.Reason != sdk.Conflict || r.Code != code {
			t.Errorf("other content, %s: %+v", code, r)
		}
		w.faults(sim.Fault{Kind: sim.NumberUsedCode})
	}
}

func TestClose(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	accepted(t, w.CreatePayment(t.Context(), w.create(firstApp, number(1))))
	end := sdk.Close{Call: call(firstApp), Number: number(1)}
	for range 2 {
		if r := accepted(t, w.ClosePayment(t.Context(), end)); r.Payment.State != sdk.PaymentClosed || r.Payment.Number != "" { // a 204 names no number
			t.Errorf("closed: %+v", r)
		}
	}
	if f := accepted(t, w.QueryPayment(t.Context(), sdk.Query{Call: call(firstApp), Number: number(1)})).Payment; f.State != sdk.PaymentClosed {
		t.Errorf("a query after it: %+v", f)
	}
	if r := w.CreatePayment(t.Context(), w.create(firstApp, number(1))); r.Reason != sdk.Conflict {
		t.Errorf("the number is spent: %+v", r)
	}
}

func TestR24_ClosingWhatIsPaidIsAConflict(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.paid(number(1))
	r := w.ClosePayment(t.Context(), sdk.Close{Call: call(firstApp), Number: number(1)})
	if r.Verdict != sdk.VerdictRejected || r.Reason != sdk.Conflict || !strings.HasPrefix(r.Code, "ORDER") {
		t.Errorf("got %+v", r)
	}
}

func TestWhatACreateComesTo(t *testing.T) {
	t.Parallel()
	strangersOpenid := func(c *sdk.Create) { c.Payer.Openid = "oOfAnotherApp" }
	foreignApp := func(c *sdk.Create) { c.Route.AppID = "wxb000000000000001" }
	otherMerchant := func(c *sdk.Create) { c.Route.MchID = "1900000002" }
	otherAccount := func(c *sdk.Create) { c.Route.Account = "second" }
	subMerchant := func(c *sdk.Create) { c.Route.SubMchID = "1900000109" }
	brokenOptions := func(c *sdk.Create) { c.Route.Options = []byte("{") }
	const indeterminate, rejected, notSent = sdk.VerdictIndeterminate, sdk.VerdictRejected, sdk.VerdictNotSent
	tests := []struct {
		name    string
		fault   sim.FaultKind
		spoil   func(*sdk.Create)
		verdict sdk.Verdict
		reason  sdk.Reason
		reached bool // a trade exists at WeChat afterwards
	}{
		{name: "broken after it was done", fault: sim.BrokenExecuted, verdict: indeterminate, reached: true},
		{name: "broken before", fault: sim.BrokenNotExecuted, verdict: indeterminate},
		{name: "500 after it was done", fault: sim.ErrorExecuted, verdict: indeterminate, reached: true},
		{name: "500 before", fault: sim.ErrorNotExecuted, verdict: indeterminate},
		{name: "answer tampered with", fault: sim.AnswerTampered, verdict: indeterminate, reached: true},
		{name: "too fast", fault: sim.RateLimited, verdict: rejected, reason: sdk.RateLimited},
		{name: "refused", fault: sim.Refusal, verdict: rejected, reason: sdk.InvalidRequest},
		{name: "clock", fault: sim.ClockOff, verdict: rejected, reason: sdk.AuthFailed},
		{name: "openid of another app", spoil: strangersOpenid, verdict: rejected, reason: sdk.InvalidRequest},
		{name: "app id of another merchant", spoil: foreignApp, verdict: rejected, reason: sdk.InvalidRequest},
		{name: "account of another merchant", spoil: otherMerchant, verdict: notSent, reason: sdk.AuthFailed},
		{name: "account not configured", spoil: otherAccount, verdict: notSent, reason: sdk.AuthFailed},
		{name: "a sub merchant, and not said whose openid", spoil: subMerchant, verdict: rejected, reason: sdk.InvalidRequest},
		{name: "entry settings that are no JSON", spoil: brokenOptions, verdict: notSent, reason: sdk.Unavailable},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			if test.fault != "" {
				w.faults(sim.Fault{Kind: test.fault})
			}
			create := w.create(firstApp, number(1))
			if test.spoil != nil {
				test.spoil(&create)
			}
			r := w.CreatePayment(t.Context(), create)
			if r.Verdict != test.verdict || r.Reason != test.reason || r.HandOff != nil || r.Message == "" {
				t.Errorf("got verdict %d reason %d: %+v", r.Verdict, r.Reason, r)
			}
			if _, there := w.sim.Ledger().Trade(number(1)); there != test.reached {
				t.Errorf("a trade exists at WeChat: %v, want %v", there, test.reached)
			}
		})
	}
}

func TestAnUnknownTradeIsNotFound(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := w.QueryPayment(t.Context(), sdk.Query{Call: call(firstApp), Number: number(1)})
	if r.Verdict != sdk.VerdictRejected || r.Reason != sdk.NotFound || r.Code != "ORDER_NOT_EXIST" || r.RequestID == "" {
		t.Errorf("got %+v", r)
	}
}

// Two official accounts on one merchant number: whatever the order of things, each trade bears the app id of its
// route, and each hand-off verifies under its own.
func TestR09_TwoAppIDsOnOneMerchantNeverMix(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const calls = 64
	wrong := make(chan string, calls)
	var under sync.WaitGroup
	for i := range calls {
		under.Go(func() {
			app := []string{firstApp, secondApp}[i%2]
			r := w.CreatePayment(t.Context(), w.create(app, number(i)))
			if r.HandOff == nil {
				wrong <- fmt.Sprintf("%s: %+v", number(i), r)
				return
			}
			h := handOff(t, r)
			if err := w.sim.VerifyHandOff(h); err != nil || h.AppID != app {
				wrong <- fmt.Sprintf("%s: hand-off for %s, asked for %s: %v", number(i), h.AppID, app, err)
			}
		})
	}
	under.Wait()
	close(wrong)
	for what := range wrong {
		t.Error(what)
	}
	for i := range calls {
		trade, err := w.sim.Trade(merchant, number(i))
		if app := []string{firstApp, secondApp}[i%2]; err != nil || trade.AppID != app || trade.OpenID != w.openid(app) {
			t.Errorf("%s: trade of %s, asked for %s: %v", number(i), trade.AppID, app, err)
		}
	}
}
