package main

import (
	"context"
	"net/http"
	"time"

	"github.com/paybridge/paybridge/adapters/config"
	"github.com/paybridge/paybridge/adapters/httpapi"
	"github.com/paybridge/paybridge/adapters/pluginhost"
	"github.com/paybridge/paybridge/cmd/paybridge/doctor"
	"github.com/paybridge/paybridge/core/pay"
	"github.com/paybridge/paybridge/ports"
)

const (
	// examineTime is how long the doctor may take in a running gateway: its answer must be written before the listener
	// gives up.
	examineTime = httpapi.DoctorTime - 10*time.Second
	// callbackTime is how long the doctor waits for a provider's callback.
	callbackTime = 15 * time.Second
)

// examine is the doctor inside of a running gateway: it sees the accounts and entries as they are in use, and the
// callbacks that come.
func (s *service) examine(ctx context.Context, filter string) (any, error) {
	ctx, cancel := context.WithTimeout(ctx, examineTime)
	defer cancel()
	settings, err := s.store.LoadSettings(ctx)
	if err != nil {
		return nil, err
	}
	p := patient(s.cfg, s.host)
	p.Accounts, p.Entries = inUse(settings)
	p.Gateway, p.Now = s.store, s.gateway.Clock.Now()
	return doctor.Examine(ctx, p, filter), nil
}

// inUse are the accounts and entries that take payments, with what their templates give them.
func inUse(c ports.SettingsContent) (accounts []ports.Account, entries []ports.Entry) {
	template := map[string]bool{}
	c = c.Inherited()
	for _, a := range c.Accounts {
		if template[a.Name] = a.Template; !a.Template {
			accounts = append(accounts, a)
		}
	}
	for _, e := range c.Entries {
		if !template[e.Account] {
			entries = append(entries, e)
		}
	}
	return accounts, entries
}

// patient is what a host of plugins tells the doctor, without accounts and entries.
func patient(cfg config.Config, host *pluginhost.Host) doctor.Patient {
	p := doctor.Patient{
		InUse: func(provider, account string) error {
			_, err := host.For(pay.Route{Provider: provider, Account: account})
			return err
		},
		CheckEntry: func(e ports.Entry) error { return host.CheckEntry(e.Provider, e.Name, e.Options) },
		Channels:   host, Client: http.DefaultClient, Production: cfg.Mode == config.Production, Wait: callbackTime,
	}
	for _, s := range host.Status() {
		p.Plugins = append(p.Plugins, doctor.Plugin{Provider: s.Provider, Version: s.Version, Problem: s.Problem, Quarantined: !s.Quarantined.IsZero()})
	}
	return p
}

// examineAlone is the doctor while no gateway runs: it starts the plugins that the configuration's accounts and entries
// need, in a folder of its own, and gives them the accounts as the file has them.
func examineAlone(ctx context.Context, cfg config.Config, filter string) (r doctor.Report, err error) {
	rows, _, err := cfg.Rows()
	if err != nil {
		return r, err
	}
	err = withPlugins(ctx, cfg, providersOf(cfg), func(host *pluginhost.Host, _ map[string]error) error {
		wrong := map[string]error{}
		accounts, entries := inUse(rows)
		for _, a := range accounts {
			world := cfg.Provider(a.Provider)
			if err := host.Configure(ctx, pluginhost.Account{
				Provider: a.Provider, Name: a.Name, MchID: a.MchID, SubMchID: a.SubMchID, Generation: 1,
				Config: a.Config, BaseURL: world.BaseURL, Test: world.Test,
			}); err != nil {
				wrong[a.Name] = err
			}
		}
		p := patient(cfg, host)
		p.Accounts, p.Entries = accounts, entries
		seen := p.InUse
		p.InUse = func(provider, account string) error {
			if err := wrong[account]; err != nil { // with the fields that are wrong
				return err
			}
			return seen(provider, account)
		}
		r = doctor.Examine(ctx, p, filter)
		return nil
	})
	return r, err
}
