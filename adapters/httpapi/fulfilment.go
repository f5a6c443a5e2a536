package httpapi

import (
	"context"

	"github.com/paybridge/paybridge/core/pay"
)

func (a api) GetFulfilment(ctx context.Context, r GetFulfilmentRequestObject) (GetFulfilmentResponseObject, error) {
	f, err := a.gateway.Fulfilment(ctx, callOf(ctx).app, r.Number)
	if err != nil {
		return nil, err
	}
	return GetFulfilment200JSONResponse(fulfilmentOf(f)), nil
}

func (a api) FulfilOrder(ctx context.Context, r FulfilOrderRequestObject) (FulfilOrderResponseObject, error) {
	f, err := a.gateway.Fulfil(ctx, callOf(ctx).app, r.Number, pay.FulfilmentContent{
		Method: pay.FulfilmentMethod(r.Body.Method), Description: given(r.Body.Description), Carrier: given(r.Body.Carrier),
		TrackingNumber: given(r.Body.TrackingNumber), ReceiverPhone: given(r.Body.ReceiverPhone),
	})
	switch {
	case err != nil:
		return nil, err
	case f.State == pay.FulfilmentReporting:
		return FulfilOrder202JSONResponse{Body: fulfilmentOf(f), Headers: FulfilOrder202ResponseHeaders{RetryAfter: unlessZero(askAgain)}}, nil
	}
	return FulfilOrder200JSONResponse(fulfilmentOf(f)), nil
}

func fulfilmentOf(f pay.Fulfilment) Fulfilment {
	return Fulfilment{
		Order:          f.Order,
		Payment:        f.Number,
		State:          FulfilmentState(f.State),
		Method:         unlessZero(FulfilmentMethod(f.Content.Method)),
		Description:    unlessZero(f.Content.Description),
		Carrier:        unlessZero(f.Content.Carrier),
		TrackingNumber: unlessZero(f.Content.TrackingNumber),
		Corrected:      f.Reports > 1 || f.Reports == 1 && f.State != pay.FulfilmentReported,
		Refusal:        unlessZero(f.Refusal),
		Deadline:       unlessZero(moment(f.Deadline)),
		FulfilledAt:    unlessZero(moment(f.FulfilledAt)),
		ReportedAt:     unlessZero(moment(f.ReportedAt)),
	}
}
