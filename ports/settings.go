package ports

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"github.com/paybridge/paybridge/core/pay"
)

// Settings are apps, entries and accounts: rows, each with a generation and its history. A row belongs to whoever made
// it, and nobody else changes it. Every change is refused with a *SettingsRefusal where an account's merchant numbers
// differ from the first seen under its name, where stored payments still need an account that would be dropped (R37), or
// where a row is somebody else's.
type Settings interface {
	// ApplySettings makes the rows that source owns be these, in one transaction: new and changed rows get a new
	// generation, rows of source that are not in it are dropped. It does nothing when content, the hash of what is
	// applied, was applied by this source before (an old replica's start does not bring an old file back).
	ApplySettings(ctx context.Context, source, content string, s SettingsContent, now time.Time) (applied bool, err error)
	// ChangeSettings writes rows and drops others in one transaction and returns the new generation; nothing to write and
	// nothing to drop is the old one. ErrMoved: the newest generation is not the one that the change was made for.
	ChangeSettings(ctx context.Context, c SettingsChange, now time.Time) (generation int64, err error)
	// LoadSettings reads all rows as they are now, and the generation, which grows with every change of any row.
	LoadSettings(ctx context.Context) (SettingsContent, error)
	// SettingsGeneration is the newest generation: a cheap question for a replica that wants to know of changes.
	SettingsGeneration(ctx context.Context) (int64, error)
	// SettingHistory is what became of one row, the newest first: at most limit versions, those older than the generation
	// before (0: from the newest).
	SettingHistory(ctx context.Context, key SettingKey, before int64, limit int64) ([]SettingVersion, error)
	// SealSecret encrypts a secret of a row. The text that it gives stands there in the secret's place.
	SealSecret(of SettingKey, secret string) (sealed string, err error)
	// OpenSecret is the opposite of SealSecret.
	OpenSecret(sealed string) (secret string, err error)
}

// SealedPrefix begins the text that stands in the place of a sealed secret.
const SealedPrefix = "sealed:"

// SettingsRules say what may be stored as settings.
type SettingsRules interface {
	// Complete fills in what follows from other values, as a policy that was left out.
	Complete(SettingsContent) SettingsContent
	// Problems lists all that is wrong with the form of settings, and with what they say of each other.
	Problems(SettingsContent) []SettingProblem
	// PluginProblems lists what the plugins of some rows find wrong with them. An account or entry whose plugin has never
	// run here is left out.
	PluginProblems(SettingsContent) ([]SettingProblem, error)
	// Secrets points at the texts of an account's config that must not be stored in the clear (JSON Pointers). An error
	// that wraps ErrUnavailable says that its plugin has never run here, so that nobody knows.
	Secrets(Account) ([]string, error)
	// Secret looks at the text of an entry's secret, or of one of an app's webhook. It is a reference, or the secret itself;
	// problem says what is wrong with its form, and never repeats it.
	Secret(of SettingKey, text string) (reference bool, problem string)
}

// SettingProblem is one wrong value.
type SettingProblem struct {
	Row  SettingKey
	Key  string // as in config.serial_no; empty: the whole row
	What string // and what to do
}

// SettingKind is a kind of row.
type SettingKind string

// The kinds of rows.
const (
	AppSetting     SettingKind = "app"
	EntrySetting   SettingKind = "entry"
	AccountSetting SettingKind = "account"
)

// SettingKey names a row.
type SettingKey struct {
	Kind SettingKind
	Name string
}

func (k SettingKey) String() string { return string(k.Kind) + " " + k.Name }

// SettingsChange is one change of settings.
type SettingsChange struct {
	Base    int64  // the generation that the change was made for
	Owner   string // of the rows that it makes, and the only one whose rows it may change
	By      string // who asked for it, for the history
	Content string // the hash of a configuration that is applied with it; empty: none
	Put     SettingsContent
	Drop    []SettingKey
	Try     bool // undo it at the end: to know whether it would be refused
}

// SettingVersion is one row as it was.
type SettingVersion struct {
	Generation int64
	Owner, By  string
	At         time.Time
	Content    json.RawMessage // nil: dropped
}

// SettingsContent is every app, entry and account.
type SettingsContent struct {
	Generation int64     `json:"-"`
	Apps       []App     `json:"apps"`
	Entries    []Entry   `json:"entries"`
	Accounts   []Account `json:"accounts"`
}

// App is a business system that calls the API.
type App struct {
	Name    string   `json:"name"`
	Keys    []AppKey `json:"keys"`
	Entries []string `json:"entries"`           // those it may use, and those that were made from them
	Retired bool     `json:"retired,omitempty"` // no new orders and payments
	Webhook *Webhook `json:"webhook,omitempty"`
	// DisplayName is what payers see as the merchant; Name when empty.
	DisplayName string `json:"display_name,omitempty"`
	Generation  int64  `json:"-"`
	Owner       string `json:"-"`
}

// Webhook is the endpoint that an app's events go to. Without one, the app polls.
type Webhook struct {
	URL string `json:"url"`
	// Secrets sign each event (Standard Webhooks), two while they rotate. They are references (env:NAME, file:path) to
	// whsec_ and base64, or sealed, never values.
	Secrets []string `json:"secrets"`
	Version int      `json:"version"` // of the event schema, to which the endpoint is pinned
	// PrepareURL is where the app is asked before an order is paid on the checkout, by entries that want that. Empty: it is not.
	PrepareURL string `json:"prepare_url,omitempty"`
}

// Equal tells whether events go out alike.
func (w Webhook) Equal(other Webhook) bool {
	return w.URL == other.URL && w.PrepareURL == other.PrepareURL && w.Version == other.Version && slices.Equal(w.Secrets, other.Secrets)
}

// AppKey is one API key of an app; two are valid while they rotate.
type AppKey struct {
	ID     string   `json:"id"`
	Hash   string   `json:"hash"` // SHA-256 of the key, lower-case hex
	Scopes []string `json:"scopes"`
}

// Entry is a way in for payers.
type Entry struct {
	Name     string `json:"name"`
	Provider string `json:"provider,omitempty"`
	Account  string `json:"account"`
	// From names the entry of a template account that gives every value that is empty here.
	From       string         `json:"from,omitempty"`
	AppID      string         `json:"app_id,omitempty"`
	OpenIDKind pay.OpenIDKind `json:"openid_kind,omitempty"`
	SpAppID    string         `json:"sp_app_id,omitempty"` // the partner's, where AppID is the sub merchant's
	Method     string         `json:"method,omitempty"`    // two digits
	// Secret is the app id's, by which payers sign in: a reference (env:NAME, file:path) or sealed. Empty: they cannot.
	Secret     string          `json:"secret,omitempty"`
	Scope      IdentityScope   `json:"oauth_scope,omitempty"` // of web authorizations; ScopeBase when empty
	NotifyBase string          `json:"notify_base,omitempty"`
	ReturnURLs []string        `json:"return_urls,omitempty"`
	LatePay    pay.LatePay     `json:"late_pay,omitempty"`
	Options    json.RawMessage `json:"options,omitempty"`
	// HandOver is how a page in this mini program's web-view opens its pay page; HandOverTicket when empty. PayPage is that
	// page's path in the mini program; the client kit's when empty.
	HandOver HandOver `json:"hand_over,omitempty"`
	PayPage  string   `json:"pay_page,omitempty"`
	// Prepare says whether an app is asked before an order is paid here on the checkout, and whether its silence stops the
	// payer; it is not asked when empty.
	Prepare Prepare `json:"prepare,omitempty"`
	// FulfilmentDays is within how many days an app has to say that it fulfilled an order that was paid here, which is reported to
	// WeChat; 0: the entry has no such duty.
	FulfilmentDays int `json:"fulfilment_days,omitempty"`
	// VerificationFiles are answered at the root of the public listener: WeChat looks there for proof of who has the domain.
	VerificationFiles []VerificationFile `json:"verification_files,omitempty"`
	Retired           bool               `json:"retired,omitempty"` // no new payments
	Generation        int64              `json:"-"`
	Owner             string             `json:"-"`
}

// HandOver is how an H5 page hands a payment over to the mini program that it is shown in.
type HandOver string

// The ways: a one-time ticket, which the native page redeems, or the pay parameters in its address, as mini programs of 2019
// read them.
const (
	HandOverTicket     HandOver = "ticket"
	HandOverParameters HandOver = "parameters"
)

// Prepare is what it means that an app which is asked first does not answer.
type Prepare string

// The choices.
const (
	PrepareRequired Prepare = "required" // the payer has to wait
	PrepareOptional Prepare = "optional" // the payment goes on
)

// VerificationFile is a small text file by which WeChat believes that a domain is ours.
type VerificationFile struct {
	Name    string `json:"name"` // MP_verify_….txt
	Content string `json:"content"`
}

// Account is the credentials at a provider. Its merchant numbers never change under one name.
type Account struct {
	Name     string `json:"name"`
	Provider string `json:"provider"`
	MchID    string `json:"mchid"`
	SubMchID string `json:"sub_mchid,omitempty"`
	// Template says that sub merchants' accounts are made from this one, a partner's. It takes no payments itself.
	Template bool `json:"template,omitempty"`
	// From names the template whose config this account has; its own is empty. So one change rotates the keys of all.
	From       string          `json:"from,omitempty"`
	Config     json.RawMessage `json:"config,omitempty"`  // by the plugin's schema; secrets in it are references or sealed, never values
	Retired    bool            `json:"retired,omitempty"` // for refunds only
	Generation int64           `json:"-"`
	Owner      string          `json:"-"`
}

// SettingsRefusal says which stored rows forbid a change of settings, and what to do.
type SettingsRefusal struct {
	Account  string // or the entry or app
	Problem  string
	Payments []string // numbers of some of the payments that need it, at most 20
	Total    int      // how many there are in all
}

func (r *SettingsRefusal) Error() string { return "account " + r.Account + ": " + r.Problem }
