// Package config reads how a gateway is set up: defaults, then a YAML file, then the environment
// (PAYBRIDGE_LISTEN__PUBLIC for listen.public), then flags (--listen.public). What it does not know it refuses,
// naming the place, the key and the remedy, and everything at once. Secrets stand in it by reference only.
//
// configs/production.example.yaml is the reference of every key.
package config

import (
	"log/slog"
	"net/netip"
	"strings"
	"time"

	"github.com/paybridge/paybridge/core/pay"
	"github.com/paybridge/paybridge/ports"
)

// Config is a gateway's whole setup, checked. Paths in it are absolute.
type Config struct {
	Mode Mode `koanf:"mode" help:"development or production"`
	// Installation is the two digits that trade numbers made here carry, so that two systems which share a
	// merchant number can be told apart.
	Installation string `koanf:"installation" help:"two digits that this installation's trade numbers carry"`
	Listen       Listen `koanf:"listen"`
	Admin        Admin  `koanf:"admin"`
	Store        Store  `koanf:"store"`
	// Secrets are the keys that encrypt at rest.
	Secrets Secrets `koanf:"secrets"`
	Plugins Plugins `koanf:"plugins"`
	WeChat  WeChat  `koanf:"wechat"`
	// Providers are settings of one provider each, by its name. Provider says what holds for one.
	Providers map[string]Provider `koanf:"providers"`
	// TrustedProxies may tell a payer's address by X-Forwarded-For. Nobody else may.
	TrustedProxies []netip.Prefix `koanf:"trusted_proxies" help:"address ranges of the proxies in front, comma separated"`
	Webhooks       Webhooks       `koanf:"webhooks"`
	Alarms         Alarms         `koanf:"alarms"`
	Log            Log            `koanf:"log"`
	// PersonsKeptDays is how many days after an order was made its bill names persons; 30 to 3650.
	PersonsKeptDays int `koanf:"persons_kept_days" help:"days until names and identity numbers of a bill are removed"`
	// ShutdownGrace is how long calls in flight may take to end when the gateway is told to stop; above 0, at
	// most 1 minute.
	ShutdownGrace time.Duration `koanf:"shutdown_grace" help:"how long calls in flight may take to end at a stop"`

	// Apps, Entries and Accounts are rows of the store; these are applied to it at start.
	Apps     []App     `koanf:"apps"`
	Entries  []Entry   `koanf:"entries"`
	Accounts []Account `koanf:"accounts"`

	where func(key string) string // the place that said a key; nil when it was not loaded
}

// Mode says how strict the gateway is. The default is Production.
type Mode string

const (
	// Development allows http, a simulated provider and plain key files.
	Development Mode = "development"
	// Production refuses what would be a danger to money.
	Production Mode = "production"
)

// Listen is where the gateway listens, as host:port; port 0 takes a free one.
type Listen struct {
	Public string `koanf:"public" help:"address of the API, the notifications and the payers' pages"`
	Admin  string `koanf:"admin" help:"address of metrics, readiness in detail and the operator's calls"`
}

// Admin guards the admin listener.
type Admin struct {
	// Token is demanded of every caller of the admin listener. It may be absent only in development on a
	// loopback address.
	Token SecretRef `koanf:"token" help:"reference to the admin listener's token"`
}

// Store is the database.
type Store struct {
	Driver Driver `koanf:"driver" help:"sqlite or postgres"`
	// Path is SQLite's file.
	Path string `koanf:"path" help:"SQLite's file"`
	// DSN is PostgreSQL's, by reference because it holds a password.
	DSN SecretRef `koanf:"dsn" help:"reference to PostgreSQL's DSN"`
}

// Driver names a kind of database.
type Driver string

// The databases that a store can be on.
const (
	SQLite   Driver = "sqlite"
	Postgres Driver = "postgres"
)

// Secrets are the keys of encryption at rest (AES-256-GCM).
type Secrets struct {
	// Keys has the current key first; the others only decrypt what was written before.
	Keys []SecretKey `koanf:"keys"`
}

// SecretKey is one key of encryption at rest.
type SecretKey struct {
	ID string `koanf:"id"` // stored beside what the key encrypted: never give it to another key
	// Ref names 32 bytes in base64.
	Ref SecretRef `koanf:"ref"`
}

// Plugins says where the plugins are.
type Plugins struct {
	Dir string `koanf:"dir" help:"folder of the plugin binaries"`
	// Lock is the file that pins each plugin by version and SHA-256; plugins.lock in Dir unless set.
	Lock string `koanf:"lock" help:"file that pins the plugins; plugins.lock in their folder unless set"`
	// Env names the variables that plugins may see. They see no other.
	Env []string `koanf:"env" help:"names of the environment variables that plugins may see, comma separated"`
}

// WeChat is what all WeChat plugins share: the providers whose name begins with "wechat-".
type WeChat struct {
	// BaseURL is scheme and host of the v3 API.
	BaseURL string `koanf:"base_url" help:"scheme and host of WeChat Pay's API"`
	// AllowBaseURL must repeat a BaseURL that is not WeChat's own before Production takes it.
	AllowBaseURL string `koanf:"allow_base_url" help:"repeats a base URL that is not WeChat's own, to allow it in production"`
	// BrowserBaseURL is where payers' browsers are sent to sign in, ServerBaseURL where the gateway asks who they are.
	BrowserBaseURL string `koanf:"browser_base_url" help:"scheme and host that payers' browsers are sent to, to sign in"`
	ServerBaseURL  string `koanf:"server_base_url" help:"scheme and host of WeChat's API for sign-ins and access tokens"`
	// PayAppBaseURL is WeChat's page that shows the receipt of a partner's payment in a frame (点金计划).
	PayAppBaseURL string `koanf:"payapp_base_url" help:"scheme and host of WeChat's page that frames the receipt"`
}

// Provider is which of a pay channel's worlds its accounts live in.
type Provider struct {
	// BaseURL is scheme and host of the provider's API. Empty: WeChat.BaseURL for a WeChat provider, else the address
	// that the plugin knows by itself.
	BaseURL string `koanf:"base_url"`
	// AllowBaseURL must repeat a BaseURL before Production takes it, unless it is WeChat's own.
	AllowBaseURL string `koanf:"allow_base_url"`
	// Test is the provider's test flag, where it has one. Production refuses it.
	Test bool `koanf:"test"`
}

const weChatPrefix = "wechat-"

// Provider is what holds for the provider of that name.
func (c Config) Provider(name string) Provider {
	p := c.Providers[name]
	if p.BaseURL == "" && strings.HasPrefix(name, weChatPrefix) {
		p.BaseURL = c.WeChat.BaseURL
	}
	return p
}

// Webhooks bounds where messages to apps and to the operator may go.
type Webhooks struct {
	// AllowNetworks are ranges that they may go to though they are not public.
	AllowNetworks []netip.Prefix `koanf:"allow_networks" help:"address ranges that webhooks may lead to though they are not public, comma separated"`
}

// Alarms says how the operator is told. Without a URL, alarms are rows and a metric only.
type Alarms struct {
	// URL is of the operator's webhook; by reference, because a robot's URL is its key.
	URL    SecretRef   `koanf:"url" help:"reference to the URL of the operator's webhook"`
	Format AlarmFormat `koanf:"format" help:"what the operator's webhook takes: json, wecom or dingtalk"`
	Secret SecretRef   `koanf:"secret" help:"reference to the secret that the operator's webhook checks (json, dingtalk)"`
}

// AlarmFormat is what the operator's webhook takes.
type AlarmFormat string

// The formats of an alarm: plain JSON, and the group robots of WeCom and DingTalk.
const (
	AlarmJSON     AlarmFormat = "json"
	AlarmWeCom    AlarmFormat = "wecom"
	AlarmDingTalk AlarmFormat = "dingtalk"
)

// Log is what is written, to standard error.
type Log struct {
	Level  slog.Level `koanf:"level" help:"debug, info, warn or error"`
	Format LogFormat  `koanf:"format" help:"text or json"`
}

// LogFormat is the form of a log line.
type LogFormat string

// The forms of a log line: for people and for machines.
const (
	Text LogFormat = "text"
	JSON LogFormat = "json"
)

// App is a business system that calls the API.
type App struct {
	Name    string   `koanf:"name"`
	Keys    []AppKey `koanf:"keys"`    // several while they rotate
	Entries []string `koanf:"entries"` // names of the entries it may use; a template's: all that are made from it
	Retired bool     `koanf:"retired"` // makes no new orders and payments
	Webhook Webhook  `koanf:"webhook"`
	// DisplayName is what payers see as the merchant; Name unless set.
	DisplayName string `koanf:"display_name"`
}

// Webhook is the endpoint that an app's events go to. Without a URL, the app polls.
type Webhook struct {
	URL string `koanf:"url"`
	// Secrets sign each event; the second one while they rotate.
	Secrets []SecretRef `koanf:"secrets"`
	// PrepareURL is asked before an order is paid on the checkout, by entries with prepare; signed as events are.
	PrepareURL string `koanf:"prepare_url"`
	Version    int    `koanf:"version"` // of the event schema that the endpoint is pinned to; 1 unless set, whatever is newest
}

// AppKey is a key that an app calls with. It has either Hash or Secret.
type AppKey struct {
	ID     string    `koanf:"id"`
	Hash   string    `koanf:"hash"`   // SHA-256 of the whole key, lower-case hex
	Secret SecretRef `koanf:"secret"` // or where the key itself is
	Scopes []Scope   `koanf:"scopes"`
}

// Scope is a thing that an app's key allows.
type Scope string

// The scopes of a key.
const (
	ScopePay      Scope = "pay"
	ScopeRead     Scope = "read"
	ScopeRefund   Scope = "refund"
	ScopeIdentity Scope = "identity"
	ScopeAdmin    Scope = "admin"
)

// Entry is a way in for payers.
type Entry struct {
	Name     string `koanf:"name"`
	Provider string `koanf:"provider"` // the plugin, by the provider's name
	Account  string `koanf:"account"`
	// From names an entry of a template account; its values hold where there are none here.
	From string `koanf:"from"`
	// AppID is the paying app id: the official account or mini program whose page calls pay. Empty only for channels
	// that know none; their payers need no openid.
	AppID string `koanf:"app_id"`
	// OpenIDKind is direct without a sub merchant, which is the default there; with one it is sp or sub. It is none where
	// an app id has no openids, as a shop's till; never so at WeChat. Empty without an app id.
	OpenIDKind pay.OpenIDKind `koanf:"openid_kind"`
	// SpAppID is the partner's own app id, beside the sub merchant's that pays: with openid_kind sub alone.
	SpAppID string `koanf:"sp_app_id"`
	// Method is the pay method's code in trade numbers, "01" to "99".
	Method string `koanf:"method"`
	// NotifyBase is where the provider reaches this gateway: scheme, host and perhaps a path, without a slash at the
	// end, below which the gateway's /notify/… lies.
	NotifyBase string      `koanf:"notify_base"`
	ReturnURLs []string    `koanf:"return_urls"` // prefixes that a payer may be sent back to
	LatePay    pay.LatePay `koanf:"late_pay"`
	// Secret is the app id's secret, by reference. Without it payers cannot sign in through the entry.
	Secret SecretRef `koanf:"secret"`
	// OAuthScope is how much a web authorization asks of a payer; only snsapi_userinfo brings a unionid.
	OAuthScope ports.IdentityScope `koanf:"oauth_scope"`
	// Options are the channel's own settings; the plugin's schema checks them.
	Options map[string]any `koanf:"options"`
	// HandOver is how pages in this mini program's web-view open its pay page, which is at PayPage.
	HandOver ports.HandOver `koanf:"hand_over"`
	PayPage  string         `koanf:"pay_page"`
	// Prepare asks the app's webhook.prepare_url before an order is paid here on the checkout: required makes the payer wait while
	// the app does not answer, optional goes on without.
	Prepare ports.Prepare `koanf:"prepare"`
	// FulfilmentDays is within how many days an app has to say that it fulfilled an order that was paid here, 1 to 30. WeChat
	// (订单发货管理) keeps the money of a mini program's trades back until it is told; 0: the entry has no such duty.
	FulfilmentDays int `koanf:"fulfilment_days"`
	// VerificationFiles are answered at the root of the public listener, for WeChat's check of the domain.
	VerificationFiles []VerificationFile `koanf:"verification_files"`
	Retired           bool               `koanf:"retired"` // takes no new payments
}

// VerificationFile is a text file that WeChat asks to be put at the root of a domain.
type VerificationFile struct {
	Name string `koanf:"name"` // of letters, digits, _ and -, with .txt at the end
	// Content may be left out of an MP_verify_….txt: there it is what stands between MP_verify_ and .txt.
	Content string `koanf:"content"`
}

// Account is credentials at a provider.
type Account struct {
	Name     string `koanf:"name"`
	Provider string `koanf:"provider"`
	MchID    string `koanf:"mchid"`     // the signer's, in whatever words its provider has; never changes under one name
	SubMchID string `koanf:"sub_mchid"` // partner mode only; never changes either
	// Template says that sub merchants' accounts are made from this one, a partner's, which takes no payments itself.
	Template bool `koanf:"template"`
	// From names the template whose Config this account has; its own is empty.
	From string `koanf:"from"`
	// Config is what the plugin's schema asks for; secrets in it are references, "env:NAME" or "file:path", at
	// any depth. ResolveConfig reads them.
	Config  map[string]any `koanf:"config"`
	Retired bool           `koanf:"retired"` // serves refunds, queries and notifications only
}
