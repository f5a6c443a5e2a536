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

// An operator writes secrets into an account's config and never reads one back: it is sealed before it is stored, and
// shown as a mark. A config that is changed and sent again keeps what its marks stand for.

// mark is what is shown of a sealed secret: the same as long as nobody has changed it.
func mark(sealed string) string {
	sum := sha256.Sum256([]byte(sealed))
	return ports.SealedPrefix + hex.EncodeToString(sum[:6])
}

// marked shows an account without its secrets.
func marked(a ports.Account) ports.Account {
	a.Config = withMarks(a.Config)
	return a
}

func withMarks(config json.RawMessage) json.RawMessage {
	out, err := mapTexts(config, func(_, text string) (string, error) {
		if strings.HasPrefix(text, ports.SealedPrefix) {
			return mark(text), nil
		}
		return text, nil
	})
	if err != nil { // what cannot be read is not shown
		return nil
	}
	return out
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
		return "", &SettingsInvalid{[]ports.SettingProblem{{
			Row: ports.SettingKey{Kind: ports.AccountSetting, Name: a.Name}, Key: "config" + dotted(pointer),
			What: "stands for a secret that this account does not have any more; read the account again, or write the secret itself",
		}}}
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
		return g.Store.SealSecret(a.Name, text)
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
