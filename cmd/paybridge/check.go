package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"time"

	"github.com/paybridge/paybridge/adapters/config"
	"github.com/paybridge/paybridge/adapters/pluginhost"
	"github.com/paybridge/paybridge/core/gateway"
	"github.com/paybridge/paybridge/ports"
)

// checkedPlugins is what a configuration's accounts and entries look like to their plugins.
type checkedPlugins struct {
	problems  []config.Problem
	unchecked []string // for people: what could not be looked at, and why
}

// checkPlugins starts the plugins that the configuration's accounts and entries need, in a folder of their own, beside a
// gateway that may run, and holds both against what the plugins ask for. Nothing is configured: no plugin calls anybody.
func checkPlugins(ctx context.Context, cfg config.Config) (c checkedPlugins, err error) {
	needed := providersOf(cfg)
	err = withPlugins(ctx, cfg, needed, func(host *pluginhost.Host, failed map[string]error) error {
		for _, name := range needed {
			if why := failed[name]; why != nil {
				c.unchecked = append(c.unchecked, fmt.Sprintf("accounts and entries of provider %s: %v", name, why))
			}
		}
		c.problems, err = wrongSettings(cfg, host, (*pluginhost.Host).CheckAccount)
		return err
	})
	return c, err
}

// providersOf are the providers that the accounts and entries name.
func providersOf(cfg config.Config) (names []string) {
	for _, a := range cfg.Accounts {
		names = append(names, a.Provider)
	}
	for _, e := range cfg.Entries {
		names = append(names, e.Provider)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// withPlugins runs f with these plugins started in a temporary folder, and ends them. failed says why one does not run.
func withPlugins(ctx context.Context, cfg config.Config, names []string, f func(host *pluginhost.Host, failed map[string]error) error) (err error) {
	dir, err := os.MkdirTemp("/tmp", "pb") // macOS's own temporary folder is too long a path for a socket
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	host, _, err := newHost(cfg, dir, nil, slog.New(slog.DiscardHandler), ports.ClockFunc(time.Now), nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, host.Close(context.WithoutCancel(ctx))) }()
	failed := map[string]error{}
	for _, name := range names {
		if err := host.Start(ctx, name); err != nil {
			failed[name] = err
		}
	}
	return f(host, failed)
}

// wrongSettings holds the entries' options, and the accounts by check, against their plugins. What belongs to a plugin
// that does not run is left out.
func wrongSettings(cfg config.Config, host *pluginhost.Host, check func(*pluginhost.Host, pluginhost.Account) error) (all []config.Problem, err error) {
	rows, _, err := cfg.Rows()
	if err != nil {
		return nil, err
	}
	take := func(key string, err error) error {
		var wrong *pluginhost.ConfigError
		switch {
		case errors.As(err, &wrong):
			for _, f := range wrong.Fields {
				all = append(all, cfg.Problem(key, f.Pointer, f.Problem, f.Known))
			}
		case err != nil && !errors.Is(err, ports.ErrUnavailable):
			return err
		}
		return nil
	}
	for i, e := range rows.Inherited().Entries {
		if err := take(fmt.Sprintf("entries[%d].options", i), host.CheckEntry(e.Provider, e.Name, e.Options)); err != nil {
			return nil, err
		}
	}
	for i, a := range rows.Accounts {
		if a.From != "" { // its config is the template's
			continue
		}
		given := pluginhost.Account{Provider: a.Provider, Name: a.Name, MchID: a.MchID, SubMchID: a.SubMchID, Config: a.Config}
		if err := take(fmt.Sprintf("accounts[%d].config", i), check(host, given)); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// refuseWrongSettings refuses to store what must not be: entries whose plugin does not understand them, and secrets in
// the clear. An account that is wrong in another way is out of use, and the others serve (R36).
func refuseWrongSettings(cfg config.Config, host *pluginhost.Host) error {
	problems, err := wrongSettings(cfg, host, (*pluginhost.Host).CheckClearSecrets)
	if err != nil || len(problems) == 0 {
		return err
	}
	return &config.Invalid{Problems: problems}
}

// sealUnknown seals what accounts say of providers that have not described themselves: whether there is a secret in the clear
// among it is known only when they have, and it would lie in the database until then, and in its backups.
func sealUnknown(rows ports.SettingsContent, host *pluginhost.Host, seal func(ports.SettingKey, string) (string, error)) (ports.SettingsContent, error) {
	for i, a := range rows.Accounts {
		if !errors.Is(host.CheckClearSecrets(hosted(a)), ports.ErrUnavailable) {
			continue
		}
		var err error
		if rows.Accounts[i], err = gateway.SealTexts(a, config.IsReference, seal); err != nil {
			return rows, fmt.Errorf("account %s: %w", a.Name, err)
		}
	}
	return rows, nil
}

// resolve reads the secrets that an account's configuration refers to.
func resolve(cfg config.Config, stored json.RawMessage, open func(sealed string) (string, error)) (json.RawMessage, error) {
	var fields map[string]any
	if err := json.Unmarshal(stored, &fields); err != nil {
		return nil, fmt.Errorf("read its row: %w", err)
	}
	fields, err := cfg.ResolveConfig(fields, open)
	if err != nil {
		return nil, err
	}
	return json.Marshal(fields)
}
