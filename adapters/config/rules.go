package config

import (
	"encoding/json"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/paybridge/paybridge/ports"
)

// What an operator changes at run time is held against the same rules as the file.

// CompleteRows fills in what follows from other values, as Load does for the file's.
func (c Config) CompleteRows(rows ports.SettingsContent) ports.SettingsContent {
	with := c.withRows(rows)
	with.settle("")
	rows.Apps, rows.Entries = slices.Clone(rows.Apps), slices.Clone(rows.Entries)
	for i, a := range with.Apps {
		if w := rows.Apps[i].Webhook; w != nil {
			rows.Apps[i].Webhook = &ports.Webhook{URL: w.URL, PrepareURL: w.PrepareURL, Secrets: w.Secrets, Version: a.Webhook.Version}
		}
	}
	for i, e := range with.Entries {
		row := &rows.Entries[i]
		row.NotifyBase, row.LatePay, row.OpenIDKind = e.NotifyBase, e.LatePay, e.OpenIDKind
	}
	return rows
}

// RowProblems says all that is wrong with rows.
func (c Config) RowProblems(rows ports.SettingsContent) (problems []ports.SettingProblem) {
	with := c.withRows(rows)
	for _, f := range with.check() {
		key, name, _ := strings.Cut(f.key, "].")
		list, at, _ := strings.Cut(key, "[")
		i, err := strconv.Atoi(at)
		p := ports.SettingProblem{Key: name, What: f.what}
		switch {
		case err != nil: // not about a row: that was said when the gateway started
			continue
		case list == "apps":
			p.Row = ports.SettingKey{Kind: ports.AppSetting, Name: rows.Apps[i].Name}
		case list == "entries":
			p.Row = ports.SettingKey{Kind: ports.EntrySetting, Name: rows.Entries[i].Name}
		case list == "accounts":
			p.Row = ports.SettingKey{Kind: ports.AccountSetting, Name: rows.Accounts[i].Name}
		default:
			continue
		}
		problems = append(problems, p)
	}
	relative := func(row ports.SettingKey, key, ref string) {
		if path, file := strings.CutPrefix(ref, fromFile); file && !filepath.IsAbs(path) {
			problems = append(problems, ports.SettingProblem{Row: row, Key: key, What: fmt.Sprintf("%s: write the whole path, from the root", ref)})
		}
	}
	for _, a := range rows.Apps {
		for j, ref := range webhookOf(a).Secrets {
			relative(ports.SettingKey{Kind: ports.AppSetting, Name: a.Name}, fmt.Sprintf("webhook.secrets[%d]", j), ref)
		}
	}
	for _, e := range rows.Entries {
		relative(ports.SettingKey{Kind: ports.EntrySetting, Name: e.Name}, "secret", e.Secret)
	}
	for _, a := range with.Accounts {
		for _, ref := range references(a.Config) {
			relative(ports.SettingKey{Kind: ports.AccountSetting, Name: a.Name}, "config", ref)
		}
	}
	return problems
}

// KeysInClear points at the texts of an account's config that look like keys or span lines (JSON Pointers).
func KeysInClear(config json.RawMessage) (pointers []string) {
	var v any
	if json.Unmarshal(config, &v) == nil {
		keysInClear(v, "", &pointers)
	}
	return pointers
}

func keysInClear(v any, pointer string, found *[]string) {
	switch v := v.(type) {
	case string:
		if looksLikeKey(v) {
			*found = append(*found, pointer)
		}
	case []any:
		for i := range v {
			keysInClear(v[i], fmt.Sprintf("%s/%d", pointer, i), found)
		}
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(v)) {
			keysInClear(v[name], pointer+"/"+strings.NewReplacer("~", "~0", "/", "~1").Replace(name), found)
		}
	}
}

// withRows is the configuration as if these rows stood in its file.
func (c Config) withRows(rows ports.SettingsContent) Config {
	c.Apps, c.Entries, c.Accounts, c.Providers = nil, nil, nil, nil // a provider's world is not a row
	c.Secrets.Keys = slices.Clone(c.Secrets.Keys)                   // which settle changes
	for _, a := range rows.Apps {
		app := App{Name: a.Name, DisplayName: a.DisplayName, Entries: a.Entries, Retired: a.Retired}
		for _, k := range a.Keys {
			key := AppKey{ID: k.ID, Hash: k.Hash}
			for _, s := range k.Scopes {
				key.Scopes = append(key.Scopes, Scope(s))
			}
			app.Keys = append(app.Keys, key)
		}
		w := webhookOf(a)
		app.Webhook = Webhook{URL: w.URL, PrepareURL: w.PrepareURL, Version: w.Version}
		for _, secret := range w.Secrets {
			app.Webhook.Secrets = append(app.Webhook.Secrets, storedRef(secret))
		}
		c.Apps = append(c.Apps, app)
	}
	for _, e := range rows.Entries {
		c.Entries = append(c.Entries, entryOf(e))
	}
	for _, a := range rows.Accounts {
		account := Account{Name: a.Name, Provider: a.Provider, MchID: a.MchID, SubMchID: a.SubMchID, Template: a.Template, From: a.From, Retired: a.Retired}
		_ = json.Unmarshal(a.Config, &account.Config) // what is no object, its plugin refuses
		c.Accounts = append(c.Accounts, account)
	}
	return c
}

// storedRef is a reference, or a sealed secret, that stands in a row.
func storedRef(text string) SecretRef { return SecretRef{ref: text} }

func webhookOf(a ports.App) ports.Webhook {
	if a.Webhook == nil {
		return ports.Webhook{}
	}
	return *a.Webhook
}

func entryOf(e ports.Entry) Entry {
	entry := Entry{
		Name: e.Name, Provider: e.Provider, Account: e.Account, From: e.From, AppID: e.AppID, OpenIDKind: e.OpenIDKind, SpAppID: e.SpAppID,
		Method: e.Method, Secret: storedRef(e.Secret), OAuthScope: e.Scope, NotifyBase: e.NotifyBase, ReturnURLs: e.ReturnURLs,
		LatePay: e.LatePay, HandOver: e.HandOver, PayPage: e.PayPage, Prepare: e.Prepare, FulfilmentDays: e.FulfilmentDays, Retired: e.Retired,
	}
	for _, f := range e.VerificationFiles {
		entry.VerificationFiles = append(entry.VerificationFiles, VerificationFile(f))
	}
	_ = json.Unmarshal(e.Options, &entry.Options)
	return entry
}

// inherited are the entries with what their templates give them.
func (c Config) inherited() (entries []Entry) {
	var rows ports.SettingsContent
	for _, e := range c.Entries {
		rows.Entries = append(rows.Entries, e.row())
	}
	for _, e := range rows.Inherited().Entries {
		entries = append(entries, entryOf(e))
	}
	return entries
}
