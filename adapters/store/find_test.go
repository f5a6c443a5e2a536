package store

import (
	"errors"
	"testing"
	"time"

	"github.com/paybridge/paybridge/core/pay"
	"github.com/paybridge/paybridge/ports"
)

// Any number of an order, payment or refund finds it; what is only a part of one, or nobody's, finds nothing.
func TestFind(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		o, p := paid(t, s)
		r := newRefund(p, "one")
		r.State, r.SentAt, r.SucceededAt, r.Due, r.ProviderID = pay.RefundSucceeded, at, at, time.Time{}, "5030001"
		apply(t, s, p.Number, refundMade(r))
		other := addOrder(t, s, newOrder())
		p, err := s.Payment(t.Context(), "", p.Number)
		if err != nil {
			t.Fatal(err)
		}
		for text, want := range map[string]ports.Kind{
			o.Number: ports.KindOrder, o.Reference: ports.KindOrder, other.Reference: ports.KindOrder,
			p.Number: ports.KindPayment, p.ProviderID: ports.KindPayment, p.Content.OpenID: ports.KindPayment,
			r.Number: ports.KindRefund, r.ProviderID: ports.KindRefund, r.Reference: ports.KindRefund,
		} {
			found, err := s.Find(t.Context(), text)
			if err != nil || len(found) != 1 || found[0].Kind != want || found[0].App != "clinic" || found[0].State == "" || found[0].Amount.Minor == 0 || found[0].CreatedAt.IsZero() {
				t.Errorf("%q: %+v, %v; want one %s", text, found, err, want)
			}
		}
		for _, text := range []string{"", "nobody", p.Number[:31], "%", "' or ''='"} {
			if found, err := s.Find(t.Context(), text); err != nil || len(found) != 0 {
				t.Errorf("%q: %+v, %v; want nothing", text, found, err)
			}
		}
	})
}

// Messages are listed newest first, by pages, and one that was applied is due again when it is replayed.
func TestMessagesAreListedAndReplayed(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		ctx := t.Context()
		for _, key := range []string{"first", "second"} {
			receive(t, s, message(key, ports.VerdictApplied))
		}
		receive(t, s, message("notice", ports.VerdictNotice))
		all, err := s.Messages(ctx, ports.MessageQuery{Limit: 10})
		if err != nil || len(all) != 3 || all[0].Facts != nil || all[0].Body != nil {
			t.Fatalf("all: %+v, %v", all, err)
		}
		page, err := s.Messages(ctx, ports.MessageQuery{Limit: 1, Before: all[1].ID})
		if err != nil || len(page) != 1 || page[0].ID != all[2].ID {
			t.Errorf("the page behind: %+v, %v", page, err)
		}
		if applied, err := s.Messages(ctx, ports.MessageQuery{Account: all[0].Account, Verdict: ports.VerdictApplied, Limit: 10}); err != nil || len(applied) != 2 {
			t.Errorf("applied: %+v, %v", applied, err)
		}
		if _, err := s.Messages(ctx, ports.MessageQuery{Before: "nobody", Limit: 1}); !errors.Is(err, ports.ErrNotFound) {
			t.Errorf("behind none: %v", err)
		}
		for _, m := range all {
			err := s.Replay(ctx, m.ID, at)
			if notice := m.Verdict == ports.VerdictNotice; (err != nil) != notice || notice && !errors.Is(err, ports.ErrNotFound) {
				t.Errorf("replay %s: %v", m.DedupeKey, err)
			}
		}
		claims, err := s.ClaimDue(ctx, ports.KindInbox, 10, time.Minute, at)
		if err != nil || len(claims) != 2 {
			t.Errorf("due: %+v, %v", claims, err)
		}
	})
}
