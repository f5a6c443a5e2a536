package gateway

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/paybridge/paybridge/ports"
)

// An operator writes secrets into rows and never reads one back: it is sealed before it is stored, and
// shown as a mark. A config that is changed and sent again keeps what its marks stand for.

// mark is what is shown of a sealed secret: the same as long as nobody has changed it.
func mark(sealed string) string {
	sum := sha256.Sum256([]byte(sealed))
	return ports.SealedPrefix + hex.EncodeToString(sum[:6])
}

// marked shows rows without their secrets.
func marked(c ports.SettingsContent) ports.SettingsContent {
	c.Apps, c.Entries, c.Accounts = slices.Clone(c.Apps), slices.Clone(c.Entries), slices.Clone(c.Accounts)
	for i, a := range c.Apps {
		if a.Webhook == nil {
			continue
		}
		w := *a.Webhook
		w.Secrets = slices.Clone(w.Secrets)
		for j, text := range w.Secrets {
			w.Secrets[j] = markOf(text)
		}
		c.Apps[i].Webhook = &w
	}
	for i, e := range c.Entries {
		c.Entries[i].Secret = markOf(e.Secret)
	}
	for i, a := range c.Accounts {
		c.Accounts[i].Config = withMarks(a.Config)
	}
	return c
}

// markOf is the text itself where it is not sealed.
func markOf(text string) string {
	if strings.HasPrefix(text, ports.SealedPrefix) {
		return mark(text)
	}
	return text
}

func withMarks(config json.RawMessage) json.RawMessage {
	out, err := mapTexts(config, func(_, text string) (string, error) { return markOf(text), nil })
	if err != nil { // what cannot be read is not shown
		return nil
	}
	return out
}

// secured are the rows with sealed secrets only: those that marks of the rows as they are stand for, and those that came in
// the clear.
func (g *Gateway) secured(put, now ports.SettingsContent) (_ ports.SettingsContent, err error) {
	put.Apps, put.Entries, put.Accounts = slices.Clone(put.Apps), slices.Clone(put.Entries), slices.Clone(put.Accounts)
	for i, a := range put.Apps {
		if a.Webhook == nil {
			continue
		}
		var known []string
		if was, ok := now.App(a.Name); ok && was.Webhook != nil {
			known = was.Webhook.Secrets
		}
		w := *a.Webhook
		w.Secrets = slices.Clone(w.Secrets)
		for j := range w.Secrets {
			key := fmt.Sprintf("webhook.secrets[%d]", j)
			if w.Secrets[j], err = g.securedText(ports.SettingKey{Kind: ports.AppSetting, Name: a.Name}, key, w.Secrets[j], known...); err != nil {
				return put, err
			}
		}
		put.Apps[i].Webhook = &w
	}
	for i, e := range put.Entries {
		was, _ := now.Entry(e.Name)
		if put.Entries[i].Secret, err = g.securedText(ports.SettingKey{Kind: ports.EntrySetting, Name: e.Name}, "secret", e.Secret, was.Secret); err != nil {
			return put, err
		}
	}
	for i, a := range put.Accounts {
		was, _ := now.Account(a.Name)
		if put.Accounts[i], err = g.securedAccount(a, was); err != nil {
			return put, err
		}
	}
	return put, nil
}

// securedText is one secret of a row; known are the sealed ones that it has.
func (g *Gateway) securedText(of ports.SettingKey, key, text string, known ...string) (string, error) {
	if text == "" {
		return "", nil
	}
	if strings.HasPrefix(text, ports.SealedPrefix) {
		for _, sealed := range known {
			if markOf(sealed) == text {
				return sealed, nil
			}
		}
		return "", noSuchMark(of, key)
	}
	switch reference, problem := g.Rules.Secret(of, text); {
	case problem != "":
		return "", &SettingsInvalid{[]ports.SettingProblem{{Row: of, Key: key, What: problem}}}
	case reference:
		return text, nil
	}
	return g.Store.SealSecret(of, text)
}

func noSuchMark(of ports.SettingKey, key string) error {
	return &SettingsInvalid{[]ports.SettingProblem{{
		Row: of, Key: key, What: "stands for a secret that this row does not have any more; read it again, or write the secret itself",
	}}}
}

// securedAccount puts sealed secrets into an account's config.
func (g *Gateway) securedAccount(a, was ports.Account) (ports.Account, error) {
	a, err := unmarked(a, was.Config)
	if err != nil || len(a.Config) == 0 {
		return a, err
	}
	pointers, err := g.Rules.Secrets(a)
	if err != nil {
		return a, err
	}
	return g.sealed(a, pointers)
}

// unmarked puts the sealed secrets of an account's stored config in the place of their marks.
func unmarked(a ports.Account, stored json.RawMessage) (ports.Account, error) {
	known := map[string]string{}
	if _, err := mapTexts(stored, func(_, text string) (string, error) {
		if strings.HasPrefix(text, ports.SealedPrefix) {
			known[mark(text)] = text
		}
		return text, nil
	}); err != nil {
		return a, err
	}
	var err error
	a.Config, err = mapTexts(a.Config, func(pointer, text string) (string, error) {
		if !strings.HasPrefix(text, ports.SealedPrefix) {
			return text, nil
		}
		if sealed, ok := known[text]; ok {
			return sealed, nil
		}
		return "", noSuchMark(ports.SettingKey{Kind: ports.AccountSetting, Name: a.Name}, "config"+dotted(pointer))
	})
	return a, err
}

// sealed seals the texts that the pointers name.
func (g *Gateway) sealed(a ports.Account, pointers []string) (ports.Account, error) {
	var err error
	a.Config, err = mapTexts(a.Config, func(pointer, text string) (string, error) {
		if !slices.Contains(pointers, pointer) || strings.HasPrefix(text, ports.SealedPrefix) {
			return text, nil
		}
		return g.Store.SealSecret(ports.SettingKey{Kind: ports.AccountSetting, Name: a.Name}, text)
	})
	return a, err
}

// SealTexts seals every text of an account's config that plain does not let through: for an account of which nobody can tell
// what is secret, because its plugin has never said.
func SealTexts(a ports.Account, plain func(text string) bool, seal func(of ports.SettingKey, secret string) (string, error)) (ports.Account, error) {
	var err error
	a.Config, err = mapTexts(a.Config, func(_, text string) (string, error) {
		if plain(text) || strings.HasPrefix(text, ports.SealedPrefix) {
			return text, nil
		}
		return seal(ports.SettingKey{Kind: ports.AccountSetting, Name: a.Name}, text)
	})
	return a, err
}

// mapTexts copies JSON with f applied to each text in it, names excepted. Nothing stays nothing.
func mapTexts(config json.RawMessage, f func(pointer, text string) (string, error)) (json.RawMessage, error) {
	if len(config) == 0 {
		return nil, nil
	}
	decoder := json.NewDecoder(bytes.NewReader(config))
	decoder.UseNumber()
	var v any
	if err := decoder.Decode(&v); err != nil {
		return nil, fmt.Errorf("read a config: %w", err)
	}
	v, err := mapText(v, "", f)
	if err != nil {
		return nil, err
	}
	return json.Marshal(v)
}

func mapText(v any, pointer string, f func(pointer, text string) (string, error)) (_ any, err error) {
	switch v := v.(type) {
	case string:
		return f(pointer, v)
	case []any:
		for i := range v {
			if v[i], err = mapText(v[i], pointer+"/"+strconv.Itoa(i), f); err != nil {
				return nil, err
			}
		}
	case map[string]any:
		for name := range v {
			escaped := strings.NewReplacer("~", "~0", "/", "~1").Replace(name)
			if v[name], err = mapText(v[name], pointer+"/"+escaped, f); err != nil {
				return nil, err
			}
		}
	}
	return v, nil
}

// dotted is a JSON Pointer as people write keys: .api_v3_keys[0].
func dotted(pointer string) string {
	var b strings.Builder
	for token := range strings.SplitSeq(strings.TrimPrefix(pointer, "/"), "/") {
		name := strings.NewReplacer("~1", "/", "~0", "~").Replace(token)
		if _, err := strconv.Atoi(name); err == nil {
			b.WriteString("[" + name + "]")
		} else if name != "" {
			b.WriteString("." + name)
		}
	}
	return b.String()
}
