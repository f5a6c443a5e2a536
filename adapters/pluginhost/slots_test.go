package pluginhost

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/paybridge/paybridge/ports"
)

func TestR36_HungAccountsLeaveOthersRoom(t *testing.T) {
	t.Parallel()
	s := newSlots(64)
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	for _, hung := range []string{"a", "b", "c"} {
		for range 8 {
			if _, err := s.take(t.Context(), hung); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := s.take(ended, hung); err == nil {
			t.Errorf("account %s has more than an eighth", hung)
		}
	}
	release, err := s.take(t.Context(), "d")
	if err != nil {
		t.Fatal(err)
	}
	release()
}

func TestR36_OneAccountNeverHasEveryPlace(t *testing.T) {
	t.Parallel()
	for _, n := range []int{2, billsAtOnce, 256} {
		s := newSlots(n)
		if most := cap(s.of("hung")); most < 1 || most >= n {
			t.Errorf("of %d places one account may have %d", n, most)
		}
	}
}

// What the host keeps of an account decides what a plugin that comes back is given.
func TestR37_WhatIsKeptOfAnAccount(t *testing.T) {
	t.Parallel()
	wrong := &ConfigError{"account one", []FieldProblem{{Problem: "wrong"}}}
	away := fmt.Errorf("plugin down: %w", ports.ErrUnavailable)
	otherMerchant := errors.New("the plugin signs for another merchant")
	one, two, three := Account{Name: "one", Generation: 1}, Account{Name: "one", Generation: 2}, Account{Name: "one", Generation: 3}
	for _, row := range []struct {
		name  string
		held  *account
		given Account
		asked bool
		err   error
		want  *account
	}{
		{"the first one is taken", nil, one, true, nil, &account{Account: one}},
		{"the first one is wrong: it is tried again", nil, one, true, wrong, &account{Account: one, problem: wrong}},
		{"a wrong one does not replace one in use", &account{Account: one}, two, true, wrong, nil},
		{"nor one whose secret cannot be read", &account{Account: one}, two, false, otherMerchant, nil},
		{"nobody answers: one of the two is in use", &account{Account: one}, two, true, away, &account{Account: two, proven: &one}},
		{"nobody answers, twice: the last that was taken stays known", &account{Account: two, proven: &one}, three, true, away, &account{Account: three, proven: &one}},
		{"it answers at last", &account{Account: two, proven: &one}, two, true, nil, &account{Account: two}},
		{"what was out of use is replaced by anything", &account{Account: one, problem: wrong}, two, true, away, &account{Account: two, problem: away}},
		{"the plugin has it, and must not use it", &account{Account: one}, two, true, otherMerchant, &account{Account: two, problem: otherMerchant}},
	} {
		if got, want := told(kept(row.held, row.given, row.asked, row.err)), told(row.want); got != want {
			t.Errorf("%s: %s, want %s", row.name, got, want)
		}
	}
}

func told(a *account) string {
	switch {
	case a == nil:
		return "what was there"
	case a.proven == nil:
		return fmt.Sprintf("generation %d, problem %v", a.Generation, a.problem)
	}
	return fmt.Sprintf("generation %d, problem %v, before it %d", a.Generation, a.problem, a.proven.Generation)
}

func TestConfigureWaitsNoLongerThanItsContext(t *testing.T) {
	t.Parallel()
	i := newInstance(Options{}, Pin{Name: "x"}, nil)
	i.configuring <- struct{}{} // a replay that never ends
	h := &Host{instances: map[string]*instance{"x": i}}
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	if err := h.Configure(ended, Account{Provider: "x", Config: []byte(`{}`)}); err == nil {
		t.Error("configured")
	}
}
