package e2e

import (
	"fmt"
	"net/http"
	"slices"
	"sync"
)

// orders makes so many orders of 100 fen, a few at a time, and returns their numbers.
func (w *world) orders(reference string, count int) []string {
	w.t.Helper()
	numbers := make([]string, count)
	together(count, 16, func(i int) {
		a, err := w.gateways[0].try("POST", "/v1/orders", newOrder(fmt.Sprintf("%s-%d", reference, i), 100))
		if err != nil || a.status != http.StatusCreated {
			w.t.Errorf("order %d: %v %s", i, err, a)
		}
		numbers[i] = a.Number
	})
	if w.t.Failed() {
		w.t.FailNow()
	}
	return numbers
}

// together does f(0) … f(count-1), at most so many at once, and waits for the last.
func together(count, atOnce int, f func(int)) {
	var all sync.WaitGroup
	slots := make(chan struct{}, atOnce)
	for i := range count {
		slots <- struct{}{}
		all.Go(func() {
			defer func() { <-slots }()
			f(i)
		})
	}
	all.Wait()
}

// payUntilHandedOff taps again as a payer does, until the cashier opens, and returns the payment.
func (w *world) payUntilHandedOff(order string) (p answer) {
	w.t.Helper()
	await(w.t, "the cashier opens for order "+order, func() (err error) {
		p, err = w.gateways[0].try("POST", "/v1/orders/"+order+"/payments", payBy(entry, payer))
		if err == nil && p.HandOff == nil {
			err = fmt.Errorf("answered %s", p)
		}
		return err
	})
	return p
}

// wantLedger holds WeChat's trades against the payments made here: the same numbers, each sent with one content only.
func (w *world) wantLedger(payments ...string) {
	w.t.Helper()
	ledger := w.sim.Ledger()
	trades := make([]string, 0, len(ledger.Trades))
	for _, t := range ledger.Trades {
		trades = append(trades, t.OutTradeNo)
	}
	slices.Sort(trades)
	if want := slices.Sorted(slices.Values(payments)); !slices.Equal(trades, want) {
		w.t.Errorf("WeChat has %d trades, and there are %d payments:\n%v\n%v", len(trades), len(want), trades, want)
	}
	w.wantNoConflict()
}

// wantNoConflict: no number was sent with two contents (R02).
func (w *world) wantNoConflict() {
	w.t.Helper()
	for _, c := range w.sim.Ledger().Conflicts() {
		w.t.Errorf("%s %s was sent with %d contents: %v", c.Kind, c.Number, len(c.Contents), c.Contents)
	}
}

// wantOnce: so many orders were paid, and the app was told of each once.
func (w *world) wantOnce(paid int) {
	w.t.Helper()
	for query, want := range map[string]int{
		"select count(*) from events where kind = 'order.paid'":                     paid,
		"select count(distinct order_number) from events where kind = 'order.paid'": paid,
		"select count(*) from audit where kind = 'payment' and new = 'succeeded'":   paid,
	} {
		if got := w.db.count(w.t, query); got != want {
			w.t.Errorf("%s: %d, want %d", query, got, want)
		}
	}
	w.wantEachMoveOnce()
}

// wantEachMoveOnce: no row came to the same state twice, and no app was told of the same thing twice.
func (w *world) wantEachMoveOnce() {
	w.t.Helper()
	for _, query := range []string{
		"select count(*) from (select number, new from audit where old <> new group by number, new having count(*) > 1) twice",
		"select count(*) from (select order_number, kind, number from events group by order_number, kind, number having count(*) > 1) twice",
	} {
		if n := w.db.count(w.t, query); n != 0 {
			w.t.Errorf("%s: %d, want none", query, n)
		}
	}
}
