package httpapi

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"

	"github.com/paybridge/paybridge/adapters/store"
	"github.com/paybridge/paybridge/adapters/weixin"
	"github.com/paybridge/paybridge/core/gateway"
	"github.com/paybridge/paybridge/core/pay"
	"github.com/paybridge/paybridge/ports"
)

// The keys of the world's apps.
const (
	clinicKey   = "clinic-key"       // may do everything
	clinicReads = "clinic-reads-key" // may only read
	shopKey     = "shop-key"         // another app, which may do everything
	mayNothing  = "shop-useless-key" // of that app, without a scope
)

// world is a running public listener with a real gateway on a real database. Its provider says what the test wants.
type world struct {
	t       *testing.T
	url     string
	gateway *gateway.Gateway
	db      *store.Store
	channel *channel
	log     *logged
	seen    chan Request
	client  *http.Client
	answers *answers
}

func start(t *testing.T, change ...func(*PublicOptions)) *world {
	t.Helper()
	w := &world{t: t, channel: &channel{}, log: &logged{}, seen: make(chan Request, 1000), answers: &answers{}}
	log := slog.New(slog.NewJSONHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	db := newStore(t)
	w.db = db
	w.gateway = gateway.New(gateway.Options{
		Store: db, Providers: w.channel, Clock: ports.ClockFunc(time.Now), Log: log, Installation: "99", Rules: rules{},
	})
	all := []string{"pay", "read", "refund", "identity"}
	_, err := db.ApplySettings(t.Context(), "test", "1", ports.SettingsContent{
		Apps: []ports.App{
			{Name: "clinic", Entries: []string{"official-account", "second-account", "mini-program", "insured"}, Keys: []ports.AppKey{
				{ID: "all", Hash: hashed(clinicKey), Scopes: all}, {ID: "reads", Hash: hashed(clinicReads), Scopes: []string{"read"}},
			}, Webhook: &ports.Webhook{URL: "https://clinic.example/events", Secrets: []string{"env:CLINIC"}, Version: 1}},
			{Name: "shop", Entries: []string{"official-account", "mini-program"}, Keys: []ports.AppKey{{ID: "all", Hash: hashed(shopKey), Scopes: all}, {ID: "none", Hash: hashed(mayNothing)}}},
		},
		Entries: []ports.Entry{
			{Name: "official-account", Provider: "channel", Account: "hospital", AppID: "wxa", OpenIDKind: pay.OpenIDDirect, Method: "01", NotifyBase: "https://pay.example", LatePay: pay.LateRefund},
			{Name: "mini-program", Provider: "channel", Account: "hospital", AppID: "wxm", OpenIDKind: pay.OpenIDDirect, Method: "02", NotifyBase: "https://pay.example", LatePay: pay.LateRefund, Secret: "env:WXM"},
			{Name: "insured", Provider: "insurance", Account: "hospital-insurance", AppID: "wxa", OpenIDKind: pay.OpenIDDirect, Method: "03", NotifyBase: "https://pay.example", LatePay: pay.LateRefund},
			{Name: "second-account", Provider: "channel", Account: "hospital", AppID: "wxb", OpenIDKind: pay.OpenIDDirect, Method: "02", NotifyBase: "https://pay.example", LatePay: pay.LateRefund, FulfilmentDays: 3},
		},
		Accounts: []ports.Account{
			{Name: "hospital", Provider: "channel", MchID: "1900000001", Config: json.RawMessage(`{}`)},
			{Name: "hospital-insurance", Provider: "insurance", MchID: "1900000001", Config: json.RawMessage(`{}`)},
		},
	}, time.Now())
	w.gateway.Identity = noWeChat(t)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.gateway.LoadSettings(t.Context(), func([]ports.Account) {}); err != nil {
		t.Fatal(err)
	}
	options := PublicOptions{
		Gateway: w.gateway, Log: log, Observe: func(r Request) { w.seen <- r },
		TrustedProxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")},
	}
	for _, f := range change {
		f(&options)
	}
	handler, err := Public(options)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(nil)
	server.Config = Server(handler, log)
	server.Start()
	t.Cleanup(server.Close)
	w.url = server.URL
	w.client = &http.Client{Transport: conforming(t, w.answers, server.Client().Transport)}
	return w
}

// noWeChat says of nobody who they are: WeChat is away.
func noWeChat(t *testing.T) *weixin.Client {
	t.Helper()
	client := weixin.New(weixin.Options{BrowserBase: "http://127.0.0.1:1", ServerBase: "http://127.0.0.1:1", Now: time.Now})
	t.Cleanup(client.Close)
	return client
}

// newStore is an empty SQLite database.
func newStore(t *testing.T) *store.Store {
	t.Helper()
	keys, err := store.NewKeyring(store.Key{ID: "test", Key: bytes.Repeat([]byte{7}, 32)})
	if err != nil {
		t.Fatal(err)
	}
	db, err := store.Open(t.Context(), store.Options{Driver: "sqlite", DSN: filepath.Join(t.TempDir(), "paybridge.sqlite"), Keys: keys})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil && !errors.Is(err, os.ErrClosed) { // a test may have closed it
			t.Error(err)
		}
	})
	if err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return db
}

func hashed(key string) string {
	sum := sha256.Sum256([]byte(key))
	return hex.EncodeToString(sum[:])
}

// reply is an answer, read whole.
type reply struct {
	status int
	header http.Header
	text   string
	json   map[string]any
}

// code is the problem's; empty where it is none.
func (r reply) code() string {
	code, _ := r.json["code"].(string)
	return code
}

func (r reply) number() string {
	number, _ := r.json["number"].(string)
	return number
}

// call makes a request with a key and a JSON body (empty: none).
func (w *world) call(key, method, path, body string, headers ...string) reply {
	w.t.Helper()
	r, err := http.NewRequestWithContext(w.t.Context(), method, w.url+path, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	if key != "" {
		r.Header.Set("Authorization", "Bearer "+key)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	return w.send(r)
}

func (w *world) send(r *http.Request) reply {
	w.t.Helper()
	answer, err := w.client.Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	out := reply{status: answer.StatusCode, header: answer.Header, text: string(text)}
	_ = json.Unmarshal(text, &out.json) // nil where it is no object
	return out
}

// must makes a call whose status the test depends on.
func (w *world) must(status int, key, method, path, body string) reply {
	w.t.Helper()
	r := w.call(key, method, path, body)
	if r.status != status {
		w.t.Fatalf("%s %s: status %d, want %d: %s", method, path, r.status, status, r.text)
	}
	return r
}

// order makes an order of the clinic.
func (w *world) order(reference string) (number string) {
	w.t.Helper()
	return w.must(201, clinicKey, "POST", "/v1/orders", fmt.Sprintf(`{"reference":%q,"amount":1250,"description":"Registration fee"}`, reference)).number()
}

// payment opens a payment of an order.
func (w *world) payment(order string) (number string) {
	w.t.Helper()
	return w.must(201, clinicKey, "POST", "/v1/orders/"+order+"/payments", `{"entry":"official-account","payer":{"openid":"o1"}}`).number()
}

// paidToShip makes an order that was paid through an entry with the duty to report its fulfilment.
func (w *world) paidToShip(reference string) (order string) {
	w.t.Helper()
	order = w.order(reference)
	payment := w.must(201, clinicKey, "POST", "/v1/orders/"+order+"/payments", `{"entry":"second-account","payer":{"openid":"o1"}}`).number()
	w.channel.says(payment, pay.FactSucceeded)
	w.must(200, clinicKey, "POST", "/v1/payments/"+payment+"/sync", "")
	return order
}

// paid makes an order whose payment succeeded.
func (w *world) paid(reference string) (order, payment string) {
	w.t.Helper()
	order = w.order(reference)
	payment = w.payment(order)
	w.channel.says(payment, pay.FactSucceeded)
	if r := w.must(200, clinicKey, "POST", "/v1/payments/"+payment+"/sync", ""); r.json["state"] != "succeeded" {
		w.t.Fatalf("the payment is %v", r.json["state"])
	}
	return order, payment
}

// publish gives new events their place, as a worker would.
func (w *world) publish() {
	w.t.Helper()
	if _, err := w.db.PublishEvents(w.t.Context(), 1000, func(app string) bool { return app == "clinic" }, time.Now()); err != nil {
		w.t.Fatal(err)
	}
}

// answers are those that came, as in "GET /v1/orders 200".
type answers struct {
	mu   sync.Mutex
	came map[string]bool
}

func (a *answers) note(method, path string, status int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.came == nil {
		a.came = map[string]bool{}
	}
	a.came[fmt.Sprintf("%s %s %d", method, path, status)] = true
}

// conforming notes every answer to a call that openapi.yaml knows, and holds it against it.
func conforming(t *testing.T, came *answers, next http.RoundTripper) http.RoundTripper {
	t.Helper()
	router, err := gorillamux.NewRouter(document(t))
	if err != nil {
		t.Fatal(err)
	}
	return roundTripper(func(r *http.Request) (*http.Response, error) {
		answer, err := next.RoundTrip(r)
		if err != nil {
			return nil, err
		}
		body, err := io.ReadAll(answer.Body)
		if err != nil {
			return nil, err
		}
		_ = answer.Body.Close()
		answer.Body = io.NopCloser(bytes.NewReader(body))
		if answer.Header.Get("X-Request-Id") == "" {
			t.Errorf("%s %s: no X-Request-Id", r.Method, r.URL.Path)
		}
		asked := r.Clone(context.Background())
		asked.URL.Host, asked.URL.Scheme, asked.Host = "", "", ""
		route, variables, err := router.FindRoute(asked)
		if err != nil {
			if unknown := (*routers.RouteError)(nil); !errors.As(err, &unknown) {
				t.Errorf("%s %s: %v", r.Method, r.URL.Path, err)
			}
			return answer, nil
		}
		came.note(r.Method, route.Path, answer.StatusCode)
		err = openapi3filter.ValidateResponse(context.Background(), &openapi3filter.ResponseValidationInput{
			RequestValidationInput: &openapi3filter.RequestValidationInput{Request: asked, PathParams: variables, Route: route},
			Status:                 answer.StatusCode, Header: answer.Header, Body: io.NopCloser(bytes.NewReader(body)),
			Options: &openapi3filter.Options{IncludeResponseStatus: true, MultiError: true},
		})
		if err != nil {
			t.Errorf("%s %s answers %d against openapi.yaml: %v\n%s", r.Method, r.URL.Path, answer.StatusCode, err, body)
		}
		return answer, nil
	})
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// logged is what was written to the log.
type logged struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logged) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// channel is a pay channel that accepts everything, unless the test says otherwise.
type channel struct {
	mu      sync.Mutex
	states  map[string]pay.FactState              // by payment number; unpaid unless set
	outcome *pay.Outcome                          // of every call while set
	gone    bool                                  // no plugin serves it
	create  func(pay.Payment) ports.PaymentAnswer // what a create is answered with, when set
	ahead   time.Duration                         // that its clock is before ours
	parse   func(ports.RawMessage) (ports.Notification, error)
}

func (c *channel) says(payment string, s pay.FactState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.states == nil {
		c.states = map[string]pay.FactState{}
	}
	c.states[payment] = s
}

// reads makes every notification be what f says.
func (c *channel) reads(f func(ports.RawMessage) (ports.Notification, error)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.parse = f
}

// leaves takes the plugin away, or brings it back.
func (c *channel) leaves(gone bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.gone = gone
}

// creates answers every create by f.
func (c *channel) creates(f func(pay.Payment) ports.PaymentAnswer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.create = f
}

// ends makes every call end so, or as it should again with nil.
func (c *channel) ends(o *pay.Outcome) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.outcome = o
}

// shows sets how far the channel's clock is before ours.
func (c *channel) shows(ahead time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ahead = ahead
}

func (c *channel) For(pay.Route) (ports.Provider, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.gone {
		return nil, fmt.Errorf("channel: %w", ports.ErrUnavailable)
	}
	return c, nil
}

func (c *channel) Policy(provider string) (pay.Policy, error) {
	return pay.Policy{Renewable: true, RefundCount: 50, Insurance: provider == "insurance"}, nil
}

func (c *channel) ParseNotification(_ context.Context, provider, account string, m ports.RawMessage) (ports.Notification, error) {
	if provider != "channel" || account != "hospital" {
		return ports.Notification{}, fmt.Errorf("account %s: %w", account, ports.ErrUnavailable)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.parse(m)
}

func (c *channel) CreatePayment(_ context.Context, p pay.Payment) ports.PaymentAnswer {
	c.mu.Lock()
	create := c.create
	c.mu.Unlock()
	if create != nil {
		return create(p)
	}
	a := c.about(p)
	if a.Facts != nil {
		a.HandOff = &pay.HandOff{Kind: "wechat_jsapi", Params: map[string]string{"package": "prepay_id=" + p.Number}, ValidUntil: time.Now().Add(time.Hour)}
	}
	return a
}

func (c *channel) QueryPayment(_ context.Context, p pay.Payment) ports.PaymentAnswer {
	return c.about(p)
}

func (c *channel) ClosePayment(_ context.Context, p pay.Payment) ports.PaymentAnswer {
	a := c.about(p)
	if a.Facts != nil && a.Facts.State == pay.FactUnpaid {
		a.Facts.State = pay.FactClosed
	}
	return a
}

func (c *channel) about(p pay.Payment) ports.PaymentAnswer {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.outcome != nil {
		return ports.PaymentAnswer{Outcome: *c.outcome}
	}
	at := time.Now().Add(c.ahead)
	facts := pay.Facts{
		State: cmp.Or(c.states[p.Number], pay.FactUnpaid), Number: p.OutTradeNo(), MchID: p.Route.MchID, AppID: p.Route.AppID, Amount: p.Content.Amount,
	}
	if facts.State == pay.FactSucceeded {
		facts.ProviderID, facts.PaidAt, facts.PayerTotal = "4200"+p.Number, time.Now(), p.Content.Amount.Minor
	}
	for _, leg := range p.Legs {
		if p.Route.Policy.Insurance {
			facts.Legs = append(facts.Legs, pay.LegFacts{ID: leg.ID, Kind: leg.Kind, Amount: leg.Amount, State: facts.State})
		}
	}
	return ports.PaymentAnswer{Outcome: pay.Outcome{Verdict: pay.Accepted}, Facts: &facts, ProviderTime: at}
}

func (c *channel) CreateRefund(_ context.Context, p pay.Payment, r pay.Refund) ports.RefundAnswer {
	return c.QueryRefund(context.Background(), p, r)
}

func (c *channel) QueryRefund(_ context.Context, p pay.Payment, r pay.Refund) ports.RefundAnswer {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.outcome != nil {
		return ports.RefundAnswer{Outcome: *c.outcome}
	}
	return ports.RefundAnswer{Outcome: pay.Outcome{Verdict: pay.Accepted}, Facts: &pay.RefundFacts{
		State: pay.RefundFactSucceeded, Number: r.OutRefundNo(), Payment: p.OutTradeNo(), MchID: p.Route.MchID, Amount: r.Amount,
		ProviderID: "5030" + r.Number, SucceededAt: time.Now(), Account: "支付用户零钱",
	}}
}
