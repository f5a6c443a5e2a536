package gateway

import (
	"context"
	"testing"

	"github.com/paybridge/paybridge/ports"
)

// changing is a store whose settings somebody changes just while they are read.
type changing struct {
	ports.Store
	generation int64
	entries    []ports.Entry
	meanwhile  func()
}

func (c *changing) SettingsGeneration(context.Context) (int64, error) { return c.generation, nil }

func (c *changing) LoadSettings(context.Context) (ports.SettingsContent, error) {
	rows := ports.SettingsContent{Generation: c.generation, Entries: c.entries}
	if c.meanwhile != nil {
		c.meanwhile()
	}
	return rows, nil
}

// The generation is read before the rows: what comes between is seen at the next look, and never missed.
func TestAChangeWhileSettingsAreReadIsNotMissed(t *testing.T) {
	t.Parallel()
	store := &changing{generation: 1}
	store.meanwhile = func() {
		store.generation, store.entries, store.meanwhile = 2, []ports.Entry{{Name: "new"}}, nil
	}
	g := New(Options{Store: store})
	for look, want := range []struct {
		changed bool
		inUse   int64
		entries int
	}{{true, 1, 0}, {true, 2, 1}, {false, 2, 1}} {
		changed, err := g.LoadSettings(t.Context(), func([]ports.Account) {})
		if err != nil || changed != want.changed || g.SettingsInUse() != want.inUse || len(g.settings.Load().entries) != want.entries {
			t.Errorf("look %d: changed %v, generation %d, %d entries, %v; want %+v", look, changed, g.SettingsInUse(), len(g.settings.Load().entries), err, want)
		}
	}
}

// Plugins have the accounts before a payment can meet them.
func TestAccountsAreConfiguredBeforeTheyAreUsed(t *testing.T) {
	t.Parallel()
	store := &changing{generation: 1, entries: []ports.Entry{{Name: "old"}}}
	g := New(Options{Store: store})
	seen := int64(-1)
	if _, err := g.LoadSettings(t.Context(), func([]ports.Account) { seen = g.SettingsInUse() }); err != nil {
		t.Fatal(err)
	}
	if seen != 0 || g.SettingsInUse() != 1 {
		t.Errorf("while the plugins were configured, generation %d was in use, and then %d; want 0, 1", seen, g.SettingsInUse())
	}
}

func TestMatch(t *testing.T) {
	t.Parallel()
	key := ports.SettingKey{Kind: ports.EntrySetting, Name: "clinic"}
	for _, c := range []struct {
		name       string
		m          Match
		generation int64 // of the row; 0: there is none
		ok         bool
	}{
		{"a new row", Match{}, 0, true},
		{"a new row on purpose", Match{Absent: true}, 0, true},
		{"a row unread", Match{}, 3, false},
		{"a row as it was read", Match{Generation: 3}, 3, true},
		{"a row that has changed", Match{Generation: 2}, 3, false},
		{"a row that was dropped", Match{Generation: 2}, 0, false},
		{"a new row where there is one", Match{Absent: true}, 3, false},
		{"any row", Match{Any: true}, 3, true},
		{"any row where there is none", Match{Any: true}, 0, false},
	} {
		if err := c.m.fits(key, c.generation, c.generation != 0); (err == nil) != c.ok {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}
