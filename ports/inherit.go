package ports

import (
	"cmp"
	"slices"

	"github.com/paybridge/paybridge/core/pay"
)

// Inherited gives every row what its template says: an account the config, an entry each value that it has not itself.
// A row whose template is gone is left as it is. Generations are those of the younger one.
func (c SettingsContent) Inherited() SettingsContent {
	out := SettingsContent{Generation: c.Generation, Apps: c.Apps, Entries: slices.Clone(c.Entries), Accounts: slices.Clone(c.Accounts)}
	for i, a := range c.Accounts {
		if t, ok := c.Account(a.From); ok && a.From != "" {
			out.Accounts[i].Config, out.Accounts[i].Generation = t.Config, max(a.Generation, t.Generation)
		}
	}
	for i, e := range c.Entries {
		t, ok := c.Entry(e.From)
		if !ok || e.From == "" {
			continue
		}
		e.Provider, e.AppID, e.OpenIDKind = cmp.Or(e.Provider, t.Provider), cmp.Or(e.AppID, t.AppID), cmp.Or(e.OpenIDKind, t.OpenIDKind)
		e.Method, e.NotifyBase, e.LatePay = cmp.Or(e.Method, t.Method), cmp.Or(e.NotifyBase, t.NotifyBase), cmp.Or(e.LatePay, t.LatePay)
		e.Scope, e.HandOver, e.PayPage = cmp.Or(e.Scope, t.Scope), cmp.Or(e.HandOver, t.HandOver), cmp.Or(e.PayPage, t.PayPage)
		e.Prepare = cmp.Or(e.Prepare, t.Prepare)
		e.FulfilmentDays = cmp.Or(e.FulfilmentDays, t.FulfilmentDays)
		if e.OpenIDKind == pay.OpenIDSub {
			e.SpAppID = cmp.Or(e.SpAppID, t.SpAppID)
		}
		if e.AppID == t.AppID { // the secret is an app id's
			e.Secret = cmp.Or(e.Secret, t.Secret)
		}
		if len(e.ReturnURLs) == 0 {
			e.ReturnURLs = t.ReturnURLs
		}
		if len(e.Options) == 0 {
			e.Options = t.Options
		}
		e.Generation = max(e.Generation, t.Generation)
		out.Entries[i] = e
	}
	return out
}

// App finds an app by its name.
func (c SettingsContent) App(name string) (App, bool) {
	return find(c.Apps, func(a App) bool { return a.Name == name })
}

// Entry finds an entry by its name.
func (c SettingsContent) Entry(name string) (Entry, bool) {
	return find(c.Entries, func(e Entry) bool { return e.Name == name })
}

// Account finds an account by its name.
func (c SettingsContent) Account(name string) (Account, bool) {
	return find(c.Accounts, func(a Account) bool { return a.Name == name })
}

func find[T any](all []T, is func(T) bool) (t T, ok bool) {
	if i := slices.IndexFunc(all, is); i >= 0 {
		return all[i], true
	}
	return t, false
}

// With is these settings after rows were put and dropped.
func (c SettingsContent) With(put SettingsContent, drop ...SettingKey) SettingsContent {
	return SettingsContent{
		Generation: c.Generation,
		Apps:       with(c.Apps, put.Apps, drop, func(a App) SettingKey { return SettingKey{AppSetting, a.Name} }),
		Entries:    with(c.Entries, put.Entries, drop, func(e Entry) SettingKey { return SettingKey{EntrySetting, e.Name} }),
		Accounts:   with(c.Accounts, put.Accounts, drop, func(a Account) SettingKey { return SettingKey{AccountSetting, a.Name} }),
	}
}

func with[T any](all, put []T, drop []SettingKey, key func(T) SettingKey) (out []T) {
	for _, row := range all {
		same := func(other T) bool { return key(other) == key(row) }
		if !slices.Contains(drop, key(row)) && !slices.ContainsFunc(put, same) {
			out = append(out, row)
		}
	}
	return append(out, put...)
}
