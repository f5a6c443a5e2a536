package config

import (
	"cmp"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/paybridge/paybridge/core/pay"
	"github.com/paybridge/paybridge/ports"
)

// finding is a problem before its place is known.
type finding struct{ key, what string }

// checking collects what is wrong with a configuration whose shape is right.
type checking struct {
	Config
	findings []finding
}

func (c *checking) bad(key, format string, args ...any) {
	c.findings = append(c.findings, finding{key, fmt.Sprintf(format, args...)})
}

// production refuses where development would let pass.
func (c *checking) production() bool { return c.Mode != Development }

// settle fills in what follows from other values, and makes paths absolute.
func (c *Config) settle(dir string) {
	under := func(path string) string {
		if path == "" || filepath.IsAbs(path) {
			return path
		}
		return filepath.Join(dir, path)
	}
	if c.Plugins.Lock == "" && c.Plugins.Dir != "" {
		c.Plugins.Lock = filepath.Join(c.Plugins.Dir, "plugins.lock")
	}
	c.Plugins.Dir, c.Plugins.Lock, c.Store.Path = under(c.Plugins.Dir), under(c.Plugins.Lock), under(c.Store.Path)
	subMerchant := map[string]bool{}
	for _, a := range c.Accounts {
		subMerchant[a.Name] = a.SubMchID != "" || a.Template
	}
	for i := range c.Entries {
		e := &c.Entries[i]
		e.NotifyBase = strings.TrimRight(e.NotifyBase, "/")
		if e.From != "" {
			continue
		}
		if e.LatePay == "" {
			e.LatePay = pay.LateRefund
		}
		if e.OpenIDKind == "" && e.AppID != "" && !subMerchant[e.Account] {
			e.OpenIDKind = pay.OpenIDDirect
		}
	}
	for i := range c.Apps {
		if w := &c.Apps[i].Webhook; w.URL != "" && w.Version == 0 {
			w.Version = 1
		}
	}
	for _, s := range c.secretRefs() {
		s.ref.strict = c.Mode != Development
	}
}

type namedRef struct {
	key string
	ref *SecretRef
}

// secretRefs are the references outside of the accounts' config.
func (c *Config) secretRefs() []namedRef {
	refs := []namedRef{{"admin.token", &c.Admin.Token}, {"store.dsn", &c.Store.DSN}}
	for i := range c.Secrets.Keys {
		refs = append(refs, namedRef{fmt.Sprintf("secrets.keys[%d].ref", i), &c.Secrets.Keys[i].Ref})
	}
	refs = append(refs, namedRef{"alarms.url", &c.Alarms.URL}, namedRef{"alarms.secret", &c.Alarms.Secret})
	for i := range c.Entries {
		refs = append(refs, namedRef{fmt.Sprintf("entries[%d].secret", i), &c.Entries[i].Secret})
	}
	for i := range c.Apps {
		for j := range c.Apps[i].Webhook.Secrets {
			refs = append(refs, namedRef{fmt.Sprintf("apps[%d].webhook.secrets[%d]", i, j), &c.Apps[i].Webhook.Secrets[j]})
		}
		for j := range c.Apps[i].Keys {
			refs = append(refs, namedRef{fmt.Sprintf("apps[%d].keys[%d].secret", i, j), &c.Apps[i].Keys[j].Secret})
		}
	}
	return refs
}

// UnreadableSecrets are the references outside of the accounts' config whose secrets cannot be read here and now.
func (c Config) UnreadableSecrets() (problems []Problem) {
	for _, s := range c.secretRefs() {
		if s.ref.IsZero() {
			continue
		}
		if _, err := s.ref.Resolve(); err != nil {
			problems = append(problems, c.Problem(s.key, "", err.Error(), nil))
		}
	}
	for i, k := range c.Secrets.Keys {
		_, unread := k.Ref.Resolve()
		if _, err := k.Key(); err != nil && unread == nil {
			problems = append(problems, c.Problem(fmt.Sprintf("secrets.keys[%d].ref", i), "", err.Error(), nil))
		}
	}
	return problems
}

// check says all that is wrong with the values.
func (c Config) check() []finding {
	k := checking{Config: c}
	oneOf(&k, "mode", c.Mode, Development, Production)
	if !twoDigits.MatchString(c.Installation) {
		k.bad("installation", `write two digits in quotes, such as "01": no other system on the same merchant number may use them`)
	}
	if c.ShutdownGrace <= 0 || c.ShutdownGrace > time.Minute {
		k.bad("shutdown_grace", "write more than 0s and at most 1m")
	}
	if c.PersonsKeptDays < 30 || c.PersonsKeptDays > 3650 {
		k.bad("persons_kept_days", "write 30 to 3650: a provider may still be asked about a payment before")
	}
	oneOf(&k, "log.format", c.Log.Format, Text, JSON)
	for i, name := range c.Plugins.Env {
		if !variable.MatchString(name) {
			k.bad("plugins.env", "item %d must be the name of an environment variable", i)
		}
	}
	if c.Plugins.Dir == "" {
		k.bad("plugins.dir", "name the folder of the plugin binaries")
	}
	oneOf(&k, "alarms.format", c.Alarms.Format, AlarmJSON, AlarmWeCom, AlarmDingTalk)
	if c.Alarms.Format == AlarmWeCom && !c.Alarms.Secret.IsZero() {
		k.bad("alarms.secret", "WeCom's robots check none; remove it")
	}
	k.listen()
	k.store()
	k.secrets()
	k.weChat()
	k.providers()
	k.accounts()
	k.entries()
	k.apps()
	return k.findings
}

func (c *checking) listen() {
	c.address("listen.public", c.Listen.Public)
	c.address("listen.admin", c.Listen.Admin)
	if !c.Admin.Token.IsZero() {
		return
	}
	host, _, err := net.SplitHostPort(c.Listen.Admin)
	ip, _ := netip.ParseAddr(host) // a zero address is not loopback
	switch loopback := err != nil || host == "localhost" || ip.IsLoopback(); {
	case c.production():
		c.bad("admin.token", "production demands a token on the admin listener; name it, such as env:PAYBRIDGE_ADMIN_TOKEN")
	case !loopback:
		c.bad("admin.token", "the admin listener is open to other machines; name a token, or listen on 127.0.0.1")
	}
}

func (c *checking) address(key, address string) {
	_, port, err := net.SplitHostPort(address)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err != nil {
		c.bad(key, "write host:port, such as 127.0.0.1:8080")
	}
}

func (c *checking) store() {
	oneOf(c, "store.driver", c.Store.Driver, SQLite, Postgres)
	if c.Store.Driver == SQLite && c.Store.Path == "" {
		c.bad("store.path", "name SQLite's file")
	}
	if c.Store.Driver == Postgres && c.Store.DSN.IsZero() {
		c.bad("store.dsn", "say where PostgreSQL's DSN is, such as env:PAYBRIDGE_DATABASE")
	}
}

func (c *checking) secrets() {
	if len(c.Secrets.Keys) == 0 {
		c.bad("secrets.keys", "name a key of 32 bytes in base64 for encryption at rest; make one by: openssl rand -base64 32")
	}
	for i, k := range c.Secrets.Keys {
		key := fmt.Sprintf("secrets.keys[%d]", i)
		c.name(key+".id", k.ID, i, func(j int) string { return c.Secrets.Keys[j].ID })
		if k.Ref.IsZero() {
			c.bad(key+".ref", "say where the key is, env:NAME or file:path")
		}
	}
	for _, s := range c.secretRefs() {
		if ref := s.ref.ref; ref != "" && !isRef(ref) && !strings.HasPrefix(ref, ports.SealedPrefix) { // of a row; the file's were read as references
			c.bad(s.key, "say where the secret is, env:NAME or file:path")
		}
	}
	if !c.production() {
		return
	}
	for _, s := range c.secretRefs() {
		c.readable(s.key, s.ref.ref)
	}
	for i, a := range c.Accounts {
		for _, ref := range references(a.Config) {
			c.readable(fmt.Sprintf("accounts[%d].config", i), ref)
		}
	}
}

// readable finds key files that every user of the machine could copy.
func (c *checking) readable(key, ref string) {
	if path, file := strings.CutPrefix(ref, fromFile); file {
		if err := refuseReadable(path); err != nil {
			c.bad(key, "%s: %v", ref, err)
		}
	}
}

// weChatHosts are WeChat's own: the second stands in for the first.
var weChatHosts = []string{"https://api.mch.weixin.qq.com", "https://api2.mch.weixin.qq.com"}

// Where payers sign in, at WeChat.
const weChatBrowser, weChatServer = "https://open.weixin.qq.com", "https://api.weixin.qq.com"

// Where a receipt is framed, at WeChat.
const weChatPayApp = "https://payapp.weixin.qq.com"

func (c *checking) weChat() {
	c.baseURL("wechat", c.WeChat.BaseURL, c.WeChat.AllowBaseURL, true)
	for _, sign := range []struct{ key, base, own string }{
		{"browser_base_url", c.WeChat.BrowserBaseURL, weChatBrowser}, {"server_base_url", c.WeChat.ServerBaseURL, weChatServer},
		{"payapp_base_url", c.WeChat.PayAppBaseURL, weChatPayApp},
	} {
		base := strings.TrimSuffix(sign.base, "/")
		switch u, ok := webURL(base); {
		case !ok || u.Path != "":
			c.bad("wechat."+sign.key, "write scheme and host, such as %s", sign.own)
		case c.production() && base != sign.own && base != strings.TrimSuffix(c.WeChat.AllowBaseURL, "/"):
			c.bad("wechat."+sign.key, "is not WeChat's own, which production refuses; remove it, or repeat it in wechat.allow_base_url")
		}
	}
}

// baseURL checks where a provider's API is said to be: money goes nowhere that nobody meant.
func (c *checking) baseURL(key, base, allowed string, weChat bool) {
	base = strings.TrimSuffix(base, "/")
	u, ok := webURL(base)
	switch {
	case !ok || u.Path != "":
		c.bad(key+".base_url", "write scheme and host, such as %s", weChatHosts[0])
	case !c.production() || base == strings.TrimSuffix(allowed, "/") || weChat && slices.Contains(weChatHosts, base):
	case weChat:
		c.bad(key+".base_url", "is not WeChat's own, which production refuses; remove it, or repeat it in %s.allow_base_url", key)
	default:
		c.bad(key+".base_url", "production calls a provider at its own address; remove it, or repeat it in %s.allow_base_url", key)
	}
}

func (c *checking) providers() {
	var known []string
	for _, a := range c.Accounts {
		known = append(known, a.Provider)
	}
	for name, p := range c.Providers {
		key := below("providers", name)
		if !slices.Contains(known, name) {
			c.unknownName(key, "account of a provider", name, known)
		}
		if p.BaseURL != "" {
			c.baseURL(key, p.BaseURL, p.AllowBaseURL, strings.HasPrefix(name, weChatPrefix))
		}
		if p.Test && c.production() {
			c.bad(key+".test", "production takes real money: remove the test flag")
		}
	}
}

var (
	plainName = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)
	twoDigits = regexp.MustCompile(`^[0-9]{2}$`)
	pagePath  = regexp.MustCompile(`^(/[0-9A-Za-z_-]+)+$`)
	merchant  = regexp.MustCompile(`^[0-9A-Za-z_-]{1,32}$`)
	appID     = regexp.MustCompile(`^[0-9A-Za-z_-]{1,64}$`)
	sha256Hex = regexp.MustCompile(`^[0-9a-f]{64}$`)
	// verificationName is a file at the root, of the kind that no page of the gateway has.
	verificationName = regexp.MustCompile(`^[0-9A-Za-z_-]{1,64}\.txt$`)
	variable         = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
)

// name checks the name of row i, which no row before it may have.
func (c *checking) name(key, s string, i int, other func(int) string) {
	if !plainName.MatchString(s) {
		c.bad(key, "write a name of 1 to 63 small letters, digits and hyphens")
		return
	}
	for j := range i {
		if other(j) == s {
			c.bad(key, "%s is there already; names are unique", s)
			return
		}
	}
}

func (c *checking) accounts() {
	for i, a := range c.Accounts {
		key := fmt.Sprintf("accounts[%d].", i)
		c.name(key+"name", a.Name, i, func(j int) string { return c.Accounts[j].Name })
		c.provider(key, a.Provider)
		if !merchant.MatchString(a.MchID) {
			c.bad(key+"mchid", "write the merchant number that signs, in quotes")
		}
		if a.SubMchID != "" && !merchant.MatchString(a.SubMchID) {
			c.bad(key+"sub_mchid", "write the sub merchant's number, in quotes")
		}
		c.byReference(key+"config", a.Config)
		c.made(key, a)
	}
}

// made checks what a template and the accounts that are made from it say of each other.
func (c *checking) made(key string, a Account) {
	if a.Template && (a.SubMchID != "" || a.From != "") {
		c.bad(key+"template", "a template is the partner itself: it has no sub_mchid and is made from nothing")
	}
	if a.From == "" {
		return
	}
	at := slices.IndexFunc(c.Accounts, func(t Account) bool { return t.Name == a.From })
	switch {
	case at < 0 || !c.Accounts[at].Template:
		c.bad(key+"from", "there is no account of this name with template: true")
		return
	case a.Provider != c.Accounts[at].Provider || a.MchID != c.Accounts[at].MchID:
		c.bad(key+"mchid", "provider and mchid are the template's: %s, %s", c.Accounts[at].Provider, c.Accounts[at].MchID)
	}
	if a.SubMchID == "" {
		c.bad(key+"sub_mchid", "write the sub merchant's number, in quotes: all else is the template's")
	}
	if len(a.Config) > 0 {
		c.bad(key+"config", "is the template's; remove it here, or remove from")
	}
}

// byReference refuses what looks like a key in the place of its reference: an account's config is stored and shown as
// it stands. A secret without such looks only the plugin's schema can tell.
func (c *checking) byReference(key string, v any) {
	switch v := v.(type) {
	case string:
		if looksLikeKey(v) {
			c.bad(key, "holds a key or several lines of text; put it into a file of its own and write file:path here, or env:NAME")
		}
	case []any:
		for i := range v {
			c.byReference(fmt.Sprintf("%s[%d]", key, i), v[i])
		}
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(v)) {
			c.byReference(below(key, name), v[name])
		}
	}
}

func (c *checking) provider(key, provider string) {
	if !plainName.MatchString(provider) {
		c.bad(key+"provider", "name the provider's plugin, such as wechat-jsapi")
	}
}

func (c *checking) entries() {
	accounts := make([]string, len(c.Accounts))
	for i, a := range c.Accounts {
		accounts[i] = a.Name
	}
	for i, e := range c.inherited() {
		key := fmt.Sprintf("entries[%d].", i)
		c.name(key+"name", e.Name, i, func(j int) string { return c.Entries[j].Name })
		c.provider(key, e.Provider)
		if !appID.MatchString(e.AppID) && (e.AppID != "" || strings.HasPrefix(e.Provider, weChatPrefix)) {
			c.bad(key+"app_id", "write the app id whose page calls pay")
		}
		if !twoDigits.MatchString(e.Method) || e.Method == "00" {
			c.bad(key+"method", `write the pay method's two digits in quotes, "01" to "99"`)
		}
		oneOf(c, key+"late_pay", e.LatePay, pay.LateRefund, pay.LateAccept)
		if e.OAuthScope != "" {
			oneOf(c, key+"oauth_scope", e.OAuthScope, ports.ScopeBase, ports.ScopeUserInfo)
		}
		if !e.Secret.IsZero() && e.AppID == "" {
			c.bad(key+"secret", "is of an app id, and the entry has none; remove it, or write app_id")
		}
		if e.HandOver != "" {
			oneOf(c, key+"hand_over", e.HandOver, ports.HandOverTicket, ports.HandOverParameters)
		}
		if e.PayPage != "" && !pagePath.MatchString(e.PayPage) {
			c.bad(key+"pay_page", "write the page's path in the mini program, such as /pages/paybridge/pay, without parameters")
		}
		if e.Prepare != "" {
			oneOf(c, key+"prepare", e.Prepare, ports.PrepareRequired, ports.PrepareOptional)
			if !slices.ContainsFunc(c.Apps, func(a App) bool {
				return a.Webhook.PrepareURL != "" && (slices.Contains(a.Entries, e.Name) || e.From != "" && slices.Contains(a.Entries, e.From))
			}) {
				c.bad(key+"prepare", "no app that uses the entry has a webhook.prepare_url to ask; write one, or remove this")
			}
		}
		switch {
		case e.FulfilmentDays < 0 || e.FulfilmentDays > 30:
			c.bad(key+"fulfilment_days", "write 1 to 30 days, or remove it where WeChat wants no report of what was shipped")
		case e.FulfilmentDays > 0 && (!strings.HasPrefix(e.Provider, weChatPrefix) || e.Secret.IsZero()):
			c.bad(key+"fulfilment_days", "reports go to WeChat in the name of the app id: they need a WeChat channel and the entry's secret; write secret, or remove it")
		}
		c.notifyBase(key, e.NotifyBase)
		for j, u := range e.ReturnURLs {
			c.web(fmt.Sprintf("%sreturn_urls[%d]", key, j), u)
		}
		c.verificationFiles(key, e.VerificationFiles)
		at := slices.Index(accounts, e.Account)
		if at < 0 {
			c.unknownName(key+"account", "account", e.Account, accounts)
			continue
		}
		c.fits(key, e, c.Accounts[at])
		if e.From != "" && !slices.ContainsFunc(c.Entries, func(t Entry) bool { return t.Name == e.From && t.Account == c.Accounts[at].From && t.From == "" }) {
			c.bad(key+"from", "there is no entry of this name whose account is the template that account %s is made from", e.Account)
		}
	}
}

func (c *checking) verificationFiles(key string, files []VerificationFile) {
	for i, f := range files {
		key := fmt.Sprintf("%sverification_files[%d].", key, i)
		if !verificationName.MatchString(f.Name) {
			c.bad(key+"name", "write the file's name as WeChat gave it, such as MP_verify_0123456789abcdef.txt")
		}
		if content := cmp.Or(f.Content, f.derived()); content == "" || len(content) > 1024 {
			c.bad(key+"content", "write what stands in the file, at most 1024 bytes; only that of an MP_verify_….txt follows from its name")
		}
	}
}

// fits holds an entry against its account.
func (c *checking) fits(key string, e Entry, a Account) {
	if e.Provider != a.Provider {
		c.bad(key+"provider", "account %s belongs to provider %s; an entry's provider is its account's", a.Name, a.Provider)
	}
	if a.Retired && !e.Retired {
		c.bad(key+"account", "account %s is retired; name another, or retire the entry too", a.Name)
	}
	switch {
	case e.AppID == "" && e.OpenIDKind != "":
		c.bad(key+"openid_kind", "says whose app id an openid belongs to, and the entry has none; remove it, or write app_id")
	case e.AppID == "":
	case e.OpenIDKind == pay.OpenIDNone && !strings.HasPrefix(e.Provider, weChatPrefix):
	case a.SubMchID == "" && !a.Template:
		oneOf(c, key+"openid_kind", e.OpenIDKind, pay.OpenIDDirect)
	default:
		oneOf(c, key+"openid_kind", e.OpenIDKind, pay.OpenIDSp, pay.OpenIDSub)
	}
	switch {
	case e.OpenIDKind != pay.OpenIDSub && e.SpAppID != "":
		c.bad(key+"sp_app_id", "goes with openid_kind sub alone: there app_id is the sub merchant's; remove it")
	case e.OpenIDKind == pay.OpenIDSub && strings.HasPrefix(e.Provider, weChatPrefix) && !appID.MatchString(e.SpAppID):
		c.bad(key+"sp_app_id", "write the partner's own app id: WeChat wants it with each payment of a sub merchant")
	}
}

func (c *checking) apps() {
	entries := make([]string, len(c.Entries))
	for i, e := range c.Entries {
		entries[i] = e.Name
	}
	for i, a := range c.Apps {
		key := fmt.Sprintf("apps[%d].", i)
		c.name(key+"name", a.Name, i, func(j int) string { return c.Apps[j].Name })
		for j, e := range a.Entries {
			if !slices.Contains(entries, e) {
				c.unknownName(fmt.Sprintf("%sentries[%d]", key, j), "entry", e, entries)
			}
		}
		c.webhook(key+"webhook.", a.Webhook)
		for j, k := range a.Keys {
			c.appKey(fmt.Sprintf("%skeys[%d].", key, j), k, j, a.Keys)
		}
	}
}

// webhook checks an app's endpoint. Whether its address is allowed is seen when it is dialled.
func (c *checking) webhook(key string, w Webhook) {
	if w.URL == "" {
		if len(w.Secrets) > 0 || w.Version != 0 || w.PrepareURL != "" {
			c.bad(key+"url", "say where the events go, or remove the webhook")
		}
		return
	}
	c.endpoint(key+"url", w.URL)
	if w.PrepareURL != "" {
		c.endpoint(key+"prepare_url", w.PrepareURL)
	}
	if n := len(w.Secrets); n < 1 || n > 2 {
		c.bad(key+"secrets", "name one secret, or two while they rotate: references to whsec_ and 32 random bytes in base64")
	}
	for j := range w.Secrets {
		if w.Secrets[j].IsZero() {
			c.bad(fmt.Sprintf("%ssecrets[%d]", key, j), "say where the secret is, env:NAME or file:path")
		}
	}
	if w.Version < 1 || w.Version > pay.EventVersion {
		c.bad(key+"version", "there is no such version of the event schema; the newest is %d", pay.EventVersion)
	}
}

func (c *checking) endpoint(key, address string) {
	switch u, err := url.Parse(address); {
	case err != nil || u.Hostname() == "" || u.User != nil || u.Fragment != "" || u.Scheme != "https" && u.Scheme != "http":
		c.bad(key, "write a URL with scheme and host, such as https://shop.example.com/events, without user and fragment")
	case c.production() && u.Scheme != "https":
		c.bad(key, "production takes only https")
	}
}

func (c *checking) appKey(key string, k AppKey, j int, all []AppKey) {
	c.name(key+"id", k.ID, j, func(other int) string { return all[other].ID })
	switch {
	case (k.Hash == "") == k.Secret.IsZero():
		c.bad(key+"hash", "give either hash, the key's SHA-256 in hex, or secret, a reference to the key")
	case k.Hash != "" && !sha256Hex.MatchString(k.Hash):
		c.bad(key+"hash", "write the SHA-256 of the key as 64 small hex digits: printf %%s KEY | shasum -a 256")
	}
	if len(k.Scopes) == 0 {
		c.bad(key+"scopes", "give at least one scope: pay, read, refund, identity or admin")
	}
	for i, s := range k.Scopes {
		oneOf(c, fmt.Sprintf("%sscopes[%d]", key, i), s, ScopePay, ScopeRead, ScopeRefund, ScopeIdentity, ScopeAdmin)
	}
}

// unknownName says that a row names one that is not there.
func (c *checking) unknownName(key, what, name string, known []string) {
	switch meant := nearest(name, known); {
	case name == "":
		c.bad(key, "name an %s", what)
	case meant != "":
		c.bad(key, "there is no %s of this name; did you mean %s?", what, meant)
	default:
		c.bad(key, "there is no %s of this name", what)
	}
}

// notifyBase checks what a notify URL is made from. WeChat takes 255 characters, no query and no fragment; the
// longest path that the gateway adds is /notify/ with two names.
func (c *checking) notifyBase(key, base string) {
	const limit = 255 - len("/notify/") - 2*63 - len("/")
	if c.web(key+"notify_base", base) && len(base) > limit {
		c.bad(key+"notify_base", "is over %d characters; with the gateway's path it would be longer than WeChat takes", limit)
	}
}

// web checks a URL of ours that others use.
func (c *checking) web(key, s string) bool {
	switch u, ok := webURL(s); {
	case !ok:
		c.bad(key, "write a URL with scheme and host, such as https://pay.example.com, without user, query and fragment")
		return false
	case c.production() && u.Scheme != "https":
		c.bad(key, "production takes only https")
		return false
	}
	return true
}

func webURL(s string) (*url.URL, bool) {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" {
		return nil, false
	}
	plain := u.Hostname() != "" && u.User == nil && !strings.ContainsAny(s, "?#")
	return u, plain
}

// oneOf checks a word against those that there are.
func oneOf[S ~string](c *checking, key string, word S, known ...S) {
	if slices.Contains(known, word) {
		return
	}
	words := make([]string, len(known))
	for i, k := range known {
		words[i] = string(k)
	}
	if meant := nearest(string(word), words); word != "" && meant != "" {
		c.bad(key, "must be %s; did you mean %s?", alternatives(known), meant)
		return
	}
	c.bad(key, "must be %s", alternatives(known))
}
