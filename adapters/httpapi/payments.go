package httpapi

import (
	"context"
	"net/netip"

	"github.com/paybridge/paybridge/core/gateway"
	"github.com/paybridge/paybridge/core/pay"
)

func (a api) CreatePayment(ctx context.Context, r CreatePaymentRequestObject) (CreatePaymentResponseObject, error) {
	in := gateway.PayRequest{Entry: r.Body.Entry, ClientIP: given(r.Body.ClientIP)}
	if r.Body.Payer != nil {
		in.OpenID = r.Body.Payer.Openid
	}
	if m := r.Body.Medical; m != nil {
		in.Medical = medicalOf(*m)
	}
	if in.ClientIP != "" {
		if _, err := netip.ParseAddr(in.ClientIP); err != nil {
			return nil, invalid{{Field: "client_ip", Detail: "must be an IPv4 or IPv6 address"}}
		}
	}
	attempt, err := a.gateway.Pay(ctx, callOf(ctx).app, r.Number, in)
	if err != nil {
		return nil, err
	}
	p := paymentOf(attempt.Payment)
	if attempt.HandOff == nil {
		return CreatePayment202JSONResponse{Body: p, Headers: CreatePayment202ResponseHeaders{RetryAfter: unlessZero(askAgain)}}, nil
	}
	p.HandOff = &HandOff{Kind: attempt.HandOff.Kind, Params: attempt.HandOff.Params, ValidUntil: moment(attempt.HandOff.ValidUntil)}
	if attempt.Created {
		return CreatePayment201JSONResponse(p), nil
	}
	return CreatePayment200JSONResponse(p), nil
}

func (a api) GetPayment(ctx context.Context, r GetPaymentRequestObject) (GetPaymentResponseObject, error) {
	p, err := a.gateway.Payment(ctx, callOf(ctx).app, r.Number)
	if err != nil {
		return nil, err
	}
	return GetPayment200JSONResponse(paymentOf(p)), nil
}

func (a api) GetPaymentTimeline(ctx context.Context, r GetPaymentTimelineRequestObject) (GetPaymentTimelineResponseObject, error) {
	rows, err := a.gateway.Timeline(ctx, callOf(ctx).app, r.Number)
	if err != nil {
		return nil, err
	}
	out := Timeline{Entries: make([]TimelineEntry, len(rows))}
	for i, row := range rows {
		out.Entries[i] = TimelineEntry{
			At: moment(row.At), Kind: TimelineEntryKind(row.Kind), Number: row.Number,
			From: unlessZero(row.Old), To: row.New, Cause: row.Cause,
		}
	}
	return GetPaymentTimeline200JSONResponse(out), nil
}

func (a api) SyncPayment(ctx context.Context, r SyncPaymentRequestObject) (SyncPaymentResponseObject, error) {
	p, asked, err := a.gateway.Sync(ctx, callOf(ctx).app, r.Number)
	switch {
	case err != nil:
		return nil, err
	case !asked:
		return SyncPayment202JSONResponse{Body: paymentOf(p), Headers: SyncPayment202ResponseHeaders{RetryAfter: unlessZero(askAgain)}}, nil
	}
	return SyncPayment200JSONResponse(paymentOf(p)), nil
}

func (a api) ClosePayment(ctx context.Context, r ClosePaymentRequestObject) (ClosePaymentResponseObject, error) {
	p, err := a.gateway.ClosePayment(ctx, callOf(ctx).app, r.Number)
	switch {
	case err != nil:
		return nil, err
	case p.State.Live():
		return ClosePayment202JSONResponse{Body: paymentOf(p), Headers: ClosePayment202ResponseHeaders{RetryAfter: unlessZero(askAgain)}}, nil
	}
	return ClosePayment200JSONResponse(paymentOf(p)), nil
}

// paymentOf is a payment without its hand-off, which only the call that makes it gives out, and without its payer: an
// app that may read has no need of an openid.
func paymentOf(p pay.Payment) Payment {
	out := Payment{
		Number:      p.Number,
		Order:       p.Order,
		Entry:       p.Route.Entry,
		Provider:    p.Route.Provider,
		Account:     p.Route.Account,
		Mchid:       p.Route.MchID,
		Appid:       p.Route.AppID,
		State:       PaymentState(p.State),
		Disputed:    p.Disputed != "",
		Amount:      p.Total().Minor,
		Currency:    p.Total().Currency,
		PayerTotal:  unlessZero(p.PayerTotal),
		Legs:        make([]PaymentLeg, len(p.Legs)),
		ProviderID:  unlessZero(p.ProviderID),
		CreatedAt:   moment(p.CreatedAt),
		SucceededAt: unlessZero(moment(p.SucceededAt)),
	}
	for i, leg := range p.Legs {
		out.Legs[i] = PaymentLeg{
			LegID: leg.ID, Kind: PaymentLegKind(leg.Kind), Amount: leg.Amount.Minor, State: PaymentState(leg.State),
			ProviderID: unlessZero(leg.ProviderID),
		}
	}
	return out
}
