package httpapi

import (
	"cmp"
	"context"
	"errors"

	"github.com/paybridge/paybridge/core/gateway"
	"github.com/paybridge/paybridge/core/money"
	"github.com/paybridge/paybridge/core/pay"
	"github.com/paybridge/paybridge/ports"
)

// api answers the calls of openapi.yaml. Every one of them acts for the app whose key it came with.
type api struct{ gateway *gateway.Gateway }

var _ StrictServerInterface = api{}

// defaultCurrency is that of an order which names none.
const defaultCurrency = "CNY"

// defaultPage is how many orders or events a page has where the caller does not say.
const defaultPage = 20

// askAgain is when, in seconds, a caller who was told 202 may ask what became of it.
const askAgain = 2

func (a api) CreateOrder(ctx context.Context, r CreateOrderRequestObject) (CreateOrderResponseObject, error) {
	in := gateway.OrderRequest{
		Reference:   r.Body.Reference,
		Amount:      money.Amount{Minor: r.Body.Amount, Currency: defaultCurrency},
		Description: r.Body.Description,
		ProductType: given(r.Body.ProductType),
		ReturnURL:   given(r.Body.ReturnURL),
		ExpiresAt:   given(r.Body.ExpiresAt),
		Metadata:    given(r.Body.Metadata),
	}
	if r.Body.Currency != nil {
		in.Amount.Currency = string(*r.Body.Currency)
	}
	if r.Body.Bill != nil {
		in.Bill = billOf(*r.Body.Bill)
	}
	if p := r.Body.Payer; p != nil {
		in.Payer, in.PayerID = pay.PayerPolicy(p.Policy), given(p.ID)
	}
	o, created, err := a.gateway.CreateOrder(ctx, callOf(ctx).app, in)
	switch {
	case err != nil:
		return nil, err
	case created:
		return CreateOrder201JSONResponse(a.orderOf(o)), nil
	}
	return CreateOrder200JSONResponse(a.orderOf(o)), nil
}

func (a api) ListOrders(ctx context.Context, r ListOrdersRequestObject) (ListOrdersResponseObject, error) {
	page, err := a.gateway.Orders(ctx, ports.OrderQuery{
		App:          callOf(ctx).app,
		Reference:    given(r.Params.Reference),
		State:        pay.OrderState(given(r.Params.State)),
		CreatedAfter: given(r.Params.CreatedAfter),
		Cursor:       given(r.Params.Cursor),
		Limit:        cmp.Or(int(given(r.Params.Limit)), defaultPage),
	})
	switch {
	case errors.Is(err, ports.ErrCursor):
		return nil, invalid{{Field: "cursor", Detail: "is not the next_cursor of any page; begin without one"}}
	case err != nil:
		return nil, err
	}
	out := OrderPage{Orders: make([]Order, len(page.Orders)), NextCursor: unlessZero(page.Next)}
	for i, o := range page.Orders {
		out.Orders[i] = a.orderOf(o)
	}
	return ListOrders200JSONResponse(out), nil
}

func (a api) GetOrder(ctx context.Context, r GetOrderRequestObject) (GetOrderResponseObject, error) {
	o, err := a.gateway.Order(ctx, callOf(ctx).app, r.Number)
	if err != nil {
		return nil, err
	}
	return GetOrder200JSONResponse(a.orderOf(o)), nil
}

func (a api) CloseOrder(ctx context.Context, r CloseOrderRequestObject) (CloseOrderResponseObject, error) {
	o, err := a.gateway.CloseOrder(ctx, callOf(ctx).app, r.Number)
	switch {
	case err != nil:
		return nil, err
	case o.State == pay.OrderClosing:
		return CloseOrder202JSONResponse{Body: a.orderOf(o), Headers: CloseOrder202ResponseHeaders{RetryAfter: unlessZero(askAgain)}}, nil
	}
	return CloseOrder200JSONResponse(a.orderOf(o)), nil
}

func (a api) orderOf(o pay.Order) Order {
	return Order{
		Number:      o.Number,
		Reference:   o.Reference,
		State:       OrderState(o.State),
		Amount:      o.Amount.Minor,
		Currency:    o.Amount.Currency,
		Description: o.Description,
		ProductType: o.ProductType,
		Payer:       Payer{Policy: PayerPolicy(o.Payer), ID: unlessZero(o.PayerID)},
		ReturnURL:   unlessZero(o.ReturnURL),
		CheckoutURL: unlessZero(a.gateway.CheckoutURL(o)),
		Metadata:    unlessEmpty(o.Metadata),
		ExpiresAt:   moment(o.ExpiresAt),
		CloseReason: unlessZero(OrderCloseReason(o.CloseReason)),
		SettledBy:   unlessZero(o.SettledBy),
		CreatedAt:   moment(o.CreatedAt),
		PaidAt:      unlessZero(moment(o.PaidAt)),
	}
}
