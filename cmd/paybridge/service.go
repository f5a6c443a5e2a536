package main

import (
	"context"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/gorilla/mux"
	"google.golang.org/grpc"

	"github.com/paybridge/paybridge/adapters/config"
	"github.com/paybridge/paybridge/adapters/httpapi"
	"github.com/paybridge/paybridge/adapters/pluginhost"
	"github.com/paybridge/paybridge/adapters/store"
	"github.com/paybridge/paybridge/adapters/telemetry"
	"github.com/paybridge/paybridge/adapters/webhook"
	"github.com/paybridge/paybridge/adapters/weixin"
	"github.com/paybridge/paybridge/core/gateway"
	"github.com/paybridge/paybridge/core/identity"
	"github.com/paybridge/paybridge/core/pay"
	"github.com/paybridge/paybridge/ports"
)

// service is one running gateway with all that is plugged into it.
type service struct {
	cfg     config.Config
	log     *slog.Logger
	store   *store.Store
	host    *pluginhost.Host
	gateway *gateway.Gateway
	metrics *telemetry.Metrics
	sink    *webhook.Sink
	weixin  *weixin.Client
	traces  *telemetry.Traces // nil: nobody traces
	public  net.Listener
	admin   net.Listener

	accounts []ports.Account      // of the newest settings
	waiting  map[string]bool      // accounts that their plugin has not taken as they are now
	stopped  map[string]time.Time // since when plugins are in quarantine, as the operator was told
}

// options are what dev, demo and serve do differently.
type options struct {
	clock ports.Clock       // nil: the machine's
	hold  bool              // send no refunds and no events
	mount func(*mux.Router) // adds pages to the public listener
	logTo io.Writer         // nil: standard error
}

// settingsOwner owns the rows that come from the configuration file.
const settingsOwner = "file"

// open makes a service: the store opened and brought up to date, the settings applied, the plugins started and
// configured, the listeners bound. Nothing is served yet.
func open(ctx context.Context, cfg config.Config, o options) (_ *service, err error) {
	if o.logTo == nil {
		o.logTo = os.Stderr
	}
	if o.clock == nil {
		o.clock = ports.ClockFunc(time.Now)
	}
	s := &service{cfg: cfg, log: telemetry.Logger(o.logTo, telemetry.Form(cfg.Log.Format), cfg.Log.Level), metrics: telemetry.New(version)}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close(context.WithoutCancel(ctx)))
		}
	}()
	if s.traces, err = telemetry.NewTraces(ctx, version, os.Getenv); err != nil {
		return s, err
	}
	h := s.hooks()
	if s.store, err = openStore(ctx, cfg, h.store); err != nil {
		return s, err
	}
	if err = s.store.Prepare(ctx, o.clock.Now()); err != nil {
		return s, err
	}
	rows, content, err := cfg.Rows()
	if err != nil {
		return s, err
	}
	if cfg.Mode == config.Development { // one process and no old replica: the file as it is now always wins
		content += " " + o.clock.Now().String()
	}
	s.weixin = weixin.New(weixin.Options{
		BrowserBase: cfg.WeChat.BrowserBaseURL, ServerBase: cfg.WeChat.ServerBaseURL, Cache: s.store, Now: o.clock.Now, Secret: cfg.ResolveSecret,
		SecretOf: func(appID string) (string, bool) { return s.gateway.SecretOf(appID) },
	})
	if s.host, err = startPlugins(ctx, cfg, s.log, o.clock, s.appToken, h.plugins...); err != nil {
		return s, err
	}
	if err = refuseWrongSettings(cfg, s.host); err != nil {
		return s, err
	}
	applied, err := s.store.ApplySettings(ctx, settingsOwner, content, rows, o.clock.Now())
	if err != nil {
		return s, fmt.Errorf("apply the configuration: %w", err)
	}
	if !applied {
		s.log.Info("apps, entries and accounts of this configuration were applied before; the database's stand")
	}
	if err = s.store.Live(ctx); err != nil {
		return s, err
	}
	s.sink = newSink(cfg, o.clock)
	cookieKeys, err := cookieKeys(cfg)
	if err != nil {
		return s, err
	}
	s.gateway = gateway.New(gateway.Options{
		Store: s.store, Providers: s.host, Optional: s.host, Events: s.sink, Identity: s.weixin, CookieKeys: cookieKeys, Clock: o.clock, Log: s.log, Installation: cfg.Installation, Hold: o.hold,
		Observe: gateway.Observer{
			ProviderCall: s.metrics.ProviderCall, ProviderTime: s.metrics.ProviderTime,
			Notification: s.metrics.Notification, Work: s.metrics.Work, Event: s.metrics.Event, Breaker: s.metrics.Breaker,
			Span: h.core,
		},
	})
	s.metrics.Known = s.gateway.KnowsAccount
	if err = s.metrics.Stored(telemetry.Stored{OpenAlarms: s.store.OpenAlarms, Endpoints: s.store.Endpoints, NextDue: s.store.NextDue, Now: o.clock.Now}); err != nil {
		return s, err
	}
	if err = s.metrics.Plugins(pluginMetrics(s.host)); err != nil {
		return s, err
	}
	if err = s.metrics.Database("store", s.store.DB()); err != nil {
		return s, err
	}
	if err = s.follow(ctx); err != nil {
		return s, err
	}
	var listen net.ListenConfig
	if s.public, err = listen.Listen(ctx, "tcp", cfg.Listen.Public); err != nil {
		return s, fmt.Errorf("listen.public: %w", err)
	}
	if s.admin, err = listen.Listen(ctx, "tcp", cfg.Listen.Admin); err != nil {
		return s, fmt.Errorf("listen.admin: %w", err)
	}
	return s, nil
}

// hooks are where traces look in; all nil where nobody traces.
type hooks struct {
	http    httpapi.Trace
	core    func(ctx context.Context, name, number string) (context.Context, func(error))
	store   func(ctx context.Context, name string) (context.Context, func(error))
	plugins []grpc.DialOption
}

func (s *service) hooks() hooks {
	if s.traces == nil {
		return hooks{}
	}
	return hooks{s.traces.Request, s.traces.Span, s.traces.Inside, []grpc.DialOption{s.traces.PluginCalls()}}
}

// openStore opens the database that the configuration names, with its keys.
func openStore(ctx context.Context, cfg config.Config, span func(context.Context, string) (context.Context, func(error))) (*store.Store, error) {
	var keys []store.Key
	for _, k := range cfg.Secrets.Keys {
		key, err := k.Key()
		if err != nil {
			return nil, err
		}
		keys = append(keys, store.Key{ID: k.ID, Key: key})
	}
	keyring, err := store.NewKeyring(keys...)
	if err != nil {
		return nil, fmt.Errorf("secrets.keys: %w", err)
	}
	dsn := cfg.Store.Path
	if cfg.Store.Driver == config.Postgres {
		if dsn, err = cfg.Store.DSN.Resolve(); err != nil {
			return nil, fmt.Errorf("store.dsn: %w", err)
		}
	} else if err := os.MkdirAll(filepath.Dir(dsn), 0o700); err != nil {
		return nil, fmt.Errorf("store.path: %w", err)
	}
	return store.Open(ctx, store.Options{Driver: string(cfg.Store.Driver), DSN: dsn, Keys: keyring, Span: span})
}

// appToken gives plugins the access tokens of app ids.
type appToken func(ctx context.Context, appID, refused string) (pluginhost.AppToken, error)

// appToken shows the host what the gateway and its other replicas share: adapters do not know each other.
func (s *service) appToken(ctx context.Context, appID, refused string) (pluginhost.AppToken, error) {
	t, err := s.weixin.AppToken(ctx, appID, refused)
	return pluginhost.AppToken(t), err
}

// cookieKeys sign payers' sessions. They follow from the keys of encryption at rest, so that every replica has the same and
// no more has to be kept; an old one goes on verifying as long as it stands there.
func cookieKeys(cfg config.Config) (keys identity.CookieKeys, err error) {
	for _, k := range cfg.Secrets.Keys {
		secret, err := k.Key()
		if err != nil {
			return nil, err
		}
		key, err := hkdf.Key(sha256.New, secret, nil, "paybridge payer session v1", sha256.Size)
		if err != nil {
			return nil, fmt.Errorf("derive the key of payers' sessions: %w", err)
		}
		keys = append(keys, key)
	}
	return keys, nil
}

// newSink makes what sends events to apps and alarms to the operator.
func newSink(cfg config.Config, clock ports.Clock) *webhook.Sink {
	o := webhook.Options{
		Secret: cfg.ResolveSecret, AllowNetworks: cfg.Webhooks.AllowNetworks, AllowHTTP: cfg.Mode == config.Development,
		Version: version, Now: clock.Now,
	}
	if !cfg.Alarms.URL.IsZero() {
		o.Operator = &webhook.Operator{URL: cfg.Alarms.URL.String(), Format: webhook.Format(cfg.Alarms.Format), Secret: cfg.Alarms.Secret.String()}
	}
	return webhook.New(o)
}

// startPlugins starts one process for each provider that is pinned. One that does not start is tried again in the
// background: its provider is unavailable, and the others serve (R36).
func startPlugins(ctx context.Context, cfg config.Config, log *slog.Logger, clock ports.Clock, token appToken, dial ...grpc.DialOption) (*pluginhost.Host, error) {
	host, lock, err := newHost(cfg, pluginFolder(cfg), log, clock, token, dial...)
	if err != nil {
		return nil, err
	}
	if err := host.Start(ctx, lock.Names()...); err != nil {
		log.Error("not every plugin started; it is tried again", "error", err)
	}
	return host, nil
}

// newHost makes a host of the configured plugins that works in a folder of its own.
func newHost(cfg config.Config, dir string, log *slog.Logger, clock ports.Clock, token appToken, dial ...grpc.DialOption) (*pluginhost.Host, pluginhost.Lock, error) {
	lock, err := pluginhost.ReadLock(cfg.Plugins.Lock)
	if err != nil {
		return nil, lock, err
	}
	host, err := pluginhost.New(pluginhost.Options{
		Lock: lock, Dir: dir, Production: cfg.Mode == config.Production, Environment: cfg.Plugins.Env,
		Resolve:     func(stored json.RawMessage) (json.RawMessage, error) { return resolve(cfg, stored) },
		IsReference: config.IsReference, AppToken: token, Log: log, Now: clock.Now, Dial: dial,
	})
	return host, lock, err
}

// pluginFolder is private to one gateway of this machine, and short: a socket's path has a limit of about 100 bytes.
func pluginFolder(cfg config.Config) string {
	sum := sha256.Sum256([]byte(cfg.Store.Path + "|" + cfg.Store.DSN.String() + "|" + cfg.Listen.Public))
	base := os.Getenv("XDG_RUNTIME_DIR")
	if base == "" || len(base) > 40 {
		base = "/tmp"
	}
	return filepath.Join(base, fmt.Sprintf("paybridge-%d-%s", os.Getuid(), hex.EncodeToString(sum[:4])))
}

// pluginMetrics shows the host to the metrics: adapters do not know each other.
func pluginMetrics(host *pluginhost.Host) telemetry.Plugins {
	return telemetry.Plugins{
		Status: func() (all []telemetry.PluginStatus) {
			for _, p := range host.Status() {
				all = append(all, telemetry.PluginStatus{Provider: p.Provider, Up: p.Problem == "", Restarts: p.Restarts, InFlight: p.InFlight})
			}
			return all
		},
		Samples: func(ctx context.Context) (all []telemetry.PluginSample) {
			for _, p := range host.Samples(ctx) {
				all = append(all, telemetry.PluginSample(p))
			}
			return all
		},
	}
}

// followTime is how long the database may take to tell of new settings.
const followTime = 10 * time.Second

// follow gives the plugins the accounts of the newest settings, and again those that it has not taken: a secret's file may
// come later than its row.
func (s *service) follow(ctx context.Context) error {
	limited, cancel := context.WithTimeout(ctx, followTime)
	defer cancel()
	accounts, changed, err := s.gateway.LoadSettings(limited)
	if err != nil {
		return err
	}
	if changed {
		s.accounts = accounts
	}
	was := s.waiting
	s.waiting = map[string]bool{}
	for _, a := range s.accounts {
		if _, out := s.host.For(pay.Route{Provider: a.Provider, Account: a.Name}); !changed && out == nil && !was[a.Name] {
			continue
		}
		if err := s.configure(ctx, a); err != nil { // the account is unavailable; the others serve (R36)
			s.waiting[a.Name] = true
			if changed || s.log.Enabled(ctx, slog.LevelDebug) {
				s.log.Error("an account cannot be used; it is tried again", "account", a.Name, "error", err)
			}
		}
	}
	return nil
}

func (s *service) configure(ctx context.Context, a ports.Account) error {
	world := s.cfg.Provider(a.Provider)
	return s.host.Configure(ctx, pluginhost.Account{
		Provider: a.Provider, Name: a.Name, MchID: a.MchID, SubMchID: a.SubMchID, Generation: a.Generation,
		Config: a.Config, BaseURL: world.BaseURL, Test: world.Test,
	})
}

// closeTime is the part of the shutdown grace that is left for the plugins to end in.
const closeTime = time.Second

// serve answers until the context ends, and then finishes what is in flight within the configured grace.
func (s *service) serve(ctx context.Context, o options) error {
	handler, err := httpapi.Public(httpapi.PublicOptions{
		Gateway: s.gateway, Checks: s.checks, Log: s.log, TrustedProxies: s.cfg.TrustedProxies, Mount: o.mount, Trace: s.hooks().http,
		SecureCookies: s.cfg.Mode == config.Production, OnlyWeChat: s.cfg.WeChat.BrowserBaseURL == weixin.BrowserBase,
		Observe: func(r httpapi.Request) { s.metrics.Request(r.Listener, r.Method, r.Route, r.Status, r.Took) },
	})
	if err != nil {
		return err
	}
	token := ""
	if !s.cfg.Admin.Token.IsZero() {
		if token, err = s.cfg.Admin.Token.Resolve(); err != nil {
			return fmt.Errorf("admin.token: %w", err)
		}
	}
	public := httpapi.Server(handler, s.log)
	admin := httpapi.Server(httpapi.Admin(httpapi.AdminOptions{
		Token: token, Metrics: s.metrics.Handler(), Checks: s.checks, Gateway: s.gateway, Plugins: operated{s.host},
		Doctor: s.examine, Log: s.log,
	}), s.log)
	work, stopWork := context.WithCancel(context.WithoutCancel(ctx))
	defer stopWork()
	var background sync.WaitGroup
	background.Go(func() { s.gateway.Work(work) })
	background.Go(func() { s.followChanges(work) })

	failed := make(chan error, 2)
	go func() { failed <- public.Serve(s.public) }()
	go func() { failed <- admin.Serve(s.admin) }()
	s.log.Info("serving", "public", s.public.Addr().String(), "admin", s.admin.Addr().String(), "version", version, "mode", s.cfg.Mode)
	select {
	case <-ctx.Done():
		err = nil
	case err = <-failed:
		err = fmt.Errorf("serve: %w", err)
	}
	s.gateway.Stop()
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), max(s.cfg.ShutdownGrace-closeTime, s.cfg.ShutdownGrace/2))
	defer cancel()
	stopped := public.Shutdown(end)
	stopWork()
	done := make(chan struct{})
	go func() { background.Wait(); close(done) }()
	select {
	case <-done:
	case <-end.Done():
		s.log.Warn("work was cut off at the end of the shutdown grace; it goes on after the next start")
	}
	s.log.Info("stopped")
	return errors.Join(err, stopped, admin.Close())
}

// followChanges looks for a new generation of the settings, so that replicas follow without a restart.
func (s *service) followChanges(ctx context.Context) {
	ticker := time.NewTicker(2 * time.Second)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			if err := s.follow(ctx); err != nil && ctx.Err() == nil {
				s.log.Warn("the settings could not be read; the last ones stay in use", "error", err)
			}
			s.tellQuarantines(ctx)
		}
	}
}

// tellQuarantines raises an alarm for each plugin that is not started any more, once a quarantine.
func (s *service) tellQuarantines(ctx context.Context) {
	now := map[string]time.Time{}
	for _, p := range s.host.Status() {
		if p.Quarantined.IsZero() {
			continue
		}
		if now[p.Provider] = p.Quarantined; s.stopped[p.Provider].Equal(p.Quarantined) {
			continue
		}
		a := pay.Alarm{Kind: pay.AlarmPluginStopped, Number: p.Provider, What: "plugin " + p.Provider + ": " + p.Problem}
		if err := s.store.RaiseAlarm(ctx, a, s.gateway.Clock.Now()); err != nil {
			s.log.Warn("an alarm was not raised; it is tried again", "kind", a.Kind, "provider", p.Provider, "error", err)
			delete(now, p.Provider)
		}
	}
	s.stopped = now
}

const (
	// tooFar is how far our clock may be off before WeChat is about to refuse us (it does at 300 s).
	tooFar = 240 * time.Second
	// clockFresh is how long a provider's word on our clock holds: a gateway that gets no traffic for it asks nobody, and
	// would never hear that the clock was set right.
	clockFresh = 10 * time.Minute
)

// clockChecks say how far our clock is off each provider's (R39). Where another provider says at the same time that it is
// right, the one may be wrong itself, and takes the gateway out of no traffic.
func clockChecks(clocks map[string]gateway.ClockSeen, now time.Time) (checks []httpapi.Check) {
	right := false
	for _, seen := range clocks {
		right = right || seen.Offset.Abs() <= tooFar && now.Sub(seen.At) < clockFresh
	}
	for _, provider := range slices.Sorted(maps.Keys(clocks)) {
		seen := clocks[provider]
		checks = append(checks, httpapi.Check{
			Name: "clock " + provider, OK: seen.Offset.Abs() <= tooFar, Blocks: !right && now.Sub(seen.At) < clockFresh,
			Detail: fmt.Sprintf("the provider's clock minus ours: %s, at %s", seen.Offset.Round(time.Second), seen.At.UTC().Format(time.RFC3339)),
		})
	}
	return checks
}

// checks is what readiness looks at (R39).
func (s *service) checks(ctx context.Context) []httpapi.Check {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	database := httpapi.Check{Name: "store", OK: true, Blocks: true}
	if err := s.store.Ready(ctx); err != nil {
		database.OK, database.Detail = false, "the database does not answer: "+err.Error()
	}
	checks := append([]httpapi.Check{database}, clockChecks(s.gateway.Clocks(), s.gateway.Clock.Now())...)
	for _, p := range s.host.Status() {
		checks = append(checks, httpapi.Check{Name: "plugin " + p.Provider, OK: p.Problem == "", Detail: p.Problem})
		for account, problem := range p.Accounts {
			checks = append(checks, httpapi.Check{Name: "account " + account, OK: problem == "", Detail: problem})
		}
	}
	return checks
}

// close lets go of everything that open took.
func (s *service) close(ctx context.Context) error {
	var errs []error
	for _, l := range []net.Listener{s.public, s.admin} {
		if l != nil {
			if err := l.Close(); !errors.Is(err, net.ErrClosed) {
				errs = append(errs, err)
			}
		}
	}
	if s.sink != nil {
		s.sink.Close()
	}
	if s.weixin != nil {
		s.weixin.Close()
	}
	if s.host != nil {
		ctx, cancel := context.WithTimeout(ctx, closeTime)
		defer cancel()
		errs = append(errs, s.host.Close(ctx))
	}
	if s.store != nil {
		errs = append(errs, s.store.Close())
	}
	if s.traces != nil {
		ctx, cancel := context.WithTimeout(ctx, closeTime)
		defer cancel()
		if err := s.traces.Close(ctx); err != nil { // nothing of ours is lost with them
			s.log.Warn("the last traces were not sent", "error", err)
		}
	}
	return errors.Join(errs...)
}
