package sdk

import (
	"encoding/json"
	"strings"
	"sync"
	"testing"
)

func TestAccountsForARoute(t *testing.T) {
	t.Parallel()
	var accounts Accounts[string]
	accounts.Set(Account{Name: "direct", Generation: 1}, Merchant{MchID: "100"}, "direct 1")
	accounts.Set(Account{Name: "sub", Generation: 1}, Merchant{MchID: "200", SubMchID: "201"}, "sub 1")
	accounts.Set(Account{Name: "nameless", Generation: 1}, Merchant{}, "nameless 1")
	for _, c := range []struct {
		name  string
		route Route
		want  string
	}{
		{"its own merchant", Route{Account: "direct", MchID: "100"}, "direct 1"},
		{"another merchant", Route{Account: "direct", MchID: "101"}, ""},
		{"no merchant", Route{Account: "direct"}, ""},
		{"any merchant of an account that names none", Route{Account: "nameless", MchID: "300"}, "nameless 1"},
		{"an unknown account", Route{Account: "x", MchID: "100"}, ""},
		{"its sub merchant", Route{Account: "sub", MchID: "200", SubMchID: "201"}, "sub 1"},
		{"another sub merchant", Route{Account: "sub", MchID: "200", SubMchID: "202"}, ""},
		{"any sub merchant of an account that names none", Route{Account: "direct", MchID: "100", SubMchID: "9"}, "direct 1"},
	} {
		if got, ok := accounts.For(c.route); got != c.want || ok != (c.want != "") {
			t.Errorf("%s: %q, %v", c.name, got, ok)
		}
	}
}

func TestAccountsKeepTheNewestGeneration(t *testing.T) {
	t.Parallel()
	var accounts Accounts[int64]
	var writers sync.WaitGroup
	for generation := int64(1); generation <= 50; generation++ {
		writers.Go(func() { accounts.Set(Account{Name: "a", Generation: generation}, Merchant{MchID: "1"}, generation) })
	}
	writers.Wait()
	if got, ok := accounts.Named("a"); !ok || got != 50 {
		t.Errorf("in use: %d, %v", got, ok)
	}
}

func TestR45_DecodeTellsTheFieldAndNotTheValue(t *testing.T) {
	t.Parallel()
	for config, want := range map[string]string{
		`{"Key": {"pem": 4711}}`:    "/Key",
		`{"Kee": "s3cr3t"}`:         `unknown field "Kee"`,
		`{"Key": "s3cr3t" "x"`:      "broken JSON at byte",
		`{"Key": "s3cr3t`:           "",
		`{"Number": "s3cr3t-4711"}`: "/Number must be a int",
	} {
		var into struct {
			Key    string
			Number int
		}
		err := Account{Config: json.RawMessage(config)}.Decode(&into)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "s3cr3t") || strings.Contains(err.Error(), "4711") {
			t.Errorf("%s: %v", config, err)
		}
	}
}
