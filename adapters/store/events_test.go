package store

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/paybridge/paybridge/core/pay"
	"github.com/paybridge/paybridge/ports"
)

// tell commits events of a paid order's payment, as many as kinds.
func tell(t testing.TB, s *Store, p pay.Payment, kinds ...pay.EventKind) {
	t.Helper()
	d := paymentMoved(p.State, p, "")
	for _, kind := range kinds {
		d.Events = append(d.Events, pay.Event{Kind: kind, Number: p.Number, Data: pay.EventData{Order: pay.EventOrder{Number: p.Order}}})
	}
	apply(t, s, p.Number, d)
}

func publishAll(t testing.TB, s *Store, owed bool) (n int) {
	t.Helper()
	n, err := s.PublishEvents(t.Context(), 1000, func(string) bool { return owed }, at)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// claimDelivery claims the delivery of one order.
func claimDelivery(t testing.TB, s *Store, order string) ports.Claim {
	t.Helper()
	claim, err := s.Claim(t.Context(), ports.KindDelivery, order, hold, at)
	if err != nil {
		t.Fatal(err)
	}
	return claim
}

// wantOwed checks which event of an order goes out next; 0: none.
func wantOwed(t testing.TB, s *Store, order string, seq int64) {
	t.Helper()
	d, err := s.Delivery(t.Context(), order)
	switch {
	case seq == 0:
		wantErr(t, "nothing is owed", err, ports.ErrNotFound)
	case err != nil:
		t.Errorf("want event %d: %v", seq, err)
	case d.Next.Seq != seq || d.Next.Order != order || d.App != "clinic" || d.Next.Data.Order.Number != order:
		t.Errorf("next is %+v, want event %d", d, seq)
	}
}

func TestR46_EventsGoOutInOrderPerOrder(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		o, p := paid(t, s) // event 1
		tell(t, s, p, pay.EventRefundSucceeded, pay.EventRefundFailed)
		wantOwed(t, s, o.Number, 0) // not published
		if n := publishAll(t, s, true); n != 3 {
			t.Fatalf("%d published, want 3", n)
		}
		wantOwed(t, s, o.Number, 1)
		claim := claimDelivery(t, s, o.Number)
		if more, err := s.Delivered(t.Context(), claim, 1); err != nil || !more {
			t.Fatalf("more %v, %v", more, err)
		}
		_, err := s.Delivered(t.Context(), claim, 1)
		wantErr(t, "the same one twice", err, ports.ErrMoved)
		_, err = s.Claim(t.Context(), ports.KindDelivery, o.Number, hold, at)
		wantErr(t, "another replica meanwhile", err, ports.ErrClaimed)
		if more, err := s.Delivered(t.Context(), claim, 2); err != nil || !more {
			t.Fatalf("more %v, %v", more, err)
		}
		tell(t, s, p, pay.EventRefundClosed) // 4, while 3 is on its way
		publishAll(t, s, true)
		if more, err := s.Delivered(t.Context(), claim, 3); err != nil || !more {
			t.Fatalf("more %v, %v", more, err)
		}
		if more, err := s.Delivered(t.Context(), claim, 4); err != nil || more {
			t.Fatalf("more %v, %v: 4 was the last", more, err)
		}
		wantOwed(t, s, o.Number, 0)
		if due, err := s.ClaimDue(t.Context(), ports.KindDelivery, 10, hold, at.Add(time.Hour)); err != nil || len(due) != 0 {
			t.Errorf("due %v, %v; nothing is owed", due, err)
		}
		tell(t, s, p, pay.EventRefundSucceeded)
		publishAll(t, s, true)
		wantOwed(t, s, o.Number, 5)
		claimDelivery(t, s, o.Number)
	})
}

func TestR46_AFailedTryIsNotedAndNothingIsSkipped(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		o, p := paid(t, s)
		publishAll(t, s, true)
		claim := claimDelivery(t, s, o.Number)
		try := ports.FailedTry{Attempts: 3, FailingSince: at.Add(-time.Hour), Parked: true, Error: "status 500", Due: at.Add(time.Hour)}
		if err := s.Undelivered(t.Context(), claim, try); err != nil {
			t.Fatal(err)
		}
		d, err := s.Delivery(t.Context(), o.Number)
		if err != nil || d.Attempts != 3 || !d.FailingSince.Equal(try.FailingSince) || d.Next.Seq != 1 {
			t.Errorf("delivery %+v, %v", d, err)
		}
		tell(t, s, p, pay.EventRefundSucceeded)
		publishAll(t, s, true)
		wantDue := func(now time.Time, want int) {
			t.Helper()
			if n := count(t, s, "select count(*) from deliveries where due <= ?", micros(now)); n != want {
				t.Errorf("%d due at %s, want %d", n, now, want)
			}
		}
		wantDue(at.Add(59*time.Minute), 0) // a new event of the order does not hurry the first
		status, err := s.Endpoints(t.Context())
		if want := []ports.EndpointStatus{{App: "clinic", Waiting: 1, Failing: 1, Parked: 1, FailingSince: try.FailingSince}}; err != nil || !slices.Equal(status, want) {
			t.Errorf("endpoints %+v, %v; want %+v", status, err, want)
		}
		wantErr(t, "hold", s.HoldDeliveries(t.Context(), "clinic", at.Add(2*time.Hour)), nil)
		wantDue(at.Add(time.Hour), 0)
		wantErr(t, "wake another app", s.WakeDeliveries(t.Context(), "shop", at), nil)
		wantDue(at.Add(time.Hour), 0)
		wantErr(t, "wake", s.WakeDeliveries(t.Context(), "clinic", at), nil)
		wantDue(at, 1)
		claim = claimDelivery(t, s, o.Number)
		if more, err := s.Delivered(t.Context(), claim, 1); err != nil || !more {
			t.Fatalf("more %v, %v", more, err)
		}
		if d, err := s.Delivery(t.Context(), o.Number); err != nil || d.Attempts != 0 || !d.FailingSince.IsZero() {
			t.Errorf("the next one begins anew: %+v, %v", d, err)
		}
		if err := s.Unclaim(t.Context(), claim, time.Time{}); err == nil {
			t.Error("the database let an owed event go without a due time (R40)")
		}
	})
}

func TestR46_ADeadClaimIsTakenOver(t *testing.T) {
	onReplicas(t, func(t *testing.T, replicas [2]*Store) {
		s := replicas[0]
		o, _ := paid(t, s)
		publishAll(t, s, true)
		dead := claimDelivery(t, s, o.Number)
		exec(t, s, "update deliveries set claimed_until = 1")
		claim := claimDelivery(t, replicas[1], o.Number)
		_, err := s.Delivered(t.Context(), dead, 1)
		wantErr(t, "the one that was taken for dead", err, ports.ErrMoved)
		wantErr(t, "its failure", s.Undelivered(t.Context(), dead, ports.FailedTry{Attempts: 9, Due: at}), nil)
		if d, err := s.Delivery(t.Context(), o.Number); err != nil || d.Attempts != 0 {
			t.Errorf("it noted its failure in the other's claim: %+v, %v", d, err)
		}
		if more, err := replicas[1].Delivered(t.Context(), claim, 1); err != nil || more {
			t.Errorf("more %v, %v", more, err)
		}
	})
}

func TestEventsArePublishedOnceAndInOrder(t *testing.T) {
	onReplicas(t, func(t *testing.T, replicas [2]*Store) {
		s := replicas[0]
		const orders, each = 30, 4
		for range orders {
			_, p := paid(t, s)
			tell(t, s, p, pay.EventRefundFailed, pay.EventRefundClosed, pay.EventRefundSucceeded)
		}
		errs := atOnce(20, func(i int) error {
			_, err := replicas[i%2].PublishEvents(t.Context(), 7, func(string) bool { return i%3 == 0 }, at)
			return err
		})
		if err := errors.Join(errs...); err != nil {
			t.Fatal(err)
		}
		for publishAll(t, s, true) > 0 {
		}
		seen := map[string]int64{}
		var all []pay.StoredEvent
		for after := int64(0); ; {
			page, err := s.AppEvents(t.Context(), "clinic", after, 11)
			if err != nil {
				t.Fatal(err)
			}
			if len(page) == 0 {
				break
			}
			all = append(all, page...)
			after = page[len(page)-1].Cursor
		}
		for i, e := range all {
			if e.Cursor != int64(i+1) {
				t.Fatalf("event %d has place %d: not gapless", i+1, e.Cursor)
			}
			if seen[e.Order]++; e.Seq != seen[e.Order] {
				t.Errorf("order %s: event %d came as number %d", e.Order, e.Seq, seen[e.Order])
			}
		}
		if len(all) != orders*each {
			t.Errorf("%d events, want %d", len(all), orders*each)
		}
		if other, err := s.AppEvents(t.Context(), "shop", 0, 10); err != nil || len(other) != 0 {
			t.Errorf("another app sees %v, %v (R41)", other, err)
		}
	})
}

// An event of a transaction that has not committed is not skipped by a poller that has seen a later one.
func TestAPollerSkipsNothing(t *testing.T) {
	t.Parallel()
	o := migrated(t, "postgres")
	s, other := open(t, o), open(t, o)
	_, p := paid(t, s)
	slowOrder := addOrder(t, s, newOrder())
	slow := newPayment(slowOrder)
	claim := addPayment(t, s, slow)
	inTx(t, s, func(tx ports.Tx) error { // its event has the lower id, and commits later
		if _, err := tx.LockPayment(t.Context(), slow.Number); err != nil {
			return err
		}
		if err := tx.Apply(t.Context(), settled(slowOrder, slow), at, claim); err != nil {
			return err
		}
		tell(t, other, p, pay.EventRefundSucceeded)
		publishAll(t, other, false)
		return nil
	})
	before, err := s.AppEvents(t.Context(), "clinic", 0, 10)
	if err != nil {
		t.Fatal(err)
	}
	publishAll(t, other, false)
	after, err := s.AppEvents(t.Context(), "clinic", before[len(before)-1].Cursor, 10)
	if err != nil || len(before) != 2 || len(after) != 1 || after[0].Order != slowOrder.Number {
		t.Errorf("before %d events, then %+v, %v; want the slow one", len(before), after, err)
	}
}

func TestResend(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		o, p := paid(t, s)
		tell(t, s, p, pay.EventRefundFailed, pay.EventRefundSucceeded)
		wantErr(t, "before it is published", s.Resend(t.Context(), o.Number, 1, at), ports.ErrNotFound)
		publishAll(t, s, false) // the app had no endpoint
		wantOwed(t, s, o.Number, 0)
		wantErr(t, "one that is not there", s.Resend(t.Context(), o.Number, 4, at), ports.ErrNotFound)
		wantErr(t, "the second", s.Resend(t.Context(), o.Number, 2, at), nil)
		wantOwed(t, s, o.Number, 2)
		claim := claimDelivery(t, s, o.Number)
		wantErr(t, "the second again, while it is on its way", s.Resend(t.Context(), o.Number, 2, at), nil)
		_, err := s.Delivered(t.Context(), claim, 2)
		wantErr(t, "the second was taken, and is wanted again", err, ports.ErrMoved)
		wantErr(t, "give back", s.Unclaim(t.Context(), claim, at.Add(time.Hour)), nil)
		claim = claimDelivery(t, s, o.Number)
		wantErr(t, "the first, while the second is on its way", s.Resend(t.Context(), o.Number, 1, at), nil)
		_, err = s.Delivered(t.Context(), claim, 2)
		wantErr(t, "the second was taken", err, ports.ErrMoved)
		wantErr(t, "give back", s.Unclaim(t.Context(), claim, at.Add(time.Hour)), nil)
		wantOwed(t, s, o.Number, 1)
		if due, err := s.ClaimDue(t.Context(), ports.KindDelivery, 10, hold, at); err != nil || len(due) != 1 {
			t.Fatalf("due %v, %v: the resend's due time was lost", due, err)
		} else {
			claim = due[0]
		}
		for seq := int64(1); seq <= 3; seq++ {
			if more, err := s.Delivered(t.Context(), claim, seq); err != nil || more != (seq < 3) {
				t.Fatalf("event %d: more %v, %v", seq, more, err)
			}
		}
		second, _ := paid(t, s)
		publishAll(t, s, false)
		if n, err := s.ResendApp(t.Context(), "clinic", 1, at); err != nil || n != 2 {
			t.Errorf("%d orders, %v; want 2", n, err)
		}
		wantOwed(t, s, o.Number, 2)
		wantOwed(t, s, second.Number, 1)
		if n, err := s.ResendApp(t.Context(), "shop", 0, at); err != nil || n != 0 {
			t.Errorf("of another app: %d orders, %v", n, err)
		}
	})
}

func TestAlarmsAreToldOnceAndAcknowledged(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		for i := range 3 {
			if err := s.RaiseAlarm(t.Context(), pay.Alarm{Kind: pay.AlarmAccountDown, Number: fmt.Sprint(i), What: "no answer ?"}, at); err != nil {
				t.Fatal(err)
			}
		}
		claims, err := s.ClaimDue(t.Context(), ports.KindAlarm, 10, hold, at)
		if err != nil || len(claims) != 3 {
			t.Fatalf("claims %v, %v", claims, err)
		}
		wantErr(t, "sent", s.AlarmSent(t.Context(), claims[0], at), nil)
		wantErr(t, "unsent", s.AlarmUnsent(t.Context(), claims[1], 1, at.Add(time.Minute)), nil)
		wantErr(t, "given back", s.Unclaim(t.Context(), claims[2], at.Add(time.Minute)), nil)
		newest, err := s.Alarms(t.Context(), ports.AlarmQuery{Open: true, Limit: 2})
		if err != nil || len(newest) != 2 || newest[0].Number != "2" || newest[0].What != "no answer ?" || newest[1].ID >= newest[0].ID {
			t.Fatalf("alarms %+v, %v", newest, err)
		}
		older, err := s.Alarms(t.Context(), ports.AlarmQuery{Kind: pay.AlarmAccountDown, Before: newest[1].ID, Limit: 2})
		if err != nil || len(older) != 1 || !older[0].SentAt.Equal(at) {
			t.Errorf("alarms before %d: %+v, %v", newest[1].ID, older, err)
		}
		closed, err := s.Acknowledge(t.Context(), newest[1].ID, "li", at.Add(time.Second))
		if err != nil || closed.AcknowledgedBy != "li" || !closed.AcknowledgedAt.Equal(at.Add(time.Second)) || closed.Attempts != 1 {
			t.Errorf("acknowledged %+v, %v", closed, err)
		}
		if again, err := s.Acknowledge(t.Context(), newest[1].ID, "wang", at.Add(time.Hour)); err != nil || again != closed {
			t.Errorf("acknowledged twice: %+v, %v; want %+v", again, err, closed)
		}
		if read, err := s.Alarm(t.Context(), closed.ID); err != nil || read != closed {
			t.Errorf("read %+v, %v; want %+v", read, err, closed)
		}
		_, err = s.Acknowledge(t.Context(), 99, "li", at)
		wantErr(t, "one that is not there", err, ports.ErrNotFound)
		_, err = s.Alarm(t.Context(), 99)
		wantErr(t, "one that is not there", err, ports.ErrNotFound)
		due, err := s.ClaimDue(t.Context(), ports.KindAlarm, 10, hold, at.Add(time.Hour))
		if err != nil || len(due) != 1 || due[0].Number != claims[2].Number {
			t.Errorf("due %v, %v; want the one that was given back alone", due, err)
		}
		if _, err := s.Acknowledge(t.Context(), newest[0].ID, "li", at); err != nil {
			t.Fatal(err)
		}
		wantErr(t, "not sent, and acknowledged meanwhile", s.AlarmUnsent(t.Context(), due[0], 1, at), nil)
		if next, err := s.NextDue(t.Context()); err != nil || !next.IsZero() {
			t.Errorf("due at %v, %v; nobody is to be told", next, err)
		}
	})
}

// What an app is told has no person in it: neither the payer nor what the app wrote about the order.
func TestR45_EventsNameNobody(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		o := newOrder()
		o.PayerID, o.Description, o.Metadata = "openid-VERYSECRET", "name-VERYSECRET", map[string]string{"id": "VERYSECRET"}
		addOrder(t, s, o)
		p := newPayment(o)
		p.Content.OpenID = "openid-VERYSECRET"
		claim := addPayment(t, s, p)
		d := settled(o, p)
		apply(t, s, p.Number, d.Told(d.After(pay.Rows{Order: o, Payments: []pay.Payment{p}})), claim)
		publishAll(t, s, true)
		next, err := s.Delivery(t.Context(), o.Number)
		if err != nil {
			t.Fatal(err)
		}
		body, err := pay.EventPayload(next.Next, pay.EventVersion)
		if err != nil || strings.Contains(string(body), "VERYSECRET") || !strings.Contains(string(body), p.Number) {
			t.Errorf("the event is %s, %v", body, err)
		}
	})
}
