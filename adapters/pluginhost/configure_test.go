package pluginhost_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/paybridge/paybridge/adapters/pluginhost"
	"github.com/paybridge/paybridge/core/pay"
	"github.com/paybridge/paybridge/ports"
)

func TestR45_ConfigureNamesTheFieldAndNotTheValue(t *testing.T) {
	t.Parallel()
	h := start(t)
	for _, c := range []struct {
		name, mchid, config string
		want                []string
	}{
		{"a field is missing", merchant, `{}`, []string{"lacks key"}},
		{"a field is unknown", merchant, `{"key": "` + secret + `", "kee": 1}`, []string{"/kee is unknown; known here: key, mchid, sub_mchid"}},
		{"a field is of another type", merchant, `{"key": 4711471147}`, []string{"/key must be of type string, not number"}},
		{"a field breaks a rule", merchant, `{"key": "s3cr3t"}`, []string{"/key must have at least 8 characters, has 6"}},
		{"a merchant number breaks a pattern", "s3cr3t", `{"key": "` + secret + `"}`, []string{"/mchid must match ^[0-9]{10}$"}},
		{"the plugin finds two faults", merchant, `{"key": "bad s3cr3t"}`, []string{"/key is no key", "/mchid is not the key's"}},
		{"other merchant numbers", merchant, `{"key": "` + secret + `", "mchid": "1900000002"}`, []string{`/mchid is "1900000002", and the account is of "1900000001"`}},
		{"a sub merchant of an account that has none", merchant, `{"key": "` + secret + `", "sub_mchid": "1900000002"}`, []string{`/sub_mchid is "1900000002"`}},
		{"not an object", merchant, `["s3cr3t"]`, []string{"is not a JSON object"}},
	} {
		a := account("new", 1)
		a.MchID, a.Config = c.mchid, json.RawMessage(c.config)
		err := h.Configure(t.Context(), a)
		var wrong *pluginhost.ConfigError
		if !errors.As(err, &wrong) {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		for _, want := range c.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %q does not say %q", c.name, err, want)
			}
		}
		for _, value := range []string{"s3cr3t", "4711471147", secret} {
			if strings.Contains(err.Error(), value) {
				t.Errorf("%s: the error tells the value: %v", c.name, err)
			}
		}
	}
}

func TestConfigureReplacesWholeOrNotAtAll(t *testing.T) {
	t.Parallel()
	h := start(t)
	generation := func() string {
		return provider(t, h, "one").CreatePayment(t.Context(), payment("one", "generation")).Outcome.Code
	}
	if err := h.Configure(t.Context(), account("one", 5)); err != nil || generation() != "5" {
		t.Errorf("a newer generation: %v, in use %s", err, generation())
	}
	if err := h.Configure(t.Context(), account("one", 4)); err != nil || generation() != "5" {
		t.Errorf("an older generation changes nothing: %v, in use %s", err, generation())
	}
	wrong := account("one", 6)
	wrong.Config = json.RawMessage(`{"key": "bad-bad-bad"}`)
	if err := h.Configure(t.Context(), wrong); err == nil || generation() != "5" {
		t.Errorf("a wrong one leaves what was there: %v, in use %s", err, generation())
	}
}

// A process that takes another's place is given the secrets as they are by then.
func TestR38_ARotatedSecretIsReadAgain(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "key")
	write := func(key string) {
		if err := os.WriteFile(file, []byte(key), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	h := newHost(t, func(o *pluginhost.Options) {
		o.Resolve = func(config json.RawMessage) (json.RawMessage, error) {
			key, err := os.ReadFile(file)
			return bytes.ReplaceAll(config, []byte("file:key"), key), err
		}
	})
	if err := h.Start(t.Context(), "unruly"); err != nil {
		t.Fatal(err)
	}
	one := account("one", 1)
	one.Config = json.RawMessage(`{"key":"file:key"}`)
	if err := h.Configure(t.Context(), one); err == nil || errors.Is(err, ports.ErrUnavailable) {
		t.Errorf("an account whose secret is not there: %v", err)
	}
	write("the-first-secret")
	if err := h.Configure(t.Context(), one); err != nil {
		t.Fatal(err)
	}
	verified := func(key string) bool {
		n, err := h.ParseNotification(t.Context(), "unruly", "one", ports.RawMessage{Method: "POST", Body: []byte("number-1"),
			Headers: map[string][]string{"Signature": {key}}})
		return err == nil && n.Payment != nil
	}
	if !verified("the-first-secret") {
		t.Error("the secret is not in use")
	}
	write("the-second-secret")
	first := pid(h)
	kill(t, first, syscall.SIGKILL)
	anotherServes(t, h, first)
	if !verified("the-second-secret") || verified("the-first-secret") {
		t.Error("the new process has the secret of before")
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if err := h.Configure(t.Context(), one); err == nil || !verified("the-second-secret") {
		t.Errorf("a secret that cannot be read now leaves what was there: %v", err)
	}
}

// A typing error that comes while the plugin is down must not take the account out of use when it is back.
func TestR37_AWrongConfigurationGivenWhileThePluginIsDown(t *testing.T) {
	t.Parallel()
	h := start(t, func(o *pluginhost.Options) { o.FirstBack = time.Second })
	first := pid(h)
	kill(t, first, syscall.SIGKILL)
	wrong := account("one", 2)
	wrong.Config = json.RawMessage(`{"key": "bad-bad-bad"}`)
	eventually(t, "the plugin is down", func() bool { return pid(h) == 0 })
	if err := h.Configure(t.Context(), wrong); !errors.Is(err, ports.ErrUnavailable) {
		t.Fatalf("given to a plugin that is down: %v", err)
	}
	eventually(t, "another process serves the account", func() bool {
		p, err := h.For(pay.Route{Provider: "unruly", Account: "one"})
		return err == nil && p.CreatePayment(t.Context(), payment("one", "generation")).Outcome.Code == "1"
	})
}

func TestR45_ASecretInTheClearIsRefused(t *testing.T) {
	t.Parallel()
	h := newHost(t, func(o *pluginhost.Options) {
		o.IsReference = func(s string) bool { return strings.HasPrefix(s, "file:") }
		o.Resolve = func(config json.RawMessage) (json.RawMessage, error) {
			if bytes.Contains(config, []byte("file:none")) {
				return nil, errors.New("file:none is not there")
			}
			return bytes.ReplaceAll(config, []byte("file:key"), []byte("key-of-12-letters")), nil
		}
	})
	if err := h.Start(t.Context(), "unruly"); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ name, config, want string }{
		{"a reference", `{"key": "file:key"}`, ""},
		{"in the clear", `{"key": "s3cr3t-s3cr3t"}`, "account one: /key is a secret and stands here in the clear; write where it is: env:NAME or file:path"},
		{"a short one is told once", `{"key": "s3cr3t"}`, "account one: /key is a secret and stands here in the clear; write where it is: env:NAME or file:path"},
		{"digits", `{"key": 4711}`, "account one: /key is a secret and stands here in the clear; write where it is: env:NAME or file:path"},
		{"one that is not there; the rest is checked", `{"key": "file:none", "kee": 1}`, "account one: file:none is not there; /kee is unknown; known here: key, mchid, sub_mchid"},
	} {
		a := account("one", 1)
		a.Config = json.RawMessage(c.config)
		err := h.CheckAccount(a)
		if c.want == "" && err != nil || c.want != "" && (err == nil || err.Error() != c.want) {
			t.Errorf("%s: %v", c.name, err)
		}
		if err := h.CheckClearSecrets(a); (err != nil) != strings.Contains(c.want, "in the clear") {
			t.Errorf("%s: only secrets: %v", c.name, err)
		}
	}
	nobodys := account("one", 1)
	nobodys.Provider = "nobody"
	if err := h.CheckAccount(nobodys); !errors.Is(err, ports.ErrUnavailable) {
		t.Errorf("of a provider that is not here: %v", err)
	}
}

func TestR13_AnotherMerchantNeverReplacesAnAccount(t *testing.T) {
	t.Parallel()
	h := start(t)
	other := account("one", 5)
	other.Config = json.RawMessage(`{"key":"` + secret + `","mchid":"1900000002"}`)
	if err := h.Configure(t.Context(), other); err == nil {
		t.Error("the account was taken with the keys of another merchant")
	}
	if o := provider(t, h, "one").CreatePayment(t.Context(), payment("one", "generation")).Outcome; o.Code != "1" {
		t.Errorf("what was in use is not any more: %s, %s", o, o.Message)
	}
	lying := account("one", 6)
	lying.Config = json.RawMessage(`{"key":"another-merchants-key"}`)
	if err := h.Configure(t.Context(), lying); err == nil || errors.Is(err, ports.ErrUnavailable) {
		t.Errorf("the plugin signs for another merchant: %v", err)
	}
	if _, err := h.For(payment("one", "").Route); !errors.Is(err, ports.ErrUnavailable) {
		t.Errorf("an account whose plugin signs for another merchant is in use: %v", err)
	}
}

// A channel's account is what its schema says: one that knows no merchant number is given none.
func TestAnAccountWithoutMerchantNumbers(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	if err := h.Start(t.Context(), "unruly-tokens"); err != nil {
		t.Fatal(err)
	}
	a := account("one", 1)
	a.Provider, a.MchID = "unruly-tokens", "shop-7"
	if err := h.Configure(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	m := payment("one", "")
	m.Route.Provider, m.Route.MchID, m.Route.AppID, m.Route.OpenIDKind = "unruly-tokens", "shop-7", "", ""
	p, err := h.For(m.Route)
	if err != nil {
		t.Fatal(err)
	}
	if o := p.CreatePayment(t.Context(), m).Outcome; o.Verdict != pay.Accepted {
		t.Errorf("a payment: %s, %s", o, o.Message)
	}
}

func TestEntriesAreHeldAgainstTheirSchema(t *testing.T) {
	t.Parallel()
	h := start(t)
	for options, want := range map[string]string{
		``:                    "",
		`{"goods_tag": "A"}`:  "",
		`{"goods-tag": "A"}`:  "entry oa: /goods-tag is unknown; known here: goods_tag, mode",
		`{"goods_tag": 4711}`: "entry oa: /goods_tag must be of type string, not number",
	} {
		err := h.CheckEntry("unruly", "oa", []byte(options))
		if (err == nil) != (want == "") || err != nil && err.Error() != want {
			t.Errorf("%s: %v, want %q", options, err, want)
		}
	}
	if err := h.CheckEntry("nobody", "oa", nil); !errors.Is(err, ports.ErrUnavailable) {
		t.Errorf("of a provider that is not here: %v", err)
	}
}

func TestR36_AccountGivenWhileThePluginIsDown(t *testing.T) {
	t.Parallel()
	moved := slices.Clone(built.lock.Plugins)
	h := newHost(t, func(o *pluginhost.Options) {
		moved[0].Path += ".absent"
		o.Lock = pluginhost.Lock{Plugins: moved}
		o.FirstBack, o.LongestBack = time.Millisecond, 10*time.Millisecond
	})
	if err := h.Start(t.Context(), "unruly"); err == nil {
		t.Fatal("started a plugin that is not there")
	}
	if err := h.Configure(t.Context(), account("one", 3)); !errors.Is(err, ports.ErrUnavailable) {
		t.Errorf("configure while down: %v", err)
	}
	if _, err := h.Policy("unruly"); !errors.Is(err, ports.ErrUnavailable) {
		t.Errorf("policy of a plugin that never ran: %v", err)
	}
	if _, err := h.For(pay.Route{Provider: "unruly", Account: "one"}); !errors.Is(err, ports.ErrUnavailable) {
		t.Errorf("For while down: %v", err)
	}
}
