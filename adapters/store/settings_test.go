package store

import (
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/paybridge/paybridge/core/pay"
	"github.com/paybridge/paybridge/ports"
)

func settingsOfNow() ports.SettingsContent {
	return ports.SettingsContent{
		Apps: []ports.App{{Name: "clinic", Keys: []ports.AppKey{{ID: "a", Hash: "00", Scopes: []string{"pay", "read"}}}, Entries: []string{"account-a"}}},
		Entries: []ports.Entry{{
			Name: "account-a", Provider: "wechat", Account: "main", AppID: "wx2", OpenIDKind: pay.OpenIDDirect, Method: "01",
			NotifyBase: "https://pay.example", ReturnURLs: []string{"https://clinic.example/?"}, LatePay: pay.LateRefund, Options: []byte(`{"a":"?"}`),
		}},
		Accounts: []ports.Account{
			{Name: "main", Provider: "wechat", MchID: "1900000001", SubMchID: "1900000109", Config: []byte(`{"key":"env:KEY","serial":"?"}`)},
			{Name: "spare", Provider: "wechat", MchID: "1900000002", Config: []byte(`{}`)},
		},
	}
}

func TestSettingsAreAppliedOncePerContent(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		first := settingsOfNow()
		second := settingsOfNow()
		second.Entries[0].Account = "spare" // R37: an entry may be repointed
		second.Accounts[0].Retired = true
		for _, row := range []struct {
			name, content  string
			c              ports.SettingsContent
			wantApplied    bool
			wantGeneration int64
			wantPoint      string
		}{
			{"first", "one", first, true, 1, "main"},
			{"first again", "one", first, false, 1, "main"},
			{"second", "two", second, true, 2, "spare"},
			{"an old replica starts with the first", "one", first, false, 2, "spare"},
			{"another hash of the same rows", "three", second, true, 3, "spare"},
		} {
			applied, err := s.ApplySettings(t.Context(), "file", row.content, row.c, at)
			if err != nil || applied != row.wantApplied {
				t.Fatalf("%s: applied %v, %v", row.name, applied, err)
			}
			got, err := s.LoadSettings(t.Context())
			if err != nil || got.Generation != row.wantGeneration || got.Entries[0].Account != row.wantPoint {
				t.Errorf("%s: generation %d, entry points to %s, %v; want %d, %s", row.name, got.Generation, got.Entries[0].Account, err, row.wantGeneration, row.wantPoint)
			}
		}
		got, err := s.LoadSettings(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		second.Generation = 3
		second.Apps[0].Owner, second.Entries[0].Owner, second.Accounts[0].Owner, second.Accounts[1].Owner = "file", "file", "file", "file"
		second.Apps[0].Generation, second.Entries[0].Generation, second.Accounts[0].Generation, second.Accounts[1].Generation = 1, 2, 2, 1
		if !reflect.DeepEqual(got, second) {
			t.Errorf("loaded %+v\nwant   %+v", got, second)
		}
		if n := count(t, s, "select count(*) from settings_history"); n != 4+2 {
			t.Errorf("%d rows of history, want 6: the first four and the two that changed", n)
		}
	})
}

func TestSettingsFromManyReplicasAtOnce(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		applied := make([]bool, 6)
		errs := atOnce(len(applied), func(i int) (err error) {
			applied[i], err = s.ApplySettings(t.Context(), "file", "one", settingsOfNow(), at)
			return err
		})
		n := 0
		for _, a := range applied {
			if a {
				n++
			}
		}
		if err := errors.Join(errs...); err != nil || n != 1 {
			t.Errorf("applied %d times, %v; want once", n, err)
		}
	})
}

// refusal applies settings that must be refused, and checks that nothing was changed.
func refusal(t *testing.T, s *Store, owner string, c ports.SettingsContent, now time.Time) *ports.SettingsRefusal {
	t.Helper()
	before, err := s.LoadSettings(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var refused *ports.SettingsRefusal
	if _, err := s.ApplySettings(t.Context(), owner, number(), c, now); !errors.As(err, &refused) {
		t.Fatalf("not refused: %v", err)
	}
	if after, err := s.LoadSettings(t.Context()); err != nil || !reflect.DeepEqual(after, before) {
		t.Errorf("refused, yet the settings changed: %+v, %v", after, err)
	}
	return refused
}

func TestR37_AnAccountInUseCannotBeDropped(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		if _, err := s.ApplySettings(t.Context(), "file", "one", settingsOfNow(), at); err != nil {
			t.Fatal(err)
		}
		without := settingsOfNow()
		without.Accounts, without.Entries = without.Accounts[1:], nil
		live := newPayment(addOrder(t, s, newOrder()))
		addPayment(t, s, live)
		_, p := paid(t, s)
		r := refusal(t, s, "file", without, at)
		if r.Account != "main" || r.Total != 2 || !reflect.DeepEqual(r.Payments, []string{live.Number, p.Number}) || !strings.Contains(r.Problem, "retired: true") {
			t.Errorf("refused with %+v", r)
		}

		live.State, live.Due = pay.PaymentClosed, time.Time{}
		apply(t, s, live.Number, paymentMoved(pay.PaymentCreated, live, "closed"))
		if r := refusal(t, s, "file", without, at); r.Total != 1 || r.Payments[0] != p.Number {
			t.Errorf("one is closed: %+v", r)
		}
		whole := newRefund(p, "all")
		whole.Amount = p.Content.Amount
		apply(t, s, p.Number, refundMade(whole))
		refusal(t, s, "file", without, p.SucceededAt.Add(p.Route.Policy.RefundAge+time.Second)) // its refund is under way
		whole.State, whole.Due = pay.RefundSucceeded, time.Time{}
		apply(t, s, p.Number, pay.Decision{Refunds: []pay.Move[pay.Refund, pay.RefundState]{{From: pay.RefundCreated, Row: whole, Cause: "refunded"}}})
		if applied, err := s.ApplySettings(t.Context(), "file", "none needs it", without, at); err != nil || !applied {
			t.Errorf("all is refunded: applied %v, %v", applied, err)
		}
		if n := count(t, s, "select count(*) from settings_history where kind = 'account' and name = 'main' and content = ''"); n != 1 {
			t.Errorf("%d rows of history say that it was dropped, want 1", n)
		}
	})
}

func TestR37_AnEntryInUseCannotBeDropped(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		settings := settingsOfNow()
		for _, name := range []string{"account-a", "account_a", "account-ab"} { // as like each other as names can be
			e := settings.Entries[0]
			e.Name, e.Account = name, "main"
			settings.Entries = append(settings.Entries, e)
		}
		settings.Entries = settings.Entries[1:]
		if _, err := s.ApplySettings(t.Context(), "file", "one", settings, at); err != nil {
			t.Fatal(err)
		}
		without := func(name string) ports.SettingsContent {
			c := settings
			c.Entries = slices.DeleteFunc(slices.Clone(settings.Entries), func(e ports.Entry) bool { return e.Name == name })
			return c
		}
		live := newPayment(addOrder(t, s, newOrder())) // through account-a
		addPayment(t, s, live)
		if r := refusal(t, s, "file", without("account-a"), at); r.Account != "account-a" || r.Total != 1 || r.Payments[0] != live.Number || !strings.Contains(r.Problem, "retired: true") {
			t.Errorf("refused with %+v", r)
		}
		for _, other := range []string{"account_a", "account-ab"} {
			if _, err := s.ApplySettings(t.Context(), "file", other, without(other), at); err != nil {
				t.Errorf("%s: %v", other, err)
			}
		}
		live.State, live.Due = pay.PaymentClosed, time.Time{}
		apply(t, s, live.Number, paymentMoved(pay.PaymentCreated, live, "closed"))
		o := addOrder(t, s, newOrder())
		p := newPayment(o)
		p.Route.FulfilmentDays = 3
		claim := addPayment(t, s, p)
		d := settled(o, p)
		d.NewFulfilments = []pay.Fulfilment{newFulfilment(p)}
		apply(t, s, p.Number, d, claim)
		refusal(t, s, "file", without("account-a"), at) // its report needs the entry's secret
		done := d.NewFulfilments[0]
		done.State, done.Due = pay.FulfilmentNotNeeded, time.Time{}
		apply(t, s, p.Number, pay.Decision{Fulfilments: []pay.Move[pay.Fulfilment, pay.FulfilmentState]{{From: pay.FulfilmentAwaited, Row: done}}})
		if _, err := s.ApplySettings(t.Context(), "file", "free", without("account-a"), at); err != nil {
			t.Errorf("nothing needs it any more: %v", err)
		}
	})
}

func TestR37_AnAccountIsFreeAfterTheAgeOfRefunds(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		if _, err := s.ApplySettings(t.Context(), "file", "one", settingsOfNow(), at); err != nil {
			t.Fatal(err)
		}
		_, p := paid(t, s)
		end := p.SucceededAt.Add(p.Route.Policy.RefundAge)
		without := settingsOfNow()
		without.Accounts = without.Accounts[1:]
		refusal(t, s, "file", without, end.Add(-time.Second))
		if _, err := s.ApplySettings(t.Context(), "file", "late", without, end); err != nil {
			t.Errorf("nothing can be refunded any more: %v", err)
		}
	})
}

func TestR27_TheMerchantBehindANameNeverChanges(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		if _, err := s.ApplySettings(t.Context(), "file", "one", settingsOfNow(), at); err != nil {
			t.Fatal(err)
		}
		for name, change := range map[string]func(*ports.Account){
			"merchant":     func(a *ports.Account) { a.MchID = "1900000003" },
			"sub merchant": func(a *ports.Account) { a.SubMchID = "" },
			"provider":     func(a *ports.Account) { a.Provider = "other" },
		} {
			c := settingsOfNow()
			change(&c.Accounts[0])
			if r := refusal(t, s, "file", c, at); r.Account != "main" || !strings.Contains(r.Problem, "1900000001") {
				t.Errorf("another %s: %+v", name, r)
			}
		}
		without := settingsOfNow()
		without.Accounts = without.Accounts[:1]
		if _, err := s.ApplySettings(t.Context(), "file", "without spare", without, at); err != nil {
			t.Fatal(err)
		}
		other := settingsOfNow()
		other.Accounts[1].MchID = "1900000009"
		refusal(t, s, "file", other, at) // also not after it was dropped
		rotated := settingsOfNow()
		rotated.Accounts[0].Config = []byte(`{"key":"env:NEW_KEY","serial":"?"}`)
		if _, err := s.ApplySettings(t.Context(), "file", "rotated", rotated, at); err != nil {
			t.Errorf("keys may rotate: %v", err)
		}
	})
}

func TestARowBelongsToWhoMadeIt(t *testing.T) {
	onBoth(t, func(t *testing.T, s *Store) {
		if _, err := s.ApplySettings(t.Context(), "file", "one", settingsOfNow(), at); err != nil {
			t.Fatal(err)
		}
		theirs := settingsOfNow()
		theirs.Accounts, theirs.Entries = nil, nil
		if r := refusal(t, s, "admin", theirs, at); !strings.Contains(r.Problem, "belongs to file") {
			t.Errorf("another's app: %+v", r)
		}
		theirs.Apps[0].Name = "school"
		if _, err := s.ApplySettings(t.Context(), "admin", "one", theirs, at); err != nil {
			t.Fatal(err)
		}
		if c, err := s.LoadSettings(t.Context()); err != nil || len(c.Apps) != 2 || len(c.Accounts) != 2 {
			t.Errorf("the file's rows were dropped: %+v, %v", c, err)
		}
	})
}
