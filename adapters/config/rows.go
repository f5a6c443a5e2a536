package config

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"github.com/paybridge/paybridge/ports"
)

// Rows gives the apps, entries and accounts in the form in which the store keeps them, and the hash of all that they
// say, by which the same content is applied once. An account's config keeps its references. An app's key that is given
// by reference is read now and goes in as its hash, so that a rotated key is other content.
func (c Config) Rows() (rows ports.SettingsContent, hash string, err error) {
	for _, a := range c.Apps {
		app := ports.App{Name: a.Name, Entries: a.Entries}
		for _, k := range a.Keys {
			key, err := k.row()
			if err != nil {
				return rows, "", fmt.Errorf("key %s of app %s: %w", k.ID, a.Name, err)
			}
			app.Keys = append(app.Keys, key)
		}
		if a.Webhook.URL != "" {
			app.Webhook = &ports.Webhook{URL: a.Webhook.URL, Version: a.Webhook.Version}
			for _, secret := range a.Webhook.Secrets {
				app.Webhook.Secrets = append(app.Webhook.Secrets, secret.String())
			}
		}
		rows.Apps = append(rows.Apps, app)
	}
	for _, e := range c.Entries {
		entry := ports.Entry{
			Name: e.Name, Provider: e.Provider, Account: e.Account, AppID: e.AppID, OpenIDKind: e.OpenIDKind, SpAppID: e.SpAppID, Method: e.Method,
			NotifyBase: e.NotifyBase, ReturnURLs: e.ReturnURLs, LatePay: e.LatePay, Secret: e.Secret.String(), Scope: e.OAuthScope,
			Retired: e.Retired,
		}
		if len(e.Options) > 0 {
			entry.Options = encode(e.Options)
		}
		rows.Entries = append(rows.Entries, entry)
	}
	for _, a := range c.Accounts {
		config := a.Config
		if config == nil {
			config = map[string]any{}
		}
		rows.Accounts = append(rows.Accounts, ports.Account{
			Name: a.Name, Provider: a.Provider, MchID: a.MchID, SubMchID: a.SubMchID, Config: encode(config), Retired: a.Retired,
		})
	}
	sum := sha256.Sum256(encode(rows))
	return rows, hex.EncodeToString(sum[:]), nil
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
