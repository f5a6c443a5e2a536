package sim_test

import (
	"bytes"
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/paybridge/paybridge/plugins/wechat/sim"
)

// client is a merchant written with nothing but the standard library, so that it shares no mistake with an SDK.
type client struct {
	t        testing.TB
	s        *sim.Simulator
	m        sim.Merchant
	wall     func() time.Time
	expected string // our Wechatpay-Serial header
}

func newClient(t testing.TB, s *sim.Simulator, mchID string) *client {
	return &client{t: t, s: s, m: s.Merchant(mchID), wall: time.Now, expected: s.PublicKeyID()}
}

// reply is an answer with its signature already checked.
type reply struct {
	status int
	body   string
	header http.Header
	signed bool
}

func (r reply) requestID() string { return headerAsWritten(r.header, "Request-Id") }

func headerAsWritten(h http.Header, name string) string { return h.Get(name) }

// try sends a request signed by the merchant's key and verifies what comes back, when it is signed.
func (c *client) try(method, path, body string) (reply, error) {
	c.t.Helper()
	r := c.request(method, path, body)
	r.Header.Set("Authorization", c.authorization(method, path, body))
	return c.do(r)
}

func (c *client) must(method, path, body string) reply {
	c.t.Helper()
	got, err := c.try(method, path, body)
	if err != nil {
		c.t.Fatalf("%s %s: %v", method, path, err)
	}
	return got
}

func (c *client) request(method, path, body string) *http.Request {
	c.t.Helper()
	r, err := http.NewRequestWithContext(c.t.Context(), method, c.s.BaseURL()+path, bytes.NewBufferString(body))
	if err != nil {
		c.t.Fatal(err)
	}
	r.Header.Set("Accept", "application/json")
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("User-Agent", "sim-test")
	if c.expected != "" {
		r.Header.Set("Wechatpay-Serial", c.expected)
	}
	return r
}

func (c *client) authorization(method, path, body string) string {
	c.t.Helper()
	timestamp, nonce := strconv.FormatInt(c.wall().Unix(), 10), rand.Text()
	signature := signWith(c.t, c.m.PrivateKey, method+"\n"+path+"\n"+timestamp+"\n"+nonce+"\n"+body+"\n")
	return fmt.Sprintf(`WECHATPAY2-SHA256-RSA2048 mchid="%s",nonce_str="%s",timestamp="%s",serial_no="%s",signature="%s"`,
		c.m.MchID, nonce, timestamp, c.m.Serial, signature)
}

func (c *client) do(r *http.Request) (reply, error) {
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return reply{}, err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return reply{}, err
	}
	out := reply{status: resp.StatusCode, body: string(body), header: resp.Header}
	if resp.Header.Get("Wechatpay-Signature") == "" {
		return out, nil
	}
	out.signed = true
	return out, verifyFrom(c.s, resp.Header, body)
}

// verifyFrom checks WeChat's signature over an answer or a callback.
func verifyFrom(s *sim.Simulator, h http.Header, body []byte) error {
	key := s.PublicKey()
	if serial, cert := s.PlatformCertificate(); h.Get("Wechatpay-Serial") == serial {
		block, _ := pem.Decode([]byte(cert))
		parsed, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return err
		}
		key = parsed.PublicKey.(*rsa.PublicKey)
	} else if h.Get("Wechatpay-Serial") != s.PublicKeyID() {
		return fmt.Errorf("unknown serial %q", h.Get("Wechatpay-Serial"))
	}
	raw, err := base64.StdEncoding.DecodeString(h.Get("Wechatpay-Signature"))
	if err != nil {
		return err
	}
	sum := sha256.Sum256([]byte(h.Get("Wechatpay-Timestamp") + "\n" + h.Get("Wechatpay-Nonce") + "\n" + string(body) + "\n"))
	return rsa.VerifyPKCS1v15(key, crypto.SHA256, sum[:], raw)
}

func signWith(t testing.TB, key *rsa.PrivateKey, message string) string {
	t.Helper()
	sum := sha256.Sum256([]byte(message))
	raw, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	return base64.StdEncoding.EncodeToString(raw)
}

func decrypt(t testing.TB, key, nonce, associated, ciphertext string) string {
	t.Helper()
	raw, err := base64.StdEncoding.DecodeString(ciphertext)
	if err != nil {
		t.Fatal(err)
	}
	block, err := aes.NewCipher([]byte(key))
	if err != nil {
		t.Fatal(err)
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		t.Fatal(err)
	}
	plain, err := gcm.Open(nil, []byte(nonce), raw, []byte(associated))
	if err != nil {
		t.Fatal(err)
	}
	return string(plain)
}

const (
	prepayPath = "/v3/pay/transactions/jsapi"
	refundPath = "/v3/refund/domestic/refunds"
)

func numberPath(number, mchID string) string {
	return "/v3/pay/transactions/out-trade-no/" + number + "?mchid=" + mchID
}

func closePath(number string) string { return "/v3/pay/transactions/out-trade-no/" + number + "/close" }

// order is a prepay's body that is valid for the merchant's first app and user; change spoils it.
func (c *client) order(number string, change ...func(map[string]any)) string {
	c.t.Helper()
	body := map[string]any{
		"appid": c.m.Apps[0].AppID, "mchid": c.m.MchID, "description": "门诊缴费", "out_trade_no": number,
		"notify_url": "http://127.0.0.1:1/notify", "amount": map[string]any{"total": 100, "currency": "CNY"},
		"payer": map[string]any{"openid": c.m.Apps[0].Users[0].OpenID},
	}
	return encode(c.t, body, change)
}

// back is a refund's body for a trade of 100 fen.
func (c *client) back(trade, number string, fen int, change ...func(map[string]any)) string {
	c.t.Helper()
	return encode(c.t, map[string]any{
		"out_trade_no": trade, "out_refund_no": number, "notify_url": "http://127.0.0.1:1/notify",
		"amount": map[string]any{"refund": fen, "total": 100, "currency": "CNY"},
	}, change)
}

func encode(t testing.TB, body map[string]any, change []func(map[string]any)) string {
	t.Helper()
	for _, f := range change {
		f(body)
	}
	text, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// set puts a value at a path like "amount/total" into a body; nil takes the key away.
func set(path string, value any) func(map[string]any) {
	return func(body map[string]any) {
		for {
			name, rest, deeper := cutPath(path)
			if !deeper {
				if value == nil {
					delete(body, name)
				} else {
					body[name] = value
				}
				return
			}
			body, path = body[name].(map[string]any), rest
		}
	}
}

func cutPath(path string) (string, string, bool) {
	for i := range path {
		if path[i] == '/' {
			return path[:i], path[i+1:], true
		}
	}
	return path, "", false
}

// prepaid opens a trade and returns its prepay_id.
func (c *client) prepaid(number string, change ...func(map[string]any)) string {
	c.t.Helper()
	got := c.must(http.MethodPost, prepayPath, c.order(number, change...))
	if got.status != http.StatusOK {
		c.t.Fatalf("prepay %s: %d %s", number, got.status, got.body)
	}
	var out struct {
		PrepayID string `json:"prepay_id"`
	}
	if err := json.Unmarshal([]byte(got.body), &out); err != nil {
		c.t.Fatal(err)
	}
	return out.PrepayID
}

// paid opens a trade and pays it.
func (c *client) paid(number string, change ...func(map[string]any)) sim.Trade {
	c.t.Helper()
	c.prepaid(number, change...)
	trade, err := c.s.Pay(sim.Pay{OutTradeNo: number, MchID: c.m.MchID})
	if err != nil {
		c.t.Fatal(err)
	}
	return trade
}

// handOff is what the merchant's page would pass to the payer's WeChat.
func (c *client) handOff(appID, prepayID string) sim.HandOff {
	c.t.Helper()
	h := sim.HandOff{
		AppID: appID, TimeStamp: strconv.FormatInt(c.wall().Unix(), 10), NonceStr: rand.Text(),
		Package: "prepay_id=" + prepayID, SignType: "RSA",
	}
	h.PaySign = signWith(c.t, c.m.PrivateKey, h.AppID+"\n"+h.TimeStamp+"\n"+h.NonceStr+"\n"+h.Package+"\n")
	return h
}

// received is one callback as it came in.
type received struct {
	header http.Header
	body   []byte
}

// inbox is a merchant's notify URL: it keeps what comes and answers with what status says.
func inbox(t testing.TB, status func(n int) int) (url string, got chan received) {
	t.Helper()
	got = make(chan received, 64)
	n := make(chan int, 1)
	n <- 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		i := <-n
		n <- i + 1
		got <- received{r.Header, body}
		w.WriteHeader(status(i))
	}))
	t.Cleanup(server.Close)
	return server.URL, got
}

func always(status int) func(int) int { return func(int) int { return status } }

// syncBuffer is a log that many goroutines write.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}
