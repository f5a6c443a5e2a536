package config

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/paybridge/paybridge/core/pay"
	"github.com/paybridge/paybridge/ports"
)

// secretSum is the SHA-256 of secret.
const secretSum = "1f3fa74b1208842aad0b685f0cd06053a9e84f0eb7f2c1c94c96ea25cb13cd77"

func rows(t *testing.T, text string) (ports.SettingsContent, string) {
	t.Helper()
	c, err := load(text)
	if err != nil {
		t.Fatal(err)
	}
	content, hash, err := c.Rows()
	if err != nil {
		t.Fatal(err)
	}
	return content, hash
}

func TestRows(t *testing.T) {
	t.Parallel()
	text := strings.Replace(least, "hash: "+strings.Repeat("a", 64), "secret: "+write(t, secret+"\n", 0o600), 1)
	got, _ := rows(t, text)
	want := ports.SettingsContent{
		Apps: []ports.App{{Name: "demo", Entries: []string{"clinic"}, Keys: []ports.AppKey{
			{ID: "k", Hash: secretSum, Scopes: []string{"pay", "read"}}}}},
		Entries: []ports.Entry{{Name: "clinic", Provider: "wechat-jsapi", Account: "hospital", AppID: "wx01",
			OpenIDKind: pay.OpenIDDirect, Method: "01", NotifyBase: "http://127.0.0.1:8080", LatePay: pay.LateRefund}},
		Accounts: []ports.Account{{Name: "hospital", Provider: "wechat-jsapi", MchID: "1900000001",
			Config: json.RawMessage(`{"api_v3_keys":["env:HOSPITAL_KEY"],"private_key":"file:/srv/key.pem"}`)}},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%+v\nwant\n%+v", got, want)
	}
}

// An endpoint is pinned to version 1 where nothing is said, whatever is newest; its secrets stay references.
func TestRowsOfAWebhook(t *testing.T) {
	t.Parallel()
	got, _ := rows(t, strings.Replace(least, "    entries: [clinic]", "    entries: [clinic]\n    webhook: {url: 'http://shop/e?a=b', secrets: ['file:new', 'env:OLD']}", 1))
	want := &ports.Webhook{URL: "http://shop/e?a=b", Secrets: []string{"file:/srv/new", "env:OLD"}, Version: 1}
	if !reflect.DeepEqual(got.Apps[0].Webhook, want) {
		t.Errorf("got %+v, want %+v", got.Apps[0].Webhook, want)
	}
}

func TestRowsHashFollowsTheRows(t *testing.T) {
	t.Parallel()
	_, first := rows(t, least)
	if _, hash := rows(t, least+"log: {format: text}"); hash != first {
		t.Error("another log format made other rows")
	}
	if _, hash := rows(t, strings.Replace(least, "wx01", "wx02", 1)); hash == first {
		t.Error("another app id made the same rows")
	}
}

func TestRowsNameTheAppWhoseKeyIsMissing(t *testing.T) {
	t.Parallel()
	c, err := load(strings.Replace(least, "hash: "+strings.Repeat("a", 64), "secret: env:PAYBRIDGE_TEST_NONE", 1))
	if err != nil {
		t.Fatal(err)
	}
	const want = "apps[0].keys[0].secret: the secret env:PAYBRIDGE_TEST_NONE: the variable is not set; set PAYBRIDGE_TEST_NONE, or say where the secret is"
	_, _, err = c.Rows()
	var invalid *Invalid
	if !errors.As(err, &invalid) || !strings.HasSuffix(err.Error(), want) || !strings.Contains(err.Error(), "c.yaml:") {
		t.Errorf("got %v, want %s and its place", err, want)
	}
	if all := c.UnreadableSecrets(); len(all) == 0 || !strings.HasSuffix(all[len(all)-1].String(), want) {
		t.Errorf("the check tells %v, want %s among it", all, want)
	}
}
