package sim_test

import (
	"crypto/rsa"
	"crypto/sha1"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/paybridge/paybridge/plugins/wechat/sim"
)

// downloaded are the platform certificates as a merchant gets and decrypts them, by serial.
func downloaded(t testing.TB, c *client) map[string]string {
	t.Helper()
	got := c.must(http.MethodGet, "/v3/certificates", "")
	got.wants(t, "GET /v3/certificates", 200, "encrypt_certificate")
	var body struct {
		Data []struct {
			Serial    string `json:"serial_no"`
			Encrypted struct {
				Nonce          string `json:"nonce"`
				AssociatedData string `json:"associated_data"`
				Ciphertext     string `json:"ciphertext"`
			} `json:"encrypt_certificate"`
		} `json:"data"`
	}
	if err := json.Unmarshal([]byte(got.body), &body); err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for _, d := range body.Data {
		all[d.Serial] = decrypt(t, c.m.APIv3Key, d.Encrypted.Nonce, d.Encrypted.AssociatedData, d.Encrypted.Ciphertext)
	}
	return all
}

// TestPlatformCertificateChanges: announced, then used, then the old one withdrawn, while the same merchant goes on.
func TestPlatformCertificateChanges(t *testing.T) {
	t.Parallel()
	s := stopped(t)
	c := newClient(t, s, "1900000002")
	c.expected = ""
	if err := s.SetKeyMode(c.m.MchID, sim.PlatformCertificate, 0); err != nil {
		t.Fatal(err)
	}
	old, _ := s.PlatformCertificate()
	next, err := s.AddPlatformCertificate()
	if err != nil {
		t.Fatal(err)
	}
	signedBy := func() string { return c.must(http.MethodGet, "/v3/certificates", "").header.Get("Wechatpay-Serial") }
	if listed := downloaded(t, c); len(listed) != 2 || listed[next] == "" || signedBy() != old {
		t.Errorf("announced: %d listed, signed by %s, want %s", len(listed), signedBy(), old)
	}
	if err := s.WithdrawPlatformCertificate(old); err == nil {
		t.Error("the certificate that signs was withdrawn")
	}
	if err := s.SignWith(next); err != nil {
		t.Fatal(err)
	}
	url, got := inbox(t, always(http.StatusNoContent))
	c.paid("CERT000001", set("notify_url", url))
	drain(t, s)
	notice := <-got
	if serial := notice.header.Get("Wechatpay-Serial"); serial != next || signedBy() != next || verifyFrom(s, notice.header, notice.body) != nil {
		t.Errorf("used: the callback is signed by %s, the answer by %s, want %s", serial, signedBy(), next)
	}
	if err := s.WithdrawPlatformCertificate(old); err != nil {
		t.Fatal(err)
	}
	if listed := downloaded(t, c); len(listed) != 1 || listed[next] == "" || signedBy() != next {
		t.Errorf("withdrawn: %d listed, signed by %s", len(listed), signedBy())
	}
	if err := s.SignWith(old); err == nil {
		t.Error("a withdrawn certificate signs again")
	}
}

// TestSwitchFromCertificateToPublicKey: while it switches both are in force, answers are signed by whichever is
// named, and callbacks move over by share.
func TestSwitchFromCertificateToPublicKey(t *testing.T) {
	t.Parallel()
	s := stopped(t, sim.With(func(c *sim.Config) { c.RandomSeed = 5 }))
	c := newClient(t, s, "1900000002")
	platform, _ := s.PlatformCertificate()
	url, got := inbox(t, always(http.StatusNoContent))
	n := 0
	signers := func(mode sim.KeyMode, share float64) map[string]int {
		t.Helper()
		if err := s.SetKeyMode(c.m.MchID, mode, share); err != nil {
			t.Fatal(err)
		}
		by := map[string]int{}
		for range 20 {
			n++
			c.paid(fmt.Sprintf("SWITCH%04d", n), set("notify_url", url))
		}
		drain(t, s)
		for range 20 {
			r := <-got
			if err := verifyFrom(s, r.header, r.body); err != nil {
				t.Error(err)
			}
			by[r.header.Get("Wechatpay-Serial")]++
		}
		return by
	}
	answeredBy := func(expected string) string {
		c := newClient(t, s, "1900000002")
		c.expected = expected
		return c.must(http.MethodGet, numberPath("NOSUCH0001", c.m.MchID), "").header.Get("Wechatpay-Serial")
	}
	if by := signers(sim.PlatformCertificate, 0); by[platform] != 20 {
		t.Errorf("by certificate: %v", by)
	}
	if answeredBy(s.PublicKeyID()) != platform {
		t.Error("a public key that the merchant does not have yet signs an answer")
	}
	if by := signers(sim.Switching, 0.5); by[platform] == 0 || by[s.PublicKeyID()] == 0 {
		t.Errorf("half way: %v", by)
	}
	if answeredBy(s.PublicKeyID()) != s.PublicKeyID() || answeredBy(platform) != platform {
		t.Error("while it switches answers are not signed by what is named")
	}
	if len(downloaded(t, c)) != 1 {
		t.Error("while it switches there are no certificates")
	}
	if by := signers(sim.Switching, 1); by[s.PublicKeyID()] != 20 {
		t.Errorf("all over: %v", by)
	}
	if by := signers(sim.PublicKey, 0); by[s.PublicKeyID()] != 20 {
		t.Errorf("by public key: %v", by)
	}
	c.must(http.MethodGet, "/v3/certificates", "").wants(t, "certificates of a public-key merchant", 404, "无可用的平台证书")
	for _, bad := range []error{s.SetKeyMode(c.m.MchID, "both", 0), s.SetKeyMode(c.m.MchID, sim.Switching, 2), s.SetKeyMode("1", sim.Switching, 1)} {
		if bad == nil {
			t.Error("a mode, a share or a merchant that is none was taken")
		}
	}
}

// TestMerchantCertificateChanges: the new key signs, the old one until it is ended, then it is refused by name.
func TestMerchantCertificateChanges(t *testing.T) {
	t.Parallel()
	s := stopped(t)
	old := newClient(t, s, "1900000002")
	serial, err := s.RenewMerchantCertificate("1900000002", false)
	if err != nil {
		t.Fatal(err)
	}
	renewed := newClient(t, s, "1900000002")
	if renewed.m.Serial != serial || renewed.m.PrivateKeyPEM == old.m.PrivateKeyPEM {
		t.Errorf("the new certificate is %s with serial %s", serial, renewed.m.Serial)
	}
	old.prepaid("RENEWED001")
	renewed.prepaid("RENEWED002")
	if err := s.VerifyHandOff(renewed.handOff(renewed.m.Apps[0].AppID, renewed.prepaid("RENEWED003"))); err != nil {
		t.Errorf("a hand-off by the new key: %v", err)
	}
	if err := s.EndMerchantCertificate("1900000002", serial); err == nil {
		t.Error("the newest certificate was ended")
	}
	if err := s.EndMerchantCertificate("1900000002", old.m.Serial); err != nil {
		t.Fatal(err)
	}
	got := old.must(http.MethodPost, prepayPath, old.order("RENEWED004"))
	got.wants(t, "by the old key", 401, "请使用新证书")
	if got.signed {
		t.Error("a 401 is signed")
	}
	renewed.prepaid("RENEWED004")
}

// TestAPIv3KeyChanges: what comes after is sealed with the new one.
func TestAPIv3KeyChanges(t *testing.T) {
	t.Parallel()
	s := stopped(t)
	c := newClient(t, s, "1900000001")
	url, got := inbox(t, always(http.StatusNoContent))
	key := strings.Repeat("Ab12", 8)
	if err := s.SetAPIv3Key(c.m.MchID, key); err != nil {
		t.Fatal(err)
	}
	c.paid("APIV300001", set("notify_url", url))
	drain(t, s)
	c.m.APIv3Key = key
	if plain := openEnvelope(t, c, (<-got).body); plain["out_trade_no"] != "APIV300001" {
		t.Errorf("it decrypts to %v", plain)
	}
	for _, bad := range []string{"", "short", strings.Repeat("!", 32)} {
		if err := s.SetAPIv3Key(c.m.MchID, bad); err == nil {
			t.Errorf("%q was taken as an APIv3 key", bad)
		}
	}
}

// TestKeyChangesInTheKeysFolder: what changed by the control API is in the folder, and at the next start in force.
func TestKeyChangesInTheKeysFolder(t *testing.T) {
	t.Parallel()
	keep := sim.With(func(c *sim.Config) { c.KeysDir = filepath.Join(t.TempDir(), "keys") })
	var dir string
	first := stopped(t, keep, sim.With(func(c *sim.Config) { dir = c.KeysDir }))
	server := httptest.NewServer(first.Control(sim.ControlOptions{}))
	t.Cleanup(server.Close)
	key := strings.Repeat("Zz09", 8)
	for _, r := range []struct {
		method, path, body string
		status             int
		says               string
	}{
		{"PUT", "/merchants/1900000002/keys", `{"keys":"switching","public_key_share":0.25}`, 200, `"public_key_share":0.25`},
		{"PUT", "/merchants/1900000002/keys", `{"keys":"no"}`, 400, "none of"},
		{"PUT", "/merchants/1900000002/apiv3-key", `{"apiv3_key":"` + key + `"}`, 200, "{}"},
		{"PUT", "/merchants/1900000002/apiv3-key", `{"apiv3_key":"short"}`, 400, "32 letters"},
		{"POST", "/merchants/1900000002/certificate", `{"end_old":true}`, 200, `"serial":"`},
		{"POST", "/merchants/1900000009/certificate", ``, 400, "no merchant"},
		{"DELETE", "/merchants/1900000002/certificates/0", ``, 400, "has no certificate 0"},
		{"POST", "/platform-certificates", `{"use":true}`, 200, `"signs":true`},
		{"POST", "/platform-certificates/0/use", ``, 400, "no platform certificate 0"},
		{"DELETE", "/platform-certificates/0", ``, 400, "no platform certificate 0"},
		{"GET", "/platform-certificates", ``, 200, "BEGIN CERTIFICATE"},
		{"PUT", "/merchants/1900000100/receipt-link", `{"link":"https://pay.example/checkout/receipt"}`, 200, "checkout/receipt"},
		{"PUT", "/merchants/1900000100/receipt-link", `{"link":"/checkout/receipt"}`, 400, "is not an address"},
		{"PUT", "/merchants/1900000001/receipt-link", `{"link":"https://pay.example/r"}`, 400, "is no partner"},
		{"POST", "/merchants/1900000100/sub-merchants", `{"sub_mchid":"1900000103","name":"Fifth Hospital"}`, 200, "1900000103"},
		{"POST", "/merchants/1900000001/sub-merchants", `{"sub_mchid":"1900000103"}`, 400, "is no partner"},
		{"GET", "/merchants", ``, 200, "Fifth Hospital"},
	} {
		if status, body := control(t, server.URL, r.method, r.path, r.body); status != r.status || !strings.Contains(body, r.says) {
			t.Errorf("%s %s: %d %s, want %d and %s", r.method, r.path, status, body, r.status, r.says)
		}
	}
	want, serial := first.Merchant("1900000002"), func(s *sim.Simulator) string { id, _ := s.PlatformCertificate(); return id }
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	second := stopped(t, sim.With(func(c *sim.Config) { c.KeysDir = dir }))
	got := second.Merchant("1900000002")
	if got.Serial != want.Serial || got.PrivateKeyPEM != want.PrivateKeyPEM || got.APIv3Key != key {
		t.Errorf("at the next start the serial is %s, want %s; APIv3 key changed: %v", got.Serial, want.Serial, got.APIv3Key == key)
	}
	if serial(second) != serial(first) || len(second.PlatformCertificates()) != 2 {
		t.Errorf("at the next start %s signs, want %s", serial(second), serial(first))
	}
}

// TestEcho: what is sent comes back in the answer, encrypted both ways, and as a callback; with every kind of key.
func TestEcho(t *testing.T) {
	t.Parallel()
	s := stopped(t)
	c := newClient(t, s, "1900000001")
	url, got := inbox(t, always(http.StatusServiceUnavailable))
	encrypt := func(key *rsa.PublicKey, text string) string { return encryptTo(t, key, text) }
	open := func(text string) string {
		raw, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			t.Fatal(err)
		}
		plain, err := rsa.DecryptOAEP(sha1.New(), nil, c.m.PrivateKey, raw, nil)
		if err != nil {
			t.Fatal(err)
		}
		return string(plain)
	}
	post := func(body map[string]any) reply {
		return c.must(http.MethodPost, "/v3/security/echo", encode(t, body, nil))
	}
	field := func(body, name string) string {
		var all map[string]string
		if err := json.Unmarshal([]byte(body), &all); err != nil {
			t.Fatal(err)
		}
		return all[name]
	}
	if plain := post(map[string]any{"echo_message": "hello"}); plain.body != `{"echo_message":"hello"}` || !plain.signed {
		t.Errorf("the plain echo: %+v", plain)
	}
	whole := post(map[string]any{"echo_message": "hello", "encrypted_echo_message": encrypt(s.PublicKey(), "秘密"), "notify_url": url})
	sameShape(t, "echo.json", whole.body)
	if field(whole.body, "echo_message") != "hello" || open(field(whole.body, "encrypted_echo_message")) != "秘密" {
		t.Errorf("the echo: %s", whole.body)
	}
	drain(t, s)
	notice := <-got
	if err := verifyFrom(s, notice.header, notice.body); err != nil {
		t.Error(err)
	}
	sameShape(t, "envelope-echo.json", string(notice.body))
	if plain := openEnvelope(t, c, notice.body); plain["echo_message"] != "hello" || open(plain["encrypt_echo_message"].(string)) != "秘密" {
		t.Errorf("the callback: %v", plain)
	}
	for range 30 {
		advance(t, s, 6*time.Hour)
	}
	if n := 1 + len(got); n != 10 {
		t.Errorf("the echo was sent %d times, want 10", n)
	}

	_, cert := s.PlatformCertificate()
	block, _ := pem.Decode([]byte(cert))
	parsed, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	platform, _ := s.PlatformCertificate()
	for _, r := range []struct {
		name, serial string
		mode         sim.KeyMode
		cipher       string
		status       int
		says         string
	}{
		{"no key is named", "", sim.PublicKey, encrypt(s.PublicKey(), "x"), 400, "Wechatpay-Serial错误"},
		{"a key that is not the merchant's", platform, sim.PublicKey, encrypt(parsed.PublicKey.(*rsa.PublicKey), "x"), 400, "Wechatpay-Serial错误"},
		{"an unknown key", "PUB_KEY_ID_0", sim.PublicKey, encrypt(s.PublicKey(), "x"), 400, "Wechatpay-Serial错误"},
		{"encrypted to another", s.PublicKeyID(), sim.Switching, encrypt(parsed.PublicKey.(*rsa.PublicKey), "x"), 400, "解密失败"},
		{"not encrypted", s.PublicKeyID(), sim.PublicKey, "plain!", 400, "解密失败"},
		{"by certificate", platform, sim.PlatformCertificate, encrypt(parsed.PublicKey.(*rsa.PublicKey), "x"), 200, "encrypted_echo_message"},
		{"by certificate while it switches", platform, sim.Switching, encrypt(parsed.PublicKey.(*rsa.PublicKey), "x"), 200, "encrypted_echo_message"},
	} {
		if err := s.SetKeyMode(c.m.MchID, r.mode, 0); err != nil {
			t.Fatal(err)
		}
		c.expected = r.serial
		post(map[string]any{"echo_message": "m", "encrypted_echo_message": r.cipher}).wants(t, r.name, r.status, r.says)
	}
	post(map[string]any{}).wants(t, "without a message", 400, "/body/echo_message")
}
