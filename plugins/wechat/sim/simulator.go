package sim

import (
	"context"
	"crypto/rsa"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"
)

// Config is how a simulator is started. The zero value is ready to use.
type Config struct {
	Listen string // address of the v3 API; 127.0.0.1:0 when empty
	Seed   Seed   // DefaultSeed when it has no merchant
	TLS    bool   // the v3 API speaks HTTPS, with a certificate of CAPEM's

	// KeysDir is a folder for the generated keys, read again at the next start; empty: keys live in this process.
	KeysDir string
	// StateFile keeps trades, refunds and undelivered callbacks between runs; empty: nothing is kept.
	StateFile string

	// BillsDir is a folder of trade bills of the caller's, MCHID-YYYY-MM-DD.csv.gz, each given (bill_type ALL) instead of the ledger's;
	// empty: there are none.
	BillsDir string

	// Speed is how many times as fast as the machine's clock the simulated time runs; 0 means 1. SetSpeed(0) stops it.
	Speed float64
	// Start is the simulated time to begin with; now when zero. A state file that is further goes on from where it was.
	Start time.Time
	// Now, when set, is the simulated time: the caller moves it, then calls Wake. Times that a client names are
	// then read on it as they stand.
	Now func() time.Time
	// Wall is the clock of signatures: the five-minute window, Date, Wechatpay-Timestamp. The machine's when nil.
	Wall func() time.Time

	// RandomSeed makes faults with a probability repeatable; drawn and logged when 0.
	RandomSeed uint64
	// RefundDelay is how long a refund is PROCESSING, in simulated time; 2s when 0.
	RefundDelay time.Duration
	// KeepRequests is how many requests the ledger keeps; 20000 when 0. Numbers and their contents are all kept.
	KeepRequests int

	// Before, when set, stands between the listener and the API: it gets the API and gives what is served.
	Before func(api http.Handler) http.Handler

	Logger *slog.Logger // nothing is logged when nil
}

func (c Config) withDefaults() Config {
	if c.Listen == "" {
		c.Listen = "127.0.0.1:0"
	}
	if len(c.Seed.Merchants) == 0 {
		c.Seed = DefaultSeed()
	}
	if c.Speed == 0 {
		c.Speed = 1
	}
	if c.Wall == nil {
		c.Wall = time.Now
	}
	if c.RandomSeed == 0 {
		c.RandomSeed = uint64(rand.Uint32()) // survives a JSON number in any language
	}
	if c.RefundDelay == 0 {
		c.RefundDelay = 2 * time.Second
	}
	if c.KeepRequests == 0 {
		c.KeepRequests = 20_000
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

// Simulator is one simulated WeChat. Start or New makes it; Close ends it.
type Simulator struct {
	cfg     Config
	ring    keyRing // its platform certificates under mu, the rest as at the start
	clock   *clock
	agenda  *agenda
	store   *stateFile // nil: nothing is kept
	client  *http.Client
	sending chan struct{} // as many as may send a callback at once
	weixin  *weixin       // api.weixin.qq.com and open.weixin.qq.com

	mu     sync.Mutex // guards what follows; never held while signing or sending
	world  *world
	faults *faultRules
	held   []func(context.Context, time.Time) // callbacks that wait for another to go first

	watched chan struct{} // closed at the next change of a request; nil: nobody waits

	listener net.Listener
	caPEM    string // of the local CA; empty without TLS
	server   *http.Server
	closing  chan struct{} // closed by Close: releases requests that are never answered
	stop     context.CancelFunc
	ended    sync.WaitGroup
	once     sync.Once
	closeErr error
}

// Start begins to listen and to keep time. ctx is for the start alone; Close ends the simulator.
func Start(ctx context.Context, cfg Config) (*Simulator, error) {
	cfg = cfg.withDefaults()
	if err := cfg.Seed.check(); err != nil {
		return nil, err
	}
	if cfg.Speed < 0 || cfg.Speed > maxSpeed {
		return nil, fmt.Errorf("the speed must be between 0 and %d, not %v", maxSpeed, cfg.Speed)
	}
	ring, err := loadRing(cfg.KeysDir, cfg.Seed)
	if err != nil {
		return nil, err
	}
	if err := writeAppSecrets(cfg.KeysDir, cfg.Seed.Apps); err != nil {
		return nil, err
	}
	w, err := newWorld(cfg.Seed, ring, cfg.KeepRequests)
	if err != nil {
		return nil, err
	}
	s := &Simulator{
		cfg:     cfg,
		ring:    ring,
		world:   w,
		faults:  newFaultRules(cfg.RandomSeed),
		closing: make(chan struct{}),
		client:  notifyClient(),
		sending: make(chan struct{}, sendingMost),
		weixin:  newWeixin(),
	}
	s.clock = newClock(cfg.Start, cfg.Speed, cfg.Now, cfg.Wall)
	s.agenda = newAgenda(s.clock)
	if cfg.StateFile != "" {
		if s.store, err = openStateFile(cfg.StateFile); err != nil {
			return nil, err
		}
		if err := s.restore(); err != nil {
			return nil, err
		}
	}
	var listen net.ListenConfig
	if s.listener, err = listen.Listen(ctx, "tcp", cfg.Listen); err != nil {
		return nil, fmt.Errorf("listen for the v3 API on %s: %w", cfg.Listen, err)
	}
	if cfg.TLS {
		if err := s.secure(); err != nil {
			return nil, errors.Join(err, s.listener.Close())
		}
	}
	s.run()
	cfg.Logger.Info("the simulated WeChat listens", "base_url", s.BaseURL(), "random_seed", cfg.RandomSeed)
	return s, nil
}

// secure puts TLS around the listener.
func (s *Simulator) secure() error {
	ca, err := loadCA(s.cfg.KeysDir)
	if err != nil {
		return err
	}
	secured, err := ca.serverConfig(s.listener.Addr())
	if err != nil {
		return err
	}
	s.caPEM, s.listener = ca.certPEM(), tls.NewListener(s.listener, secured)
	return nil
}

func (s *Simulator) run() {
	ctx, stop := context.WithCancel(context.Background())
	s.stop = stop
	s.ended.Go(func() { s.agenda.loop(ctx) })
	if s.store != nil {
		s.ended.Go(func() { s.store.saveLoop(ctx, s.snapshot, s.cfg.Logger) })
	}
	var api http.Handler = http.HandlerFunc(s.serve)
	if s.cfg.Before != nil {
		api = s.cfg.Before(api)
	}
	s.server = &http.Server{
		Handler:           api,
		ReadHeaderTimeout: 10 * time.Second,
		// Answers say "Keep-Alive: timeout=8" as WeChat's do, but an idle connection is kept longer: a client
		// that reuses one at that very moment would see a broken connection that no test asked for.
		IdleTimeout: 2 * time.Minute,
		ErrorLog:    slog.NewLogLogger(s.cfg.Logger.Handler(), slog.LevelDebug),
	}
	s.ended.Go(func() {
		if err := s.server.Serve(s.listener); !errors.Is(err, http.ErrServerClosed) {
			s.cfg.Logger.Error("the v3 listener ended", "err", err)
		}
	})
}

// Close stops listening, lets running answers finish, drops what waits for its time and writes the state file.
// Undelivered callbacks go on from the state file at the next start.
func (s *Simulator) Close() error {
	s.once.Do(func() {
		close(s.closing)
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		err := s.server.Shutdown(ctx)
		s.stop()
		s.client.CloseIdleConnections()
		s.ended.Wait()
		if s.store != nil {
			err = errors.Join(err, s.store.save(s.snapshot()))
		}
		s.closeErr = err
	})
	return s.closeErr
}

// BaseURL is where a client sends what it would send to https://api.mch.weixin.qq.com.
func (s *Simulator) BaseURL() string {
	if s.cfg.TLS {
		return "https://" + s.listener.Addr().String()
	}
	return "http://" + s.listener.Addr().String()
}

// CAPEM is the certificate of the local CA that a client must trust, in PEM; empty unless Config.TLS is set. With a
// keys folder it is also there, as ca.pem.
func (s *Simulator) CAPEM() string { return s.caPEM }

// RandomSeed repeats the faults of this run when it is given to the next in Config.RandomSeed.
func (s *Simulator) RandomSeed() uint64 { return s.cfg.RandomSeed }

// PublicKeyID is the id of the WeChat Pay public key, as it stands in Wechatpay-Serial.
func (s *Simulator) PublicKeyID() string { return s.ring.publicKeyID }

// PublicKeyPEM is the WeChat Pay public key, as a merchant downloads it (pub_key.pem).
func (s *Simulator) PublicKeyPEM() string {
	text, err := s.ring.public.publicPEM()
	if err != nil {
		panic(err) // an RSA public key always encodes
	}
	return text
}

// PublicKey is the same, parsed.
func (s *Simulator) PublicKey() *rsa.PublicKey { return &s.ring.public.key.PublicKey }

// PlatformCertificate is the platform certificate that signs at present for those who do not use the public key: its
// serial and PEM.
func (s *Simulator) PlatformCertificate() (serial, pem string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k := s.ring.platform[s.ring.signing]
	return k.serial, k.certPEM()
}

// Merchant is a merchant with everything its operator would hold.
type Merchant struct {
	MchID          string
	Name           string
	KeyMode        KeyMode
	Serial         string // of its API certificate, 40 upper-case hex digits
	PrivateKey     *rsa.PrivateKey
	PrivateKeyPEM  string // PKCS#8
	CertificatePEM string
	APIv3Key       string // 32 characters
	Apps           []SeedApp

	Partner      bool
	SubMerchants []SubMerchant // of a partner
}

// SubMerchant is a merchant below a partner, with the apps of its own.
type SubMerchant struct {
	MchID string    `json:"sub_mchid"`
	Name  string    `json:"name"`
	Apps  []SeedApp `json:"apps,omitempty"`
}

// Merchant is the merchant of that number; it panics when there is none, as a test could not go on.
func (s *Simulator) Merchant(mchID string) Merchant {
	for _, m := range s.Merchants() {
		if m.MchID == mchID {
			return m
		}
	}
	panic(fmt.Sprintf("the simulated WeChat has no merchant %s: add it to the seed", mchID))
}

// Merchants are all merchants in the order of the seed.
func (s *Simulator) Merchants() []Merchant {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []Merchant
	for _, seeded := range s.cfg.Seed.Merchants {
		m := s.world.merchants[seeded.MchID]
		private, err := m.keys.privatePEM()
		if err != nil {
			panic(err) // an RSA private key always encodes
		}
		out := Merchant{
			MchID: m.MchID, Name: m.Name, KeyMode: m.KeyMode, Serial: m.keys.serial, PrivateKey: m.keys.key,
			PrivateKeyPEM: private, CertificatePEM: m.keys.certPEM(), APIv3Key: m.keys.apiV3Key,
			Partner: m.partner(),
		}
		out.Apps = s.world.appsOf(m.AppIDs)
		for _, sub := range m.SubMerchants {
			out.SubMerchants = append(out.SubMerchants, SubMerchant{sub.MchID, sub.Name, s.world.appsOf(sub.AppIDs)})
		}
		all = append(all, out)
	}
	return all
}

// appsOf copies the apps of those ids, as they are now.
func (w *world) appsOf(ids []string) []SeedApp {
	var apps []SeedApp
	for _, id := range ids {
		a := w.apps[id].SeedApp
		a.Users = slices.Clone(a.Users)
		apps = append(apps, a)
	}
	return apps
}

// AddUser makes a payer known to an app, as if they had opened it for the first time.
func (s *Simulator) AddUser(appID string, user SeedUser) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	a, ok := s.world.apps[appID]
	switch {
	case !ok:
		return fmt.Errorf("there is no app %s: add it to the seed", appID)
	case user.OpenID == "" || s.world.knows(user.OpenID):
		return fmt.Errorf("the openid %q is empty or already used: a person has another openid in each app", user.OpenID)
	}
	a.users[user.OpenID] = true
	a.Users = append(a.Users, user)
	return nil
}

func (w *world) knows(openID string) bool {
	for _, a := range w.apps {
		if a.users[openID] {
			return true
		}
	}
	return false
}

// Now is the simulated time.
func (s *Simulator) Now() time.Time { return s.clock.now() }

// Advance moves the simulated time forward by d. What becomes due in between happens in its order; Drain waits
// for it.
func (s *Simulator) Advance(d time.Duration) error { return s.clock.advance(d) }

// SetTime moves the simulated time forward to t.
func (s *Simulator) SetTime(t time.Time) error { return s.clock.set(t) }

// SetSpeed makes the simulated time run so many times as fast as the machine's clock; 0 stops it.
func (s *Simulator) SetSpeed(speed float64) error { return s.clock.setSpeed(speed) }

// Wake looks again at what is due, after the clock of Config.Now was moved.
func (s *Simulator) Wake() { s.clock.wake() }

// Drain waits until nothing is under way and nothing is due at the present simulated time: every callback that
// should have been sent was sent and answered, or refused.
func (s *Simulator) Drain(ctx context.Context) error {
	s.Wake()
	return s.agenda.drain(ctx)
}

// Reset forgets every trade, refund, callback, request and fault. Merchants, keys, apps, users and the time stay.
func (s *Simulator) Reset() {
	s.mu.Lock()
	s.world.forget()
	s.faults = newFaultRules(s.cfg.RandomSeed)
	s.held = nil
	s.mu.Unlock()
	s.agenda.clear()
	s.changed()
}

// changed tells the state file that there is something to write.
func (s *Simulator) changed() {
	if s.store != nil {
		s.store.note()
	}
}
