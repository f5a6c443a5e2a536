package gateway

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/paybridge/paybridge/core/pay"
	"github.com/paybridge/paybridge/ports"
)

// settings is one generation of apps, entries and accounts, as this process sees it.
type settings struct {
	generation int64
	apps       []ports.App
	entries    map[string]ports.Entry
	accounts   map[string]ports.Account
}

// LoadSettings reads apps, entries and accounts when their generation is new to this process. It gives the accounts to
// configure first, for the plugins, and then lets payments be made with them.
func (g *Gateway) LoadSettings(ctx context.Context, configure func([]ports.Account)) (changed bool, err error) {
	generation, err := g.Store.SettingsGeneration(ctx)
	if err != nil {
		return false, fmt.Errorf("read the settings' generation: %w", err)
	}
	if old := g.settings.Load(); old.entries != nil && old.generation == generation {
		return false, nil
	}
	content, err := g.Store.LoadSettings(ctx)
	if err != nil {
		return false, fmt.Errorf("load the settings: %w", err)
	}
	content = content.Inherited()
	s := &settings{ // with the generation from before the rows were read: one that came between is seen at the next look
		generation: generation, apps: content.Apps,
		entries: map[string]ports.Entry{}, accounts: map[string]ports.Account{},
	}
	for _, e := range content.Entries {
		s.entries[e.Name] = e
	}
	for _, a := range content.Accounts {
		s.accounts[a.Name] = a
	}
	configure(content.Accounts)
	old := g.settings.Swap(s)
	g.retryChanged(ctx, old.apps, s.apps)
	return true, nil
}

// retryChanged brings forward what waits for an endpoint that is another one now, or has other secrets: what kept it from
// taking its events may be mended.
func (g *Gateway) retryChanged(ctx context.Context, before, now []ports.App) {
	for _, a := range now {
		i := slices.IndexFunc(before, func(b ports.App) bool { return b.Name == a.Name })
		if i < 0 || a.Webhook == nil || before[i].Webhook != nil && a.Webhook.Equal(*before[i].Webhook) {
			continue
		}
		if err := g.RetryEvents(ctx, a.Name); err != nil {
			g.Log.Warn("a webhook was changed, and what waits for it was not brought forward", "app", a.Name, "error", err)
		}
	}
}

// SettingsInUse is the generation of the settings that this process works with.
func (g *Gateway) SettingsInUse() int64 { return g.settings.Load().generation }

// SettingsChanged is signalled when this process has changed the settings, so that it need not wait to see it.
func (g *Gateway) SettingsChanged() <-chan struct{} { return g.changed }

// Authenticate finds the app of an API key, and what the key may do. Every stored hash is compared, in constant time.
func (g *Gateway) Authenticate(key string) (app string, scopes []string, ok bool) {
	sum := sha256.Sum256([]byte(key))
	hash := []byte(hex.EncodeToString(sum[:]))
	for _, a := range g.settings.Load().apps {
		for _, k := range a.Keys {
			if subtle.ConstantTimeCompare(hash, []byte(k.Hash)) == 1 {
				app, scopes, ok = a.Name, k.Scopes, true
			}
		}
	}
	return app, scopes, ok
}

var errAppRetired = &Invalid{"app", "is retired: it makes no new orders and payments; it may read and refund"}

// mayOrder fails for an app that is retired.
func (g *Gateway) mayOrder(app string) error {
	if slices.ContainsFunc(g.settings.Load().apps, func(a ports.App) bool { return a.Name == app && a.Retired }) {
		return errAppRetired
	}
	return nil
}

// KnowsAccount tells whether a provider's account is among today's settings.
func (g *Gateway) KnowsAccount(provider, account string) bool {
	a, ok := g.settings.Load().accounts[account]
	return ok && a.Provider == provider
}

// notifyURL is where the provider tells of a new refund: years after the payment, the gateway may have another address.
// It is that of the payment's entry today, else of any entry of the same account, else the frozen one.
func (g *Gateway) notifyURL(frozen pay.Route) string {
	entries := g.settings.Load().entries
	serves := func(e ports.Entry) bool { return e.Account == frozen.Account && e.Provider == frozen.Provider }
	now := frozen
	if e, ok := entries[frozen.Entry]; ok && serves(e) {
		now.NotifyBase = e.NotifyBase
		return now.NotifyURL()
	}
	for _, name := range slices.Sorted(maps.Keys(entries)) {
		if e := entries[name]; serves(e) {
			now.NotifyBase = e.NotifyBase
			break
		}
	}
	return now.NotifyURL()
}

// route freezes what a new payment of this app through this entry is made with.
func (g *Gateway) route(app, entry string) (pay.Route, error) {
	s := g.settings.Load()
	i := slices.IndexFunc(s.apps, func(a ports.App) bool { return a.Name == app })
	e, ok := s.entries[entry]
	if i < 0 || !ok || !slices.Contains(s.apps[i].Entries, entry) && (e.From == "" || !slices.Contains(s.apps[i].Entries, e.From)) {
		return pay.Route{}, &Invalid{"entry", fmt.Sprintf("%q is not an entry of this app", entry)}
	}
	if s.apps[i].Retired {
		return pay.Route{}, errAppRetired
	}
	a, ok := s.accounts[e.Account]
	if !ok {
		return pay.Route{}, &Unavailable{fmt.Sprintf("entry %s needs account %s, which is not configured", entry, e.Account), time.Minute}
	}
	if a.Template {
		return pay.Route{}, &Invalid{"entry", fmt.Sprintf("%q is a template: it takes no payments itself; name an entry that was made from it", entry)}
	}
	if e.Retired || a.Retired {
		return pay.Route{}, &Invalid{"entry", fmt.Sprintf("%q is retired: it takes no new payments", entry)}
	}
	policy, err := g.Providers.Policy(e.Provider)
	if err != nil {
		return pay.Route{}, &Unavailable{fmt.Sprintf("entry %s: %v", entry, err), 5 * time.Second}
	}
	return RouteOf(e, a, policy), nil
}

// RouteOf is what a payment through an entry, by its account, is made with.
func RouteOf(e ports.Entry, a ports.Account, policy pay.Policy) pay.Route {
	r := pay.Route{
		Provider: e.Provider, Entry: e.Name, Account: a.Name, MchID: a.MchID, SubMchID: a.SubMchID, SpAppID: e.SpAppID,
		AppID: e.AppID, OpenIDKind: e.OpenIDKind, Method: e.Method, NotifyBase: e.NotifyBase,
		LatePay: e.LatePay, FulfilmentDays: e.FulfilmentDays, Options: e.Options, Policy: policy,
	}
	switch e.OpenIDKind {
	case pay.OpenIDSp:
		r.SpAppID = e.AppID
	case pay.OpenIDSub:
		r.SubAppID = e.AppID
	}
	return r
}
