package sim_test

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/paybridge/paybridge/plugins/wechat/sim"
)

// trusting is a client that trusts the CA and nothing else, and asks for a host by that name wherever it goes.
func trusting(t testing.TB, ca, name string) *http.Client {
	t.Helper()
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM([]byte(ca)) {
		t.Fatalf("no certificate in %q", ca)
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, ServerName: name}}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

func secured(dir string) sim.Option {
	return sim.With(func(c *sim.Config) { c.TLS, c.KeysDir = true, dir })
}

// TestHTTPS: a client that trusts the CA is answered as over plain HTTP, one that does not is not, nor is plain.
func TestHTTPS(t *testing.T) {
	t.Parallel()
	s := stopped(t, secured(""))
	c := newClient(t, s, "1900000001")
	if !strings.HasPrefix(s.BaseURL(), "https://127.0.0.1:") {
		t.Fatalf("it is at %s", s.BaseURL())
	}
	for _, name := range []string{"", "localhost", "api.mch.weixin.qq.com"} {
		r := c.request(http.MethodGet, numberPath("HTTPS00001", c.m.MchID), "")
		r.Header.Set("Authorization", c.authorization(http.MethodGet, numberPath("HTTPS00001", c.m.MchID), ""))
		resp, err := trusting(t, s.CAPEM(), name).Do(r)
		if err != nil {
			t.Fatalf("by the name %q: %v", name, err)
		}
		if err := resp.Body.Close(); err != nil {
			t.Error(err)
		}
		if resp.StatusCode != http.StatusNotFound || resp.ProtoMajor != 1 || resp.Header.Get("Wechatpay-Signature") == "" {
			t.Errorf("by the name %q: %s %s", name, resp.Proto, resp.Status)
		}
	}
	if _, err := trusting(t, s.CAPEM(), "pay.example").Get(s.BaseURL()); err == nil {
		t.Error("it answers for a host that it is not")
	}
	if _, err := c.try(http.MethodGet, numberPath("HTTPS00001", c.m.MchID), ""); err == nil {
		t.Error("a client that does not know the CA was answered")
	}
	to, err := url.Parse(s.BaseURL())
	if err != nil {
		t.Fatal(err)
	}
	if resp, err := http.Get("http://" + to.Host + "/v3/certificates"); err == nil && resp.StatusCode != http.StatusBadRequest {
		t.Errorf("over plain HTTP: %s", resp.Status)
	}
	if plain := stopped(t); plain.CAPEM() != "" || !strings.HasPrefix(plain.BaseURL(), "http://") {
		t.Error("without TLS there is a CA")
	}
}

// TestTheCAIsKept in the keys folder: what trusts it at the first start trusts it at the second. A folder where it
// does not fit is refused.
func TestTheCAIsKept(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "keys")
	first := stopped(t, secured(dir))
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	written, err := os.ReadFile(filepath.Join(dir, "ca.pem"))
	if err != nil || string(written) != first.CAPEM() {
		t.Fatalf("ca.pem: %v", err)
	}
	second := stopped(t, secured(dir))
	if second.CAPEM() != first.CAPEM() {
		t.Error("the second start has another CA")
	}
	resp, err := trusting(t, first.CAPEM(), "").Get(second.BaseURL() + "/v3/no/such")
	if err != nil || resp.StatusCode != http.StatusNotFound {
		t.Errorf("%v, %v", resp, err)
	}
	for _, spoil := range []func() error{
		func() error { return os.WriteFile(filepath.Join(dir, "ca.pem"), []byte("no PEM"), 0o600) },
		func() error {
			return os.WriteFile(filepath.Join(dir, "ca.pem"), []byte(stopped(t, secured("")).CAPEM()), 0o600)
		},
		func() error { return os.Remove(filepath.Join(dir, "ca.pem")) },
	} {
		if err := spoil(); err != nil {
			t.Fatal(err)
		}
		_, err := sim.Start(t.Context(), sim.Config{KeysDir: dir, TLS: true})
		if err == nil || !strings.Contains(err.Error(), "delete") {
			t.Errorf("a CA that does not fit: %v", err)
		}
	}
}
