package ports

import (
	"context"
	"encoding/json"
	"time"

	"github.com/paybridge/paybridge/core/pay"
)

// Settings are apps, entries and accounts: rows, each with a generation and its history.
type Settings interface {
	// ApplySettings makes the rows that source owns be these, in one transaction: new and changed rows get a new
	// generation, rows of source that are not in it are dropped. It does nothing when content, the hash of what is
	// applied, was applied by this source before (an old replica's start does not bring an old file back). An account
	// whose merchant numbers differ from the first seen under its name, or that stored payments still need and that
	// would be dropped, is refused with a *SettingsRefusal that lists them (R37).
	ApplySettings(ctx context.Context, source, content string, s SettingsContent, now time.Time) (applied bool, err error)
	// LoadSettings reads all rows as they are now, and the generation, which grows with every change of any row.
	LoadSettings(ctx context.Context) (SettingsContent, error)
	// SettingsGeneration is the newest generation: a cheap question for a replica that wants to know of changes.
	SettingsGeneration(ctx context.Context) (int64, error)
}

// SettingsContent is every app, entry and account.
type SettingsContent struct {
	Generation int64
	Apps       []App
	Entries    []Entry
	Accounts   []Account
}

// App is a business system that calls the API.
type App struct {
	Name       string   `json:"name"`
	Keys       []AppKey `json:"keys"`
	Entries    []string `json:"entries"` // those it may use
	Webhook    *Webhook `json:"webhook,omitempty"`
	Generation int64    `json:"-"`
}

// Webhook is the endpoint that an app's events go to. Without one, the app polls.
type Webhook struct {
	URL string `json:"url"`
	// Secrets sign each event (Standard Webhooks), two while they rotate. They are references (env:NAME, file:path) to
	// whsec_ and base64, never values.
	Secrets []string `json:"secrets"`
	Version int      `json:"version"` // of the event schema, to which the endpoint is pinned
}

// AppKey is one API key of an app; two are valid while they rotate.
type AppKey struct {
	ID     string   `json:"id"`
	Hash   string   `json:"hash"` // SHA-256 of the key, lower-case hex
	Scopes []string `json:"scopes"`
}

// Entry is a way in for payers.
type Entry struct {
	Name       string         `json:"name"`
	Provider   string         `json:"provider"`
	Account    string         `json:"account"`
	AppID      string         `json:"appid"`
	OpenIDKind pay.OpenIDKind `json:"openid_kind"`
	SpAppID    string         `json:"sp_appid,omitempty"` // the partner's, where AppID is the sub merchant's
	Method     string         `json:"method"`             // two digits
	// Secret is a reference to the app id's secret (env:NAME, file:path), by which payers sign in. Empty: they cannot.
	Secret     string          `json:"secret,omitempty"`
	Scope      IdentityScope   `json:"oauth_scope,omitempty"` // of web authorizations; ScopeBase when empty
	NotifyBase string          `json:"notify_base"`
	ReturnURLs []string        `json:"return_urls"`
	LatePay    pay.LatePay     `json:"late_pay"`
	Options    json.RawMessage `json:"options,omitempty"`
	Retired    bool            `json:"retired,omitempty"` // no new payments
	Generation int64           `json:"-"`
}

// Account is the credentials at a provider. Its merchant numbers never change under one name.
type Account struct {
	Name       string          `json:"name"`
	Provider   string          `json:"provider"`
	MchID      string          `json:"mchid"`
	SubMchID   string          `json:"sub_mchid,omitempty"`
	Config     json.RawMessage `json:"config"`            // by the plugin's schema; secrets in it are references (env:NAME, file:path), never values
	Retired    bool            `json:"retired,omitempty"` // for refunds only
	Generation int64           `json:"-"`
}

// SettingsRefusal says which stored rows forbid a change of settings, and what to do.
type SettingsRefusal struct {
	Account  string
	Problem  string
	Payments []string // numbers of some of the payments that need it, at most 20
	Total    int      // how many there are in all
}

func (r *SettingsRefusal) Error() string { return "account " + r.Account + ": " + r.Problem }
