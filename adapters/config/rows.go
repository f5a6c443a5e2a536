package config

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/paybridge/paybridge/ports"
)

// Rows gives the apps, entries and accounts in the form in which the store keeps them, and the hash of all that they
// say, by which the same content is applied once. An account's config keeps its references. An app's key that is given
// by reference is read now and goes in as its hash, so that a rotated key is other content; one that cannot be read is an
// *Invalid.
func (c Config) Rows() (rows ports.SettingsContent, hash string, err error) {
	for i, a := range c.Apps {
		app := ports.App{Name: a.Name, DisplayName: a.DisplayName, Entries: a.Entries, Retired: a.Retired}
		for j, k := range a.Keys {
			key, err := k.row()
			if err != nil {
				return rows, "", &Invalid{[]Problem{c.Problem(fmt.Sprintf("apps[%d].keys[%d].secret", i, j), "", err.Error(), nil)}}
			}
			app.Keys = append(app.Keys, key)
		}
		if a.Webhook.URL != "" {
			app.Webhook = &ports.Webhook{URL: a.Webhook.URL, PrepareURL: a.Webhook.PrepareURL, Version: a.Webhook.Version}
			for _, secret := range a.Webhook.Secrets {
				app.Webhook.Secrets = append(app.Webhook.Secrets, secret.String())
			}
		}
		rows.Apps = append(rows.Apps, app)
	}
	for _, e := range c.Entries {
		rows.Entries = append(rows.Entries, e.row())
	}
	for _, a := range c.Accounts {
		rows.Accounts = append(rows.Accounts, a.row())
	}
	sum := sha256.Sum256(encode(rows))
	return rows, hex.EncodeToString(sum[:]), nil
}

func (e Entry) row() ports.Entry {
	row := ports.Entry{
		Name: e.Name, Provider: e.Provider, Account: e.Account, From: e.From, AppID: e.AppID, OpenIDKind: e.OpenIDKind, SpAppID: e.SpAppID,
		Method: e.Method, Secret: e.Secret.String(), Scope: e.OAuthScope, NotifyBase: e.NotifyBase, ReturnURLs: e.ReturnURLs,
		LatePay: e.LatePay, HandOver: e.HandOver, PayPage: e.PayPage, Prepare: e.Prepare, FulfilmentDays: e.FulfilmentDays, Retired: e.Retired,
	}
	for _, f := range e.VerificationFiles {
		row.VerificationFiles = append(row.VerificationFiles, ports.VerificationFile{Name: f.Name, Content: cmp.Or(f.Content, f.derived())})
	}
	if len(e.Options) > 0 {
		row.Options = encode(e.Options)
	}
	return row
}

func (a Account) row() ports.Account {
	row := ports.Account{
		Name: a.Name, Provider: a.Provider, MchID: a.MchID, SubMchID: a.SubMchID, Template: a.Template, From: a.From, Retired: a.Retired,
	}
	switch {
	case len(a.Config) > 0:
		row.Config = encode(a.Config)
	case a.From == "":
		row.Config = encode(map[string]any{})
	}
	return row
}

func (k AppKey) row() (ports.AppKey, error) {
	key := ports.AppKey{ID: k.ID, Hash: k.Hash}
	for _, s := range k.Scopes {
		key.Scopes = append(key.Scopes, string(s))
	}
	if k.Hash == "" {
		secret, err := k.Secret.Resolve()
		if err != nil {
			return ports.AppKey{}, err
		}
		sum := sha256.Sum256([]byte(secret))
		key.Hash = hex.EncodeToString(sum[:])
	}
	return key, nil
}

// encode writes what Load has found to be JSON.
func encode(v any) json.RawMessage {
	text, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("a checked configuration is JSON: %v", err))
	}
	return text
}

// derived is what WeChat's own MP_verify_….txt says: the part of its name that differs. Empty where the name is another.
func (f VerificationFile) derived() string {
	code, ok := strings.CutPrefix(strings.TrimSuffix(f.Name, ".txt"), "MP_verify_")
	if !ok {
		return ""
	}
	return code
}
