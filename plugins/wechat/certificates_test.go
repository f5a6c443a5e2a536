package wechat

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/wechatpay-apiv3/wechatpay-go/utils"
)

const (
	platformSerial = "5E0F09EFDC096DE1"
	laterSerial    = "5E0F09EFDC096DE2"
)

// issued is a platform certificate that begins and ends then.
func issued(t testing.TB, key *rsa.PrivateKey, serial string, from, until time.Time) string {
	t.Helper()
	number, ok := new(big.Int).SetString(serial, 16)
	if !ok {
		t.Fatalf("serial %s", serial)
	}
	certificate := x509.Certificate{SerialNumber: number, NotBefore: from, NotAfter: until}
	der, err := x509.CreateCertificate(rand.Reader, &certificate, &certificate, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

// listed is one entry of GET /v3/certificates.
func listed(t testing.TB, apiV3Key, serial, text string) string {
	t.Helper()
	return fmt.Sprintf(`{"serial_no":%q,"effective_time":"2018-06-08T10:34:56+08:00","expire_time":"2028-12-08T10:34:56+08:00",`+
		`"encrypt_certificate":{"algorithm":"AEAD_AES_256_GCM","nonce":"61f9c719728a","associated_data":"certificate","ciphertext":%q}}`,
		serial, seal(t, apiV3Key, "61f9c719728a", "certificate", text))
}

func list(entries ...string) string { return `{"data":[` + strings.Join(entries, ",") + `]}` }

// downloading is a client without a key of WeChat's, whose WeChat gives this answer.
func downloading(t testing.TB, r reply) *Client {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { r.write(t, w) }))
	t.Cleanup(server.Close)
	config := testConfig(t)
	config.PublicKeys, config.PlatformCertificates = nil, true
	return newClient(t, config, Options{BaseURL: server.URL})
}

func TestDownloadedCertificates(t *testing.T) {
	t.Parallel()
	now, year := time.Now(), 365*24*time.Hour
	key := wechatKey(t)
	var v published
	readVector(t, "wechat-published.json", &v)
	strange, err := utils.LoadPrivateKey(v.MerchantKey)
	if err != nil {
		t.Fatal(err)
	}
	first := issued(t, key, platformSerial, now.Add(-year), now.Add(year))
	later := issued(t, key, laterSerial, now.Add(-time.Hour), now.Add(year))
	ended := issued(t, key, laterSerial, now.Add(-2*year), now.Add(-time.Hour))
	begins := issued(t, key, laterSerial, now.Add(time.Hour), now.Add(year))
	good := listed(t, testAPIv3Key, platformSerial, first)
	many := make([]string, largestCertificates+1)
	for i := range many {
		many[i] = good
	}
	tests := []struct {
		name   string
		body   string
		key    *rsa.PrivateKey // that signs; nil is WeChat's
		serial string          // of the signature; empty is platformSerial
		newest string          // afterwards
		want   error           // nil: taken, or any error where newest is empty
	}{
		{name: "one", body: list(good), newest: platformSerial},
		{name: "the next has begun", body: list(good, listed(t, testAPIv3Key, laterSerial, later)), newest: laterSerial},
		{name: "the next is announced", body: list(good, listed(t, testAPIv3Key, laterSerial, begins)), newest: platformSerial},
		{name: "one has ended", body: list(good, listed(t, testAPIv3Key, laterSerial, ended)), newest: platformSerial},
		{name: "another APIv3 key", body: list(listed(t, oldAPIv3Key, platformSerial, first)), want: ErrDecryption},
		{name: "signed by a stranger", body: list(good), key: strange, want: ErrSignature},
		{name: "signed by one that is not inside", body: list(good), serial: laterSerial, want: ErrUnknownSerial},
		{name: "another certificate under the serial", body: list(listed(t, testAPIv3Key, laterSerial, first)), serial: laterSerial},
		{name: "no certificate inside", body: list(listed(t, testAPIv3Key, platformSerial, "hello"))},
		{name: "none", body: list(), want: ErrUnknownSerial},
		{name: "no JSON", body: "hello", want: ErrUnknownSerial},
		{name: "more than WeChat can have", body: list(many...), want: ErrUnknownSerial},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			serial := test.serial
			if serial == "" {
				serial = platformSerial
			}
			c := downloading(t, reply{status: 200, body: test.body, serial: serial, key: test.key})
			err := c.platform.load(t.Context())
			if (err == nil) != (test.newest != "") || (test.want != nil && !errors.Is(err, test.want)) || c.platform.newest() != test.newest {
				t.Errorf("got %v, newest %q; want %v, %q", err, c.platform.newest(), test.want, test.newest)
			}
			if err != nil && strings.Contains(err.Error(), testAPIv3Key) {
				t.Errorf("R45 the error shows the APIv3 key: %v", err)
			}
		})
	}
}

func TestACertificateIsTakenAtItsEndNoMore(t *testing.T) {
	t.Parallel()
	now := time.Now()
	p := platformCertificates{now: func() time.Time { return now }}
	p.current.Store(&certificateSet{loaded: now, keys: map[string]certificate{
		platformSerial: {platformSerial, &wechatKey(t).PublicKey, now.Add(-time.Hour), now.Add(time.Hour)},
	}})
	if p.known(platformSerial) == nil || p.newest() != platformSerial {
		t.Error("it is not taken before")
	}
	now = now.Add(time.Hour)
	if p.known(platformSerial) != nil || p.newest() != "" {
		t.Error("it is taken afterwards")
	}
}

// What WeChat's answer holds is outside bytes, until it is verified by what it holds.
func FuzzCertificates(f *testing.F) {
	c := downloading(f, reply{})
	good := issued(f, wechatKey(f), platformSerial, time.Now(), time.Now().Add(time.Hour))
	f.Add(list(listed(f, testAPIv3Key, platformSerial, good)))
	f.Add(list(listed(f, testAPIv3Key, platformSerial, "hello")))
	f.Add(`{"data":[{"encrypt_certificate":{"algorithm":"AEAD_AES_256_GCM","nonce":"short"}}]}`)
	f.Add(`{"data":null}`)
	f.Fuzz(func(t *testing.T, body string) {
		certificates, err := c.openCertificates([]byte(body))
		for _, got := range certificates {
			if err == nil && (got.key == nil || got.key.N.BitLen() < smallestKey || got.serial == "") {
				t.Errorf("taken: %+v", got)
			}
		}
	})
}
