package store

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/paybridge/paybridge/ports"
)

// changingSettings is one new generation on its way in.
type changingSettings struct {
	tx         *tx
	owner      string
	generation int64
	now        time.Time
	there      []settingRow // before
	changed    int          // rows
}

// changeSettings begins a change: one at a time, on the rows as they are now.
func (t *tx) changeSettings(ctx context.Context, owner string, now time.Time) (*changingSettings, error) {
	if t.s.postgres {
		if _, err := t.tx.ExecContext(ctx, "lock table settings in share row exclusive mode"); err != nil {
			return nil, err
		}
	}
	a := &changingSettings{tx: t, owner: owner, now: now}
	if err := t.tx.NewSelect().Table("settings_generations").ColumnExpr("coalesce(max(generation), 0) + 1").Scan(ctx, &a.generation); err != nil {
		return nil, err
	}
	return a, t.tx.NewSelect().Model(&a.there).OrderExpr("kind, name").Scan(ctx)
}

// done writes the generation down. A configuration that was applied before and is applied again counts from now on.
func (a *changingSettings) done(ctx context.Context, by, content string) error {
	if content != "" {
		if _, err := a.tx.tx.ExecContext(ctx, "update settings_generations set content = '' where owner = ? and content = ?", a.owner, content); err != nil {
			return err
		}
	}
	_, err := a.tx.tx.ExecContext(ctx, "insert into settings_generations (generation, owner, content, changed_by, at) values (?, ?, ?, ?, ?)",
		a.generation, a.owner, content, by, micros(a.now))
	return err
}

// merchants holds every account against the merchant numbers first seen under its name (R27).
func (a *changingSettings) merchants(ctx context.Context, accounts []ports.Account) error {
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

// change writes what differs, and drops rows.
func (a *changingSettings) change(ctx context.Context, wanted []settingRow, accounts []ports.Account, drop []settingRow) error {
	if err := a.merchants(ctx, accounts); err != nil {
		return err
	}
	for _, row := range wanted {
		i := slices.IndexFunc(a.there, row.same)
		if i >= 0 {
			if err := a.owned(a.there[i]); err != nil {
				return err
			}
			if a.there[i].Content == row.Content {
				continue
			}
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
	isEntry := func(r settingRow) bool { return r.Kind == string(ports.EntrySetting) }
	drop = slices.Clone(drop)
	slices.SortStableFunc(drop, func(x, y settingRow) int { // an account's refusal names more
		return cmp.Compare(map[bool]int{true: 1}[isEntry(x)], map[bool]int{true: 1}[isEntry(y)])
	})
	for _, row := range drop {
		if err := a.drop(ctx, row, drop); err != nil {
			return err
		}
	}
	return nil
}

func (a *changingSettings) drop(ctx context.Context, row settingRow, all []settingRow) error {
	if err := a.owned(row); err != nil {
		return err
	}
	// First deleted, then counted: a payment that is being made holds the row until it is there to be counted.
	if _, err := a.tx.tx.NewDelete().Model(&row).WherePK().Exec(ctx); err != nil {
		return err
	}
	if row.Kind == string(ports.AccountSetting) {
		if err := a.needed(ctx, row.Name); err != nil {
			return err
		}
	}
	if row.Kind == string(ports.EntrySetting) {
		if err := a.open(ctx, row.Name); err != nil {
			return err
		}
	}
	for _, other := range a.there {
		var made struct{ From string }
		if err := json.Unmarshal([]byte(other.Content), &made); err != nil {
			return fmt.Errorf("read %s %s: %w", other.Kind, other.Name, err)
		}
		if other.Kind == row.Kind && made.From == row.Name && !slices.ContainsFunc(all, other.same) {
			return &ports.SettingsRefusal{Account: row.Name, Problem: "the " + row.Kind + " " + other.Name + " is made from it: drop that first, or keep this one"}
		}
	}
	row.Content = ""
	return a.history(ctx, row)
}

func (a *changingSettings) owned(row settingRow) error {
	if row.Owner == a.owner {
		return nil
	}
	return &ports.SettingsRefusal{Account: row.Name, Problem: "the " + row.Kind + " of this name belongs to " + row.Owner + ": change it there, or choose another name"}
}

func (a *changingSettings) history(ctx context.Context, row settingRow) error {
	a.changed++
	_, err := a.tx.tx.ExecContext(ctx, "insert into settings_history (kind, name, owner, generation, content) values (?, ?, ?, ?, ?)",
		row.Kind, row.Name, a.owner, a.generation, row.Content)
	return err
}

// open refuses to drop an entry while payers may still pay what was begun through it and come back to its pages, or while something
// of it has to be reported in its app id's name (R37).
func (a *changingSettings) open(ctx context.Context, entry string) error {
	name, err := toJSON(entry)
	if err != nil {
		return err
	}
	of := "%\"entry\":" + escapedLike(name) + ",%"
	const needing = `select number from payments where due is not null and state in ('created', 'pending', 'closing') and route like ? escape '!'
		union select p.number from fulfilments f join payments p on p.number = f.number
		where f.due is not null and f.state in ('awaited', 'reporting', 'refused') and p.route like ? escape '!'`
	refusal := &ports.SettingsRefusal{Account: entry}
	if err := a.tx.tx.NewRaw("select count(*) from ("+needing+") as needing", of, of).Scan(ctx, &refusal.Total); err != nil || refusal.Total == 0 {
		return err
	}
	if err := a.tx.tx.NewRaw(needing+" order by number limit ?", of, of, named).Scan(ctx, &refusal.Payments); err != nil {
		return err
	}
	refusal.Problem = fmt.Sprintf("%d payments that were begun through this entry are still open, or have to be reported as fulfilled (%v…). Keep it with retired: true", refusal.Total, refusal.Payments)
	return refusal
}

// escapedLike is a text of which a LIKE pattern escaped by ! means every letter.
func escapedLike(text string) string {
	return strings.NewReplacer("!", "!!", "%", "!%", "_", "!_").Replace(text)
}

// named is how many of the payments that need an account are listed.
const named = 20

// needed refuses to drop an account while money may still come in or go back through it (R37).
func (a *changingSettings) needed(ctx context.Context, account string) error {
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
