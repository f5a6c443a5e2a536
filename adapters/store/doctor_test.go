package store

import (
	"maps"
	"testing"
	"time"

	"github.com/paybridge/paybridge/core/pay"
	"github.com/paybridge/paybridge/ports"
)

func TestWhatTheDatabaseTellsTheDoctor(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		echo := message("doctor-1", ports.VerdictNotice)
		echo.Cause, echo.Number = "self_test.echo", "doctor-1"
		receive(t, s, echo)
		complaint := message("doctor-2", ports.VerdictNotice)
		complaint.Cause, complaint.Number = "complaint.created", "doctor-2"
		receive(t, s, complaint)
		for _, row := range []struct {
			provider, account, id string
			want                  bool
		}{
			{echo.Provider, echo.Account, echo.Number, true},
			{echo.Provider, "another", echo.Number, false},
			{"another", echo.Account, echo.Number, false},
			{echo.Provider, echo.Account, complaint.Number, false},
			{echo.Provider, echo.Account, "doctor-3", false},
		} {
			if got, err := s.EchoArrived(t.Context(), row.provider, row.account, row.id); err != nil || got != row.want {
				t.Errorf("%+v: %v, %v", row, got, err)
			}
		}

		for _, cause := range []ports.RefuseCause{ports.RefusedSignature, ports.RefusedSignature, ports.RefusedUnreadable} {
			if err := s.CountRefused(t.Context(), "p", "a", cause, at); err != nil {
				t.Fatal(err)
			}
		}
		want := map[ports.RefuseCause]int{ports.RefusedSignature: 2, ports.RefusedUnreadable: 1}
		if got, err := s.Refused(t.Context(), "p", "a", at.Add(time.Second)); err != nil || !maps.Equal(got, want) {
			t.Errorf("refused: %v, %v; want %v", got, err, want)
		}
		if got, err := s.Refused(t.Context(), "p", "a", at.Add(time.Minute)); err != nil || len(got) != 0 {
			t.Errorf("refused since a minute later: %v, %v", got, err)
		}

		p := newPayment(addOrder(t, s, newOrder()))
		addPayment(t, s, p)
		paid := func(appID string, want bool) {
			t.Helper()
			if got, err := s.PaidWith(t.Context(), p.Route.Account, appID); err != nil || got != want {
				t.Errorf("paid with %q: %v, %v", appID, got, err)
			}
		}
		paid(p.Route.AppID, false)
		p.State, p.Due = pay.PaymentSucceeded, time.Time{}
		apply(t, s, p.Number, paymentMoved(pay.PaymentCreated, p, "paid"))
		paid(p.Route.AppID, true)
		paid(p.Route.AppID[:len(p.Route.AppID)-1], false)
		paid("", false)
	})
}

func TestR40_OverdueRowsAreCounted(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		o := addOrder(t, s, newOrder())
		p := newPayment(o)
		addPayment(t, s, p)
		receive(t, s, message("unmatched", ports.VerdictUnmatched)) // due a minute later
		check := func(now time.Time, wantOverdue, wantTooLate map[ports.Kind]int) {
			t.Helper()
			overdue, tooLate, err := s.Overdue(t.Context(), now, 5*time.Minute)
			if err != nil || !maps.Equal(overdue, wantOverdue) || !maps.Equal(tooLate, wantTooLate) {
				t.Errorf("at %s: overdue %v, too late %v, %v; want %v, %v", now, overdue, tooLate, err, wantOverdue, wantTooLate)
			}
		}
		none := map[ports.Kind]int{}
		tomorrow := awaited("2026-11-01")
		tomorrow.Due = at.Add(36 * time.Hour)
		if err := s.PlanStatement(t.Context(), tomorrow); err != nil {
			t.Fatal(err)
		}
		check(at.Add(5*time.Minute), none, none)
		check(at.Add(7*time.Minute), map[ports.Kind]int{ports.KindInbox: 1}, none) // the payment is claimed by its request
		check(at.Add(-25*time.Hour), none, map[ports.Kind]int{ports.KindInbox: 1, ports.KindPayment: 1, ports.KindStatement: 1})
	})
}
