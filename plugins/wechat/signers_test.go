package wechat

import (
	"encoding/json"
	"testing"

	"github.com/paybridge/paybridge/plugins/sdk"
)

func TestAccountsOfOneSignerShareItsClient(t *testing.T) {
	t.Parallel()
	var s Signers
	client := func(base string, change func(*Config)) *Client {
		t.Helper()
		config := testConfig(t)
		change(&config)
		text, err := json.Marshal(config)
		if err != nil {
			t.Fatal(err)
		}
		c, merchant, err := s.Account(sdk.Account{Config: text, Mode: sdk.Mode{BaseURL: base}}, Options{})
		if err != nil || merchant != (sdk.Merchant{MchID: config.MchID, SubMchID: config.SubMchID}) {
			t.Fatalf("%+v, %v", merchant, err)
		}
		return c
	}
	first := client("", func(c *Config) { c.SubMchID = "1900000109" })
	if client("", func(c *Config) { c.SubMchID = "1900000110" }) != first {
		t.Error("two sub merchants of one signer hold its keys twice")
	}
	for name, other := range map[string]*Client{
		"another APIv3 key":     client("", func(c *Config) { c.APIv3Keys = append(c.APIv3Keys, oldAPIv3Key) }),
		"another serial number": client("", func(c *Config) { c.SerialNo = "ABCDEF0123" }),
		"another host":          client("https://pay.example.com", func(*Config) {}),
	} {
		if other == first {
			t.Errorf("%s, and the same client", name)
		}
	}
}
