package main

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"errors"

	"github.com/paybridge/paybridge/plugins/sdk"
)

// home is where the provider's own program listens; a real channel would have its address here.
const home = "http://127.0.0.1:9082"

// Configure parses the account's keys and puts them in use. It makes no call: the account is not proven by it.
func (p *plugin) Configure(_ context.Context, a sdk.Account) (m sdk.Merchant, err error) {
	var cfg struct { // account.schema.json
		MchID        string            `json:"mchid"`
		APIKey       string            `json:"api_key"`
		ProviderKeys map[string]string `json:"provider_keys"` // base64 of Ed25519 public keys, by their id
	}
	if err := a.Decode(&cfg); err != nil {
		return m, err
	}
	if cfg.MchID == "" {
		err = errors.Join(err, sdk.Field("/mchid", "is missing: give the merchant number"))
	}
	if cfg.APIKey == "" {
		err = errors.Join(err, sdk.Field("/api_key", "is missing: give the key that signs calls"))
	}
	if len(cfg.ProviderKeys) == 0 {
		err = errors.Join(err, sdk.Field("/provider_keys", "is empty: nothing that the provider says could be verified"))
	}
	c := &client{cfg.MchID, a.Mode.BaseURL, []byte(cfg.APIKey), map[string]ed25519.PublicKey{}}
	if c.base == "" {
		c.base = home
	}
	for id, text := range cfg.ProviderKeys {
		key, broken := base64.StdEncoding.DecodeString(text)
		if broken != nil || len(key) != ed25519.PublicKeySize {
			err = errors.Join(err, sdk.Field("/provider_keys/"+id, "is no Ed25519 public key: give its 32 bytes in base64"))
		}
		c.keys[id] = key
	}
	if err != nil {
		return m, err
	}
	m.MchID = cfg.MchID
	p.accounts.Set(a, m, c)
	return m, nil
}
