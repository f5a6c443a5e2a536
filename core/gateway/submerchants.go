package gateway

import (
	"context"
	"fmt"
	"slices"

	"github.com/paybridge/paybridge/ports"
)

// SubMerchant is one of a partner's, to be made from the partner's template.
type SubMerchant struct {
	Name     string // of its account
	SubMchID string
}

// AddSubMerchant makes the account of a sub merchant from a template, and an entry for each of the template's: of the
// account's name where there is one, else with the template entry's name behind it. They follow the template: its keys are
// theirs. Asked for again, it changes nothing.
func (g *Gateway) AddSubMerchant(ctx context.Context, by, template string, one SubMerchant) (made ports.SettingsContent, created bool, err error) {
	var keys []ports.SettingKey
	after, err := g.change(ctx, by, func(now ports.SettingsContent) (put ports.SettingsContent, _ []ports.SettingKey, err error) {
		t, err := templateOf(now, template)
		if err != nil {
			return put, nil, err
		}
		made := fromTemplate(now, t, one)
		was, there := now.Account(one.Name)
		if there && !madeFrom(was, t, one) {
			return put, nil, fmt.Errorf("account %s, of sub merchant %q: %w", one.Name, was.SubMchID, ErrGeneration)
		}
		keys, created = keysOf(made), !there
		if there { // as it was made, or as somebody has changed it since
			return put, nil, nil
		}
		return made, nil, nil
	})
	return rowsOf(after, keys...), created, err
}

// AddSubMerchants makes many in one change, all of them or none, and says what that is. Those that are there already stay
// as they are. With try it only says what would be made, or refused.
func (g *Gateway) AddSubMerchants(ctx context.Context, by, template string, all []SubMerchant, try bool) (plan Plan, err error) {
	err = g.inTurn(ctx, func(before ports.SettingsContent) error {
		t, err := templateOf(before, template)
		if err != nil {
			return err
		}
		plan = Plan{Generation: before.Generation}
		c := ports.SettingsChange{Owner: AdminOwner, By: by, Try: try}
		var wrong []ports.SettingProblem
		bad := func(one SubMerchant, key, what string) {
			wrong = append(wrong, ports.SettingProblem{Row: ports.SettingKey{Kind: ports.AccountSetting, Name: one.Name}, Key: key, What: what})
		}
		for i, one := range all {
			was, there := before.Account(one.Name)
			switch {
			case slices.ContainsFunc(all[:i], func(other SubMerchant) bool { return other.Name == one.Name }):
				bad(one, "name", "stands twice in the list: choose another name")
				continue
			case there && !madeFrom(was, t, one):
				bad(one, "sub_mchid", fmt.Sprintf("an account of this name is there already, of sub merchant %q: choose another name", was.SubMchID))
				continue
			case there:
				continue
			}
			made := fromTemplate(before, t, one)
			c.Put.Accounts, c.Put.Entries = append(c.Put.Accounts, made.Accounts...), append(c.Put.Entries, made.Entries...)
			for _, key := range keysOf(made) {
				plan.Changes = append(plan.Changes, RowChange{Row: key, Action: ActionCreate})
			}
		}
		if len(wrong) > 0 {
			return &SettingsInvalid{wrong}
		}
		if len(plan.Changes) == 0 {
			return nil
		}
		after, err := g.changeOnce(ctx, before, c)
		plan.Generation = after.Generation
		return err
	})
	return plan, err
}

func templateOf(now ports.SettingsContent, name string) (ports.Account, error) {
	t, ok := now.Account(name)
	switch {
	case !ok:
		return t, fmt.Errorf("account %s: %w", name, ports.ErrNotFound)
	case !t.Template:
		return t, &SettingsInvalid{[]ports.SettingProblem{{
			Row: ports.SettingKey{Kind: ports.AccountSetting, Name: name}, Key: "template", What: "is not true: only a template, a partner's account, makes sub merchants",
		}}}
	}
	return t, nil
}

// fromTemplate are the rows of a sub merchant.
func fromTemplate(now ports.SettingsContent, t ports.Account, one SubMerchant) (made ports.SettingsContent) {
	made.Accounts = []ports.Account{{Name: one.Name, Provider: t.Provider, MchID: t.MchID, SubMchID: one.SubMchID, From: t.Name}}
	for _, e := range now.Entries {
		if e.Account == t.Name {
			made.Entries = append(made.Entries, ports.Entry{Name: one.Name + "-" + e.Name, Account: one.Name, From: e.Name})
		}
	}
	if len(made.Entries) == 1 {
		made.Entries[0].Name = one.Name
	}
	return made
}

func madeFrom(a, t ports.Account, one SubMerchant) bool {
	return a.From == t.Name && a.SubMchID == one.SubMchID
}
