package e2e

import "testing"

func TestOrderPaidAndRefunded(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		w := newWorld(t, db, faster(10))
		w.start()
		order, payment := w.paid("visit-1", 1250)
		refund := w.refund(payment, "refund-1", 1250)
		w.awaitState("/v1/refunds/"+refund, "succeeded")
		w.awaitState("/v1/orders/"+order, "refunded")
		if code := w.gateways[0].stop(); code != 0 {
			t.Errorf("SIGTERM ended the gateway with %d", code)
		}
	})
}
