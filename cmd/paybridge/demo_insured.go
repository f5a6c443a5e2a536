package main

import (
	"context"
	"fmt"
	"net/http"
	"time"
)

// insured is a clinic's bill: 7 yuan by medical insurance and 3 by the payer, in one go, refunded in both parts. The person is
// made up.
func (d *demo) insured(ctx context.Context) error {
	person := map[string]string{"name": "Alice", "id_number": "440300190001011237", "card_type": "ID_CARD"}
	var order, payment, refund answer
	err := d.step(ctx, "the clinic makes an order with a bill", http.MethodPost, d.api+"/v1/orders", map[string]any{
		"reference": "demo-6", "amount": 1000, "description": "Outpatient visit", "payer": map[string]string{"policy": "named", "id": devPayer},
		"bill": map[string]any{
			"order_type": "REG_PAY", "city_id": "530100", "institution": map[string]string{"name": "First Hospital", "number": "530100001"},
			"fees": map[string]any{"total": 1000, "gov": 500, "self": 200, "cash": 300}, "person": person,
		},
	}, &order, "open")
	if err != nil {
		return err
	}
	var bureau struct {
		PayOrderID     string    `json:"pay_order_id"`
		PayAuthNo      string    `json:"pay_auth_no"`
		SerialNo       string    `json:"serial_no"`
		OrderedAt      time.Time `json:"ordered_at"`
		BureauRefundNo string    `json:"bureau_refund_no"`
		RefundedAt     time.Time `json:"refunded_at"`
	}
	if err = d.plays(ctx, http.MethodPost, d.control+"/control/v1/bureau/authorizations", map[string]any{
		"openid": devPayer, "gov": 500, "self": 200, "cash": 300, "person": map[string]string{"name": person["name"], "id_number": person["id_number"]},
	}, &bureau); err != nil {
		return err
	}
	err = d.step(ctx, "the payer opens the cashier of insurance", http.MethodPost, d.api+"/v1/orders/"+order.Number+"/payments", map[string]any{
		"entry": "insurance", "payer": map[string]string{"openid": devPayer}, "medical": map[string]any{
			"serial_no": bureau.SerialNo, "pay_order_id": bureau.PayOrderID, "pay_auth_no": bureau.PayAuthNo,
			"geo_location": "102.682296,25.054260", "ordered_at": bureau.OrderedAt,
		},
	}, &payment, "pending")
	if err != nil {
		return err
	}
	if payment.HandOff.Kind != "wechat_medins" {
		return fmt.Errorf("payment %s has no hand-off to pay with: %+v", payment.Number, payment.HandOff)
	}
	if err = d.plays(ctx, http.MethodPost, d.control+"/control/v1/med-ins/pay", map[string]any{"hand_off": payment.HandOff.Params}, &answer{}); err != nil {
		return err
	}
	if err = d.await(ctx, "both parts are paid", d.api+"/v1/orders/"+order.Number, "paid"); err != nil {
		return err
	}
	err = d.step(ctx, "the app refunds all of it", http.MethodPost, d.api+"/v1/payments/"+payment.Number+"/refunds",
		map[string]any{"reference": "demo-refund-6", "amount": 1000}, &refund, "")
	if err != nil {
		return err
	}
	if err = d.await(ctx, "the cash goes back", d.api+"/v1/orders/"+order.Number, "partially_refunded"); err != nil {
		return err
	}
	back := map[string]any{"pay_order_id": bureau.PayOrderID, "gov": 500, "self": 200}
	if err = d.plays(ctx, http.MethodPost, d.control+"/control/v1/bureau/refunds", back, &bureau); err != nil {
		return err
	}
	if err = d.plays(ctx, http.MethodPost, d.api+"/v1/refunds/"+refund.Number+"/legs/insurance", map[string]any{
		"bureau_refund_no": bureau.BureauRefundNo, "gov": 500, "self": 200, "refunded_at": bureau.RefundedAt,
	}, &answer{}); err != nil {
		return err
	}
	if err = d.await(ctx, "the bureau's part is told, and the refund is over", d.api+"/v1/refunds/"+refund.Number, "succeeded"); err != nil {
		return err
	}
	return d.await(ctx, "and the order says so", d.api+"/v1/orders/"+order.Number, "refunded")
}

// plays makes one call of somebody beside the app: the bureau, or the payer at its cashier.
func (d *demo) plays(ctx context.Context, method, url string, body, into any) error {
	status, err := d.do(ctx, method, url, body, into)
	if err == nil && status >= http.StatusMultipleChoices {
		err = fmt.Errorf("%s %s: %d", method, url, status)
	}
	return err
}
