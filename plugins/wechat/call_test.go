package wechat

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/paybridge/paybridge/plugins/sdk"
	"github.com/wechatpay-apiv3/wechatpay-go/core/consts"
)

const unpaidText = `{"amount":{"payer_currency":"CNY","total":100},"appid":"wxd678efh567hg6787","mchid":"1900007291",` +
	`"out_trade_no":"1217752501201407033233368018","promotion_detail":[],"scene_info":{"device_id":""},` +
	`"trade_state":"NOTPAY","trade_state_desc":"订单未支付"}`

var prepay = Prepay{
	Parties:     Parties{AppID: "wxd678efh567hg6787", MchID: testMchID, Payer: Payer{OpenID: "oUpF8uMuAJO_M2pxb1Q9zNjWeS6o"}},
	Description: "门诊缴费", OutTradeNo: "1217752501201407033233368018",
	NotifyURL: "https://pay.example.com/notify/wechat/main", Amount: Total{Total: 100, Currency: "CNY"},
}

func TestEachRequestIsSignedAndSaysWhatItExpects(t *testing.T) {
	t.Parallel()
	var got *http.Request
	var sent []byte
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = r.Clone(context.Background())
		sent, _ = io.ReadAll(r.Body)
		reply{status: 200, body: `{"prepay_id":"wx201410272009395522657a690389285100"}`}.write(t, w)
	}))
	t.Cleanup(server.Close)
	c := newClient(t, testConfig(t), Options{BaseURL: server.URL})

	id, a, err := c.Prepay(t.Context(), prepay)
	if err != nil || id != "wx201410272009395522657a690389285100" {
		t.Fatalf("got %q, %v", id, err)
	}
	if a.Clock.IsZero() || a.RequestID == "" {
		t.Errorf("WeChat's clock and Request-ID come with each answer: %+v", a)
	}
	for name, want := range map[string]string{
		consts.Accept: "application/json", consts.ContentType: "application/json",
		consts.UserAgent: userAgent, consts.WechatPaySerial: testKeyID,
	} {
		if got.Header.Get(name) != want {
			t.Errorf("%s: got %q, want %q", name, got.Header.Get(name), want)
		}
	}
	if got.Header.Get("Accept-Language") != "" || got.Header.Get("Accept-Encoding") != "" {
		t.Error("no language and no compression is asked for")
	}
	if strings.Contains(string(sent), "null") || !json.Valid(sent) {
		t.Errorf("body: %s", sent)
	}
	// Signed again over what was seen on the wire, it is the same header: RSA PKCS#1 v1.5 has no randomness.
	text := got.Header.Get(consts.Authorization)
	field := func(name string) string {
		_, rest, _ := strings.Cut(text, name+`="`)
		value, _, _ := strings.Cut(rest, `"`)
		return value
	}
	at, err := strconv.ParseInt(field("timestamp"), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	want, err := c.authorizationAt(got.Method, got.RequestURI, sent, at, field("nonce_str"))
	if err != nil || text != want {
		t.Errorf("got\n%s\nwant\n%s (%v)", text, want, err)
	}
}

func TestAnswersThatDecideNothing(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		reply reply
		kind  Kind
		code  string
		cause error
	}{
		{name: "signed refusal", reply: reply{status: 404, body: `{"code":"ORDER_NOT_EXIST","message":"订单不存在"}`}, kind: Refused, code: "ORDER_NOT_EXIST"},
		{name: "unsigned 401", reply: reply{status: 401, body: `{"code":"SIGN_ERROR","message":"签名错误"}`, unsigned: true}, kind: Refused, code: "SIGN_ERROR"},
		{name: "401 without a body", reply: reply{status: 401, unsigned: true}, kind: Refused},
		{name: "unsigned 404, unknown path", reply: reply{status: 404, unsigned: true}, kind: Unverified, cause: ErrUnsigned},
		{name: "unsigned 400", reply: reply{status: 400, body: `{"code":"INVALID_REQUEST","message":"Http头缺少Accept或User-Agent"}`, unsigned: true}, kind: Unverified, cause: ErrUnsigned},
		{name: "unsigned success", reply: reply{status: 200, body: unpaidText, unsigned: true}, kind: Unverified, cause: ErrUnsigned},
		{name: "a proxy's page", reply: reply{status: 502, body: "<html>", unsigned: true}, kind: Unverified, cause: ErrUnsigned},
		{name: "unknown serial", reply: reply{status: 200, body: unpaidText, serial: "PUB_KEY_ID_0"}, kind: Unverified, cause: ErrUnknownSerial},
		{name: "an answer of yesterday", reply: reply{status: 200, body: unpaidText, at: time.Now().Add(-24 * time.Hour)}, kind: Unverified, cause: ErrClock},
		{name: "a redirect", reply: reply{status: 302, unsigned: true}, kind: Unverified, cause: ErrUnsigned},
		{name: "too long", reply: reply{status: 200, body: strings.Repeat(" ", largestAnswer+1)}, kind: Unanswered},
		{name: "not JSON", reply: reply{status: 200, body: "<xml/>"}, kind: Unanswered},
		{name: "a state that is not known", reply: reply{status: 200, body: strings.Replace(unpaidText, "NOTPAY", "PONDERING", 1)}, kind: Unanswered},
		{name: "no state at all", reply: reply{status: 200, body: "{}"}, kind: Unanswered},
		{name: "signed server error", reply: reply{status: 500, body: `{"code":"SYSTEM_ERROR","message":"系统错误"}`}, kind: Refused, code: "SYSTEM_ERROR"},
		{name: "in progress", reply: reply{status: 202, body: `{"code":"USERPAYING","message":"x"}`}, kind: Refused, code: "USERPAYING"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, a, err := answering(t, test.reply).QueryTrade(t.Context(), "", prepay.OutTradeNo)
			var e *Error
			if !errors.As(err, &e) {
				t.Fatalf("got %v, want an *Error", err)
			}
			if e.Kind == Unverified && !a.Clock.IsZero() {
				t.Errorf("an answer that is not believed sets the clock to %s", a.Clock)
			}
			if e.Kind == Refused && a.Clock.IsZero() {
				t.Error("WeChat's clock comes with each of its answers")
			}
			if e.Kind != test.kind || e.Code != test.code || e.Status != test.reply.status || e.Number != prepay.OutTradeNo {
				t.Errorf("got kind %d code %q status %d number %q", e.Kind, e.Code, e.Status, e.Number)
			}
			if test.cause != nil && !errors.Is(err, test.cause) {
				t.Errorf("got %v, want %v", err, test.cause)
			}
			if e.Cause() != "268892709" {
				t.Errorf("cause code %q", e.Cause())
			}
		})
	}
}

func TestQueryAndCloseAreRead(t *testing.T) {
	t.Parallel()
	tr, _, err := answering(t, reply{status: 200, body: unpaidText}).QueryTrade(t.Context(), "", prepay.OutTradeNo)
	if err != nil || tr.TradeState != "NOTPAY" || tr.Amount.Total != 100 {
		t.Errorf("got %+v, %v", tr, err)
	}
	if _, err := answering(t, reply{status: 204}).CloseTrade(t.Context(), "", prepay.OutTradeNo); err != nil {
		t.Error("204 is signed over nothing:", err)
	}
	if _, err := answering(t, reply{status: 204, unsigned: true}).CloseTrade(t.Context(), "", prepay.OutTradeNo); !errors.Is(err, ErrUnsigned) {
		t.Error("an unsigned 204 closes nothing:", err)
	}
	if _, _, err := answering(t, reply{status: 200, body: "{}"}).Prepay(t.Context(), prepay); !errors.Is(err, errNoPrepayID) {
		t.Error("a prepay without its id:", err)
	}
}

// A status that WeChat adds one day must not be taken for a refund that is under way.
func TestARefundOfAnUnknownStatusIsUnclear(t *testing.T) {
	t.Parallel()
	for _, status := range []string{"PONDERING", ""} {
		c := answering(t, reply{status: 200, body: `{"refund_id":"503","out_refund_no":"R1","status":"` + status + `"}`})
		_, made, errMade := c.CreateRefund(t.Context(), RefundRequest{OutRefundNo: "R1"})
		_, asked, errAsked := c.QueryRefund(t.Context(), "", "R1")
		for _, r := range []sdk.Result{Failed(made, errMade), Failed(asked, errAsked)} {
			if r.Verdict != sdk.VerdictIndeterminate || !strings.Contains(r.Message, `"`+status+`", which is not known`) || r.RequestID == "" {
				t.Errorf("status %q: got %+v", status, r)
			}
		}
	}
}

func TestWhatWasNeverSent(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	tests := []struct {
		name string
		ctx  context.Context
		base string
	}{
		{"refused connection", t.Context(), "http://" + address},
		{"unknown host", t.Context(), "http://wechat.invalid"},
		{"cancelled before", cancelled, "http://" + address},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			config, at := testConfig(t), Options{BaseURL: test.base}
			_, _, err := newClient(t, config, at).Prepay(test.ctx, prepay)
			var e *Error
			if !errors.As(err, &e) || e.Kind != NotSent {
				t.Errorf("got %v, want one that was not sent", err)
			}
		})
	}
}

func TestWhatMayHaveHappened(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		handler http.HandlerFunc
	}{
		{name: "closed without an answer", handler: func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }},
		{name: "closed in the middle of one", handler: func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			_, _ = io.WriteString(w, "{")
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(test.handler)
			t.Cleanup(server.Close)
			config, at := testConfig(t), Options{BaseURL: server.URL}
			_, _, err := newClient(t, config, at).Prepay(t.Context(), prepay)
			var e *Error
			if !errors.As(err, &e) || e.Kind != Unanswered {
				t.Errorf("got %v, want one whose outcome is unknown", err)
			}
		})
	}
}

func TestACancelledCallReturns(t *testing.T) {
	t.Parallel()
	arrived := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // only then does the server notice that the caller has gone
		close(arrived)
		<-r.Context().Done()
	}))
	t.Cleanup(server.Close)
	config, at := testConfig(t), Options{BaseURL: server.URL}
	c := newClient(t, config, at)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() {
		_, _, err := c.Prepay(ctx, prepay)
		done <- err
	}()
	<-arrived
	cancel()
	err := <-done // it would hang here, had the call not heard of it
	var e *Error
	if !errors.As(err, &e) || e.Kind != Unanswered || !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want one whose outcome is unknown, and why", err)
	}
}

// hostsSeen records the hosts that were tried and fails to reach the first.
type hostsSeen struct{ hosts []string }

func (h *hostsSeen) RoundTrip(r *http.Request) (*http.Response, error) {
	h.hosts = append(h.hosts, r.URL.Host)
	return nil, &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("connection refused")}
}

func TestTheSecondHostIsTriedWhenTheFirstIsNotReached(t *testing.T) {
	t.Parallel()
	seen := &hostsSeen{}
	_, _, err := newClient(t, testConfig(t), Options{Transport: seen}).Prepay(t.Context(), prepay)
	if strings.Join(seen.hosts, " ") != "api.mch.weixin.qq.com api2.mch.weixin.qq.com" {
		t.Errorf("tried %v: %v", seen.hosts, err)
	}
}

// The bytes of an answer are anyone's until they are verified, and may be nonsense afterwards.
func FuzzAnswer(f *testing.F) {
	key := wechatKey(f)
	f.Add(200, unpaidText, true)
	f.Add(400, `{"code":"PARAM_ERROR","detail":{"location":null,"value":["/body/payer/openid"]},"message":"x"}`, true)
	f.Add(401, `{"code":"SIGN_ERROR","detail":{"detail":{"issue":"sign not match"},"field":"signature"}}`, false)
	f.Add(500, "<xml/>", true)
	c := newClient(f, testConfig(f), Options{})
	f.Fuzz(func(t *testing.T, status int, body string, signed bool) {
		h := http.Header{}
		if signed {
			signature(t, key, h, testKeyID, time.Now(), body)
		}
		res := &http.Response{StatusCode: status, Header: h, Body: io.NopCloser(strings.NewReader(body))}
		var tr Trade
		_, err := c.read(res, &Error{Op: OpQuery, Number: "1", Kind: NotSent}, &tr, func(h http.Header, body []byte) error {
			return c.verify(h, body, c.now())
		})
		var e *Error
		switch {
		case err == nil && !signed:
			t.Errorf("believed without a signature: %d %q", status, body)
		case err != nil && (!errors.As(err, &e) || e.Kind == NotSent || e.Error() == ""):
			t.Errorf("an answer came, so it was sent: %v", err)
		}
	})
}
