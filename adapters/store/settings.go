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

// ApplySettings makes an owner's rows be these (ports.Settings).
func (s *Store) ApplySettings(ctx context.Context, owner, content string, c ports.SettingsContent, now time.Time) (applied bool, err error) {
	wanted, err := settingRows(owner, c)
	if err != nil {
		return false, err
	}
	err = s.inTx(ctx, func(t *tx) error {
		if s.postgres { // one change of settings at a time
			if _, err := t.tx.ExecContext(ctx, "lock table settings in share row exclusive mode"); err != nil {
				return err
			}
		}
		before, err := t.tx.NewSelect().Table("settings_applied").Where("owner = ?", owner).Where("content = ?", content).Exists(ctx)
		if err != nil || before {
			return err
		}
		applied = true
		a := applyingSettings{tx: t, owner: owner, now: now}
		if err := t.tx.NewSelect().TableExpr("(select max(generation) as g from settings_history union all select max(generation) from settings_applied) as known").
			ColumnExpr("coalesce(max(g), 0) + 1").Scan(ctx, &a.generation); err != nil {
			return err
		}
		if err := a.merchants(ctx, c.Accounts); err != nil {
			return err
		}
		if err := a.change(ctx, wanted); err != nil {
			return err
		}
		_, err = t.tx.ExecContext(ctx, "insert into settings_applied (owner, content, generation, at) values (?, ?, ?, ?)", owner, content, a.generation, micros(now))
		return err
	})
	if err != nil {
		return false, failed(err, "apply settings")
	}
	return applied, nil
}

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

// applyingSettings is one new generation on its way in.
type applyingSettings struct {
	tx         *tx
	owner      string
	generation int64
	now        time.Time
}

// merchants holds every account against the merchant numbers first seen under its name (R27).
func (a *applyingSettings) merchants(ctx context.Context, accounts []ports.Account) error {
	for _, account := range accounts {
		var seen []struct{ Provider, Mchid, SubMchid string }
		if err := a.tx.tx.NewSelect().Table("accounts_seen").Column("provider", "mchid", "sub_mchid").Where("name = ?", account.Name).Scan(ctx, &seen); err != nil {
			return err
		}
		if len(seen) == 0 {
			if _, err := a.tx.tx.ExecContext(ctx, "insert into accounts_seen (name, provider, mchid, sub_mchid) values (?, ?, ?, ?)",
				account.Name, account.Provider, account.MchID, account.SubMchID); err != nil {
				return err
			}
			continue
		}
		if was := seen[0]; was.Provider != account.Provider || was.Mchid != account.MchID || was.SubMchid != account.SubMchID {
			return &ports.SettingsRefusal{Account: account.Name, Problem: fmt.Sprintf(
				"it was merchant %s (sub merchant %q) of provider %s and would become %s (%q) of %s. Money goes back only through the merchant that took it: give the new merchant another account name, point the entries to it, and keep this one with retired: true",
				was.Mchid, was.SubMchid, was.Provider, account.MchID, account.SubMchID, account.Provider)}
		}
	}
	return nil
}

// change writes what differs and drops what the owner no longer has.
func (a *applyingSettings) change(ctx context.Context, wanted []settingRow) error {
	var there []settingRow
	if err := a.tx.tx.NewSelect().Model(&there).Scan(ctx); err != nil {
		return err
	}
	for _, row := range wanted {
		i := slices.IndexFunc(there, func(r settingRow) bool { return r.Kind == row.Kind && r.Name == row.Name })
		if i >= 0 && there[i].Owner != a.owner {
			return &ports.SettingsRefusal{Account: row.Name, Problem: "the " + row.Kind + " of this name belongs to " + there[i].Owner + ": change it there, or choose another name"}
		}
		if i >= 0 && there[i].Content == row.Content {
			continue
		}
		row.Generation = a.generation
		if _, err := a.tx.tx.NewInsert().Model(&row).On("conflict (kind, name) do update").
			Set("generation = excluded.generation, content = excluded.content").Exec(ctx); err != nil {
			return err
		}
		if err := a.history(ctx, row); err != nil {
			return err
		}
	}
	for _, row := range there {
		if row.Owner != a.owner || slices.ContainsFunc(wanted, func(r settingRow) bool { return r.Kind == row.Kind && r.Name == row.Name }) {
			continue
		}
		// First deleted, then counted: a payment that is being made holds the row until it is there to be counted.
		if _, err := a.tx.tx.NewDelete().Model(&row).WherePK().Exec(ctx); err != nil {
			return err
		}
		if row.Kind == "account" {
			if err := a.needed(ctx, row.Name); err != nil {
				return err
			}
		}
		row.Content = ""
		if err := a.history(ctx, row); err != nil {
			return err
		}
	}
	return nil
}

func (a *applyingSettings) history(ctx context.Context, row settingRow) error {
	_, err := a.tx.tx.ExecContext(ctx, "insert into settings_history (kind, name, owner, generation, content, at) values (?, ?, ?, ?, ?, ?)",
		row.Kind, row.Name, a.owner, a.generation, row.Content, micros(a.now))
	return err
}

// named is how many of the payments that need an account are listed.
const named = 20

// needed refuses to drop an account while money may still come in or go back through it (R37).
func (a *applyingSettings) needed(ctx context.Context, account string) error {
	q := a.tx.tx.NewSelect().Table("payments").Column("number").Where("account = ?", account).Where(`(
		state in ('created', 'pending', 'closing') or disputed <> ''
		or exists (select 1 from refunds r where r.payment = payments.number and r.state in ('created', 'processing'))
		or (state = 'succeeded' and (refundable_until = 0 or refundable_until > ?)
			and amount > (select coalesce(sum(r.amount), 0) from refunds r where r.payment = payments.number and r.state in ('succeeded', 'settled_outside'))))`,
		micros(a.now))
	total, err := q.Count(ctx)
	if err != nil || total == 0 {
		return err
	}
	refusal := &ports.SettingsRefusal{Account: account, Total: int(total)}
	if err := q.Order("number").Limit(named).Scan(ctx, &refusal.Payments); err != nil {
		return err
	}
	refusal.Problem = fmt.Sprintf("%d payments still need it, for their refunds, queries and notifications (%v…). Keep it with retired: true", total, refusal.Payments)
	return refusal
}

// LoadSettings reads all rows (ports.Settings).
func (s *Store) LoadSettings(ctx context.Context) (c ports.SettingsContent, err error) {
	var rows []settingRow
	if err := s.read.NewSelect().Model(&rows).OrderExpr("kind, name").Scan(ctx); err != nil {
		return c, failed(err, "load the settings")
	}
	if c.Generation, err = s.SettingsGeneration(ctx); err != nil {
		return c, err
	}
	for _, r := range rows {
		switch r.Kind {
		case "app":
			c.Apps = append(c.Apps, ports.App{})
			last := &c.Apps[len(c.Apps)-1]
			err, last.Generation = json.Unmarshal([]byte(r.Content), last), r.Generation
		case "entry":
			c.Entries = append(c.Entries, ports.Entry{})
			last := &c.Entries[len(c.Entries)-1]
			err, last.Generation = json.Unmarshal([]byte(r.Content), last), r.Generation
		case "account":
			c.Accounts = append(c.Accounts, ports.Account{})
			last := &c.Accounts[len(c.Accounts)-1]
			err, last.Generation = json.Unmarshal([]byte(r.Content), last), r.Generation
		}
		if err != nil {
			return c, failed(err, "read %s %s", r.Kind, r.Name)
		}
	}
	return c, nil
}

// SettingsGeneration is the newest generation (ports.Settings).
func (s *Store) SettingsGeneration(ctx context.Context) (generation int64, err error) {
	err = s.read.NewSelect().Table("settings_applied").ColumnExpr("coalesce(max(generation), 0)").Scan(ctx, &generation)
	if err != nil {
		return 0, failed(err, "read the settings' generation")
	}
	return generation, nil
}
