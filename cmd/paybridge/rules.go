package main

import (
	"errors"
	"regexp"
	"slices"
	"strings"

	"github.com/paybridge/paybridge/adapters/config"
	"github.com/paybridge/paybridge/adapters/pluginhost"
	"github.com/paybridge/paybridge/adapters/webhook"
	"github.com/paybridge/paybridge/ports"
)

// settingsRules are what the configuration's form and the plugins' schemas say of settings that an operator changes.
type settingsRules struct {
	cfg  config.Config
	host *pluginhost.Host
}

var _ ports.SettingsRules = settingsRules{}

// Complete fills in what the file's rows would get (ports.SettingsRules).
func (r settingsRules) Complete(c ports.SettingsContent) ports.SettingsContent {
	return r.cfg.CompleteRows(c)
}

// Problems holds settings against the rules of the file (ports.SettingsRules).
func (r settingsRules) Problems(c ports.SettingsContent) []ports.SettingProblem {
	return r.cfg.RowProblems(c)
}

// PluginProblems holds rows against their plugins' schemas (ports.SettingsRules).
func (r settingsRules) PluginProblems(c ports.SettingsContent) (problems []ports.SettingProblem, err error) {
	take := func(row ports.SettingKey, key string, err error) error {
		var wrong *pluginhost.ConfigError
		switch {
		case errors.As(err, &wrong):
			for _, f := range wrong.Fields {
				p := r.cfg.Problem(key, f.Pointer, f.Problem, f.Known)
				problems = append(problems, ports.SettingProblem{Row: row, Key: p.Key, What: p.What})
			}
		case err != nil && !errors.Is(err, ports.ErrUnavailable):
			return err
		}
		return nil
	}
	for _, e := range c.Entries {
		if err := take(ports.SettingKey{Kind: ports.EntrySetting, Name: e.Name}, "options", r.host.CheckEntry(e.Provider, e.Name, e.Options)); err != nil {
			return nil, err
		}
	}
	for _, a := range c.Accounts {
		if a.From != "" { // its config is the template's
			continue
		}
		if err := take(ports.SettingKey{Kind: ports.AccountSetting, Name: a.Name}, "config", r.host.CheckAccount(hosted(a))); err != nil {
			return nil, err
		}
	}
	return problems, nil
}

// Secrets points at what the plugin's schema calls secret, and at what looks like a key (ports.SettingsRules).
func (r settingsRules) Secrets(a ports.Account) ([]string, error) {
	pointers := config.KeysInClear(a.Config)
	err := r.host.CheckClearSecrets(hosted(a))
	var clear *pluginhost.ConfigError
	if err != nil && !errors.As(err, &clear) {
		return nil, err
	}
	if clear != nil {
		for _, f := range clear.Fields {
			pointers = append(pointers, f.Pointer)
		}
	}
	slices.SortFunc(pointers, strings.Compare)
	return slices.Compact(pointers), nil
}

// Secret tells a reference from a secret, and holds the secret against what it is for (ports.SettingsRules).
func (r settingsRules) Secret(of ports.SettingKey, text string) (reference bool, problem string) {
	switch {
	case config.IsReference(text):
		return true, ""
	case of.Kind == ports.AppSetting:
		if err := webhook.CheckSecret(text); err != nil {
			return false, err.Error()
		}
	case !appSecret.MatchString(text):
		return false, "is not an app id's secret: 16 to 128 letters and digits; or say where it is, env:NAME or file:/path"
	}
	return false, ""
}

// appSecret is what the platform's are made of.
var appSecret = regexp.MustCompile(`^[A-Za-z0-9_-]{16,128}$`)

func hosted(a ports.Account) pluginhost.Account {
	return pluginhost.Account{Provider: a.Provider, Name: a.Name, MchID: a.MchID, SubMchID: a.SubMchID, Config: a.Config}
}
