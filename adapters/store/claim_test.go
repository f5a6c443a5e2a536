package store

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/paybridge/paybridge/core/pay"
	"github.com/paybridge/paybridge/ports"
)

func TestR35_ARowIsClaimedByOne(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		_, p := paid(t, s)
		apply(t, s, p.Number, refundMade(newRefund(p, "one")))
		apply(t, s, p.Number, pay.Decision{NewFulfilments: []pay.Fulfilment{newFulfilment(p)}})
		receive(t, s, message("m", ports.VerdictUnmatched))
		publishAll(t, s, true)
		if err := s.RaiseAlarm(t.Context(), pay.Alarm{Kind: "kind", Number: "1", What: "what"}, at); err != nil {
			t.Fatal(err)
		}
		if err := s.PlanStatement(t.Context(), awaited("2026-11-01")); err != nil {
			t.Fatal(err)
		}
		for kind, of := range claimables {
			var key string
			if err := s.db.QueryRowContext(t.Context(), "select "+of.key+" from "+of.table).Scan(&key); err != nil {
				t.Fatal(err)
			}
			claims := make([]ports.Claim, 8)
			var won []ports.Claim
			for i, err := range atOnce(len(claims), func(i int) (err error) {
				claims[i], err = s.Claim(t.Context(), kind, key, hold, at)
				return err
			}) {
				if err == nil {
					won = append(won, claims[i])
				} else {
					wantErr(t, string(kind)+" that is claimed", err, ports.ErrClaimed)
				}
			}
			if len(won) != 1 {
				t.Fatalf("%s: %d claims at once, want 1", kind, len(won))
			}
			if due := int64(count(t, s, "select due from "+of.table)); due != won[0].Due || due < micros(at.Add(hold)) {
				t.Errorf("%s: its due time did not move behind the call: %d", kind, due)
			}
			got, err := s.ClaimDue(t.Context(), kind, 10, hold, at.Add(time.Hour))
			if err != nil || len(got) != 0 {
				t.Errorf("%s: a claimed row was claimed as due: %v, %v", kind, got, err)
			}
			other := won[0]
			other.Until--
			if err := s.Unclaim(t.Context(), other, at); err != nil {
				t.Fatal(err)
			}
			_, err = s.Claim(t.Context(), kind, key, hold, at)
			wantErr(t, string(kind)+" after another gave back what was not its", err, ports.ErrClaimed)
			exec(t, s, "update "+of.table+" set claimed_until = 1") // its holder died
			again, err := s.Claim(t.Context(), kind, key, hold, at)
			wantErr(t, string(kind)+" whose claim has run out", err, nil)
			if err := s.Unclaim(t.Context(), won[0], at); err != nil { // the holder was only slow
				t.Fatal(err)
			}
			_, err = s.Claim(t.Context(), kind, key, hold, at)
			wantErr(t, string(kind)+" after the one before gave back too late", err, ports.ErrClaimed)
			if err := s.Unclaim(t.Context(), again, at.Add(time.Second)); err != nil {
				t.Fatal(err)
			}
			if due := count(t, s, "select due from "+of.table+" where claimed_until is null"); due != int(micros(at.Add(time.Second))) {
				t.Errorf("%s: given back with due time %d", kind, due)
			}
			_, err = s.Claim(t.Context(), kind, number(), hold, at)
			wantErr(t, string(kind)+" that is not there", err, ports.ErrNotFound)
		}
	})
}

func TestR35_APaymentIsBornClaimed(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		p := newPayment(addOrder(t, s, newOrder()))
		claim := addPayment(t, s, p)
		_, err := s.Claim(t.Context(), ports.KindPayment, p.Number, hold, at)
		wantErr(t, "the request that makes it has it", err, ports.ErrClaimed)
		if err := s.Unclaim(t.Context(), claim, p.Due); err != nil {
			t.Fatal(err)
		}
		_, err = s.Claim(t.Context(), ports.KindPayment, p.Number, hold, at)
		wantErr(t, "given back", err, nil)
	})
}

// duePayments adds so many payments of an account, each due a second after the one before.
func duePayments(t testing.TB, s *Store, account string, n int) []string {
	t.Helper()
	var numbers []string
	for i := range n {
		p := newPayment(addOrder(t, s, newOrder()))
		p.Route.Account, p.Due = account, at.Add(time.Duration(i)*time.Second)
		claim := addPayment(t, s, p)
		if err := s.Unclaim(t.Context(), claim, p.Due); err != nil {
			t.Fatal(err)
		}
		numbers = append(numbers, p.Number)
	}
	return numbers
}

func TestR36_DueRowsAreSharedBetweenAccounts(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		busy := duePayments(t, s, "busy", 8)
		quiet := duePayments(t, s, "quiet", 1)
		other := duePayments(t, s, "other", 2)
		later := at.Add(time.Hour)
		var got []string
		for _, c := range claimDue(t, s, 5, later) {
			got = append(got, c.Number)
		}
		slices.Sort(got[:3]) // each account's first is due at the same time
		want := []string{busy[0], quiet[0], other[0], busy[1], other[1]}
		slices.Sort(want[:3])
		slices.Sort(got[3:])
		slices.Sort(want[3:])
		if !slices.Equal(got, want) {
			t.Errorf("claimed %v\nwant    %v", got, want)
		}
		if got := claimDue(t, s, 10, at.Add(3*time.Second)); len(got) != 2 || got[0].Number != busy[2] || got[1].Number != busy[3] {
			t.Errorf("due in 3 s: %v, want the third and fourth of the busy account, oldest first", got)
		}
		if got := claimDue(t, s, 10, later); len(got) != 4 {
			t.Errorf("%d were left, want 4", len(got))
		}
	})
}

func TestR36_WhatIsBeingWorkedOnCountsAgainstItsAccount(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		slow := duePayments(t, s, "slow", 6)
		later := at.Add(time.Hour)
		if got := claimDue(t, s, 3, later); len(got) != 3 {
			t.Fatalf("claimed %v of %v", got, slow)
		}
		quiet := duePayments(t, s, "quiet", 1)
		if got := claimDue(t, s, 1, later); len(got) != 1 || got[0].Number != quiet[0] {
			t.Errorf("with one free worker: %v, want the quiet account's %s", got, quiet[0])
		}
	})
}

func claimDue(t testing.TB, s *Store, limit int, now time.Time) []ports.Claim {
	t.Helper()
	claims, err := s.ClaimDue(t.Context(), ports.KindPayment, limit, hold, now)
	if err != nil {
		t.Fatal(err)
	}
	return claims
}

func TestR35_TwoReplicasNeverClaimTheSameRow(t *testing.T) {
	t.Parallel()
	o := migrated(t, "postgres")
	replicas := []*Store{open(t, o), open(t, o)}
	all := duePayments(t, replicas[0], "main", 40)
	claimed := make([][]ports.Claim, 8)
	errs := atOnce(len(claimed), func(i int) error {
		for rounds := 0; rounds < 100; rounds++ {
			got, err := replicas[i%2].ClaimDue(t.Context(), ports.KindPayment, 3, hold, at.Add(time.Hour))
			if err != nil {
				return err
			}
			claimed[i] = append(claimed[i], got...)
		}
		return nil
	})
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	var numbers []string
	for _, claims := range claimed {
		for _, c := range claims {
			numbers = append(numbers, c.Number)
		}
	}
	slices.Sort(numbers)
	if !slices.Equal(numbers, all) {
		t.Errorf("claimed %d rows, want each of the %d once", len(numbers), len(all))
	}
}

func TestNextDue(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		want := func(when string, want time.Time) {
			t.Helper()
			if got, err := s.NextDue(t.Context()); err != nil || !got.Equal(want) {
				t.Errorf("%s: %s, %v; want %s", when, got, err, want)
			}
		}
		want("nothing is due", time.Time{})
		_, p := paid(t, s)
		want("all is final", time.Time{})
		open := addOrder(t, s, newOrder())
		want("an open order", open.Due)
		r := newRefund(p, "one")
		apply(t, s, p.Number, refundMade(r))
		want("and a refund", r.Due)
		claim, err := s.Claim(t.Context(), ports.KindRefund, r.Number, hold, at)
		if err != nil {
			t.Fatal(err)
		}
		want("the refund is claimed", open.Due)
		receive(t, s, message("m", ports.VerdictUnmatched))
		want("and a message", at.Add(time.Minute))
		if err := s.Unclaim(t.Context(), claim, at.Add(time.Second)); err != nil {
			t.Fatal(err)
		}
		want("the refund was given back", at.Add(time.Second))
	})
}

func TestAFinalRowMayBeGivenBackWithoutADueTime(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		_, p := paid(t, s)
		claim, err := s.Claim(t.Context(), ports.KindPayment, p.Number, hold, at)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Unclaim(t.Context(), claim, time.Time{}); err != nil {
			t.Error(err)
		}
		live := newPayment(addOrder(t, s, newOrder()))
		if err := s.Unclaim(t.Context(), addPayment(t, s, live), time.Time{}); err == nil {
			t.Error("R40: a created payment was given back without a due time")
		}
		if got, err := s.Payment(t.Context(), "", live.Number); err != nil || got.State != pay.PaymentCreated || !got.Due.Equal(live.Due) {
			t.Errorf("it is %+v, %v", got, err)
		}
	})
}

// Whoever gives a claim back does not undo a due time that was set while it was held.
func TestADueTimeThatWasSetMeanwhileStays(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		p := newPayment(addOrder(t, s, newOrder()))
		claim := addPayment(t, s, p)
		p.State, p.Due = pay.PaymentClosing, at.Add(time.Second)
		apply(t, s, p.Number, paymentMoved(pay.PaymentCreated, p, "closed by the app"))
		if err := s.Unclaim(t.Context(), claim, at.Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
		got, err := s.Payment(t.Context(), "", p.Number)
		if err != nil || !got.Due.Equal(p.Due) {
			t.Errorf("due %s, %v; want %s", got.Due, err, p.Due)
		}
		if n := count(t, s, "select count(*) from payments where claimed_until is null"); n != 1 {
			t.Error("it is still claimed")
		}
	})
}
