package sim_test

import (
	"bufio"
	"crypto/rand"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/textproto"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/paybridge/paybridge/plugins/wechat/sim"
)

// rawAnswer sends a signed request over a bare connection and returns the head as it was written, since
// net/http would change the spelling of names.
func rawAnswer(t *testing.T, c *client, method, path, body string) (head string, answerBody string) {
	t.Helper()
	u, err := url.Parse(c.s.BaseURL())
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("tcp", u.Host)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	_, err = fmt.Fprintf(conn, "%s %s HTTP/1.1\r\nHost: %s\r\nAccept: */*\r\nUser-Agent: raw\r\nContent-Type: application/json\r\n"+
		"Wechatpay-Serial: %s\r\nAuthorization: %s\r\nContent-Length: %d\r\n\r\n%s",
		method, path, u.Host, c.s.PublicKeyID(), c.authorization(method, path, body), len(body), body)
	if err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(conn)
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		if line == "\r\n" {
			break
		}
		head += strings.Replace(line, "content-length", "Content-Length", 1)
	}
	_, after, _ := strings.Cut(head, "Content-Length: ")
	length, _, _ := strings.Cut(after, "\r\n")
	var n int
	if _, err := fmt.Sscan(length, &n); err != nil {
		t.Fatalf("no Content-Length in\n%s", head)
	}
	text := make([]byte, n)
	if _, err := io.ReadFull(r, text); err != nil {
		t.Fatal(err)
	}
	return head, string(text)
}

// headerForms are the headers whose values differ, with their form.
var headerForms = map[string]*regexp.Regexp{
	"Date":                regexp.MustCompile(`^\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT$`),
	"Content-Length":      regexp.MustCompile(`^\d+$`),
	"Request-ID":          regexp.MustCompile(`^08[0-9A-F]{30,46}-\d+$`),
	"Wechatpay-Signature": regexp.MustCompile(`^[0-9A-Za-z+/]{342}==$`),
	"Wechatpay-Timestamp": regexp.MustCompile(`^\d{10}$`),
	"Wechatpay-Serial":    regexp.MustCompile(`^PUB_KEY_ID_\d{34}$`),
}

func compareHead(t *testing.T, fixtureName, head string, forms map[string]*regexp.Regexp) {
	t.Helper()
	got := map[string]string{}
	for line := range strings.Lines(head) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), ": "); ok {
			got[name] = value
		}
	}
	for line := range strings.Lines(fixture(t, fixtureName)) {
		name, want, ok := strings.Cut(strings.TrimSpace(line), ": ")
		if !ok {
			continue // the request or status line
		}
		value, there := got[name]
		delete(got, name)
		switch form := forms[name]; {
		case !there:
			t.Errorf("no header %s (spelled so)", name)
		case form != nil && !form.MatchString(value):
			t.Errorf("header %s: %q has not the form of %q", name, value, want)
		case form == nil && value != want:
			t.Errorf("header %s: %q, want %q", name, value, want)
		}
	}
	for name := range got {
		t.Errorf("header %s, which WeChat does not send", name)
	}
}

func answerForms() map[string]*regexp.Regexp {
	forms := map[string]*regexp.Regexp{"Wechatpay-Nonce": regexp.MustCompile(`^[0-9a-f]{32}$`)}
	for name, form := range headerForms {
		forms[name] = form
	}
	return forms
}

// TestHeadersOfAnswers holds the header set of a 200, a 4xx and a 204 against the capture: all are signed, the
// 204 over an empty body, and only the end of Request-ID tells success.
func TestHeadersOfAnswers(t *testing.T) {
	t.Parallel()
	s := stopped(t)
	c := newClient(t, s, "1900000001")
	c.prepaid("HEAD000001")
	for name, r := range map[string]struct {
		method, path, body, status, cause string
	}{
		"200":              {http.MethodGet, numberPath("HEAD000001", c.m.MchID), "", "200", "-0"},
		"404 with a body":  {http.MethodGet, numberPath("HEAD000002", c.m.MchID), "", "404", "-268512771"},
		"400 reentry":      {http.MethodPost, prepayPath, c.order("HEAD000001", set("amount/total", 7)), "400", "-268498688"},
		"204 of the close": {http.MethodPost, closePath("HEAD000001"), `{"mchid":"1900000001"}`, "204", "-0"},
	} {
		t.Run(name, func(t *testing.T) {
			head, body := rawAnswer(t, c, r.method, r.path, r.body)
			if !strings.HasPrefix(head, "HTTP/1.1 "+r.status) {
				t.Fatalf("%s\n%s", head, body)
			}
			compareHead(t, "answer-headers.txt", head, answerForms())
			if !strings.Contains(head, r.cause+"\r\n") {
				t.Errorf("Request-ID does not end in %s:\n%s", r.cause, head)
			}
			mime, err := textproto.NewReader(bufio.NewReader(strings.NewReader(head[strings.Index(head, "\n")+1:] + "\r\n"))).ReadMIMEHeader()
			if err != nil {
				t.Fatal(err)
			}
			if err := verifyFrom(s, http.Header(mime), []byte(body)); err != nil {
				t.Errorf("the signature does not verify: %v", err)
			}
		})
	}
}

// TestAnswersAreSignedByTheKeyThatIsNamed: by the public key when the request's Wechatpay-Serial says so, else
// by the platform certificate.
func TestAnswersAreSignedByTheKeyThatIsNamed(t *testing.T) {
	t.Parallel()
	s := stopped(t)
	platform, _ := s.PlatformCertificate()
	for expected, signer := range map[string]string{s.PublicKeyID(): s.PublicKeyID(), "": platform, platform: platform} {
		c := newClient(t, s, "1900000001")
		c.expected = expected
		got := c.must(http.MethodGet, numberPath("NOSUCH0001", c.m.MchID), "")
		if !got.signed || got.header.Get("Wechatpay-Serial") != signer {
			t.Errorf("asked for %q, signed by %q, want %q", expected, got.header.Get("Wechatpay-Serial"), signer)
		}
	}
}

// TestBodiesHaveTheCapturedShape walks one trade and its refunds through every answer.
func TestBodiesHaveTheCapturedShape(t *testing.T) {
	t.Parallel()
	s := stopped(t)
	c := newClient(t, s, "1900000001")
	get := func(path string) string { return c.must(http.MethodGet, path, "").body }

	sameShape(t, "prepay.json", c.must(http.MethodPost, prepayPath, c.order("SHAPE00001", set("attach", "5_21"))).body)
	sameShape(t, "query-notpay.json", get(numberPath("SHAPE00001", c.m.MchID)))
	if _, err := s.Pay(sim.Pay{OutTradeNo: "SHAPE00001"}); err != nil {
		t.Fatal(err)
	}
	sameShape(t, "query-success.json", get(numberPath("SHAPE00001", c.m.MchID)))
	sameShape(t, "refund-processing.json", c.must(http.MethodPost, refundPath, c.back("SHAPE00001", "R1", 10)).body)
	sameShape(t, "query-refund.json", get(numberPath("SHAPE00001", c.m.MchID)))
	sameShape(t, "refund-processing.json", get(refundPath+"/R1"))
	advance(t, s, time.Minute)
	sameShape(t, "refund-success.json", get(refundPath+"/R1"))
	c.prepaid("SHAPE00002")
	c.must(http.MethodPost, closePath("SHAPE00002"), `{"mchid":"1900000001"}`)
	sameShape(t, "query-closed.json", get(numberPath("SHAPE00002", c.m.MchID)))

	sameBytes(t, "no-trade.json", get(numberPath("SHAPE00003", c.m.MchID)))
	sameBytes(t, "no-refund.json", get(refundPath+"/R9"))
	sameBytes(t, "refund-no-trade.json", c.must(http.MethodPost, refundPath, c.back("SHAPE00003", "R3", 10)).body)
	sameBytes(t, "reentry.json", c.must(http.MethodPost, prepayPath, c.order("SHAPE00001", set("amount/total", 7))).body)
	sameBytes(t, "no-certificate.json", get("/v3/certificates"))
}

// TestPlatformCertificates: a merchant of the older way downloads and decrypts the certificate that signed the
// very answer.
func TestPlatformCertificates(t *testing.T) {
	t.Parallel()
	seed := sim.DefaultSeed()
	seed.Merchants[1].KeyMode = sim.PlatformCertificate
	s := stopped(t, sim.WithSeed(seed))
	c := newClient(t, s, "1900000002")
	c.expected = ""
	got := c.must(http.MethodGet, "/v3/certificates", "")
	sameShape(t, "certificates.json", got.body)
	serial, pem := s.PlatformCertificate()
	if got.header.Get("Wechatpay-Serial") != serial {
		t.Errorf("signed by %s, want %s", got.header.Get("Wechatpay-Serial"), serial)
	}
	field := func(name string) string {
		_, after, _ := strings.Cut(got.body, `"`+name+`":"`)
		value, _, _ := strings.Cut(after, `"`)
		return value
	}
	if plain := decrypt(t, c.m.APIv3Key, field("nonce"), "certificate", field("ciphertext")); plain != pem {
		t.Errorf("decrypts to %q", plain)
	}
}

// TestCallbacksHaveTheCapturedShape: request headers, envelope and plaintext of payments and refunds.
func TestCallbacksHaveTheCapturedShape(t *testing.T) {
	t.Parallel()
	s := stopped(t)
	c := newClient(t, s, "1900000001")
	head, bodies := rawInbox(t)
	c.paid("SHAPE00011", set("notify_url", head.url))
	drain(t, s)
	forms := map[string]*regexp.Regexp{"Wechatpay-Nonce": regexp.MustCompile(`^[0-9A-Za-z]{32}$`)}
	for name, form := range headerForms {
		forms[name] = form
	}
	compareHead(t, "callback-headers.txt", <-head.heads, forms)
	sameShape(t, "envelope-payment.json", <-bodies)
	for i, end := range []struct {
		status           sim.RefundStatus
		envelope, plain  string
		event, summaryZH string
	}{
		{sim.RefundSuccess, "envelope-refund.json", "plain-refund.json", "REFUND.SUCCESS", "退款成功"},
		{sim.RefundAbnormal, "envelope-refund.json", "plain-refund-abnormal.json", "REFUND.ABNORMAL", "退款异常"},
		{sim.RefundClosed, "envelope-refund.json", "plain-refund-abnormal.json", "REFUND.CLOSED", "退款关闭"},
	} {
		number := fmt.Sprintf("R%d", i)
		advance(t, s, 2*time.Minute)
		c.must(http.MethodPost, refundPath, c.back("SHAPE00011", number, 10, set("notify_url", head.url)))
		if err := s.SettleRefund(c.m.MchID, number, end.status); err != nil {
			t.Fatal(err)
		}
		drain(t, s)
		<-head.heads
		envelope := <-bodies
		alike := strings.NewReplacer(end.event, "REFUND.SUCCESS", end.summaryZH, "退款成功").Replace(envelope)
		sameShape(t, end.envelope, alike)
		if !strings.Contains(envelope, end.event) || !strings.Contains(envelope, end.summaryZH) {
			t.Errorf("%s: %s", end.status, envelope)
		}
		plain := plaintextOf(s, end.event)
		sameShape(t, end.plain, strings.Replace(plain, `"refund_status":"CLOSED"`, `"refund_status":"ABNORMAL"`, 1))
	}
	sameShape(t, "plain-payment.json", plaintextOf(s, "TRANSACTION.SUCCESS"))
}

func plaintextOf(s *sim.Simulator, event string) string {
	for _, c := range s.Ledger().Callbacks {
		if c.EventType == event {
			return c.Plaintext
		}
	}
	return ""
}

type rawHeads struct {
	url   string
	heads chan string
}

// rawInbox keeps the head of each callback as it was written, and its body. Host and Content-Length are left
// out: every HTTP request has them.
func rawInbox(t *testing.T) (rawHeads, chan string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	heads, bodies := make(chan string, 16), make(chan string, 16)
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			head, body := "", ""
			r := bufio.NewReader(conn)
			n := 0
			for {
				line, err := r.ReadString('\n')
				if err != nil || line == "\r\n" {
					break
				}
				if _, err := fmt.Sscanf(line, "Content-Length: %d", &n); err == nil || strings.HasPrefix(line, "Host: ") {
					continue
				}
				head += line
			}
			text := make([]byte, n)
			if _, err := io.ReadFull(r, text); err == nil {
				body = string(text)
			}
			_, _ = io.WriteString(conn, "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
			_ = conn.Close()
			heads <- head
			bodies <- body
		}
	}()
	return rawHeads{"http://" + listener.Addr().String() + "/notify", heads}, bodies
}

// TestUnsignedAnswers: what WeChat never signs, and which of it has no Request-ID.
func TestUnsignedAnswers(t *testing.T) {
	t.Parallel()
	s := stopped(t)
	c := newClient(t, s, "1900000001")
	with := func(method, path, body string, change func(*http.Request)) reply {
		r := c.request(method, path, body)
		r.Header.Set("Authorization", c.authorization(method, path, body))
		change(r)
		got, err := c.do(r)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	none := func(r *http.Request) { r.Header.Del("Authorization") }
	authorization := func(change func(string) string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set("Authorization", change(r.Header.Get("Authorization"))) }
	}
	replace := func(old, by string) func(string) string {
		return func(a string) string { return strings.Replace(a, old, by, 1) }
	}
	late := func(by time.Duration) func(*http.Request) {
		return func(r *http.Request) {
			c := *c
			c.wall = func() time.Time { return time.Now().Add(by) }
			r.Header.Set("Authorization", c.authorization(r.Method, r.URL.RequestURI(), ""))
		}
	}
	other := newClient(t, s, "1900000002")
	query := numberPath("UNSIGN0001", c.m.MchID)
	for _, r := range []struct {
		name, method, path string
		change             func(*http.Request)
		status             int
		body               string // a fixture; empty: no body at all
		requestID          bool
	}{
		{"no Authorization at pay", "GET", query, none, 401, "sign-none-pay.json", false},
		{"no Authorization elsewhere", "GET", refundPath + "/R1", none, 401, "sign-none-other.json", true},
		{"another scheme", "GET", query, authorization(replace("WECHATPAY2", "WECHATPAY3")), 401, "sign-scheme.json", false},
		{"a field is missing", "GET", query, authorization(replace("nonce_str", "nonce")), 401, "sign-none-other.json", false},
		{"clock 6 minutes behind", "GET", query, late(-6 * time.Minute), 401, "sign-clock.json", false},
		{"clock 6 minutes ahead", "GET", query, late(6 * time.Minute), 401, "sign-clock.json", false},
		{"clock before signature", "GET", query, func(r *http.Request) {
			late(-6 * time.Minute)(r)
			authorization(replace(`signature="`, `signature="AAAA`))(r)
		}, 401, "sign-clock.json", false},
		{"unknown serial", "GET", query, authorization(replace(c.m.Serial, strings.Repeat("0", 40))), 401, "sign-serial.json", false},
		{"another merchant's serial", "GET", query, authorization(replace(c.m.Serial, other.m.Serial)), 401, "sign-serial.json", false},
		{"unknown merchant", "GET", query, authorization(replace("1900000001", "1900000009")), 401, "sign-merchant.json", false},
		{"no User-Agent at refunds", "GET", refundPath + "/R1", func(r *http.Request) { r.Header.Set("User-Agent", "") }, 400, "no-agent.json", true},
		{"no Accept at certificates, before the signature", "GET", "/v3/certificates", func(r *http.Request) {
			none(r)
			r.Header.Del("Accept")
		}, 400, "no-agent.json", true},
		{"unknown path", "GET", "/v3/no/such", func(*http.Request) {}, 404, "", true},
		{"wrong method", "PUT", prepayPath, func(*http.Request) {}, 405, "", true},
	} {
		t.Run(r.name, func(t *testing.T) {
			got := with(r.method, r.path, "", r.change)
			if got.status != r.status || got.signed {
				t.Fatalf("status %d, signed %v: %s", got.status, got.signed, got.body)
			}
			if r.body == "" && got.body != "" {
				t.Errorf("body %q, want none", got.body)
			}
			if r.body != "" {
				sameBytes(t, r.body, got.body)
			}
			if (got.requestID() != "") != r.requestID {
				t.Errorf("Request-ID %q, want one: %v", got.requestID(), r.requestID)
			}
		})
	}
}

// TestSignatureMismatchShowsWhatWasSigned: the five lines with the body cut to 8 bytes, and the whole length.
func TestSignatureMismatchShowsWhatWasSigned(t *testing.T) {
	t.Parallel()
	s := stopped(t)
	c := newClient(t, s, "1900000001")
	nonce, timestamp := rand.Text(), fmt.Sprint(time.Now().Unix())
	body := `{"amount":{"total":1},"mchid":"1900000001"}`
	r := c.request(http.MethodPost, prepayPath, body)
	r.Header.Set("Authorization", fmt.Sprintf(
		`WECHATPAY2-SHA256-RSA2048 signature="AAAA",mchid="%s",timestamp="%s",serial_no="%s",nonce_str="%s"`,
		c.m.MchID, timestamp, c.m.Serial, nonce))
	got, err := c.do(r)
	if err != nil {
		t.Fatal(err)
	}
	length := len("POST\n"+prepayPath+"\n"+timestamp+"\n"+nonce+"\n"+body) + 1
	want := strings.NewReplacer("1756951532", timestamp, "<nonce>", nonce, "349", fmt.Sprint(length)).Replace(fixture(t, "sign-mismatch.json"))
	if got.body != want || got.status != http.StatusUnauthorized || got.signed {
		t.Errorf("status %d, signed %v\n got %s\nwant %s", got.status, got.signed, got.body, want)
	}
}

// TestAcceptLanguage: Node's fetch sends "*", which WeChat refuses.
func TestAcceptLanguage(t *testing.T) {
	t.Parallel()
	s := stopped(t)
	c := newClient(t, s, "1900000001")
	r := c.request(http.MethodGet, numberPath("LANG000001", c.m.MchID), "")
	r.Header.Set("Authorization", c.authorization(http.MethodGet, numberPath("LANG000001", c.m.MchID), ""))
	r.Header.Set("Accept-Language", "*")
	got, err := c.do(r)
	if err != nil {
		t.Fatal(err)
	}
	sameBytes(t, "param-language.json", got.body)
	if got.status != http.StatusBadRequest || !got.signed {
		t.Errorf("status %d, signed %v", got.status, got.signed)
	}
}
