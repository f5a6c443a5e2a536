package soak

import (
	"context"
	"net/http"
	"time"
)

// The bill of every visit that insurance pays a part of, in fen. Its person is made up.
const (
	gov  = 500
	self = 200
)

var person = map[string]string{"name": "Alice", "id_number": "440300190001011237"}

// bureau is what the insurance bureau says.
type bureau struct {
	PayOrderID     string    `json:"pay_order_id"`
	PayAuthNo      string    `json:"pay_auth_no"`
	SerialNo       string    `json:"serial_no"`
	OrderedAt      time.Time `json:"ordered_at"`
	BureauRefundNo string    `json:"bureau_refund_no"`
	RefundedAt     time.Time `json:"refunded_at"`
}

// billed makes an order with a bill and opens the cashier of insurance. Where WeChat refuses what the bureau authorized, the bureau
// authorizes anew. errOver says that the payment before can neither be paid nor closed, until WeChat takes it no more.
func (v *visit) billed(ctx context.Context, cash int64) (p told, b bureau, err error) {
	at := insuredEntries[v.rand.IntN(len(insuredEntries))]
	v.amount = gov + self + cash
	err = v.orders(ctx, map[string]any{
		"payer": map[string]string{"policy": "named", "id": at.openid},
		"bill": map[string]any{
			"order_type": "REG_PAY", "city_id": "530100", "institution": map[string]string{"name": "First Hospital", "number": "530100001"},
			"fees":   map[string]any{"total": v.amount, "gov": gov, "self": self, "cash": cash},
			"person": map[string]string{"name": person["name"], "id_number": person["id_number"], "card_type": "ID_CARD"},
		},
	})
	began := time.Now()
	for err == nil {
		b = bureau{}
		if err = v.control(ctx, http.MethodPost, "bureau/authorizations", map[string]any{
			"openid": at.openid, "gov": gov, "self": self, "cash": cash, "person": person, "life": "1h",
		}, &b); err != nil {
			return p, b, err
		}
		wish := payBy(at)
		wish["medical"] = map[string]any{
			"serial_no": b.SerialNo, "pay_order_id": b.PayOrderID, "pay_auth_no": b.PayAuthNo, "geo_location": "102.682296,25.054260", "ordered_at": b.OrderedAt,
		}
		if p, err = v.pays(ctx, wish); err == nil {
			v.mu.Lock()
			v.authorized[p.Number] = b.PayOrderID
			v.mu.Unlock()
		}
		if err == nil || time.Since(began) > v.o.Patience {
			return p, b, err
		}
		switch code(err) {
		case "payment_failed":
			err = nil
		case "previous_attempt_unresolved":
			if cash == 0 || time.Since(began) > 30*time.Second { // nobody can close it
				return p, b, errOver
			}
			err = nil
			select {
			case <-ctx.Done():
			case <-time.After(time.Second):
			}
		}
	}
	return p, b, err
}

// insured is a bill paid by insurance, and by the payer where there is cash in it; sometimes it is refunded.
func (v *visit) insured(ctx context.Context, cash int64) error {
	p, b, err := v.billed(ctx, cash)
	if err != nil {
		return unlessOver(err)
	}
	if err := v.taps(ctx, "med-ins/pay", p, true); err != nil {
		return err
	}
	if err := v.comesBack(ctx, p.Number); err != nil {
		return err
	}
	if v.rand.IntN(5) > 1 {
		return nil
	}
	r, err := v.ask(ctx, http.MethodPost, "/v1/payments/"+p.Number+"/refunds", map[string]any{"reference": "all", "amount": v.amount})
	if err != nil {
		return err
	}
	if err := v.bureauRefunds(ctx, r.Number, b.PayOrderID); err != nil {
		return err
	}
	return v.refunded(ctx, r.Number)
}

// bureauRefunds is the hospital having the bureau refund its part, once, and saying so, again where it has said so.
func (v *visit) bureauRefunds(ctx context.Context, refund, payOrderID string) error {
	v.mu.Lock()
	report, said := v.reports[refund]
	v.mu.Unlock()
	if !said {
		var b bureau
		if err := v.control(ctx, http.MethodPost, "bureau/refunds", map[string]any{"pay_order_id": payOrderID, "gov": gov, "self": self}, &b); err != nil {
			return err
		}
		report = map[string]any{"bureau_refund_no": b.BureauRefundNo, "gov": gov, "self": self, "refunded_at": b.RefundedAt}
		v.mu.Lock()
		v.reports[refund] = report
		v.mu.Unlock()
	}
	_, err := v.ask(ctx, http.MethodPost, "/v1/refunds/"+refund+"/legs/insurance", report)
	return err
}

// abandonsInsured leaves a payment by insurance alone, which has no close.
func (v *visit) abandonsInsured(ctx context.Context) error {
	_, _, err := v.billed(ctx, 0)
	return unlessOver(err)
}
