package main

import (
	"context"
	"fmt"
	"net/http"
	"time"
)

// clinicBill is a bill of a clinic's, in fen. Its persons are made up.
type clinicBill struct {
	what            string
	gov, self, cash int64
	relative        bool // somebody pays for the patient
}

// insured plays a clinic's bills: each is opened at the cashier of insurance, left, paid, and refunded in all its parts.
func (d *demo) insured(ctx context.Context) error {
	for n, bill := range []clinicBill{
		{"a mixed bill", 500, 200, 300, false}, {"a bill that insurance pays", 500, 200, 0, false},
		{"a bill in cash alone", 0, 0, 300, false}, {"a mixed bill for a relative", 500, 200, 300, true},
	} {
		if err := d.insuredBill(ctx, fmt.Sprintf("demo-%d", 6+n), bill); err != nil {
			return fmt.Errorf("%s: %w", bill.what, err)
		}
	}
	return nil
}

// atBureau is what the insurance bureau answers.
type atBureau struct {
	PayOrderID     string    `json:"pay_order_id"`
	PayAuthNo      string    `json:"pay_auth_no"`
	SerialNo       string    `json:"serial_no"`
	OrderedAt      time.Time `json:"ordered_at"`
	BureauRefundNo string    `json:"bureau_refund_no"`
	RefundedAt     time.Time `json:"refunded_at"`
}

func (d *demo) insuredBill(ctx context.Context, reference string, b clinicBill) error {
	patient := map[string]string{"name": "Alice", "id_number": "440300190001011237", "card_type": "ID_CARD"}
	payer := map[string]string{"name": "Bob", "id_number": "11010519491231002X", "card_type": "ID_CARD"}
	total := b.gov + b.self + b.cash
	bill := map[string]any{
		"order_type": "REG_PAY", "city_id": "530100", "institution": map[string]string{"name": "First Hospital", "number": "530100001"},
		"fees": map[string]any{"total": total, "gov": b.gov, "self": b.self, "cash": b.cash}, "person": patient,
	}
	authorization := map[string]any{"openid": devPayer, "gov": b.gov, "self": b.self, "cash": b.cash, "person": named(patient)}
	if b.relative {
		bill["payer"], authorization["payer"] = payer, named(payer)
	}
	var order, payment answer
	err := d.step(ctx, b.what+": the order is made", http.MethodPost, d.api+"/v1/orders", map[string]any{
		"reference": reference, "amount": total, "description": "Outpatient visit", "payer": map[string]string{"policy": "named", "id": devPayer}, "bill": bill,
	}, &order, "open")
	if err != nil {
		return err
	}
	bureau := atBureau{SerialNo: "S" + reference}
	medical := map[string]any{"serial_no": bureau.SerialNo}
	if b.gov+b.self > 0 {
		if err = d.plays(ctx, http.MethodPost, d.control+"/control/v1/bureau/authorizations", authorization, &bureau); err != nil {
			return err
		}
		medical = map[string]any{
			"serial_no": bureau.SerialNo, "pay_order_id": bureau.PayOrderID, "pay_auth_no": bureau.PayAuthNo,
			"geo_location": "102.682296,25.054260", "ordered_at": bureau.OrderedAt,
		}
	}
	err = d.step(ctx, "the payer opens the cashier of insurance", http.MethodPost, d.api+"/v1/orders/"+order.Number+"/payments", map[string]any{
		"entry": "insurance", "payer": map[string]string{"openid": devPayer}, "medical": medical,
	}, &payment, "pending")
	if err != nil {
		return err
	}
	if payment.HandOff.Kind != "wechat_medins" {
		return fmt.Errorf("payment %s has no hand-off to pay with: %+v", payment.Number, payment.HandOff)
	}
	for _, act := range []string{"cancel", "pay"} { // the payer leaves, comes back, and pays by the same hand-off
		if err = d.plays(ctx, http.MethodPost, d.control+"/control/v1/med-ins/"+act, map[string]any{"hand_off": payment.HandOff.Params}, &answer{}); err != nil {
			return err
		}
	}
	if err = d.await(ctx, "left once, then paid in all its parts", d.api+"/v1/orders/"+order.Number, "paid"); err != nil {
		return err
	}
	return d.refundBill(ctx, order.Number, payment.Number, "back-"+reference, b, bureau)
}

func (d *demo) refundBill(ctx context.Context, order, payment, reference string, b clinicBill, bureau atBureau) error {
	var refund answer
	err := d.step(ctx, "the app refunds all of it", http.MethodPost, d.api+"/v1/payments/"+payment+"/refunds",
		map[string]any{"reference": reference, "amount": b.gov + b.self + b.cash}, &refund, "")
	if err != nil {
		return err
	}
	if b.gov+b.self > 0 {
		if b.cash > 0 {
			if err = d.await(ctx, "the cash goes back", d.api+"/v1/orders/"+order, "partially_refunded"); err != nil {
				return err
			}
		}
		back := map[string]any{"pay_order_id": bureau.PayOrderID, "gov": b.gov, "self": b.self}
		if err = d.plays(ctx, http.MethodPost, d.control+"/control/v1/bureau/refunds", back, &bureau); err != nil {
			return err
		}
		if err = d.plays(ctx, http.MethodPost, d.api+"/v1/refunds/"+refund.Number+"/legs/insurance", map[string]any{
			"bureau_refund_no": bureau.BureauRefundNo, "gov": b.gov, "self": b.self, "refunded_at": bureau.RefundedAt,
		}, &answer{}); err != nil {
			return err
		}
	}
	if err = d.await(ctx, "all parts are back", d.api+"/v1/refunds/"+refund.Number, "succeeded"); err != nil {
		return err
	}
	return d.await(ctx, "and the order says so", d.api+"/v1/orders/"+order, "refunded")
}

// named is a person as the bureau knows them.
func named(p map[string]string) map[string]string {
	return map[string]string{"name": p["name"], "id_number": p["id_number"]}
}

// plays makes one call of somebody beside the app: the bureau, or the payer at its cashier.
func (d *demo) plays(ctx context.Context, method, url string, body, into any) error {
	status, err := d.do(ctx, method, url, body, into)
	if err == nil && status >= http.StatusMultipleChoices {
		err = fmt.Errorf("%s %s: %d", method, url, status)
	}
	return err
}
