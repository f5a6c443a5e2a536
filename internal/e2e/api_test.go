package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

// answer is what the API said; the fields of an order, a payment, a refund or a problem document, as far as tests look
// at them.
type answer struct {
	status     int
	retryAfter string
	text       string

	Number    string `json:"number"`
	State     string `json:"state"`
	Order     string `json:"order"`
	SettledBy string `json:"settled_by"`
	Code      string `json:"code"` // of a problem
	HandOff   *struct {
		Kind   string            `json:"kind"`
		Params map[string]string `json:"params"`
	} `json:"hand_off"`
	Entries []struct { // of a timeline
		Kind, Number, From, To, Cause string
	} `json:"entries"`
}

func (a answer) String() string { return fmt.Sprintf("%d %s", a.status, a.text) }

// try calls the API as an app does. The error is the connection's: nobody knows what became of the call.
func (g *gateway) try(method, path string, body any) (a answer, err error) {
	return g.tryAs(apiKey, method, path, body)
}

// tryAs calls it with the key of an app.
func (g *gateway) tryAs(key, method, path string, body any) (a answer, err error) {
	var sent io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return a, err
		}
		sent = bytes.NewReader(text)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, g.base+path, sent)
	if err != nil {
		return a, err
	}
	req.Header.Set("Authorization", "Bearer "+key)
	req.Header.Set("Content-Type", "application/json")
	req.Header["Idempotency-Key"] = nil // not sent: net/http repeats the call by itself where the server closed an idle connection meanwhile
	resp, err := g.client.Do(req)
	if err != nil {
		return a, err
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 4<<20))
	if err != nil {
		return a, err
	}
	_ = json.Unmarshal(text, &a) // what is not JSON has no fields, and the status tells
	a.status, a.retryAfter, a.text = resp.StatusCode, resp.Header.Get("Retry-After"), string(text)
	return a, nil
}

// api calls a gateway that must answer.
func (g *gateway) api(method, path string, body any) answer {
	g.w.t.Helper()
	a, err := g.try(method, path, body)
	if err != nil {
		g.w.t.Fatalf("%s %s: %v", method, path, err)
	}
	return a
}

// api calls gateway 0, which must answer.
func (w *world) api(method, path string, body any) answer {
	w.t.Helper()
	return w.gateways[0].api(method, path, body)
}

// want fails unless the answer's status is one of these.
func (w *world) want(a answer, statuses ...int) answer {
	w.t.Helper()
	for _, s := range statuses {
		if a.status == s {
			return a
		}
	}
	w.t.Fatalf("answered %s; want %v", a, statuses)
	return a
}

func newOrder(reference string, fen int) map[string]any {
	return map[string]any{"reference": reference, "amount": fen, "description": "Outpatient visit"}
}

// payBy is the wish to pay through an entry as one of its payers.
func payBy(entry, openID string) map[string]any {
	return map[string]any{"entry": entry, "payer": map[string]string{"openid": openID}}
}

// order makes an order and returns its number.
func (w *world) order(reference string, fen int) string {
	w.t.Helper()
	return w.want(w.api("POST", "/v1/orders", newOrder(reference, fen)), http.StatusCreated).Number
}

// pay opens the cashier: the payment has a hand-off.
func (w *world) pay(order string) answer {
	w.t.Helper()
	return w.handedOff(order, payBy(entry, payer))
}

// handedOff opens the cashier for this wish, and asks again where the answer was 202: on a busy machine WeChat may answer too late for
// the first one.
func (w *world) handedOff(order string, wish any) (a answer) {
	w.t.Helper()
	await(w.t, "the cashier opens for order "+order, func() error {
		a = w.want(w.api("POST", "/v1/orders/"+order+"/payments", wish), http.StatusCreated, http.StatusOK, http.StatusAccepted)
		if a.status == http.StatusAccepted {
			return errors.New(a.String())
		}
		return nil
	})
	if a.HandOff == nil {
		w.t.Fatalf("payment %s has no hand-off: %s", a.Number, a)
	}
	return a
}

// paid makes an order and a payment that is paid, and returns both numbers.
func (w *world) paid(reference string, fen int) (order, payment string) {
	w.t.Helper()
	order = w.order(reference, fen)
	payment = w.pay(order).Number
	w.tap(payment)
	w.awaitState("/v1/orders/"+order, "paid")
	return order, payment
}

// refund asks for a refund and returns its number.
func (w *world) refund(payment, reference string, fen int) string {
	w.t.Helper()
	return w.want(w.api("POST", "/v1/payments/"+payment+"/refunds", map[string]any{"reference": reference, "amount": fen, "reason": "visit cancelled"}), http.StatusAccepted).Number
}
