package config

import (
	"errors"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"

	"github.com/paybridge/paybridge/core/pay"
)

// least is a small right configuration: what the tests change a line of.
const least = `mode: development
installation: "07"
secrets:
  keys:
    - {id: a, ref: file:a.key}
apps:
  - name: demo
    keys:
      - {id: k, hash: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, scopes: [pay, read]}
    entries: [clinic]
entries:
  - name: clinic
    provider: wechat-jsapi
    account: hospital
    app_id: wx01
    method: "01"
    notify_base: http://127.0.0.1:8080/
accounts:
  - name: hospital
    provider: wechat-jsapi
    mchid: "1900000001"
    config:
      private_key: file:key.pem
      api_v3_keys: [env:HOSPITAL_KEY]
`

func load(text string, environ ...string) (Config, error) {
	return Load(Source{File: "c.yaml", Text: []byte(text), Dir: "/srv", Environ: environ})
}

func TestLeastConfiguration(t *testing.T) {
	t.Parallel()
	c, err := load(least)
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		key       string
		got, want any
	}{
		{"mode", c.Mode, Development},
		{"installation", c.Installation, "07"},
		{"listen.public, a default", c.Listen.Public, "127.0.0.1:8080"},
		{"store.path, a default, absolute", c.Store.Path, "/srv/data/paybridge.sqlite"},
		{"plugins.lock, from plugins.dir", c.Plugins.Lock, "/srv/bin/plugins/plugins.lock"},
		{"log.level, a default", c.Log.Level, slog.LevelInfo},
		{"shutdown_grace, a default", c.ShutdownGrace, 10 * time.Second},
		{"persons_kept_days, a default", c.PersonsKeptDays, 180},
		{"secrets.keys[0].ref, absolute", c.Secrets.Keys[0].Ref.String(), "file:/srv/a.key"},
		{"entries[0].late_pay, a default", c.Entries[0].LatePay, pay.LateRefund},
		{"entries[0].openid_kind, a default", c.Entries[0].OpenIDKind, pay.OpenIDDirect},
		{"entries[0].notify_base, without its slash", c.Entries[0].NotifyBase, "http://127.0.0.1:8080"},
		{"accounts[0].config.private_key, absolute", c.Accounts[0].Config["private_key"], "file:/srv/key.pem"},
	} {
		if row.got != row.want {
			t.Errorf("%s is %v, want %v", row.key, row.got, row.want)
		}
	}
}

func TestLaterSourcesWin(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name    string
		file    string // beside the least
		environ []string
		flags   []string
		want    string // of listen.public
	}{
		{name: "default", want: "127.0.0.1:8080"},
		{name: "file over default", file: "listen: {public: ':1'}", want: ":1"},
		{name: "environment over file", file: "listen: {public: ':1'}", environ: []string{"PAYBRIDGE_LISTEN__PUBLIC=:2"}, want: ":2"},
		{name: "flag over environment", environ: []string{"PAYBRIDGE_LISTEN__PUBLIC=:2"}, flags: []string{"--listen.public=:3"}, want: ":3"},
		{name: "a flag that was not given", file: "listen: {public: ':1'}", flags: []string{"--log.level=debug"}, want: ":1"},
		{name: "an empty variable is not set", file: "listen: {public: ':1'}", environ: []string{"PAYBRIDGE_LISTEN__PUBLIC="}, want: ":1"},
		{name: "somebody else's variable", environ: []string{"OTHER_LISTEN__PUBLIC=:2"}, want: "127.0.0.1:8080"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			flags := pflag.NewFlagSet("", pflag.ContinueOnError)
			AddFlags(flags)
			if err := flags.Parse(row.flags); err != nil {
				t.Fatal(err)
			}
			c, err := Load(Source{Text: []byte(least + row.file), Environ: row.environ, Flags: flags})
			if err != nil {
				t.Fatal(err)
			}
			if c.Listen.Public != row.want {
				t.Errorf("listen.public is %s, want %s", c.Listen.Public, row.want)
			}
		})
	}
}

func TestEnvironmentSetsEveryKind(t *testing.T) {
	t.Parallel()
	c, err := load(least, "PAYBRIDGE_TRUSTED_PROXIES=10.0.0.0/8, fd00::/8", "PAYBRIDGE_SHUTDOWN_GRACE=3s", "PAYBRIDGE_LOG__LEVEL=debug",
		"PAYBRIDGE_ADMIN__TOKEN=env:PAYBRIDGE_TOKEN", "PAYBRIDGE_TOKEN=secret", "PAYBRIDGE_CI=1", "PAYBRIDGE_TEST_POSTGRES_DSN=postgres://")
	if err != nil {
		t.Fatal(err)
	}
	want := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}
	if !slices.Equal(c.TrustedProxies, want) || c.ShutdownGrace != 3*time.Second || c.Log.Level != slog.LevelDebug ||
		c.Admin.Token.String() != "env:PAYBRIDGE_TOKEN" {
		t.Errorf("got %v, %v, %v, %v", c.TrustedProxies, c.ShutdownGrace, c.Log.Level, c.Admin.Token)
	}
}

func TestProblems(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name     string
		old, new string // the change of the least configuration; with an empty old, new is added
		environ  []string
		want     []string // the problems, each by its beginning
	}{
		{name: "a typing mistake", old: "installation", new: "instalation",
			want: []string{"c.yaml:2: instalation: this key is unknown; did you mean installation?"}},
		{name: "a typing mistake in a row", old: "app_id", new: "appid",
			want: []string{"c.yaml:15: entries[0].appid: this key is unknown; did you mean app_id?"}},
		{name: "a key of nobody", new: "colour: red",
			want: []string{"c.yaml:25: colour: this key is unknown; remove it. Known here: mode, installation, listen,"}},
		{name: "all at once", old: "\n    mchid: \"1900000001\"", new: "\n    mchid: 1900000001\n    retird: true",
			want: []string{
				"c.yaml:21: accounts[0].mchid: write the text in quotes; without them it is read as a number",
				"c.yaml:22: accounts[0].retird: this key is unknown; did you mean retired?",
			}},
		{name: "digits without quotes", old: `"07"`, new: "07",
			want: []string{"c.yaml:2: installation: write the text in quotes"}},
		{name: "a list for a text", old: "app_id: wx01", new: "app_id: [wx01]",
			want: []string{"c.yaml:15: entries[0].app_id: write the text in quotes; without them it is read as a list"}},
		{name: "a text for a list", old: "entries: [clinic]", new: "entries: clinic",
			want: []string{"c.yaml:10: apps[0].entries: write a list, not a text"}},
		{name: "a text for a map", new: "listen: ':80'",
			want: []string{"c.yaml:25: listen: has keys of its own below it; here stands a text"}},
		{name: "a row that is no map", old: "  - name: demo\n", new: "  - text\n  - name: demo\n",
			want: []string{"c.yaml:7: apps[0]: has keys of its own below it; here stands a text"}},
		{name: "a date in a channel's settings", old: "private_key: file:key.pem", new: "since: 2026-01-01",
			want: []string{"c.yaml:23: accounts[0].config.since: write the text in quotes; without them it is read as a date"}},
		{name: "a duration without unit", new: "shutdown_grace: 10",
			want: []string{"c.yaml:25: shutdown_grace: write a duration with its unit, such as 10s"}},
		{name: "a duration too long", new: "shutdown_grace: 1h",
			want: []string{"c.yaml:25: shutdown_grace: write more than 0s and at most 1m"}},
		{name: "an address without range", new: "trusted_proxies: [10.0.0.1]",
			want: []string{"c.yaml:25: trusted_proxies[0]: netip.ParsePrefix"}},
		{name: "a word that is not known", new: "log: {level: info, format: yaml}",
			want: []string{"c.yaml:25: log.format: must be text or json"}},
		{name: "an address without port", new: "listen: {public: localhost}",
			want: []string{"c.yaml:25: listen.public: write host:port"}},
		{name: "an open admin listener", new: "listen: {admin: ':8081'}",
			want: []string{"c.yaml: admin.token: the admin listener is open to other machines; name a token"}},
		{name: "PostgreSQL without its DSN", new: "store: {driver: postgres}",
			want: []string{"c.yaml:25: store.dsn: say where PostgreSQL's DSN is"}},
		{name: "no key for encryption", old: "secrets:\n  keys:\n    - {id: a, ref: file:a.key}\n", new: "",
			want: []string{"c.yaml: secrets.keys: name a key of 32 bytes in base64 for encryption at rest"}},
		{name: "the entry's account is missing", old: "account: hospital", new: "account: hopsital",
			want: []string{"c.yaml:14: entries[0].account: there is no account of this name; did you mean hospital?"}},
		{name: "the app's entry is missing", old: "entries: [clinic]", new: "entries: [dentist]",
			want: []string{"c.yaml:10: apps[0].entries[0]: there is no entry of this name"}},
		{name: "the account is another provider's", old: "    provider: wechat-jsapi\n    account", new: "    provider: example\n    account",
			want: []string{"c.yaml:13: entries[0].provider: account hospital belongs to provider wechat-jsapi"}},
		{name: "the account is retired", old: "    config:", new: "    retired: true\n    config:",
			want: []string{"c.yaml:14: entries[0].account: account hospital is retired"}},
		{name: "whose openid, in partner mode", old: "    config:", new: "    sub_mchid: \"19\"\n    config:",
			want: []string{"c.yaml:12: entries[0].openid_kind: must be sp or sub"}},
		{name: "the partner's app id, in partner mode", old: "    app_id: wx01\n", new: "    app_id: wx01\n    openid_kind: sub\n",
			want: []string{"c.yaml:12: entries[0].sp_app_id: write the partner's own app id", "c.yaml:16: entries[0].openid_kind: must be direct"}},
		{name: "the partner's app id, of a direct merchant", old: "    app_id: wx01\n", new: "    app_id: wx01\n    sp_app_id: wx02\n",
			want: []string{"c.yaml:16: entries[0].sp_app_id: goes with openid_kind sub alone"}},
		{name: "no app id at WeChat", old: "    app_id: wx01\n", new: "",
			want: []string{"c.yaml:12: entries[0].app_id: write the app id whose page calls pay"}},
		{name: "whose openid, without an app id", old: "wechat-jsapi\n    account: hospital\n    app_id: wx01", new: "example\n    account: hospital\n    openid_kind: direct",
			want: []string{"c.yaml:13: entries[0].provider: account hospital belongs", "c.yaml:15: entries[0].openid_kind: says whose app id"}},
		{name: "no openids at WeChat", old: "    app_id: wx01\n", new: "    app_id: wx01\n    openid_kind: none\n",
			want: []string{"c.yaml:16: entries[0].openid_kind: must be direct"}},
		{name: "settings of a provider that is not there", new: "providers: {wechat-jspai: {base_url: 'http://a'}}",
			want: []string{"c.yaml:25: providers.wechat-jspai: there is no account of a provider of this name; did you mean wechat-jsapi?"}},
		{name: "a provider's address with a path", new: "providers: {wechat-jsapi: {base_url: 'http://a/b'}}",
			want: []string{"c.yaml:25: providers.wechat-jsapi.base_url: write scheme and host"}},
		{name: "a provider's setting that there is not", new: "providers: {wechat-jsapi: {bas_url: 'http://a'}}",
			want: []string{"c.yaml:25: providers.wechat-jsapi.bas_url: this key is unknown; did you mean base_url?"}},
		{name: "a method that numbers can't carry", old: `"01"`, new: `"00"`,
			want: []string{"c.yaml:16: entries[0].method: write the pay method's two digits in quotes"}},
		{name: "a consent that there is not", old: `"01"`, new: "\"01\"\n    oauth_scope: snsapi_userinf",
			want: []string{"c.yaml:17: entries[0].oauth_scope: must be snsapi_base or snsapi_userinfo; did you mean snsapi_userinfo?"}},
		{name: "a verification file that is none", old: `"01"`, new: "\"01\"\n    verification_files: [{name: 'v1/orders.txt'}]",
			want: []string{"c.yaml:17: entries[0].verification_files[0].content: write what stands in the file",
				"c.yaml:17: entries[0].verification_files[0].name: write the file's name as WeChat gave it"}},
		{name: "a secret in the place of its reference", old: `"01"`, new: "\"01\"\n    secret: 0123456789abcdef",
			want: []string{"c.yaml:17: entries[0].secret: must say where the secret is"}},
		{name: "where payers sign in, with a path", new: "wechat: {browser_base_url: 'http://a/b'}",
			want: []string{"c.yaml:25: wechat.browser_base_url: write scheme and host, such as https://open.weixin.qq.com"}},
		{name: "two accounts of one name", new: "  - {name: hospital, provider: wechat-jsapi, mchid: '2'}",
			want: []string{"c.yaml:25: accounts[1].name: hospital is there already"}},
		{name: "a notify URL with a query", old: "http://127.0.0.1:8080/", new: "http://127.0.0.1:8080/?a=b",
			want: []string{"c.yaml:17: entries[0].notify_base: write a URL with scheme and host"}},
		{name: "a notify URL that would be too long", old: "http://127.0.0.1:8080/", new: "http://" + strings.Repeat("a", 120),
			want: []string{"c.yaml:17: entries[0].notify_base: is over 120 characters"}},
		{name: "an app's key twice", old: "hash: aa", new: "secret: env:K, hash: aa",
			want: []string{"c.yaml:9: apps[0].keys[0].hash: give either hash"}},
		{name: "a scope that there is not", old: "[pay, read]", new: "[pay, reed]",
			want: []string{"c.yaml:9: apps[0].keys[0].scopes[1]: must be pay, read, refund, identity or admin; did you mean read?"}},
		{name: "a variable of a folder with a typing mistake", environ: []string{"PAYBRIDGE_PLUGINS__DRI=/x"},
			want: []string{"PAYBRIDGE_PLUGINS__DRI: this variable sets no key; did you mean PAYBRIDGE_PLUGINS__DIR?"}},
		{name: "a variable that sets nothing", environ: []string{"PAYBRIDGE_LISTEN_PUBLIC=:1"},
			want: []string{"PAYBRIDGE_LISTEN_PUBLIC: this variable sets no key; did you mean PAYBRIDGE_LISTEN__PUBLIC?"}},
		{name: "a variable with a wrong value", environ: []string{"PAYBRIDGE_LOG__LEVEL=loud"},
			want: []string{"PAYBRIDGE_LOG__LEVEL: log.level: slog: level string"}},
		{name: "a fulfilment that is a month late", old: `"01"`, new: "\"01\"\n    fulfilment_days: 31",
			want: []string{"c.yaml:17: entries[0].fulfilment_days: write 1 to 30 days"}},
		{name: "a fulfilment that nobody can report", old: `"01"`, new: "\"01\"\n    fulfilment_days: 3",
			want: []string{"c.yaml:17: entries[0].fulfilment_days: reports go to WeChat in the name of the app id"}},
		{name: "a question of another word", old: `"01"`, new: "\"01\"\n    prepare: maybe",
			want: []string{"c.yaml:17: entries[0].prepare: must be required or optional", "c.yaml:17: entries[0].prepare: no app that uses the entry has a webhook.prepare_url"}},
		{name: "a place to ask that is no URL", old: "    entries: [clinic]", new: "    entries: [clinic]\n    webhook: {url: 'http://shop/e', secrets: ['env:S'], prepare_url: /prepare}",
			want: []string{"c.yaml:11: apps[0].webhook.prepare_url: write a URL with scheme and host"}},
		{name: "a place to ask and no events", old: "    entries: [clinic]", new: "    entries: [clinic]\n    webhook: {prepare_url: 'http://shop/p'}",
			want: []string{"c.yaml:11: apps[0].webhook.url: say where the events go"}},
		{name: "a webhook without a secret", old: "    entries: [clinic]", new: "    entries: [clinic]\n    webhook: {url: 'http://shop/e'}",
			want: []string{"c.yaml:11: apps[0].webhook.secrets: name one secret, or two while they rotate"}},
		{name: "a webhook's secret itself", old: "    entries: [clinic]", new: "    entries: [clinic]\n    webhook: {url: 'http://shop/e', secrets: [whsec_abc]}",
			want: []string{"c.yaml:11: apps[0].webhook.secrets: name one secret", "c.yaml:11: apps[0].webhook.secrets[0]: must say where the secret is"}},
		{name: "a webhook with three secrets and a password", old: "    entries: [clinic]", new: "    entries: [clinic]\n    webhook: {url: 'http://u:p@shop/e', secrets: ['env:A', 'env:B', 'env:C']}",
			want: []string{"c.yaml:11: apps[0].webhook.secrets: name one secret", "c.yaml:11: apps[0].webhook.url: write a URL with scheme and host"}},
		{name: "a webhook without a URL", old: "    entries: [clinic]", new: "    entries: [clinic]\n    webhook: {secrets: ['env:S']}",
			want: []string{"c.yaml:11: apps[0].webhook.url: say where the events go"}},
		{name: "a version that there is not", old: "    entries: [clinic]", new: "    entries: [clinic]\n    webhook: {url: 'http://shop/e', secrets: ['env:S'], version: 2}",
			want: []string{"c.yaml:11: apps[0].webhook.version: there is no such version"}},
		{name: "a version in quotes", old: "    entries: [clinic]", new: "    entries: [clinic]\n    webhook: {url: 'http://shop/e', secrets: ['env:S'], version: '1'}",
			want: []string{"c.yaml:11: apps[0].webhook.version: write a whole number"}},
		{name: "a robot that there is not", new: "alarms: {url: 'env:U', format: dingding}",
			want: []string{"c.yaml:25: alarms.format: must be json, wecom or dingtalk"}},
		{name: "a secret for WeCom", new: "alarms: {url: 'env:U', format: wecom, secret: 'env:S'}",
			want: []string{"c.yaml:25: alarms.secret: WeCom's robots check none"}},
		{name: "an alarm's URL itself", new: "alarms: {url: 'https://robot/send?key=k'}",
			want: []string{"c.yaml:25: alarms.url: must say where the secret is"}},
		{name: "a network without its size", new: "webhooks: {allow_networks: [10.0.0.1]}",
			want: []string{"c.yaml:25: webhooks.allow_networks"}},
		{name: "a key twice", new: "mode: production",
			want: []string{`c.yaml: line 25: mapping key "mode" already defined at line 1`}},
		{name: "two documents", new: "---\nmode: production",
			want: []string{"c.yaml: the file holds more than one YAML document"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			text := least + row.new
			if row.old != "" {
				if text = strings.Replace(least, row.old, row.new, 1); text == least {
					t.Fatalf("%q is not in the least configuration", row.old)
				}
			}
			got := problems(t, text, row.environ)
			for i, p := range got {
				if i < len(row.want) && strings.HasPrefix(p, row.want[i]) {
					got[i] = row.want[i]
				}
			}
			if !slices.Equal(got, row.want) {
				t.Errorf("told\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(row.want, "\n  "))
			}
		})
	}
}

func problems(t *testing.T, text string, environ []string) (told []string) {
	t.Helper()
	_, err := load(text, environ...)
	var invalid *Invalid
	if err != nil && !errors.As(err, &invalid) {
		t.Fatalf("%v is not *Invalid", err)
	}
	if invalid != nil {
		for _, p := range invalid.Problems {
			told = append(told, p.String())
		}
	}
	return told
}

func TestProductionRefusesDanger(t *testing.T) {
	t.Parallel()
	const safe = "admin: {token: env:TOKEN}\n"
	production := strings.NewReplacer("mode: development\n", "", "http://127.0.0.1:8080/", "https://pay.example.com").Replace(least)
	for _, row := range []struct {
		name, text string
		want       string // the only problem, by its beginning; empty for none
	}{
		{"is what holds when nothing is said", production + safe, ""},
		{"no admin token", production, "c.yaml: admin.token: production demands a token"},
		{"http", strings.Replace(production, "https:", "http:", 1) + safe, "c.yaml:16: entries[0].notify_base: production takes only https"},
		{"a return over http", strings.Replace(production, "    notify_base", "    return_urls: ['http://a']\n    notify_base", 1) + safe,
			"c.yaml:16: entries[0].return_urls[0]: production takes only https"},
		{"WeChat's second host", production + safe + "wechat: {base_url: 'https://api2.mch.weixin.qq.com/'}", ""},
		{"a WeChat that is not WeChat's", production + safe + "wechat: {base_url: 'http://127.0.0.1:9'}",
			"c.yaml:25: wechat.base_url: is not WeChat's own, which production refuses"},
		{"a host that only begins like WeChat's", production + safe + "wechat: {base_url: 'https://api.mch.weixin.qq.com.example.com'}",
			"c.yaml:25: wechat.base_url: is not WeChat's own"},
		{"signing in at another's", production + safe + "wechat: {browser_base_url: 'https://open.weixin.example'}",
			"c.yaml:25: wechat.browser_base_url: is not WeChat's own, which production refuses"},
		{"asking another who payers are", production + safe + "wechat: {server_base_url: 'http://127.0.0.1:9'}",
			"c.yaml:25: wechat.server_base_url: is not WeChat's own, which production refuses"},
		{"… unless that is repeated", production + safe + "wechat: {server_base_url: 'http://a', allow_base_url: 'http://a'}", ""},
		{"… unless it is repeated", production + safe + "wechat: {base_url: 'http://127.0.0.1:9', allow_base_url: 'http://127.0.0.1:9'}", ""},
		{"… and not another", production + safe + "wechat: {base_url: 'http://127.0.0.1:9', allow_base_url: 'http://127.0.0.1:8'}",
			"c.yaml:25: wechat.base_url: is not WeChat's own"},
		{"one WeChat plugin elsewhere", production + safe + "providers: {wechat-jsapi: {base_url: 'http://127.0.0.1:9'}}",
			"c.yaml:25: providers.wechat-jsapi.base_url: is not WeChat's own, which production refuses"},
		{"… unless that is repeated", production + safe + "providers: {wechat-jsapi: {base_url: 'http://a', allow_base_url: 'http://a'}}", ""},
		{"another channel elsewhere", strings.ReplaceAll(production, "wechat-jsapi", "bank") + safe + "providers: {bank: {base_url: 'https://a'}}",
			"c.yaml:25: providers.bank.base_url: production calls a provider at its own address"},
		{"another channel at WeChat's", strings.ReplaceAll(production, "wechat-jsapi", "bank") + safe + "providers: {bank: {base_url: 'https://api.mch.weixin.qq.com'}}",
			"c.yaml:25: providers.bank.base_url: production calls a provider at its own address"},
		{"a test flag", production + safe + "providers: {wechat-jsapi: {test: true}}",
			"c.yaml:25: providers.wechat-jsapi.test: production takes real money"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			got := problems(t, row.text, nil)
			if row.want == "" && len(got) > 0 || row.want != "" && (len(got) != 1 || !strings.HasPrefix(got[0], row.want)) {
				t.Errorf("told\n  %s\nwant %q", strings.Join(got, "\n  "), row.want)
			}
		})
	}
}

func TestEachProviderHasItsWorld(t *testing.T) {
	t.Parallel()
	text := strings.NewReplacer("name: clinic\n    provider: wechat-jsapi", "name: clinic\n    provider: bank", "name: hospital\n    provider: wechat-jsapi",
		"name: hospital\n    provider: bank", "    app_id: wx01\n", "").Replace(least) + `  - {name: school, provider: wechat-jsapi, mchid: "1"}
  - {name: shop, provider: wechat-medins, mchid: "1"}
wechat: {base_url: "http://wechat"}
providers:
  wechat-medins: {base_url: "http://medins", test: true}
`
	c, err := load(text)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]Provider{
		"bank":          {}, // its plugin knows the address
		"wechat-jsapi":  {BaseURL: "http://wechat"},
		"wechat-medins": {BaseURL: "http://medins", Test: true},
	} {
		if got := c.Provider(name); got != want {
			t.Errorf("%s is at %+v, want %+v", name, got, want)
		}
	}
	if c, err := load(strings.Replace(text, "provider: bank\n    account: hospital\n", "provider: bank\n    account: hospital\n    app_id: till\n    openid_kind: none\n", 1)); err != nil {
		t.Errorf("app ids without openids: %v", err)
	} else if c.Entries[0].OpenIDKind != pay.OpenIDNone {
		t.Errorf("app ids without openids are of kind %q", c.Entries[0].OpenIDKind)
	}
	if c.Entries[0].OpenIDKind != "" {
		t.Errorf("an entry without an app id has payers of openid kind %q", c.Entries[0].OpenIDKind)
	}
}

func TestFileIsReadFromItsPath(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "paybridge.yaml")
	if _, err := Load(Source{File: path}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a missing file: %v", err)
	}
	if err := os.WriteFile(path, []byte(least), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(Source{File: path}); err != nil {
		t.Error(err)
	}
}

func FuzzLoad(f *testing.F) {
	f.Add(least, "PAYBRIDGE_LISTEN__PUBLIC=:1")
	f.Add("a: &a [*a]", "PAYBRIDGE_X=1")
	f.Add("apps: [[], {}, null, {keys: [{}]}]", "PAYBRIDGE_SECRETS=1")
	f.Add("entries: {1: 2}\naccounts: [{config: {1: {2: 3}}}]", "PAYBRIDGE_TRUSTED_PROXIES=,")
	f.Add("? {a: b}\n: c", "")
	f.Add("mode.development: {x: .nan}", "PAYBRIDGE___=x")
	f.Fuzz(func(t *testing.T, text, variable string) {
		c, err := load(text, variable)
		var invalid *Invalid
		switch {
		case err == nil:
			if len(c.Secrets.Keys) == 0 {
				t.Errorf("an unchecked configuration got through: %+v", c)
			}
			_, _, _ = c.Rows() // a key's file need not be there; it must not panic
		case !errors.As(err, &invalid) || len(invalid.Problems) == 0:
			t.Errorf("%v names no problem", err)
		}
	})
}
