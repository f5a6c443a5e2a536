package soak

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"time"
)

// visit is one payer's: an order, and what becomes of it. All that is done in it is drawn from its own generator, so that the visit with
// a number is the same in each run with the same seed.
type visit struct {
	*world
	rand      *rand.Rand
	reference string
	amount    int64
	order     string
}

// told is what the API or the control API says, as far as a payer looks at it.
type told struct {
	Number  string `json:"number"`
	State   string `json:"state"`
	HandOff *struct {
		Kind   string            `json:"kind"`
		Params map[string]string `json:"params"`
	} `json:"hand_off"`
}

// visits plays all of them, so many at once.
func (w *world) visits(ctx context.Context) {
	stop := make(chan struct{})
	var others sync.WaitGroup
	others.Go(func() { w.havoc(ctx, stop) })
	others.Go(func() { w.progress(stop) })
	var payers sync.WaitGroup
	next := make(chan int)
	for range min(w.o.Payers, w.o.Payments) {
		payers.Go(func() {
			for n := range next {
				w.visit(ctx, n)
				w.done.Add(1)
			}
		})
	}
	for n := range w.o.Payments {
		select {
		case next <- n:
			continue
		case <-ctx.Done():
		}
		break
	}
	close(next)
	payers.Wait()
	close(stop)
	others.Wait()
}

// kinds are what payers do, and how often of a hundred.
var kinds = []struct {
	share int
	play  func(*visit, context.Context) error
}{
	{44, (*visit).plain},
	{8, (*visit).tapsTwice},
	{8, (*visit).switches},
	{4, (*visit).paysTwice},
	{8, (*visit).leaves},
	{4, (*visit).paysAfterLeaving},
	{4, (*visit).failsFirst},
	{12, func(v *visit, ctx context.Context) error { return v.insured(ctx, 300) }},
	{6, func(v *visit, ctx context.Context) error { return v.insured(ctx, 0) }},
	{2, (*visit).abandonsInsured},
}

func (w *world) visit(ctx context.Context, n int) {
	v := &visit{world: w, rand: rand.New(rand.NewPCG(w.o.Seed, uint64(n))), reference: fmt.Sprintf("visit-%d", n)} //nolint:gosec // a game
	v.amount = 100 + v.rand.Int64N(10_000)
	at := v.rand.IntN(100)
	for _, k := range kinds {
		if at -= k.share; at < 0 {
			if err := k.play(v, ctx); err != nil && ctx.Err() == nil {
				w.surprise("%s (order %s): %v", v.reference, v.order, err)
			}
			return
		}
	}
}

// errOver says that the order needs nobody any more: it was paid or closed meanwhile, which the invariants judge.
var errOver = errors.New("the order is over")

// ask makes a request of the app's until it is answered, as an app does; an answer of no consequence for it is read into no one.
func (v *visit) ask(ctx context.Context, method, path string, body any) (a told, err error) {
	ctx, cancel := context.WithTimeout(ctx, v.o.Patience)
	defer cancel()
	err = every(ctx, 300*time.Millisecond, func() error {
		a = told{}
		err := v.call(ctx, method, v.front+path, body, &a)
		if err != nil && !passing(err) {
			return final{err}
		}
		return err
	})
	return a, err
}

// orders makes the order.
func (v *visit) orders(ctx context.Context, more map[string]any) error {
	body := map[string]any{"reference": v.reference, "amount": v.amount, "description": "Outpatient visit"}
	for key, value := range more {
		body[key] = value
	}
	a, err := v.ask(ctx, http.MethodPost, "/v1/orders", body)
	v.order = a.Number
	return err
}

func (v *visit) way() way { return entries[v.rand.IntN(len(entries))] }

func payBy(w way) map[string]any {
	return map[string]any{"entry": w.name, "payer": map[string]string{"openid": w.openid}}
}

// pays opens the cashier: it taps until there is a hand-off.
func (v *visit) pays(ctx context.Context, wish map[string]any) (a told, err error) {
	ctx, cancel := context.WithTimeout(ctx, v.o.Patience)
	defer cancel()
	err = every(ctx, 300*time.Millisecond, func() error {
		if a, err = v.ask(ctx, http.MethodPost, "/v1/orders/"+v.order+"/payments", wish); err == nil && a.HandOff == nil {
			return errors.New("202")
		}
		switch code(err) {
		case "":
			return err
		case "previous_attempt_unresolved", "payment_failed":
			if wish["medical"] != nil { // what the bureau authorized is for one payment
				return final{err}
			}
			return err
		case "order_paid", "order_closed", "order_closing":
			return final{errOver}
		}
		return final{err}
	})
	return a, err
}

// taps is the payer paying, or what else is done with a hand-off. refusable: WeChat may find that it is too late.
func (v *visit) taps(ctx context.Context, act string, p told, refusable bool) error {
	err := v.control(ctx, http.MethodPost, act, map[string]any{"hand_off": p.HandOff.Params}, nil)
	var r *refused
	if refusable && errors.As(err, &r) && r.status == http.StatusConflict {
		return nil
	}
	return err
}

// comesBack waits for the order to be paid; half of the payers come back to the page, which asks at once.
func (v *visit) comesBack(ctx context.Context, payment string) error {
	tapped := time.Now()
	if v.rand.IntN(2) == 0 {
		if _, err := v.ask(ctx, http.MethodPost, "/v1/payments/"+payment+"/sync", nil); err != nil && code(err) == "" {
			return err
		}
	}
	err := v.becomes(ctx, "/v1/orders/"+v.order, "paid", "partially_refunded", "refunded")
	if err == nil {
		v.mu.Lock()
		v.settled = append(v.settled, time.Since(tapped))
		v.mu.Unlock()
	}
	return err
}

// becomes waits until what is at the path is in one of the states. It looks when the app is told of the order, and now and then.
func (v *visit) becomes(ctx context.Context, path string, states ...string) error {
	return v.looks(ctx, path, func(now told) error {
		if slices.Contains(states, now.State) {
			return nil
		}
		return fmt.Errorf("%s is %s, not %s", path, now.State, states[0])
	})
}

// looks reads what is at the path until enough says so.
func (v *visit) looks(ctx context.Context, path string, enough func(told) error) error {
	ctx, cancel := context.WithTimeout(ctx, v.o.Patience)
	defer cancel()
	for pause := 200 * time.Millisecond; ; pause = min(2*pause, 5*time.Second) {
		event := v.app.nextOf(v.order)
		a, err := v.ask(ctx, http.MethodGet, path, nil)
		if err != nil {
			return err
		}
		if err = enough(a); err == nil {
			return nil
		}
		var last final
		if errors.As(err, &last) {
			return last.error
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", ctx.Err(), err)
		case <-event:
		case <-time.After(pause):
		}
	}
}

// plain is the everyday case: paid, and sometimes refunded.
func (v *visit) plain(ctx context.Context) error {
	if err := v.orders(ctx, nil); err != nil {
		return err
	}
	p, err := v.pays(ctx, payBy(v.way()))
	if err != nil {
		return unlessOver(err)
	}
	return v.paidAndRefunded(ctx, p)
}

func unlessOver(err error) error {
	if errors.Is(err, errOver) {
		return nil
	}
	return err
}

func (v *visit) paidAndRefunded(ctx context.Context, p told) error {
	if err := v.taps(ctx, "pay", p, true); err != nil {
		return err
	}
	if err := v.comesBack(ctx, p.Number); err != nil {
		return err
	}
	if v.rand.IntN(5) < 2 {
		return v.refunds(ctx, p.Number)
	}
	return nil
}

// tapsTwice is an impatient payer: both taps lead to one payment.
func (v *visit) tapsTwice(ctx context.Context) error {
	if err := v.orders(ctx, nil); err != nil {
		return err
	}
	wish := payBy(v.way())
	var taps sync.WaitGroup
	var both [2]told
	var errs [2]error
	for i := range both {
		taps.Go(func() { both[i], errs[i] = v.pays(ctx, wish) })
	}
	taps.Wait()
	if err := errors.Join(errs[:]...); err != nil {
		return unlessOver(err)
	}
	// They differ where the first was refused by WeChat between the two; its hand-off is worth nothing then.
	p, err := v.pays(ctx, wish)
	if err != nil {
		return unlessOver(err)
	}
	return v.paidAndRefunded(ctx, p)
}

// switches opens the cashier by one way in, and pays by another.
func (v *visit) switches(ctx context.Context) error {
	if err := v.orders(ctx, nil); err != nil {
		return err
	}
	at := v.rand.IntN(len(entries))
	if _, err := v.pays(ctx, payBy(entries[at])); err != nil {
		return unlessOver(err)
	}
	p, err := v.pays(ctx, payBy(entries[(at+1)%len(entries)]))
	if err != nil {
		return unlessOver(err)
	}
	return v.paidAndRefunded(ctx, p)
}

// paysTwice has two cashiers open and pays at both: the second time goes back by itself.
func (v *visit) paysTwice(ctx context.Context) error {
	if err := v.orders(ctx, nil); err != nil {
		return err
	}
	at := v.rand.IntN(len(entries))
	first, err := v.pays(ctx, payBy(entries[at]))
	if err != nil {
		return unlessOver(err)
	}
	second, err := v.pays(ctx, payBy(entries[(at+1)%len(entries)]))
	if err != nil {
		return unlessOver(err)
	}
	if err := errors.Join(v.taps(ctx, "pay", second, true), v.taps(ctx, "pay", first, true)); err != nil {
		return err
	}
	return v.comesBack(ctx, second.Number)
}

// leaves cancels at the cashier, and the app closes the order.
func (v *visit) leaves(ctx context.Context) error {
	_, err := v.left(ctx)
	return err
}

// left is the payment that was left; none has a hand-off where the order was over before.
func (v *visit) left(ctx context.Context) (p told, err error) {
	if err := v.orders(ctx, nil); err != nil {
		return p, err
	}
	if p, err = v.pays(ctx, payBy(v.way())); err != nil {
		return told{}, unlessOver(err)
	}
	if err := v.taps(ctx, "cancel", p, true); err != nil {
		return p, err
	}
	if _, err := v.ask(ctx, http.MethodPost, "/v1/orders/"+v.order+"/close", nil); err != nil {
		return p, err
	}
	return p, v.becomes(ctx, "/v1/orders/"+v.order, "closed")
}

// paysAfterLeaving pays by the hand-off of a closed order: WeChat takes it all the same.
func (v *visit) paysAfterLeaving(ctx context.Context) error {
	p, err := v.left(ctx)
	if err != nil || p.HandOff == nil {
		return err
	}
	return v.taps(ctx, "pay", p, true)
}

// failsFirst has too little money, and pays by the same hand-off then.
func (v *visit) failsFirst(ctx context.Context) error {
	if err := v.orders(ctx, nil); err != nil {
		return err
	}
	p, err := v.pays(ctx, payBy(v.way()))
	if err != nil {
		return unlessOver(err)
	}
	if err := v.taps(ctx, "fail", p, true); err != nil {
		return err
	}
	return v.paidAndRefunded(ctx, p)
}

// refunds gives all of it back, or a part, or a part and the rest.
func (v *visit) refunds(ctx context.Context, payment string) error {
	part := v.amount
	if v.rand.IntN(2) == 0 {
		part = 1 + v.rand.Int64N(v.amount)
	}
	if err := v.refund(ctx, payment, "some", part); err != nil {
		return err
	}
	if rest := v.amount - part; rest > 0 && v.rand.IntN(8) == 0 {
		return v.refund(ctx, payment, "rest", rest)
	}
	return nil
}

// refund waits for the end of a refund, whatever it is. One that WeChat refused, or for which the account had no money, is tried again.
func (v *visit) refund(ctx context.Context, payment, reference string, amount int64) error {
	body := map[string]any{"reference": reference, "amount": amount, "reason": "visit cancelled"}
	r, err := v.ask(ctx, http.MethodPost, "/v1/payments/"+payment+"/refunds", body)
	if code(err) == "payment_not_paid" { // the order was paid by another one of its payments
		return nil
	}
	if err != nil {
		return err
	}
	return v.refunded(ctx, r.Number)
}

// refunded waits for the end of a refund and helps where one has to.
func (v *visit) refunded(ctx context.Context, number string) error {
	helped := time.Now()
	return v.looks(ctx, "/v1/refunds/"+number, func(now told) error {
		switch now.State {
		case "succeeded", "closed", "settled_outside":
			return nil
		}
		if now.State == "failed" || time.Since(helped) > 5*time.Second {
			helped = time.Now()
			if err := v.help(ctx, number); err != nil {
				return final{err}
			}
		}
		return fmt.Errorf("refund %s is %s", number, now.State)
	})
}

// help is what app and operator do for a refund that does not end: what the payer's account could not take goes back to the merchant, or
// is given back in cash where the channel cannot do that; all else is tried again.
func (v *visit) help(ctx context.Context, refund string) error {
	v.mu.Lock()
	_, insured := v.reports[refund]
	v.mu.Unlock()
	if insured { // its report may have been refused: it is said again
		if err := v.bureauRefunds(ctx, refund, ""); err != nil && code(err) != "refund_leg_not_possible" {
			return err
		}
	}
	operator := "http://" + v.gateways[0].admin + "/admin/v1/refunds/" + refund
	err := v.call(ctx, http.MethodPost, operator+"/resolve-abnormal", map[string]string{"name": "soak", "to": "merchant"}, nil)
	if code(err) == "not_offered" {
		err = v.call(ctx, http.MethodPost, operator+"/settle-outside", map[string]string{"name": "soak", "reason": "in cash"}, nil)
	}
	if code(err) == "refund_not_abnormal" {
		_, err = v.ask(ctx, http.MethodPost, "/v1/refunds/"+refund+"/retry", nil)
	}
	if passing(err) || code(err) == "refund_not_retryable" || code(err) == "refund_not_settleable" || code(err) == "refund_exceeds_payment" {
		return nil // another time
	}
	return err
}
