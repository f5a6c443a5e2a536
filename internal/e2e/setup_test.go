package e2e

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"path/filepath"
	"strings"
	"testing"

	"github.com/paybridge/paybridge/plugins/wechat/sim"
)

// What every world begins with: one app, one entry, one account, all known to the simulator's built-in seed.
const (
	provider = "wechat-jsapi"
	apiKey   = "e2e-key"
	entry    = "official-account"
	account  = "first-hospital"
	mchID    = "1900000001"
	appID    = "wxa000000000000001"
	payer    = "oA1-alice-000000000000000001"
)

// setup is a configuration file, to be changed by a test before a gateway starts. It is written as JSON, which is YAML.
type setup struct {
	Mode          string           `json:"mode"`
	Installation  string           `json:"installation"`
	Store         map[string]any   `json:"store"`
	Secrets       map[string]any   `json:"secrets"`
	Plugins       map[string]any   `json:"plugins"`
	WeChat        map[string]any   `json:"wechat"`
	Log           map[string]any   `json:"log"`
	Webhooks      map[string]any   `json:"webhooks,omitempty"`
	Alarms        map[string]any   `json:"alarms,omitempty"`
	ShutdownGrace string           `json:"shutdown_grace,omitempty"`
	Apps          []map[string]any `json:"apps"`
	Entries       []entrySetup     `json:"entries"`
	Accounts      []accountSetup   `json:"accounts"`
}

type entrySetup struct {
	Name              string              `json:"name"`
	Provider          string              `json:"provider"`
	Account           string              `json:"account"`
	AppID             string              `json:"app_id"`
	OpenIDKind        string              `json:"openid_kind,omitempty"`
	SpAppID           string              `json:"sp_app_id,omitempty"`
	Method            string              `json:"method"`
	NotifyBase        string              `json:"notify_base"`
	ReturnURLs        []string            `json:"return_urls"`
	Secret            string              `json:"secret,omitempty"`
	OAuthScope        string              `json:"oauth_scope,omitempty"`
	Options           map[string]any      `json:"options,omitempty"`
	LatePay           string              `json:"late_pay,omitempty"`
	VerificationFiles []map[string]string `json:"verification_files,omitempty"`
	FulfilmentDays    int                 `json:"fulfilment_days,omitempty"`
	Prepare           string              `json:"prepare,omitempty"`
	HandOver          string              `json:"hand_over,omitempty"`
	PayPage           string              `json:"pay_page,omitempty"`
	Retired           bool                `json:"retired,omitempty"`
}

type accountSetup struct {
	Name     string         `json:"name"`
	Provider string         `json:"provider"`
	MchID    string         `json:"mchid"`
	SubMchID string         `json:"sub_mchid,omitempty"`
	Config   map[string]any `json:"config"`
	Retired  bool           `json:"retired,omitempty"`
}

// entryAt is an entry whose notifications come to base.
func entryAt(base, name, account, appID string) entrySetup {
	return entrySetup{
		Name: name, Provider: provider, Account: account, AppID: appID, Method: "01", NotifyBase: base,
		ReturnURLs: []string{base + "/"},
	}
}

// accountOf is the account of one of the simulator's merchants, with the keys that it wrote to its folder.
func accountOf(s *sim.Simulator, name, mchID string) accountSetup {
	keys := "file:" + filepath.Join("wechat", mchID)
	return accountSetup{Name: name, Provider: provider, MchID: mchID, Config: map[string]any{
		"serial_no":     keys + "/serial.txt",
		"private_key":   keys + "/apiclient_key.pem",
		"api_v3_keys":   []string{keys + "/apiv3_key.txt"},
		"public_key_id": s.PublicKeyID(),
		"public_keys":   map[string]string{s.PublicKeyID(): keys + "/pub_key.pem"},
	}}
}

// newSetup is what a world begins with. The files that it names lie in dir, beside the simulator's keys.
func newSetup(t *testing.T, s *sim.Simulator, db database, dir, base string) setup {
	t.Helper()
	writeFile(t, filepath.Join(dir, "secret.key"), base64.StdEncoding.EncodeToString([]byte(strings.Repeat("k", 32))))
	store := map[string]any{"driver": db.driver, "path": db.place}
	if db.driver == "postgres" {
		writeFile(t, filepath.Join(dir, "dsn.txt"), db.place)
		store = map[string]any{"driver": db.driver, "dsn": "file:dsn.txt"}
	}
	return setup{
		Mode: "development", Installation: "99", Store: store,
		Secrets: map[string]any{"keys": []map[string]string{{"id": "e2e", "ref": "file:secret.key"}}},
		Plugins: map[string]any{"dir": filepath.Join(programs, "plugins")},
		WeChat:  map[string]any{"base_url": s.BaseURL(), "browser_base_url": s.BaseURL(), "server_base_url": s.BaseURL()},
		Log:     map[string]any{"level": "info", "format": "text"},
		Apps: []map[string]any{{
			"name":    "his",
			"keys":    []map[string]any{{"id": "e2e", "hash": hashOf(apiKey), "scopes": []string{"pay", "read", "refund", "identity"}}},
			"entries": []string{entry},
		}},
		Entries:  []entrySetup{entryAt(base, entry, account, appID)},
		Accounts: []accountSetup{accountOf(s, account, mchID)},
	}
}

// hashOf is an API key as the configuration has it.
func hashOf(key string) string {
	hash := sha256.Sum256([]byte(key))
	return hex.EncodeToString(hash[:])
}
