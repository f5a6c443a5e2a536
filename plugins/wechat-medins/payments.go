package main

import (
	"context"
	"time"

	"github.com/paybridge/paybridge/plugins/sdk"
	"github.com/paybridge/paybridge/plugins/wechat"
)

// prepayLife is how long WeChat takes a prepay id, less what a payer needs to type a password.
const prepayLife = 2*time.Hour - 5*time.Minute

// CreatePayment makes the self-paid trade first, where there is a self-paid part, and has the host write it down; called
// again it makes the insurance payment over it, under the same number. A number that WeChat has already is asked for and
// followed, never sent with other content.
func (p plugin) CreatePayment(ctx context.Context, r sdk.Create) sdk.Result {
	s, redirect, err := redirects(r.Route)
	if err != nil {
		return sdk.NotSent(err)
	}
	if redirect {
		return p.create10(ctx, r, s)
	}
	client, refusal, ok := p.Client(r.Route)
	if !ok {
		return refusal
	}
	f, err := check(r)
	if err != nil {
		return notSent(err)
	}
	if r.Route.SubMchID != "" && r.Route.SubAppID == "" && s.SubAppID == "" {
		return notSent(not("sub_appid", "is missing: WeChat wants the sub merchant's app id; give it in the entry's options"))
	}
	done, err := progressOf(r.State)
	if err != nil {
		return sdk.Indeterminate(err) // some step was made: a query tells which
	}
	prepay := r
	prepay.Amount.Minor = f.cash
	body, err := wechat.NewPrepay(prepay)
	if err != nil {
		return notSent(err)
	}
	body.GoodsTag = s.GoodsTag
	if f.cash > 0 && done.PrepayID == "" {
		return p.prepay(ctx, client, r, body)
	}
	mode, _ := p.modes.For(r.Route)
	return p.insure(ctx, client, r, order(r, f, body.Parties, done.PrepayID, s, mode.Test), done, s)
}

func notSent(err error) sdk.Result {
	return sdk.Rejected(sdk.InvalidRequest, "", "not sent: "+err.Error())
}

func (plugin) prepay(ctx context.Context, client *wechat.Client, r sdk.Create, body wechat.Prepay) sdk.Result {
	asked := time.Now()
	id, answer, err := client.Prepay(ctx, body)
	if err != nil {
		return wechat.Failed(answer, err)
	}
	state := progress{PrepayID: id, PrepaidAt: asked.UTC()}.next(r.State)
	return sdk.Checkpoint(state).With(sdk.RequestID(answer.RequestID), sdk.ProviderTime(answer.Clock))
}

// insure is the second step.
func (plugin) insure(ctx context.Context, client *wechat.Client, r sdk.Create, o wechat.MedInsOrder, done progress, s settings) sdk.Result {
	asked := time.Now()
	made, answer, err := client.CreateMedIns(ctx, o)
	if failed := wechat.Failed(answer, err); err != nil {
		if failed.Reason != sdk.Conflict {
			return failed
		}
		if made, answer, err = client.QueryMedIns(ctx, r.Route.SubMchID, r.Number); err != nil {
			return sdk.Indeterminate(err).With(sdk.RequestID(answer.RequestID), sdk.ProviderTime(answer.Clock))
		}
		if !sameOrder(o, made) {
			return failed
		}
	}
	done.MixTradeNo = made.MixTradeNo
	facts := made.Facts()
	facts.ProviderID = made.MixTradeNo
	parts := []sdk.Part{facts, done.next(r.State)}
	if facts.State != sdk.PaymentPending {
		return wechat.Taken(answer, parts...)
	}
	until := asked.Add(s.payable())
	var params *sdk.WechatPay
	if done.PrepayID != "" {
		signed, err := client.PayParams(r.Route.AppID, done.PrepayID, asked)
		if err != nil {
			return wechat.Failed(answer, err) // it exists without a hand-off: unclear, and followed
		}
		params = (*sdk.WechatPay)(&signed)
		if end := done.PrepaidAt.Add(prepayLife); end.Before(until) {
			until = end
		}
		if r.TimeExpire.Before(until) {
			until = r.TimeExpire
		}
	}
	parts = append(parts, sdk.WechatMedIns(made.MixTradeNo, params).Until(until), sdk.NotPayableAfter(asked.Add(s.payable())))
	return wechat.Taken(answer, parts...)
}

// QueryPayment asks for the insurance payment and, where there is none, for the self-paid trade that comes before it.
func (p plugin) QueryPayment(ctx context.Context, r sdk.Query) sdk.Result {
	if s, redirect, err := redirects(r.Route); err != nil {
		return sdk.NotSent(err)
	} else if redirect {
		return p.query10(ctx, r, s)
	}
	client, refusal, ok := p.Client(r.Route)
	if !ok {
		return refusal
	}
	made, answer, err := client.QueryMedIns(ctx, r.Route.SubMchID, r.Number)
	if err == nil {
		facts := made.Facts()
		p.learnTrade(ctx, client, r.Route, r.Number, &facts)
		return wechat.Taken(answer, facts)
	}
	failed := wechat.Failed(answer, err)
	if failed.Verdict != sdk.VerdictRejected || failed.Reason != sdk.NotFound || !has(r.Legs, wechat.LegSelf) {
		return failed
	}
	trade, answer, err := client.QueryTrade(ctx, r.Route.SubMchID, r.Number)
	if err != nil {
		return wechat.Failed(answer, err)
	}
	return wechat.Taken(answer, tradeAlone(trade, r.Legs))
}

// learnTrade adds the self-paid trade's own id, which no insurance answer has, once it is paid. Without it the facts are as
// good.
func (plugin) learnTrade(ctx context.Context, client *wechat.Client, route sdk.Route, number string, facts *sdk.PaymentFacts) {
	for i, leg := range facts.Legs {
		if leg.ID != wechat.LegSelf || leg.State != sdk.PaymentSucceeded && leg.State != sdk.PaymentRefunded {
			continue
		}
		if trade, _, err := client.QueryTrade(ctx, route.SubMchID, number); err == nil {
			facts.Legs[i].ProviderID = trade.TransactionID
		}
	}
}

// tradeAlone is a payment of which WeChat knows the self-paid trade and no insurance payment: payable by nobody, since the
// client pays by the number of the latter.
func tradeAlone(t wechat.Trade, legs []sdk.Leg) sdk.PaymentFacts {
	f := t.Facts()
	of := f.State
	total := f.Amount
	total.Minor = 0
	f.Legs, f.ProviderID = nil, ""
	for _, leg := range legs {
		total.Minor += leg.Amount.Minor
		said := sdk.LegFacts{ID: leg.ID, Kind: leg.Kind, Amount: leg.Amount, State: sdk.PaymentClosed}
		if leg.ID == wechat.LegSelf {
			said.Amount, said.State, said.ProviderID = fenOf(t), of, t.TransactionID
		}
		f.Legs = append(f.Legs, said)
	}
	f.Amount = sdk.Amount{Minor: total.Minor, Currency: "CNY"}
	if of == sdk.PaymentSucceeded || of == sdk.PaymentRefunded { // cash without insurance: it has to go back
		f.State = sdk.PaymentFailed
	}
	return f
}

func fenOf(t wechat.Trade) sdk.Amount {
	a := t.Facts().Amount
	if a.Currency == "" {
		a.Currency = "CNY"
	}
	return a
}

func has(legs []sdk.Leg, id string) bool {
	for _, leg := range legs {
		if leg.ID == id {
			return true
		}
	}
	return false
}

// ClosePayment closes the self-paid trade, without which no mixed payment can be paid, and says what stands then. The
// insurance part has no close: where there is one, it counts as unpaid until the host's time for it has passed (R25).
func (p plugin) ClosePayment(ctx context.Context, r sdk.Close) sdk.Result {
	client, refusal, ok := p.Client(r.Route)
	if !ok {
		return refusal
	}
	query := sdk.Query{Call: r.Call, Number: r.Number, ProviderID: r.ProviderID, Legs: r.Legs}
	_, redirect, err := redirects(r.Route)
	if redirect || err != nil || !has(r.Legs, wechat.LegSelf) { // 1.0 has no close for either part
		return p.QueryPayment(ctx, query)
	}
	if answer, err := client.CloseTrade(ctx, r.Route.SubMchID, r.Number); err != nil {
		return wechat.Failed(answer, err) // paid already: CONFLICT, and the host queries
	}
	result := p.QueryPayment(ctx, query)
	if result.Payment == nil {
		return result
	}
	f := result.Payment
	for i := range f.Legs {
		if f.Legs[i].ID == wechat.LegSelf && f.Legs[i].State == sdk.PaymentPending {
			f.Legs[i].State = sdk.PaymentClosed // as WeChat has just said of the trade itself
			if f.State == sdk.PaymentPending && len(f.Legs) == 1 {
				f.State = sdk.PaymentClosed
			}
		}
	}
	return result
}
