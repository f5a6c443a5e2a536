package wechat

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/wechatpay-apiv3/wechatpay-go/core/consts"
	"github.com/wechatpay-apiv3/wechatpay-go/utils"
)

const (
	testMchID    = "1900007291"
	testSerial   = "5157F09EFDC096DE15EBE81A47057A7232F1B8E1"
	testKeyID    = "PUB_KEY_ID_0119000072912024010100000000000000"
	testAPIv3Key = "0123456789abcdefghijklmnopqrstuv"
	oldAPIv3Key  = "vutsrqponmlkjihgfedcba9876543210"
)

// published is testdata/wechat-published.json.
type published struct {
	MerchantKey string `json:"merchant_test_key_pem"`
	ClientPay   struct {
		Signature string `json:"signature"`
	} `json:"client_pay_jsapi"`
	Request struct{ Method, Path, Timestamp, Nonce, Body, Signature string } `json:"request"`
	Answer  struct {
		PublicKey                         string `json:"public_key_pem"`
		Timestamp, Nonce, Body, Signature string
	} `json:"answer"`
}

func readVector(t testing.TB, name string, into any) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, into); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

// wechatKey plays WeChat's private key. It is a published test key, so that no test has to make one.
func wechatKey(t testing.TB) *rsa.PrivateKey {
	t.Helper()
	var v struct {
		Key string `json:"private_key_pem"`
	}
	readVector(t, "sign-sha256-rsa.json", &v)
	key, err := utils.LoadPrivateKey(v.Key)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func publicPEM(t testing.TB, key *rsa.PublicKey) string {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

func testConfig(t testing.TB) Config {
	t.Helper()
	var v published
	readVector(t, "wechat-published.json", &v)
	return Config{
		MchID: testMchID, SerialNo: testSerial, PrivateKey: v.MerchantKey, APIv3Keys: []string{testAPIv3Key},
		PublicKeys: map[string]string{testKeyID: publicPEM(t, &wechatKey(t).PublicKey)},
	}
}

func newClient(t testing.TB, c Config, o Options) *Client {
	t.Helper()
	client, err := New(c, o)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// signature sets the four headers that WeChat signs a message with.
func signature(t testing.TB, key *rsa.PrivateKey, h http.Header, serial string, at time.Time, body string) {
	t.Helper()
	timestamp, nonce := strconv.FormatInt(at.Unix(), 10), "e71434e9c3a974376ceb078ddfd17271"
	text, err := utils.SignSHA256WithRSA(timestamp+"\n"+nonce+"\n"+body+"\n", key)
	if err != nil {
		t.Fatal(err)
	}
	h.Set(consts.WechatPayTimestamp, timestamp)
	h.Set(consts.WechatPayNonce, nonce)
	h.Set(consts.WechatPaySerial, serial)
	h.Set(consts.WechatPaySignature, text)
}

// reply answers one call.
type reply struct {
	status   int
	body     string
	unsigned bool
	at       time.Time // of the signature; zero is now
	serial   string    // of the signature; empty is testKeyID
	key      *rsa.PrivateKey
}

func (r reply) write(t testing.TB, w http.ResponseWriter) {
	if r.at.IsZero() {
		r.at = time.Now()
	}
	if r.serial == "" {
		r.serial = testKeyID
	}
	if r.key == nil {
		r.key = wechatKey(t)
	}
	w.Header()["Request-ID"] = []string{"089BBA92AA0610E50318F7C58C5820F79B0D28B25F-268892709"}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	if !r.unsigned {
		signature(t, r.key, w.Header(), r.serial, r.at, r.body)
	}
	w.WriteHeader(r.status)
	if _, err := fmt.Fprint(w, r.body); err != nil && r.status != http.StatusNoContent {
		t.Log(err)
	}
}

// answering is a client whose WeChat gives this one reply.
func answering(t testing.TB, r reply) *Client {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { r.write(t, w) }))
	t.Cleanup(server.Close)
	return newClient(t, testConfig(t), Options{BaseURL: server.URL})
}

func seal(t testing.TB, key, nonce, aad, plaintext string) string {
	t.Helper()
	block, err := aes.NewCipher([]byte(key))
	if err != nil {
		t.Fatal(err)
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		t.Fatal(err)
	}
	return base64.StdEncoding.EncodeToString(gcm.Seal(nil, []byte(nonce), []byte(plaintext), []byte(aad)))
}

// envelope is a notification's body as WeChat writes it.
func envelope(t testing.TB, apiV3Key, event, original, plaintext string) string {
	t.Helper()
	return fmt.Sprintf(`{"id":"809eb6dd-9d48-5d1b-bbd3-ed87c5de35bc","create_time":"2024-12-26T21:48:52+08:00",`+
		`"resource_type":"encrypt-resource","event_type":%q,"summary":"支付成功","resource":{"original_type":%q,`+
		`"algorithm":"AEAD_AES_256_GCM","ciphertext":%q,"associated_data":%q,"nonce":"erSnoFzfnp08"}}`,
		event, original, seal(t, apiV3Key, "erSnoFzfnp08", original, plaintext), original)
}
