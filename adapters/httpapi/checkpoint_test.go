package httpapi

import (
	"sync/atomic"
	"testing"

	"github.com/paybridge/paybridge/core/pay"
	"github.com/paybridge/paybridge/ports"
)

// A payment made in several steps has happened in part once its first step is committed: that a later step was refused,
// or never sent, does not end it (R04). What may be repeated stays, and is asked about before anything else; what never
// will be accepted is being closed, and is paid all the same when the first step took the money.
func TestR04_AStepAfterACheckpointEndsNothing(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		second pay.Outcome
		state  pay.PaymentState
	}{
		"not sent":      {pay.Outcome{Verdict: pay.NotSent, Reason: pay.Unavailable}, pay.PaymentCreated},
		"declined":      {pay.Outcome{Verdict: pay.Rejected, Reason: pay.Declined}, pay.PaymentClosing},
		"invalid":       {pay.Outcome{Verdict: pay.Rejected, Reason: pay.InvalidRequest}, pay.PaymentClosing},
		"not found":     {pay.Outcome{Verdict: pay.Rejected, Reason: pay.NotFound}, pay.PaymentCreated},
		"indeterminate": {pay.Outcome{}, pay.PaymentCreated},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := start(t)
			var calls atomic.Int32
			w.channel.creates(func(p pay.Payment) ports.PaymentAnswer {
				calls.Add(1)
				if p.ProviderState.Version == 0 {
					return ports.PaymentAnswer{Outcome: pay.Outcome{Verdict: pay.Accepted}, Checkpoint: true, ProviderState: &pay.ProviderState{Version: 1, Data: []byte("the first step")}}
				}
				if string(p.ProviderState.Data) != "the first step" {
					t.Errorf("the second step was given the state %q", p.ProviderState.Data)
				}
				return ports.PaymentAnswer{Outcome: row.second}
			})
			order := w.order("REG-1")
			made := w.must(202, clinicKey, "POST", "/v1/orders/"+order+"/payments", `{"entry":"official-account","payer":{"openid":"o1"}}`)
			if made.json["state"] != string(row.state) || calls.Load() != 2 {
				t.Errorf("after %d calls the payment is %s; want two calls, and %s", calls.Load(), made.text, row.state)
			}
			p, err := w.db.Payment(t.Context(), "clinic", made.number())
			if err != nil || p.Unclear != (row.state == pay.PaymentCreated) || p.ProviderState.Version != 1 || p.Due.IsZero() {
				t.Errorf("stored: unclear %v, state of version %d, due %s, %v", p.Unclear, p.ProviderState.Version, p.Due, err)
			}
			w.channel.says(made.number(), pay.FactSucceeded) // the first step took the money after all
			if r := w.must(200, clinicKey, "POST", "/v1/payments/"+made.number()+"/sync", ""); r.json["state"] != "succeeded" || calls.Load() != 2 {
				t.Errorf("asked about after %d creates it is %s", calls.Load(), r.text)
			}
		})
	}
}
