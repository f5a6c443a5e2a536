package gateway

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/paybridge/paybridge/ports"
)

// Plan is what applying a configuration changes.
type Plan struct {
	Generation int64 // afterwards; where it is only tried: now
	Changes    []RowChange
}

// RowChange is what becomes of one row.
type RowChange struct {
	Row    ports.SettingKey
	Action Action
	Fields []FieldChange // of a row that is changed
}

// Action is what becomes of a row.
type Action string

// The actions.
const (
	ActionCreate Action = "create"
	ActionChange Action = "change"
	ActionDrop   Action = "drop"
)

// FieldChange is one value that differs, as JSON; empty where there is none. Hashes of keys are not shown.
type FieldChange struct{ Key, From, To string }

// ApplySettings makes the rows of the configuration file be these, those of others left alone, and says what that
// changes. hash is the configuration's: a gateway that starts with it later does not apply it again. With try it only
// says what would be changed, or refused.
func (g *Gateway) ApplySettings(ctx context.Context, by, hash string, wanted ports.SettingsContent, try bool) (Plan, error) {
	var plan Plan
	err := g.inTurn(ctx, func(before ports.SettingsContent) error {
		made, c, err := planned(before, g.Rules.Complete(wanted))
		if err != nil {
			return err
		}
		c.Owner, c.By, c.Content, c.Try = FileOwner, by, hash, try
		after, err := g.changeOnce(ctx, before, c)
		plan, plan.Generation = made, after.Generation
		return err
	})
	return plan, err
}

// planned compares the file's rows with those that it should have.
func planned(before, wanted ports.SettingsContent) (plan Plan, c ports.SettingsChange, err error) {
	for _, key := range keysOf(wanted) {
		row := rowsOf(wanted, key)
		fields, there, err := differences(rowsOf(before, key), row)
		if err != nil {
			return plan, c, fmt.Errorf("%s: %w", key, err)
		}
		action := ActionChange
		if !there {
			action = ActionCreate
		}
		if there && len(fields) == 0 {
			continue
		}
		if !there {
			fields = nil
		}
		c.Put = c.Put.With(row)
		plan.Changes = append(plan.Changes, RowChange{key, action, fields})
	}
	for _, key := range keysOf(before) {
		if _, kept := generationOf(wanted, key); !kept && ownerOf(before, key) == FileOwner {
			c.Drop = append(c.Drop, key)
			plan.Changes = append(plan.Changes, RowChange{Row: key, Action: ActionDrop})
		}
	}
	return plan, c, nil
}

func ownerOf(c ports.SettingsContent, key ports.SettingKey) string {
	some := rowsOf(c, key)
	for _, a := range some.Apps {
		return a.Owner
	}
	for _, e := range some.Entries {
		return e.Owner
	}
	for _, a := range some.Accounts {
		return a.Owner
	}
	return ""
}

// differences lists the values in which a row differs from the one that is there.
func differences(was, is ports.SettingsContent) (fields []FieldChange, there bool, err error) {
	there = len(keysOf(was)) > 0
	from, err := flat(was)
	if err != nil {
		return nil, there, err
	}
	to, err := flat(is)
	if err != nil {
		return nil, there, err
	}
	keys := slices.Collect(maps.Keys(to))
	for key := range from {
		if _, both := to[key]; !both {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	for _, key := range keys {
		if from[key] == to[key] {
			continue
		}
		f := FieldChange{Key: key, From: from[key], To: to[key]}
		if strings.HasSuffix(key, ".hash") {
			f.From, f.To = "", ""
		}
		fields = append(fields, f)
	}
	return fields, there, nil
}

// flat is a row's values, each by its key: config.api_v3_keys[0].
func flat(row ports.SettingsContent) (map[string]string, error) {
	var v any
	row = marked(row)
	switch {
	case len(row.Apps) > 0:
		v = row.Apps[0]
	case len(row.Entries) > 0:
		v = row.Entries[0]
	case len(row.Accounts) > 0:
		v = row.Accounts[0]
	}
	text, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	if err := decoder.Decode(&v); err != nil {
		return nil, err
	}
	out := map[string]string{}
	flatten(v, "", out)
	return out, nil
}

func flatten(v any, key string, out map[string]string) {
	switch v := v.(type) {
	case map[string]any:
		for name, inner := range v {
			flatten(inner, strings.TrimPrefix(key+"."+name, "."), out)
		}
	case []any:
		for i, inner := range v {
			flatten(inner, fmt.Sprintf("%s[%d]", key, i), out)
		}
	case nil:
	default:
		text, _ := json.Marshal(v) // it was JSON a moment ago
		out[key] = string(text)
	}
}
