package main

import (
	"context"

	"github.com/paybridge/paybridge/plugins/sdk"
	"github.com/paybridge/paybridge/plugins/wechat"
)

// CreateRefund gives the self-paid part back. It goes by our number, which is that trade's own: WeChat's id of the whole is
// none of a trade. The insurance part goes back at the bureau, and ReportRefund tells WeChat (R31).
func (p plugin) CreateRefund(ctx context.Context, r sdk.Refund) sdk.Result {
	if r.LegID != wechat.LegSelf {
		return sdk.Rejected(sdk.InvalidRequest, "", "not sent: the insurance part is refunded at the bureau by the hospital")
	}
	if s, redirect, err := redirects(r.Route); err != nil {
		return sdk.NotSent(err)
	} else if redirect {
		return p.refund10(ctx, r, s)
	}
	r.ProviderPaymentID = ""
	return p.Channel.CreateRefund(ctx, r)
}

// QueryRefund asks for the self-paid part's refund by our number.
func (p plugin) QueryRefund(ctx context.Context, r sdk.RefundQuery) sdk.Result {
	if s, redirect, err := redirects(r.Route); err != nil {
		return sdk.NotSent(err)
	} else if redirect {
		return p.queryRefund10(ctx, r, s)
	}
	return p.Channel.QueryRefund(ctx, r)
}

// ReportRefund tells WeChat what the bureau gave back, under the number of the self-paid part's refund or, without one, the
// refund's own. It may be repeated.
func (p plugin) ReportRefund(ctx context.Context, r sdk.RefundReport) sdk.Result {
	if _, redirect, err := redirects(r.Route); err != nil {
		return sdk.NotSent(err)
	} else if redirect {
		return sdk.Accepted() // 1.0 has nobody to tell: the bureau's word to the hospital is the end of it
	}
	client, refusal, ok := p.Client(r.Route)
	if !ok {
		return refusal
	}
	done, err := progressOf(r.State)
	if err != nil {
		return sdk.NotSent(err)
	}
	mix := r.ProviderPaymentID
	if mix == "" {
		mix = done.MixTradeNo
	}
	if mix == "" {
		return sdk.Rejected(sdk.InvalidRequest, "", "not sent: WeChat's number of the insurance payment is not known; query the payment first")
	}
	answer, err := client.ReportMedInsRefund(ctx, mix, wechat.MedInsRefund{
		SubMchID: r.Route.SubMchID, TotalFee: r.Gov + r.Self + r.Other, GovFee: r.Gov, SelfFee: r.Self, OtherFee: r.Other,
		RefundTime: wechat.Time(r.RefundedAt), OutRefundNo: r.Number,
	})
	if err != nil {
		return wechat.Failed(answer, err)
	}
	return wechat.Taken(answer)
}
