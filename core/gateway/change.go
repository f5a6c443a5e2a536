package gateway

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/paybridge/paybridge/ports"
)

// Who owns a row, and so changes it: the configuration file, or the operator at run time.
const (
	FileOwner  = "file"
	AdminOwner = "admin"
)

// Match says which version of a row a change is for, so that nobody undoes what he has not seen.
type Match struct {
	Absent     bool  // there must be no such row
	Any        bool  // whatever it says now
	Generation int64 // the one that was read; 0: none was named, which only a new row allows
}

var (
	// ErrUnread says that a change of a row does not say which version it is for.
	ErrUnread = errors.New("the change does not say for which generation it is")
	// ErrGeneration says that a row is not of the generation that a change was made for.
	ErrGeneration = errors.New("the row has changed since it was read")
)

// SettingsInvalid says what is wrong with settings that were not stored.
type SettingsInvalid struct{ Problems []ports.SettingProblem }

func (s *SettingsInvalid) Error() string {
	lines := make([]string, len(s.Problems))
	for i, p := range s.Problems {
		lines[i] = p.Row.String() + ": " + p.Key + " " + p.What
	}
	return strings.Join(lines, "; ")
}

// Settings shows all apps, entries and accounts as they are stored, without their secrets.
func (g *Gateway) Settings(ctx context.Context) (ports.SettingsContent, error) {
	c, err := g.Store.LoadSettings(ctx)
	if err != nil {
		return c, err
	}
	return marked(c), nil
}

// mostVersions is how many versions of a row are read at once.
const mostVersions = 100

// SettingPage is a part of a row's history.
type SettingPage struct {
	Versions []ports.SettingVersion
	More     bool // older ones
}

// SettingHistory shows what became of a row, the newest first; before is the generation that a page ended with, 0 the
// newest. ErrNotFound where there never was one.
func (g *Gateway) SettingHistory(ctx context.Context, key ports.SettingKey, before int64) (SettingPage, error) {
	versions, err := g.Store.SettingHistory(ctx, key, before, mostVersions+1)
	if err == nil && len(versions) == 0 && before == 0 {
		err = fmt.Errorf("%s: %w", key, ports.ErrNotFound)
	}
	page := SettingPage{versions[:min(len(versions), mostVersions)], len(versions) > mostVersions}
	for i := range page.Versions {
		page.Versions[i].Content = withMarks(page.Versions[i].Content)
	}
	return page, err
}

// PutSetting makes one row, or changes it, to what put says. It returns the settings after it, and whether the row is
// new. Secrets in the clear are sealed first.
func (g *Gateway) PutSetting(ctx context.Context, by string, m Match, put ports.SettingsContent) (after ports.SettingsContent, created bool, err error) {
	key := keysOf(put)[0]
	after, err = g.change(ctx, by, func(now ports.SettingsContent) (ports.SettingsContent, []ports.SettingKey, error) {
		generation, there := generationOf(now, key)
		created = !there
		if err := m.fits(key, generation, there); err != nil {
			return put, nil, err
		}
		row, err := g.secured(put, now)
		if err != nil {
			return put, nil, err
		}
		return row, nil, nil
	})
	return after, created, err
}

// RetireSetting keeps a row for what is there already: no new payments (an account, an entry), no new orders (an app).
func (g *Gateway) RetireSetting(ctx context.Context, by string, m Match, key ports.SettingKey) (after ports.SettingsContent, err error) {
	return g.change(ctx, by, func(now ports.SettingsContent) (put ports.SettingsContent, _ []ports.SettingKey, err error) {
		generation, there := generationOf(now, key)
		if !there {
			return put, nil, fmt.Errorf("%s: %w", key, ports.ErrNotFound)
		}
		if m.Generation != 0 { // retired twice is retired: it need not be read before
			err = m.fits(key, generation, true)
		}
		put = rowsOf(now, key)
		for i := range put.Apps {
			put.Apps[i].Retired = true
		}
		for i := range put.Entries {
			put.Entries[i].Retired = true
		}
		for i := range put.Accounts {
			put.Accounts[i].Retired = true
		}
		return put, nil, err
	})
}

// DropSetting drops a row that nothing needs any more. Its history stays.
func (g *Gateway) DropSetting(ctx context.Context, by string, m Match, key ports.SettingKey) error {
	_, err := g.change(ctx, by, func(now ports.SettingsContent) (put ports.SettingsContent, drop []ports.SettingKey, err error) {
		generation, there := generationOf(now, key)
		if !there {
			return put, nil, fmt.Errorf("%s: %w", key, ports.ErrNotFound)
		}
		return put, []ports.SettingKey{key}, m.fits(key, generation, true)
	})
	return err
}

// change makes one change of the operator's for the settings as they are now. What is wrong with the changed rows refuses
// it, and what it makes wrong with others.
func (g *Gateway) change(ctx context.Context, by string, decide func(now ports.SettingsContent) (put ports.SettingsContent, drop []ports.SettingKey, err error)) (after ports.SettingsContent, err error) {
	err = g.inTurn(ctx, func(before ports.SettingsContent) error {
		put, drop, err := decide(before)
		if err != nil {
			return err
		}
		after, err = g.changeOnce(ctx, before, ports.SettingsChange{Owner: AdminOwner, By: by, Put: put, Drop: drop})
		return err
	})
	return after, err
}

// inTurn decides a change of the settings, one at a time in this process, and again when another replica was faster.
func (g *Gateway) inTurn(ctx context.Context, f func(before ports.SettingsContent) error) error {
	busy := &Unavailable{"others are changing the settings", askAgain}
	select {
	case g.changing <- struct{}{}:
		defer func() { <-g.changing }()
	case <-ctx.Done():
		return busy
	}
	for {
		before, err := g.Store.LoadSettings(ctx)
		if err != nil {
			return err
		}
		if err = f(before); !errors.Is(err, ports.ErrMoved) {
			return err
		}
		select {
		case <-ctx.Done():
			return busy
		case <-time.After(rand.N(20 * time.Millisecond)):
		}
	}
}

// changeOnce makes a change for settings that were read.
func (g *Gateway) changeOnce(ctx context.Context, before ports.SettingsContent, c ports.SettingsChange) (after ports.SettingsContent, err error) {
	keys := keysOf(c.Put)
	after = g.Rules.Complete(before.With(c.Put, c.Drop...))
	if problems := newProblems(g.Rules.Problems(before), g.Rules.Problems(after), keys); len(problems) > 0 {
		return after, &SettingsInvalid{problems}
	}
	problems, err := g.Rules.PluginProblems(rowsOf(after.Inherited(), keys...))
	if err != nil {
		return after, err
	}
	if len(problems) > 0 {
		return after, &SettingsInvalid{problems}
	}
	c.Base, c.Put = before.Generation, rowsOf(after, keys...)
	if _, err := g.Store.ChangeSettings(ctx, c, g.Clock.Now()); err != nil || c.Try {
		return marked(after), err
	}
	select {
	case g.changed <- struct{}{}:
	default:
	}
	stored, err := g.Store.LoadSettings(ctx)
	return marked(stored), err
}

// newProblems are those of the changed rows, and those that were not there before.
func newProblems(before, after []ports.SettingProblem, changed []ports.SettingKey) (all []ports.SettingProblem) {
	for _, p := range after {
		if slices.Contains(changed, p.Row) || !slices.Contains(before, p) {
			all = append(all, p)
		}
	}
	return all
}

func (m Match) fits(key ports.SettingKey, generation int64, there bool) error {
	switch {
	case m.Any && there || !m.Any && !m.Absent && m.Generation == 0 && !there:
		return nil
	case m.Absent && !there || m.Generation == generation && there:
		return nil
	case there && m == Match{}:
		return fmt.Errorf("%s, of generation %d: %w", key, generation, ErrUnread)
	case !there:
		return fmt.Errorf("%s is not there: %w", key, ErrGeneration)
	}
	return fmt.Errorf("%s is of generation %d: %w", key, generation, ErrGeneration)
}

// keysOf names all rows.
func keysOf(c ports.SettingsContent) (keys []ports.SettingKey) {
	for _, a := range c.Apps {
		keys = append(keys, ports.SettingKey{Kind: ports.AppSetting, Name: a.Name})
	}
	for _, e := range c.Entries {
		keys = append(keys, ports.SettingKey{Kind: ports.EntrySetting, Name: e.Name})
	}
	for _, a := range c.Accounts {
		keys = append(keys, ports.SettingKey{Kind: ports.AccountSetting, Name: a.Name})
	}
	return keys
}

// rowsOf are some of the rows.
func rowsOf(c ports.SettingsContent, keys ...ports.SettingKey) (some ports.SettingsContent) {
	some.Generation = c.Generation
	for _, key := range keys {
		if a, ok := c.App(key.Name); ok && key.Kind == ports.AppSetting {
			some.Apps = append(some.Apps, a)
		}
		if e, ok := c.Entry(key.Name); ok && key.Kind == ports.EntrySetting {
			some.Entries = append(some.Entries, e)
		}
		if a, ok := c.Account(key.Name); ok && key.Kind == ports.AccountSetting {
			some.Accounts = append(some.Accounts, a)
		}
	}
	return some
}

func generationOf(c ports.SettingsContent, key ports.SettingKey) (generation int64, there bool) {
	some := rowsOf(c, key)
	for _, a := range some.Apps {
		return a.Generation, true
	}
	for _, e := range some.Entries {
		return e.Generation, true
	}
	for _, a := range some.Accounts {
		return a.Generation, true
	}
	return 0, false
}
