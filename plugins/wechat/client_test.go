package wechat

import (
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/paybridge/paybridge/plugins/sdk"
	"github.com/wechatpay-apiv3/wechatpay-go/core/consts"
)

func TestAWrongFieldIsNamed(t *testing.T) {
	t.Parallel()
	tests := []struct {
		field string
		spoil func(*Config)
	}{
		{"/mchid", func(c *Config) { c.MchID = "" }},
		{"/mchid", func(c *Config) { c.MchID = "19000072x1" }},
		{"/serial_no", func(c *Config) { c.SerialNo = " " }},
		{"/private_key", func(c *Config) { c.PrivateKey = "" }},
		{"/private_key", func(c *Config) { c.PrivateKey = c.PublicKeys[testKeyID] }},
		{"/api_v3_keys", func(c *Config) { c.APIv3Keys = nil }},
		{"/api_v3_keys/1", func(c *Config) { c.APIv3Keys = append(c.APIv3Keys, "short") }},
		{"/public_keys", func(c *Config) { c.PublicKeys = nil }},
		{"/public_keys/PUB_KEY_ID_1", func(c *Config) { c.PublicKeys["PUB_KEY_ID_1"] = c.PrivateKey }},
		{"/public_key_id", func(c *Config) { c.PublicKeyID = "PUB_KEY_ID_1" }},
		{"/public_key_id", func(c *Config) { c.PublicKeys["PUB_KEY_ID_1"] = c.PublicKeys[testKeyID] }},
	}
	for _, test := range tests {
		config := testConfig(t)
		secret := config.PrivateKey
		test.spoil(&config)
		_, err := New(config, Options{})
		var wrong *sdk.FieldError
		if !errors.As(err, &wrong) || wrong.Pointer != test.field {
			t.Errorf("got %v, want field %s", err, test.field)
			continue
		}
		for line := range strings.Lines(secret) {
			if strings.Contains(err.Error(), strings.TrimSpace(line)) {
				t.Errorf("%s: the error shows the key", test.field)
			}
		}
	}
}

// WeChat names a certificate by its serial in upper case; people copy it in lower case too.
func TestACertificateIsFoundByItsSerialInAnyCase(t *testing.T) {
	t.Parallel()
	const serial = "5E0F09EFDC096DE1" // with letters on purpose
	number, _ := new(big.Int).SetString(serial, 16)
	key := wechatKey(t)
	certificate := x509.Certificate{SerialNumber: number, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, &certificate, &certificate, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	text := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	for _, row := range []struct{ configured, chosen string }{
		{serial, ""}, {strings.ToLower(serial), ""}, {strings.ToLower(serial), serial}, {serial, strings.ToLower(serial)},
	} {
		config := testConfig(t)
		config.PublicKeys, config.PublicKeyID = map[string]string{row.configured: text}, row.chosen
		named := make(chan string, 1)
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			named <- r.Header.Get(consts.WechatPaySerial)
			reply{status: 200, body: unpaidText, serial: serial}.write(t, w)
		}))
		t.Cleanup(server.Close)
		_, _, err := newClient(t, config, Options{BaseURL: server.URL}).QueryTrade(t.Context(), "", prepay.OutTradeNo)
		if asked := <-named; err != nil || asked != serial {
			t.Errorf("configured as %s, chosen as %q: asked for %s, %v", row.configured, row.chosen, asked, err)
		}
	}
}

func TestAWrongBaseURLIsNamed(t *testing.T) {
	t.Parallel()
	for _, base := range []string{"api.mch.weixin.qq.com", "https://example.com/wechat", "ftp://example.com", "https://u:p@example.com", "https://example.com?a=b"} {
		_, err := New(testConfig(t), Options{BaseURL: base})
		var wrong *sdk.FieldError
		if !errors.As(err, &wrong) || wrong.Pointer != "/base_url" {
			t.Errorf("%s: got %v", base, err)
		}
	}
}

func TestAllWrongFieldsAreNamedAtOnce(t *testing.T) {
	t.Parallel()
	_, err := New(Config{}, Options{})
	for _, field := range []string{"/mchid", "/serial_no", "/private_key", "/api_v3_keys", "/public_keys"} {
		if err == nil || !strings.Contains(err.Error(), field+" ") {
			t.Errorf("%s is not named in: %v", field, err)
		}
	}
}
