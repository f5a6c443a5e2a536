package config

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/paybridge/paybridge/core/pay"
	"github.com/paybridge/paybridge/ports"
)

// partnerRows are a template, its entry, and a sub merchant made from both, beside what least has.
func partnerRows(t *testing.T) (Config, ports.SettingsContent) {
	t.Helper()
	c, err := load(least)
	if err != nil {
		t.Fatal(err)
	}
	rows, _, err := c.Rows()
	if err != nil {
		t.Fatal(err)
	}
	rows.Accounts = append(rows.Accounts,
		ports.Account{Name: "partner", Provider: "wechat-jsapi", MchID: "1900000100", Template: true, Config: json.RawMessage(`{"serial_no":"1"}`)},
		ports.Account{Name: "school", Provider: "wechat-jsapi", MchID: "1900000100", SubMchID: "1900000101", From: "partner"},
	)
	rows.Entries = append(rows.Entries,
		ports.Entry{Name: "schools", Provider: "wechat-jsapi", Account: "partner", AppID: "wxp", OpenIDKind: pay.OpenIDSp, Method: "01", NotifyBase: "http://a"},
		ports.Entry{Name: "school", Account: "school", From: "schools"},
	)
	return c, rows
}

// What an operator changes at run time passes and fails by the rules of the file.
func TestRowProblems(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name   string
		change func(c *ports.SettingsContent)
		want   []string
	}{
		{"right", func(*ports.SettingsContent) {}, nil},
		{"an account that is not there", func(c *ports.SettingsContent) { c.Entries[0].Account = "hospitla" }, []string{"entry clinic account: there is no account of this name; did you mean hospital?"}},
		{"a retired account", func(c *ports.SettingsContent) { c.Accounts[0].Retired = true }, []string{"entry clinic account: account hospital is retired; name another, or retire the entry too"}},
		{"an entry that an app may use is gone", func(c *ports.SettingsContent) { c.Entries = c.Entries[1:] }, []string{"app demo entries[0]: there is no entry of this name"}},
		{"a name", func(c *ports.SettingsContent) { c.Accounts[0].Name = "Hospital" }, []string{"account Hospital name: write a name", "entry clinic account: there is no account"}},
		{"a relative file", func(c *ports.SettingsContent) {
			c.Accounts[0].Config = json.RawMessage(`{"private_key":"file:key.pem"}`)
		}, []string{"account hospital config: file:key.pem: write the whole path"}},
		{"a scope", func(c *ports.SettingsContent) { c.Apps[0].Keys[0].Scopes = []string{"raed"} }, []string{"app demo keys[0].scopes[0]: must be pay, read, refund, identity or admin; did you mean read?"}},
		{"a webhook's secret in the clear", func(c *ports.SettingsContent) {
			c.Apps[0].Webhook = &ports.Webhook{URL: "http://a", Secrets: []string{"whsec_x"}, Version: 1}
		}, []string{"app demo webhook.secrets[0]: say where the secret is"}},
		{"an entry's secret in the clear", func(c *ports.SettingsContent) { c.Entries[0].Secret = "0123456789abcdef" }, []string{"entry clinic secret: say where the secret is"}},
		{"an entry's secret in a relative file", func(c *ports.SettingsContent) { c.Entries[0].Secret = "file:app.secret" }, []string{"entry clinic secret: file:app.secret: write the whole path"}},
		{"sealed secrets", func(c *ports.SettingsContent) {
			c.Entries[0].Secret = ports.SealedPrefix + "clinic:k1:AAAA"
			c.Apps[0].Webhook = &ports.Webhook{URL: "http://a", Secrets: []string{ports.SealedPrefix + "demo:k1:AAAA"}, Version: 1}
		}, nil},
		{"an app id's secret without the app id", func(c *ports.SettingsContent) {
			c.Entries[2].Secret, c.Entries[1].AppID = "env:SECRET", ""
		}, []string{"entry school app_id: write the app id", "entry school openid_kind: says whose app id", "entry school secret: is of an app id", "entry schools app_id: write the app id", "entry schools openid_kind: says whose app id"}},
		{"a sub merchant without a number", func(c *ports.SettingsContent) { c.Accounts[2].SubMchID = "" }, []string{"account school sub_mchid: write the sub merchant's number", "entry school openid_kind: must be direct"}},
		{"a sub merchant of another partner", func(c *ports.SettingsContent) { c.Accounts[2].MchID = "1" }, []string{"account school mchid: provider and mchid are the template's"}},
		{"a sub merchant with keys of its own", func(c *ports.SettingsContent) { c.Accounts[2].Config = json.RawMessage(`{"a":1}`) }, []string{"account school config: is the template's"}},
		{"from an account that is no template", func(c *ports.SettingsContent) { c.Accounts[1].Template = false }, []string{"account school from: there is no account of this name with template: true", "entry schools openid_kind: must be direct"}},
		{"a template with a sub merchant", func(c *ports.SettingsContent) { c.Accounts[1].SubMchID = "1" }, []string{"account partner template: a template is the partner itself"}},
		{"an entry from one of another account", func(c *ports.SettingsContent) { c.Entries[2].From = "clinic" }, []string{"entry school from: there is no entry of this name whose account is the template", "entry school openid_kind: must be sp or sub"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			c, rows := partnerRows(t)
			rows = c.CompleteRows(rows)
			row.change(&rows)
			var got []string
			for _, p := range c.RowProblems(rows) {
				got = append(got, p.Row.String()+" "+p.Key+": "+p.What)
			}
			slices.Sort(got)
			if len(got) != len(row.want) {
				t.Fatalf("%q\nwant %q", got, row.want)
			}
			for i := range got {
				if !strings.HasPrefix(got[i], row.want[i]) {
					t.Errorf("%q\nwant %q", got, row.want)
				}
			}
		})
	}
}

// The file's rows are complete as they are read, so that applying the same file changes nothing.
func TestCompleteRows(t *testing.T) {
	t.Parallel()
	c, rows := partnerRows(t)
	done := c.CompleteRows(rows)
	if !reflect.DeepEqual(done.Apps, rows.Apps) || !reflect.DeepEqual(done.Entries[0], rows.Entries[0]) || !reflect.DeepEqual(done.Accounts, rows.Accounts) {
		t.Errorf("what the file gave became %+v", done)
	}
	if done.Entries[1].LatePay != pay.LateRefund || rows.Entries[1].LatePay != "" {
		t.Errorf("an entry without a policy for late money has %q", done.Entries[1].LatePay)
	}
	if made := done.Entries[2]; made.LatePay != "" || made.OpenIDKind != "" {
		t.Errorf("an entry that follows a template got values of its own: %+v", made)
	}
	if again := c.CompleteRows(done); !reflect.DeepEqual(again, done) {
		t.Errorf("complete rows became %+v", again)
	}
}

func TestKeysInClear(t *testing.T) {
	t.Parallel()
	got := KeysInClear(json.RawMessage(`{"a":"env:A","keys":["x","-----BEGIN PRIVATE KEY-----"],"of":{"a/b":"two\nlines"},"n":7}`))
	if want := []string{"/keys/1", "/of/a~1b"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}
