package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/uptrace/bun"

	"github.com/paybridge/paybridge/ports"
)

// settingRow is one app, entry or account.
type settingRow struct {
	bun.BaseModel `bun:"table:settings"`

	Kind       string `bun:",pk"`
	Name       string `bun:",pk"`
	Owner      string
	Generation int64
	Content    string
}

func (r settingRow) same(other settingRow) bool { return r.Kind == other.Kind && r.Name == other.Name }

// ApplySettings makes an owner's rows be these (ports.Settings).
func (s *Store) ApplySettings(ctx context.Context, owner, content string, c ports.SettingsContent, now time.Time) (applied bool, err error) {
	wanted, err := settingRows(owner, c)
	if err != nil {
		return false, err
	}
	err = s.inTx(ctx, func(t *tx) error {
		a, err := t.changeSettings(ctx, owner, now)
		if err != nil {
			return err
		}
		before, err := t.tx.NewSelect().Table("settings_generations").Where("owner = ?", owner).Where("content = ?", content).Exists(ctx)
		if err != nil || before {
			return err
		}
		applied = true
		drop := slices.DeleteFunc(slices.Clone(a.there), func(r settingRow) bool { return r.Owner != owner || slices.ContainsFunc(wanted, r.same) })
		if err := a.change(ctx, wanted, c.Accounts, drop); err != nil {
			return err
		}
		return a.done(ctx, owner, content)
	})
	if err != nil {
		return false, failed(err, "apply settings")
	}
	return applied, nil
}

// ChangeSettings writes some rows and drops others (ports.Settings).
func (s *Store) ChangeSettings(ctx context.Context, c ports.SettingsChange, now time.Time) (generation int64, err error) {
	wanted, err := settingRows(c.Owner, c.Put)
	if err != nil {
		return 0, err
	}
	err = s.inTx(ctx, func(t *tx) error {
		a, err := t.changeSettings(ctx, c.Owner, now)
		if err != nil {
			return err
		}
		if a.generation-1 != c.Base {
			return fmt.Errorf("the settings are of generation %d: %w", a.generation-1, ports.ErrMoved)
		}
		var drop []settingRow
		for _, key := range c.Drop {
			i := slices.IndexFunc(a.there, settingRow{Kind: string(key.Kind), Name: key.Name}.same)
			if i < 0 {
				return fmt.Errorf("%s: %w", key, ports.ErrNotFound)
			}
			drop = append(drop, a.there[i])
		}
		if err := a.change(ctx, wanted, c.Put.Accounts, drop); err != nil {
			return err
		}
		if generation = c.Base; a.changed == 0 && c.Content == "" {
			return nil
		}
		generation = a.generation
		if err := a.done(ctx, c.By, c.Content); err != nil || !c.Try {
			return err
		}
		return errTried
	})
	if err != nil && !errors.Is(err, errTried) {
		return 0, failed(err, "change settings")
	}
	return generation, nil
}

// errTried undoes a change that was only tried.
var errTried = errors.New("only tried")

func settingRows(owner string, c ports.SettingsContent) ([]settingRow, error) {
	var rows []settingRow
	add := func(kind, name string, v any) error {
		text, err := toJSON(v)
		rows = append(rows, settingRow{Kind: kind, Name: name, Owner: owner, Content: text})
		return err
	}
	var errs []error
	for _, a := range c.Apps {
		errs = append(errs, add("app", a.Name, a))
	}
	for _, e := range c.Entries {
		errs = append(errs, add("entry", e.Name, e))
	}
	for _, a := range c.Accounts {
		errs = append(errs, add("account", a.Name, a))
	}
	return rows, errors.Join(errs...)
}

// LoadSettings reads all rows (ports.Settings).
func (s *Store) LoadSettings(ctx context.Context) (c ports.SettingsContent, err error) {
	if c.Generation, err = s.SettingsGeneration(ctx); err != nil { // first: who changes what was read later is refused
		return c, err
	}
	var rows []settingRow
	if err := s.read.NewSelect().Model(&rows).OrderExpr("kind, name").Scan(ctx); err != nil {
		return c, failed(err, "load the settings")
	}
	for _, r := range rows {
		switch r.Kind {
		case "app":
			c.Apps = append(c.Apps, ports.App{})
			last := &c.Apps[len(c.Apps)-1]
			err, last.Generation, last.Owner = json.Unmarshal([]byte(r.Content), last), r.Generation, r.Owner
		case "entry":
			c.Entries = append(c.Entries, ports.Entry{})
			last := &c.Entries[len(c.Entries)-1]
			err, last.Generation, last.Owner = json.Unmarshal([]byte(r.Content), last), r.Generation, r.Owner
		case "account":
			c.Accounts = append(c.Accounts, ports.Account{})
			last := &c.Accounts[len(c.Accounts)-1]
			err, last.Generation, last.Owner = json.Unmarshal([]byte(r.Content), last), r.Generation, r.Owner
		}
		if err != nil {
			return c, failed(err, "read %s %s", r.Kind, r.Name)
		}
	}
	return c, nil
}

// SettingsGeneration is the newest generation (ports.Settings).
func (s *Store) SettingsGeneration(ctx context.Context) (generation int64, err error) {
	err = s.read.NewSelect().Table("settings_generations").ColumnExpr("coalesce(max(generation), 0)").Scan(ctx, &generation)
	if err != nil {
		return 0, failed(err, "read the settings' generation")
	}
	return generation, nil
}
