package httpapi

import (
	"context"

	"github.com/paybridge/paybridge/core/money"
	"github.com/paybridge/paybridge/core/pay"
)

func (a api) CreateRefund(ctx context.Context, r CreateRefundRequestObject) (CreateRefundResponseObject, error) {
	app := callOf(ctx).app
	p, err := a.gateway.Payment(ctx, app, r.Number) // a refund is in its payment's currency
	if err != nil {
		return nil, err
	}
	legs := map[string]int64{}
	for _, l := range given(r.Body.Legs) {
		if legs[string(l.LegID)] != 0 {
			return nil, invalid{{Field: "legs", Detail: "must name each part once"}}
		}
		legs[string(l.LegID)] = l.Amount
	}
	f, _, err := a.gateway.Refund(ctx, app, r.Number, pay.RefundRequest{
		Legs:      legs,
		Reference: r.Body.Reference,
		Amount:    money.Amount{Minor: r.Body.Amount, Currency: p.Total().Currency},
		Reason:    given(r.Body.Reason),
	})
	if err != nil {
		return nil, err
	}
	return CreateRefund202JSONResponse{Body: refundOf(f), Headers: CreateRefund202ResponseHeaders{RetryAfter: unlessZero(askAgain)}}, nil
}

func (a api) GetRefund(ctx context.Context, r GetRefundRequestObject) (GetRefundResponseObject, error) {
	f, err := a.gateway.GetRefund(ctx, callOf(ctx).app, r.Number)
	if err != nil {
		return nil, err
	}
	return GetRefund200JSONResponse(refundOf(f)), nil
}

func (a api) RetryRefund(ctx context.Context, r RetryRefundRequestObject) (RetryRefundResponseObject, error) {
	f, err := a.gateway.RetryRefund(ctx, callOf(ctx).app, r.Number)
	if err != nil {
		return nil, err
	}
	return RetryRefund202JSONResponse{Body: refundOf(f), Headers: RetryRefund202ResponseHeaders{RetryAfter: unlessZero(askAgain)}}, nil
}

func (a api) RefundInsuranceLeg(ctx context.Context, r RefundInsuranceLegRequestObject) (RefundInsuranceLegResponseObject, error) {
	f, err := a.gateway.RefundedAtBureau(ctx, callOf(ctx).app, r.Number, pay.BureauRefund{
		Number: r.Body.BureauRefundNo, Gov: given(r.Body.Gov), Self: given(r.Body.Self), Other: given(r.Body.Other), RefundedAt: r.Body.RefundedAt,
	})
	if err != nil {
		return nil, err
	}
	return RefundInsuranceLeg202JSONResponse{Body: refundOf(f), Headers: RefundInsuranceLeg202ResponseHeaders{RetryAfter: unlessZero(askAgain)}}, nil
}

func (a api) CancelInsuranceLeg(ctx context.Context, r CancelInsuranceLegRequestObject) (CancelInsuranceLegResponseObject, error) {
	f, err := a.gateway.CancelInsuranceLeg(ctx, callOf(ctx).app, r.Number)
	if err != nil {
		return nil, err
	}
	return CancelInsuranceLeg202JSONResponse{Body: refundOf(f), Headers: CancelInsuranceLeg202ResponseHeaders{RetryAfter: unlessZero(askAgain)}}, nil
}

func refundOf(f pay.Refund) Refund {
	out := Refund{
		Number:          f.Number,
		Payment:         f.Payment,
		Order:           f.Order,
		Reference:       f.Reference,
		State:           RefundState(f.State),
		Amount:          unlessZero(f.Amount.Minor),
		Currency:        f.Amount.Currency,
		Reason:          unlessZero(f.Reason),
		Origin:          RefundOrigin(f.Origin),
		NeedsAttention:  unlessZero(f.NeedsAttention),
		Legs:            make([]RefundLeg, len(f.Legs)),
		ProviderID:      unlessZero(f.ProviderID),
		ReceivedAccount: unlessZero(f.Account),
		ProviderError:   unlessZero(f.ProviderError),
		CreatedAt:       moment(f.CreatedAt),
		SucceededAt:     unlessZero(moment(f.SucceededAt)),
	}
	for i, leg := range f.Legs {
		out.Legs[i] = RefundLeg{LegID: leg.LegID, Amount: unlessZero(leg.Amount.Minor), State: RefundState(leg.State)}
	}
	return out
}
