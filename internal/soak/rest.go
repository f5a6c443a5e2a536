package soak

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/paybridge/paybridge/internal/invariants"
)

// unfinished is what is under way. It is what the last invariant asks for, told as a sum.
const unfinished = `select 'payments ' || state from payments where state in ('created', 'pending', 'closing') or disputed <> ''
	union all select 'refunds ' || state from refunds where state in ('created', 'processing') or state = 'failed' and origin <> 'api'
	union all select 'orders ' || state from orders where state in ('open', 'closing')
	union all select 'deliveries' from deliveries where next_seq <= last_seq
	union all select 'events' from events where place is null
	union all select 'messages' from inbox where verdict = 'unmatched'`

// comeToRest plays the app and the operator until nothing is under way any more, and says how long that took.
func (w *world) comeToRest(ctx context.Context) (took time.Duration, err error) {
	began := time.Now()
	ctx, cancel := context.WithTimeout(ctx, w.o.Patience)
	defer cancel()
	if err := w.abandon(ctx); err != nil {
		return 0, err
	}
	next := time.Now()
	err = every(ctx, time.Second, func() error {
		open, err := w.db.list(ctx, unfinished)
		if err != nil {
			return err
		}
		owed, err := w.owed(ctx)
		if err != nil {
			return err
		}
		if len(open)+len(owed) == 0 {
			return nil
		}
		w.say("coming to rest: %d rows are under way", len(open)+len(owed))
		if time.Now().After(next) {
			next = time.Now().Add(10 * time.Second)
			if err := w.help(ctx, owed); err != nil {
				return err
			}
		}
		return fmt.Errorf("still under way: %s", strings.Join(append(counted(open), owed...), ", "))
	})
	return time.Since(began), err
}

// counted is each text once, with how often it was there.
func counted(all []string) (each []string) {
	times := map[string]int{}
	for _, text := range all {
		times[text]++
	}
	for text, n := range times {
		each = append(each, fmt.Sprint(n, " ", text))
	}
	return each
}

// abandon lets an hour pass for the payments that nobody can close: those by insurance alone.
func (w *world) abandon(ctx context.Context) error {
	const hour = "3600000000" // a call that is under way decides by the time before: it goes first
	left := "from payments where provider = 'wechat-medins' and state in ('pending', 'closing') and number not in (" +
		"select payment from refunds)"
	return every(ctx, 200*time.Millisecond, func() error {
		_, err := w.db.ExecContext(ctx, "update payments set not_payable_after = not_payable_after - "+hour+", sent_at = sent_at - "+hour+", due = due - "+hour+
			" where number in (select number "+left+" and claimed_until is null and sent_at > "+w.hourAgo()+")")
		if err != nil {
			return err
		}
		waiting, err := w.db.list(ctx, "select number "+left+" and sent_at > "+w.hourAgo())
		if err == nil && len(waiting) > 0 {
			err = fmt.Errorf("calls for %d payments are under way", len(waiting))
		}
		return err
	})
}

// hourAgo is a time, in microseconds, before which no payment of this run was sent.
func (w *world) hourAgo() string { return fmt.Sprint(w.began.UnixMicro()) }

// owed are payments that took money which nobody may keep, and of which some is left, though no refund of it is under way: WeChat closed
// the refund that the gateway made, and raised an alarm.
func (w *world) owed(ctx context.Context) ([]string, error) {
	return w.db.list(ctx, `select p.number || ' ' || cast(p.amount - (select coalesce(sum(r.amount), 0) from refunds r where r.payment = p.number and r.state in ('succeeded', 'settled_outside')) as text)
		from payments p join orders o on o.number = p.order_number
		where p.state = 'succeeded' and o.settled_by <> p.number
			and p.amount <> (select coalesce(sum(r.amount), 0) from refunds r where r.payment = p.number and r.state in ('succeeded', 'settled_outside'))
			and not exists (select 1 from refunds r where r.payment = p.number and r.state in ('created', 'processing'))`)
}

// help does what an app and its operator do in the end: closes what nobody pays, tells what the bureau refunded, helps refunds on,
// and gives back what is owed.
func (w *world) help(ctx context.Context, owed []string) error {
	v := &visit{world: w, rand: rand.New(rand.NewPCG(w.o.Seed, 1<<41))} //nolint:gosec // a game
	open, err := w.db.list(ctx, "select number from orders where state = 'open'")
	if err != nil {
		return err
	}
	for _, number := range open {
		if _, err := v.ask(ctx, http.MethodPost, "/v1/orders/"+number+"/close", nil); err != nil && code(err) != "order_paid" {
			w.surprise("close order %s: %v", number, err)
		}
	}
	if err := w.reportToBureau(ctx, v); err != nil {
		return err
	}
	again, err := w.db.list(ctx, "select number from refunds where state = 'processing' or state = 'failed' and origin <> 'api'")
	if err != nil {
		return err
	}
	for _, number := range again {
		if err := v.help(ctx, number); err != nil {
			w.surprise("refund %s: %v", number, err)
		}
	}
	for _, o := range owed {
		number, amount, _ := strings.Cut(o, " ")
		body := map[string]any{"reference": fmt.Sprint("owed-", time.Now().UnixNano()), "amount": json.Number(amount), "reason": "paid twice"}
		if _, err := v.ask(ctx, http.MethodPost, "/v1/payments/"+number+"/refunds", body); err != nil {
			w.surprise("refund the owed payment %s: %v", number, err)
		}
	}
	return w.hurry(ctx)
}

// hurry brings forward what would be looked at later only because it has waited long already.
func (w *world) hurry(ctx context.Context) error {
	now := time.Now()
	for table, where := range map[string]string{
		"payments": "state in ('created', 'pending', 'closing')", "orders": "state in ('open', 'closing')", "refunds": "state in ('created', 'processing')",
		"deliveries": "next_seq <= last_seq", "inbox": "verdict = 'unmatched'",
	} {
		statement := fmt.Sprintf("update %s set due = %d where %s and due > %d and claimed_until is null", table, now.UnixMicro(), where, now.Add(5*time.Second).UnixMicro())
		if _, err := w.db.ExecContext(ctx, statement); err != nil {
			return err
		}
	}
	return nil
}

// reportToBureau refunds the insurance part of refunds that the gateway made by itself.
func (w *world) reportToBureau(ctx context.Context, v *visit) error {
	waiting, err := w.db.list(ctx, `select r.number || ' ' || r.payment from refunds r join payments p on p.number = r.payment
		where p.provider = 'wechat-medins' and r.state in ('created', 'processing') and r.legs like '%"insurance"%'`)
	if err != nil || len(waiting) == 0 {
		return err
	}
	for _, both := range waiting {
		refund, payment, _ := strings.Cut(both, " ")
		w.mu.Lock()
		payOrderID := w.authorized[payment]
		w.mu.Unlock()
		if payOrderID == "" {
			continue // it is of cash alone
		}
		if err := v.bureauRefunds(ctx, refund, payOrderID); err != nil && code(err) != "refund_leg_not_possible" {
			w.surprise("the bureau's part of refund %s: %v", refund, err)
		}
	}
	return nil
}

// reconcile has the statements of the day compared. Afterwards it is today at WeChat too.
func (w *world) reconcile(ctx context.Context) error {
	if err := w.control(ctx, http.MethodPost, "clock/advance", map[string]string{"by": "48h"}, nil); err != nil {
		return err
	}
	admin := "http://" + w.gateways[0].admin + "/admin/v1/statements"
	if err := w.call(ctx, http.MethodPost, admin, map[string]string{"day": w.day}, nil); err != nil {
		return fmt.Errorf("compare the statements: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, w.o.Patience)
	defer cancel()
	return every(ctx, time.Second, func() error {
		var page struct {
			Statements []struct {
				Account, State, Error string
				Lines                 int64
			} `json:"statements"`
		}
		if err := w.call(ctx, http.MethodGet, admin+"?"+url.Values{"day": {w.day}}.Encode(), nil, &page); err != nil {
			return err
		}
		var lines int64
		waiting := errors.New("no account has a statement")
		for i, s := range page.Statements {
			if i == 0 {
				waiting = nil
			}
			if lines += s.Lines; s.State == "awaited" {
				waiting = fmt.Errorf("the statement of account %s is awaited: %s", s.Account, s.Error)
			}
		}
		w.say("comparing the statements of %s: %d lines", w.day, lines)
		w.lines = lines
		return waiting
	})
}

// invariants are those that do not hold.
func (w *world) invariants(ctx context.Context) ([]invariants.Broken, error) {
	w.say("asking the invariants")
	var ledger invariants.Ledger
	if err := w.control(ctx, http.MethodGet, "ledger", nil, &ledger); err != nil {
		return nil, err
	}
	return invariants.Check(ctx, w.db, ledger)
}
