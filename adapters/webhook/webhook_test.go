package webhook

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"
	"unicode/utf8"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/paybridge/paybridge/core/pay"
	"github.com/paybridge/paybridge/ports"
)

// The secrets of these tests, by reference.
var secrets = map[string]string{
	"env:OLD":   "whsec_" + base64.StdEncoding.EncodeToString([]byte(strings.Repeat("o", 32))),
	"env:NEW":   "whsec_" + base64.StdEncoding.EncodeToString([]byte(strings.Repeat("n", 32))),
	"env:SHORT": "whsec_c2hvcnQ=",
	"env:BARE":  base64.StdEncoding.EncodeToString([]byte(strings.Repeat("b", 32))),
	"env:DING":  "SECdingtalk",
}

func secret(ref string) (string, error) {
	if s, ok := secrets[ref]; ok {
		return s, nil
	}
	return "", errors.New(ref + " is not set")
}

var loopback = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}

func newSink(t *testing.T, change ...func(*Options)) *Sink {
	t.Helper()
	o := Options{Secret: secret, AllowNetworks: loopback, AllowHTTP: true, Version: "1.2.3", Now: time.Now}
	for _, f := range change {
		f(&o)
	}
	s := New(o)
	t.Cleanup(s.Close)
	return s
}

// receiver is an HTTP server that keeps the last request's body.
func receiver(t *testing.T, answer http.HandlerFunc) (at string) {
	t.Helper()
	server := httptest.NewServer(answer)
	t.Cleanup(server.Close)
	return server.URL
}

func message() ports.EventMessage {
	return ports.EventMessage{ID: "evt_1_1", At: time.Now(), Body: []byte(`{"type":"order.paid"}`)}
}

// The official library, as a receiver uses it, verifies what is sent, with either secret while they rotate.
func TestR46_SignedByStandardWebhooks(t *testing.T) {
	t.Parallel()
	var header http.Header
	var body []byte
	at := receiver(t, func(_ http.ResponseWriter, r *http.Request) {
		header, body = r.Header, must(io.ReadAll(r.Body))
	})
	m := message()
	if err := newSink(t).SendEvent(t.Context(), ports.Webhook{URL: at, Secrets: []string{"env:NEW", "env:OLD"}, Version: 1}, m); err != nil {
		t.Fatal(err)
	}
	for _, ref := range []string{"env:OLD", "env:NEW"} {
		if err := must(standardwebhooks.NewWebhook(secrets[ref])).Verify(body, header); err != nil {
			t.Errorf("%s: %v", ref, err)
		}
	}
	if err := must(standardwebhooks.NewWebhook(secrets["env:BARE"])).Verify(body, header); err == nil {
		t.Error("a secret that did not sign it verifies it")
	}
	if err := must(standardwebhooks.NewWebhook(secrets["env:OLD"])).Verify(append(body, ' '), header); err == nil {
		t.Error("another body verifies")
	}
	if string(body) != string(m.Body) || header.Get("webhook-id") != m.ID || header.Get("Content-Type") != "application/json" || header.Get("User-Agent") != "PayBridge/1.2.3" {
		t.Errorf("received %s with %v", body, header)
	}
}

func TestWhatAnEndpointAnswers(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name   string
		answer http.HandlerFunc
		want   string        // in the error; empty: taken
		wait   time.Duration // that the endpoint asks for
	}{
		{name: "200", answer: func(http.ResponseWriter, *http.Request) {}},
		{name: "204", answer: status(204)},
		{name: "500", answer: status(500), want: "it answered 500"},
		{name: "404", answer: status(404), want: "it answered 404"},
		{name: "410", answer: status(410), want: "it answered 410"},
		{name: "429 with a wish", answer: func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "90")
			w.WriteHeader(429)
		}, want: "it answered 429", wait: 90 * time.Second},
		{name: "a wish of no sense", answer: func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "-1")
			w.WriteHeader(503)
		}, want: "it answered 503"},
		{name: "an endless answer", answer: func(w http.ResponseWriter, r *http.Request) {
			for r.Context().Err() == nil {
				if _, err := w.Write(make([]byte, 1<<16)); err != nil {
					return
				}
			}
		}},
		{name: "hangs up", answer: func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, want: "EOF"},
		{name: "endless headers", answer: func(w http.ResponseWriter, _ *http.Request) {
			for i := range 1000 {
				w.Header().Set(fmt.Sprint("X-", i), strings.Repeat("x", 100))
			}
		}, want: "exceeded"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			at := receiver(t, row.answer)
			err := newSink(t).SendEvent(t.Context(), ports.Webhook{URL: at + "/secret-path?key=secret-key", Secrets: []string{"env:OLD"}}, message())
			if (err == nil) != (row.want == "") || (err != nil && !strings.Contains(err.Error(), row.want)) {
				t.Errorf("error %v, want %q", err, row.want)
			}
			if err != nil && strings.Contains(err.Error(), "secret-") {
				t.Errorf("the error tells the URL: %v", err)
			}
			var wish *ports.RetryAfter
			if errors.As(err, &wish); (wish != nil) != (row.wait > 0) || (wish != nil && wish.Wait != row.wait) {
				t.Errorf("its wish is %v, want %s", wish, row.wait)
			}
		})
	}
}

func status(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
}

// An endpoint that hangs is left when the caller's time is over.
func TestAnEndpointHangs(t *testing.T) {
	t.Parallel()
	came, over := make(chan struct{}), make(chan struct{})
	at := receiver(t, func(http.ResponseWriter, *http.Request) {
		close(came)
		<-over
	})
	t.Cleanup(func() { close(over) })
	ctx, cancel := context.WithDeadlineCause(t.Context(), time.Now().Add(100*time.Millisecond), nil)
	defer cancel()
	err := newSink(t).SendEvent(ctx, ports.Webhook{URL: at, Secrets: []string{"env:OLD"}}, message())
	<-came
	if err == nil || err.Error() != "it did not answer in time" {
		t.Errorf("error %v", err)
	}
}

// R44: a redirect leads nowhere, wherever it points.
func TestR44_RedirectsAreNotFollowed(t *testing.T) {
	t.Parallel()
	var followed atomic.Bool
	other := receiver(t, func(http.ResponseWriter, *http.Request) { followed.Store(true) })
	for _, code := range []int{301, 302, 303, 307, 308} {
		at := receiver(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, other, code) })
		err := newSink(t).SendEvent(t.Context(), ports.Webhook{URL: at, Secrets: []string{"env:OLD"}}, message())
		if err == nil || !strings.Contains(err.Error(), "redirects are not followed") {
			t.Errorf("%d: %v", code, err)
		}
	}
	if followed.Load() {
		t.Error("a redirect was followed")
	}
}

// R44: a name is resolved, and what it leads to is looked at, when it is dialled; no connection is made.
func TestR44_PrivateAddressesAreNotDialled(t *testing.T) {
	t.Parallel()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	accepted := make(chan struct{})
	go func() {
		if c, err := listener.Accept(); err == nil {
			_ = c.Close()
			close(accepted)
		}
	}()
	t.Cleanup(func() { _ = listener.Close() })
	strict := newSink(t, func(o *Options) { o.AllowNetworks = nil })
	for _, host := range []string{"127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "2130706433", "0x7f.1", "0.0.0.0", "[::]", "169.254.169.254", "10.1.2.3"} {
		err := strict.SendEvent(t.Context(), ports.Webhook{URL: "http://" + host + ":" + port + "/", Secrets: []string{"env:OLD"}}, message())
		if _, parse := netip.ParseAddr(strings.Trim(host, "[]")); parse != nil && host != "localhost" {
			if err == nil { // no resolver takes them for a number, and none may
				t.Errorf("%s was dialled", host)
			}
			continue
		}
		if !errors.Is(err, ports.ErrAddressRefused) {
			t.Errorf("%s: %v", host, err)
		}
	}
	select {
	case <-accepted:
		t.Error("a connection came")
	default:
	}
	open := newSink(t)
	if err := open.SendEvent(t.Context(), ports.Webhook{URL: "http://localhost:" + port + "/", Secrets: []string{"env:OLD"}}, message()); errors.Is(err, ports.ErrAddressRefused) {
		t.Errorf("allowed by config: %v", err)
	}
	<-accepted
}

func TestR44_Addresses(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		address string
		allowed bool
	}{
		{"1.1.1.1", true}, {"223.5.5.5", true}, {"172.32.0.1", true}, {"100.128.0.1", true}, {"2606:4700::1111", true}, {"2400:3200::1", true},
		{"127.0.0.1", false}, {"127.255.0.9", false}, {"10.0.0.1", false}, {"172.16.0.1", false}, {"172.31.255.255", false},
		{"192.168.1.1", false}, {"169.254.169.254", false}, {"100.64.0.1", false}, {"100.100.100.200", false}, {"0.0.0.0", false},
		{"0.1.2.3", false}, {"192.0.0.1", false}, {"192.0.2.1", false}, {"198.18.0.1", false}, {"198.51.100.1", false},
		{"203.0.113.1", false}, {"224.0.0.1", false}, {"240.0.0.1", false}, {"255.255.255.255", false},
		{"::", false}, {"::1", false}, {"fe80::1", false}, {"fe80::1%eth0", false}, {"fc00::1", false}, {"fd12::1", false},
		{"ff02::1", false}, {"::ffff:10.0.0.1", false}, {"::ffff:1.1.1.1", true}, {"::127.0.0.1", false}, {"64:ff9b::7f00:1", false},
		{"64:ff9b:1::1", false}, {"2002:7f00:1::", false}, {"2001:0:4136::1", false}, {"2001:db8::1", false}, {"100::1", false},
		{"10.20.0.1", true}, {"::ffff:10.20.0.1", true}, {"fd99::7", true}, // as the config of this test allows
	} {
		n := networks{netip.MustParsePrefix("10.20.0.0/16"), netip.MustParsePrefix("fd99::/16")}
		if got := n.allow(netip.MustParseAddr(row.address)); got != row.allowed {
			t.Errorf("%s: allowed %v, want %v", row.address, got, row.allowed)
		}
	}
}

func FuzzR44_Addresses(f *testing.F) {
	f.Add([]byte{127, 0, 0, 1})
	f.Add(netip.MustParseAddr("::ffff:10.0.0.1").AsSlice())
	f.Fuzz(func(t *testing.T, raw []byte) {
		ip, ok := netip.AddrFromSlice(raw)
		if !ok {
			return
		}
		local := ip.IsPrivate() || ip.IsLoopback() || ip.IsLinkLocalUnicast() || ip.IsMulticast() || ip.IsUnspecified()
		if u := ip.Unmap(); local || u.IsPrivate() || u.IsLoopback() || u.IsLinkLocalUnicast() {
			if (networks{}).allow(ip) {
				t.Errorf("%s is allowed", ip)
			}
		}
	})
}

func TestProxiesAreNotAsked(t *testing.T) {
	proxy := receiver(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })
	for _, name := range []string{"HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY"} {
		t.Setenv(name, proxy)
	}
	err := newSink(t).SendEvent(t.Context(), ports.Webhook{URL: "http://192.0.2.1/", Secrets: []string{"env:OLD"}}, message())
	if !errors.Is(err, ports.ErrAddressRefused) {
		t.Errorf("error %v", err)
	}
}

func TestSecretsThatAreNone(t *testing.T) {
	t.Parallel()
	at := receiver(t, func(http.ResponseWriter, *http.Request) { t.Error("something was sent") })
	for _, refs := range [][]string{nil, {"env:SHORT"}, {"env:BARE"}, {"env:OLD", "env:NONE"}} {
		err := newSink(t).SendEvent(t.Context(), ports.Webhook{URL: at, Secrets: refs}, message())
		if err == nil {
			t.Errorf("%v: sent", refs)
		}
		for _, s := range secrets {
			if err != nil && strings.Contains(err.Error(), s) {
				t.Errorf("%v: the error tells the secret: %v", refs, err)
			}
		}
	}
}

func TestR44_OnlyHTTPSInProduction(t *testing.T) {
	t.Parallel()
	at := receiver(t, func(http.ResponseWriter, *http.Request) { t.Error("something was sent") })
	s := newSink(t, func(o *Options) { o.AllowHTTP = false })
	for _, to := range []string{at, "ftp://example.com", "file:///etc/passwd", "https://", "//example.com", "\x00"} {
		if err := s.SendEvent(t.Context(), ports.Webhook{URL: to, Secrets: []string{"env:OLD"}}, message()); err == nil || !strings.Contains(err.Error(), "URL") {
			t.Errorf("%q: %v", to, err)
		}
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

var raised = ports.AlarmRow{
	Alarm: pay.Alarm{Kind: pay.AlarmAccountDown, Number: "first-hospital", What: "no answer <x> & \"y\""}, ID: 12,
	RaisedAt: time.Date(2026, 3, 1, 9, 30, 0, 0, time.FixedZone("", 8*3600)),
}

func TestAlarmsAsTheOperatorTakesThem(t *testing.T) {
	t.Parallel()
	type got struct {
		query  url.Values
		header http.Header
		body   []byte
		json   map[string]any
	}
	for _, row := range []struct {
		name   string
		format Format
		secret string
		answer string
		want   string // in the error; empty: taken
		check  func(t *testing.T, g got)
	}{
		{name: "JSON", format: JSON, check: func(t *testing.T, g got) {
			if g.json["kind"] != pay.AlarmAccountDown || g.json["id"] != float64(12) || g.json["raised_at"] != "2026-03-01T01:30:00Z" ||
				g.json["zh"].(map[string]any)["title"] == "" || g.header.Get("webhook-signature") != "" {
				t.Errorf("received %s", g.body)
			}
		}},
		{name: "JSON, signed", format: JSON, secret: "env:OLD", check: func(t *testing.T, g got) {
			if err := must(standardwebhooks.NewWebhook(secrets["env:OLD"])).Verify(g.body, g.header); err != nil {
				t.Error(err)
			}
		}},
		{name: "WeCom", format: WeCom, answer: `{"errcode":0,"errmsg":"ok"}`, check: func(t *testing.T, g got) { wantRobot(t, g.json) }},
		{name: "WeCom refuses", format: WeCom, answer: `{"errcode":93000,"errmsg":"invalid webhook url"}`, want: "errcode 93000"},
		{name: "what is no robot", format: WeCom, answer: `<html>`, want: "no robot"},
		{name: "JSON of another", format: DingTalk, answer: `{"ok":true}`, want: "no robot"},
		{name: "DingTalk", format: DingTalk, answer: `{"errcode":0}`, check: func(t *testing.T, g got) { wantRobot(t, g.json) }},
		{name: "DingTalk, signed", format: DingTalk, secret: "env:DING", answer: `{"errcode":0}`, check: func(t *testing.T, g got) {
			wantRobot(t, g.json)
			mac := hmac.New(sha256.New, []byte("SECdingtalk"))
			mac.Write([]byte(g.query.Get("timestamp") + "\nSECdingtalk"))
			if sign := base64.StdEncoding.EncodeToString(mac.Sum(nil)); g.query.Get("sign") != sign || len(g.query.Get("timestamp")) != 13 || g.query.Get("key") != "robot-key" {
				t.Errorf("query %v, want sign %s", g.query, sign)
			}
		}},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			var g got
			at := receiver(t, func(w http.ResponseWriter, r *http.Request) {
				g.query, g.header, g.body = r.URL.Query(), r.Header, must(io.ReadAll(r.Body))
				_, _ = io.WriteString(w, row.answer)
			})
			s := newSink(t, func(o *Options) {
				o.Operator = &Operator{URL: "env:ROBOT", Format: row.format, Secret: row.secret}
				o.Secret = func(ref string) (string, error) {
					if ref == "env:ROBOT" {
						return at + "/send?key=robot-key", nil
					}
					return secret(ref)
				}
			})
			err := s.SendAlarm(t.Context(), raised)
			if (err == nil) != (row.want == "") || (err != nil && (!strings.Contains(err.Error(), row.want) || strings.Contains(err.Error(), "robot-key"))) {
				t.Fatalf("error %v, want %q", err, row.want)
			}
			if row.check != nil {
				if err := json.Unmarshal(g.body, &g.json); err != nil {
					t.Fatal(err)
				}
				row.check(t, g)
			}
		})
	}
	if err := newSink(t).SendAlarm(t.Context(), raised); !errors.Is(err, ports.ErrNoOperator) {
		t.Errorf("without an operator: %v", err)
	}
}

func wantRobot(t *testing.T, said map[string]any) {
	t.Helper()
	text, _ := said["text"].(map[string]any)
	content, _ := text["content"].(string)
	for _, word := range []string{"PayBridge", "#12", "first-hospital", `no answer <x> & "y"`, "收款账户", "2026-03-01T01:30:00Z"} {
		if said["msgtype"] != "text" || !strings.Contains(content, word) {
			t.Errorf("%v lacks %q", said, word)
		}
	}
}

// WeCom takes 2048 bytes: what is the matter is cut, what to do stays.
func TestALongAlarmFits(t *testing.T) {
	t.Parallel()
	for n := range 5 {
		long := raised
		long.What = strings.Repeat("x", n) + strings.Repeat("错", 2000)
		content := robotText(long, wecomLimit).Text.Content
		if len(content) > wecomLimit || len(content) < wecomLimit-8 || !utf8.ValidString(content) || !strings.Contains(content, "2026-03-01") || !strings.Contains(content, "…") {
			t.Errorf("%d bytes: %s", len(content), content)
		}
	}
}
