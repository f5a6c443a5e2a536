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
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gorilla/mux"
	"google.golang.org/grpc"

	"github.com/paybridge/paybridge/adapters/checkout"
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
	given    map[string]int64     // the generation of each that its plugin has taken
	stopped  map[string]time.Time // since when plugins are in quarantine, as the operator was told
}

// options are what dev, demo and serve do differently.
type options struct {
	clock ports.Clock       // nil: the machine's
	hold  bool              // send no refunds and no events
	alone bool              // work on the database while no gateway serves, and serve nothing
	mount func(*mux.Router) // adds pages to the public listener
	logTo io.Writer         // nil: standard error
}

// open makes a service: the store opened and brought up to date, the settings applied, the plugins started and
// configured, the listeners bound. Nothing is served yet.
func open(ctx context.Context, cfg config.Config, o options) (_ *service, err error) {
	if o.logTo == nil {
		o.logTo = os.Stderr
	}
	if o.clock == nil {
		o.clock = ports.ClockFunc(time.Now)
	}
	s := &service{cfg: cfg, log: telemetry.Logger(o.logTo, telemetry.Form(cfg.Log.Format), cfg.Log.Level), metrics: telemetry.New(version), given: map[string]int64{}}
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
	if o.alone {
		if err = s.store.Exclusive(ctx); err != nil {
			return s, err
		}
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
		BrowserBase: cfg.WeChat.BrowserBaseURL, ServerBase: cfg.WeChat.ServerBaseURL, Cache: s.store, Now: o.clock.Now, Secret: s.secret,
		SecretOf: func(appID string) (string, bool) { return s.gateway.SecretOf(appID) },
	})
	if s.host, err = startPlugins(ctx, cfg, s.store.OpenSecret, s.log, o.clock, s.appToken, h.plugins...); err != nil {
		return s, err
	}
	if err = refuseWrongSettings(cfg, s.host); err != nil {
		return s, err
	}
	if rows, err = sealUnknown(rows, s.host, s.store.SealSecret); err != nil {
		return s, err
	}
	applied, err := s.store.ApplySettings(ctx, gateway.FileOwner, content, rows, o.clock.Now())
	if err != nil {
		return s, fmt.Errorf("apply the configuration: %w", err)
	}
	if !applied {
		s.log.Info("apps, entries and accounts of this configuration were applied before; the database's stand")
	}
	if err = s.store.Live(ctx); err != nil {
		return s, err
	}
	s.sink = s.newSink(o.clock)
	cookieKeys, err := cookieKeys(cfg)
	if err != nil {
		return s, err
	}
	s.gateway = gateway.New(gateway.Options{
		Store: s.store, Providers: s.host, Events: s.sink, Identity: s.weixin, Fulfilments: s.weixin, CookieKeys: cookieKeys, Clock: o.clock, Log: s.log,
		Installation: cfg.Installation, PersonsKept: time.Duration(cfg.PersonsKeptDays) * 24 * time.Hour, Hold: o.hold, Optional: s.host, Rules: settingsRules{cfg, s.host},
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
	if applied {
		s.retryEvents(ctx, rows.Apps)
	}
	if o.alone {
		return s, nil
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

// secret reads a secret by what stands for it in a row: a reference, or the sealed secret itself.
func (s *service) secret(text string) (string, error) {
	if strings.HasPrefix(text, ports.SealedPrefix) {
		return s.store.OpenSecret(text)
	}
	return s.cfg.ResolveSecret(text)
}

// newSink makes what sends events to apps and alarms to the operator.
func (s *service) newSink(clock ports.Clock) *webhook.Sink {
	cfg := s.cfg
	o := webhook.Options{
		Secret: s.secret, AllowNetworks: cfg.Webhooks.AllowNetworks, AllowHTTP: cfg.Mode == config.Development,
		Version: version, Now: clock.Now,
	}
	if !cfg.Alarms.URL.IsZero() {
		o.Operator = &webhook.Operator{URL: cfg.Alarms.URL.String(), Format: webhook.Format(cfg.Alarms.Format), Secret: cfg.Alarms.Secret.String()}
	}
	return webhook.New(o)
}

// startPlugins starts one process for each provider that is pinned. One that does not start is tried again in the
// background: its provider is unavailable, and the others serve (R36).
func startPlugins(
	ctx context.Context, cfg config.Config, open func(sealed string) (string, error), log *slog.Logger, clock ports.Clock, token appToken, dial ...grpc.DialOption,
) (*pluginhost.Host, error) {
	host, lock, err := newHost(cfg, pluginFolder(cfg), open, log, clock, token, dial...)
	if err != nil {
		return nil, err
	}
	if err := host.Start(ctx, lock.Names()...); err != nil {
		log.Error("not every plugin started; it is tried again", "error", err)
	}
	return host, nil
}

// newHost makes a host of the configured plugins that works in a folder of its own. open opens the secrets that the store
// has sealed; nil: there are none.
func newHost(
	cfg config.Config, dir string, open func(sealed string) (string, error), log *slog.Logger, clock ports.Clock, token appToken, dial ...grpc.DialOption,
) (*pluginhost.Host, pluginhost.Lock, error) {
	lock, err := pluginhost.ReadLock(cfg.Plugins.Lock)
	if err != nil {
		return nil, lock, err
	}
	host, err := pluginhost.New(pluginhost.Options{
		Lock: lock, Dir: dir, Production: cfg.Mode == config.Production, Environment: cfg.Plugins.Env,
		Resolve: func(stored json.RawMessage) (json.RawMessage, error) { return resolve(cfg, stored, open) },
		IsReference: func(s string) bool {
			return config.IsReference(s) || open != nil && strings.HasPrefix(s, ports.SealedPrefix)
		},
		AppToken: token, Log: log, Now: clock.Now, Dial: dial,
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
	changed, err := s.gateway.LoadSettings(limited, func(accounts []ports.Account) {
		s.accounts = accounts
		s.configureAll(ctx, true)
	})
	if err == nil && !changed {
		s.configureAll(ctx, false)
	}
	return err
}

// retryEvents brings forward what waits for endpoints of a file that has changed: what kept them may be mended.
func (s *service) retryEvents(ctx context.Context, apps []ports.App) {
	for _, a := range apps {
		if a.Webhook == nil {
			continue
		}
		if err := s.gateway.RetryEvents(ctx, a.Name); err != nil {
			s.log.Warn("what waits for an app's endpoint was not brought forward", "app", a.Name, "error", err)
		}
	}
}

// configureTime is how long one provider's plugin may take in one go to take what it has not taken yet.
const configureTime = 10 * time.Second

// configureAll gives the plugins what they have not taken yet, side by side: one that hangs keeps no other from its own (R36).
func (s *service) configureAll(ctx context.Context, newest bool) {
	ctx, cancel := context.WithTimeout(ctx, configureTime)
	defer cancel()
	of := map[string][]ports.Account{}
	for _, a := range s.accounts {
		if _, out := s.host.For(pay.Route{Provider: a.Provider, Account: a.Name}); out != nil || s.given[a.Name] != a.Generation {
			of[a.Provider] = append(of[a.Provider], a)
		}
	}
	taken := make(chan ports.Account, len(s.accounts))
	var providers sync.WaitGroup
	for _, accounts := range of {
		providers.Go(func() { s.configureOf(ctx, accounts, newest, taken) })
	}
	providers.Wait()
	close(taken)
	for a := range taken {
		s.given[a.Name] = a.Generation
	}
}

// configureOf gives one provider's plugin these accounts, and tells which it has taken.
func (s *service) configureOf(ctx context.Context, accounts []ports.Account, newest bool, taken chan<- ports.Account) {
	for _, a := range accounts {
		if err := s.configure(ctx, a); err == nil {
			taken <- a
		} else if newest || s.log.Enabled(ctx, slog.LevelDebug) { // it is unavailable; the others serve (R36)
			s.log.Error("an account cannot be used; it is tried again", "account", a.Name, "error", err)
		}
	}
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
		SecureCookies: s.cfg.Mode == config.Production, OnlyWeChat: s.cfg.WeChat.BrowserBaseURL == weixin.BrowserBase, Pages: s.pages,
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
	operators, err := httpapi.Admin(httpapi.AdminOptions{
		Gateway: s.gateway, Token: token, Metrics: s.metrics.Handler(), Checks: s.checks,
		Plugins: operated{s.host}, Doctor: s.examine, Log: s.log,
	})
	if err != nil {
		return err
	}
	admin := httpapi.Server(operators, s.log)
	work, stopWork := context.WithCancel(context.WithoutCancel(ctx))
	defer stopWork()
	var background sync.WaitGroup
	background.Go(func() { s.gateway.Work(work) })
	background.Go(func() { s.followChanges(work) })
	background.Go(func() { s.gateway.ForgetPersons(work) })

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
	cut, stopped := shutDown(max(s.cfg.ShutdownGrace-closeTime, s.cfg.ShutdownGrace/2), public.Shutdown, stopWork, &background)
	if cut {
		s.log.Warn("work was cut off at the end of the shutdown grace; it goes on after the next start")
	}
	s.log.Info("stopped")
	return errors.Join(err, stopped, admin.Close())
}

// shutDown ends the requests in flight and then the work, both before one deadline. cut says that work was left at it.
func shutDown(grace time.Duration, requests func(context.Context) error, stopWork func(), work *sync.WaitGroup) (cut bool, err error) {
	end, cancel := context.WithTimeout(context.Background(), grace)
	defer cancel()
	err = requests(end)
	stopWork()
	done := make(chan struct{})
	go func() { work.Wait(); close(done) }()
	select {
	case <-done:
		return false, err
	case <-end.Done():
		return true, err
	}
}

// followEvery is how often a replica asks for a new generation: it is to be in use within 2 s.
const followEvery = time.Second

// pages mounts the checkout: adapters do not know each other.
func (s *service) pages(r *mux.Router, client func(*http.Request) string, note func(r *http.Request, app, code string)) {
	secure := s.cfg.Mode == config.Production
	checkout.Mount(r, checkout.Options{
		Gateway: s.gateway, Log: s.log, Secure: secure, Client: client, Note: note, PayApp: strings.TrimSuffix(s.cfg.WeChat.PayAppBaseURL, "/"),
		SessionCookie: func(app string) string { return httpapi.SessionCookie(app, secure) },
	})
}

// followChanges looks for a new generation of the settings, so that replicas follow without a restart.
func (s *service) followChanges(ctx context.Context) {
	ticker := time.NewTicker(followEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		case <-s.gateway.SettingsChanged():
		}
		if err := s.follow(ctx); err != nil && ctx.Err() == nil {
			s.log.Warn("the settings could not be read; the last ones stay in use", "error", err)
		}
		s.tellQuarantines(ctx)
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
