package main

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/paybridge/paybridge/plugins/sdk"
	"github.com/paybridge/paybridge/plugins/wechat"
	"github.com/paybridge/paybridge/plugins/wechat/sim"
)

// seen is each check as "name status code", in the order of names.
func seen(checks []sdk.Check) string {
	status := map[sdk.CheckStatus]string{sdk.CheckOK: "ok", sdk.CheckFailed: "failed", sdk.CheckSkipped: "skipped"}
	var lines []string
	for _, c := range checks {
		lines = append(lines, strings.TrimSpace(fmt.Sprintf("%s %s %s", c.Name, status[c.Status], c.Code)))
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// proven are the checks of an echo that came back, and what only a callback or a payment can prove.
func proven(more ...string) string {
	lines := []string{"connection ok", "clock ok", "request_signature ok", "answer_signature ok", "encryption ok", "decryption ok",
		"app_binding skipped app_binding_unproven"}
	lines = append(lines, more...)
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// failed are the checks of an echo that failed at some of them; all others were not tested.
func failed(known ...string) string {
	lines := append(known, "app_binding skipped app_binding_unproven")
	for _, name := range []string{"connection", "clock", "request_signature", "answer_signature", "encryption", "decryption", "notify"} {
		if !slices.ContainsFunc(known, func(k string) bool { return strings.HasPrefix(k, name+" ") }) {
			lines = append(lines, name+" skipped not_tested")
		}
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

const noCallback = "api_v3_key skipped callback_not_asked"

func TestASelfTestSaysWhatIsWrong(t *testing.T) {
	t.Parallel()
	other := func(w world) sim.Merchant { return w.sim.Merchant("1900000002") }
	change := func(w world, change func(*wechat.Config)) {
		a := w.accountOf("main", merchant, change)
		a.Generation = 2
		w.configure(a)
	}
	keys := func(mode sim.KeyMode) func(world) {
		return func(w world) {
			if err := w.sim.SetKeyMode(merchant, mode, 0.5); err != nil {
				w.t.Fatal(err)
			}
		}
	}
	tests := []struct {
		name  string
		spoil func(world)
		want  string
	}{
		{"nothing", func(world) {}, proven("notify skipped callback_not_asked", noCallback)},
		{"mchid of another merchant", func(w world) { change(w, func(c *wechat.Config) { c.SerialNo = other(w).Serial }) },
			failed("connection ok", "clock ok", "request_signature failed serial_unknown", noCallback)},
		{"key of another certificate", func(w world) { change(w, func(c *wechat.Config) { c.PrivateKey = other(w).PrivateKeyPEM }) },
			failed("connection ok", "clock ok", "request_signature failed key_not_of_certificate", noCallback)},
		{"certificate replaced", func(w world) {
			old := w.sim.Merchant(merchant)
			if _, err := w.sim.RenewMerchantCertificate(merchant, true); err != nil {
				w.t.Fatal(err)
			}
			change(w, func(c *wechat.Config) { c.SerialNo, c.PrivateKey = old.Serial, old.PrivateKeyPEM })
		}, failed("connection ok", "clock ok", "request_signature failed certificate_replaced", noCallback)},
		{"R39 the clock is 10 minutes off", func(w world) { w.faults(sim.Fault{Kind: sim.ClockOff}) },
			failed("connection ok", "clock failed clock_off", "request_signature failed clock_off", noCallback)},
		{"R39 the clock is 2 minutes off", func(w world) { w.faults(sim.Fault{Kind: sim.ClockOff, Delay: sim.Duration(2 * time.Minute)}) },
			strings.Replace(proven("notify skipped callback_not_asked", noCallback), "clock ok", "clock failed clock_off", 1)},
		{"another public key under WeChat's id", func(w world) {
			_, text := w.sim.PlatformCertificate()
			change(w, func(c *wechat.Config) {
				c.PublicKeys = map[string]string{w.sim.PublicKeyID(): publicPart(w, text)}
			})
		}, failed("connection ok", "answer_signature failed answer_signature_wrong", noCallback)},
		{"what was encrypted cannot be opened", func(w world) { w.faults(sim.Fault{Kind: sim.Refusal, Code: "PARAM_ERROR"}) },
			failed("connection ok", "clock ok", "request_signature ok", "answer_signature ok", "encryption failed encryption_refused", noCallback)},
		{"an answer that is tampered with", func(w world) { w.faults(sim.Fault{Kind: sim.AnswerTampered}) },
			failed("connection ok", "answer_signature failed answer_signature_wrong", noCallback)},
		{"a public key id that is not WeChat's", func(w world) {
			change(w, func(c *wechat.Config) {
				c.PublicKeys, c.PublicKeyID = map[string]string{"PUB_KEY_ID_1": w.sim.PublicKeyPEM()}, ""
			})
		}, failed("connection ok", "answer_signature failed answer_key_unknown", noCallback)},
		{"nobody answers", func(w world) { w.faults(sim.Fault{Kind: sim.BrokenNotExecuted}) }, failed("connection failed no_answer", noCallback)},
		{"too fast", func(w world) { w.faults(sim.Fault{Kind: sim.RateLimited}) },
			failed("connection ok", "clock ok", "request_signature ok", "answer_signature ok", "encryption failed too_fast", noCallback)},
		{"not allowed", func(w world) { w.faults(sim.Fault{Kind: sim.Refusal, Status: 403, Code: "NO_AUTH"}) },
			failed("connection ok", "clock ok", "request_signature ok", "answer_signature ok", "encryption failed not_allowed", noCallback)},
		{"certificates", func(w world) {
			keys(sim.PlatformCertificate)(w)
			change(w, downloads)
		}, proven("platform_certificates ok", "api_v3_key ok", "notify skipped callback_not_asked")},
		{"both kinds of key", func(w world) {
			keys(sim.Switching)(w)
			change(w, func(c *wechat.Config) { c.PlatformCertificates = true })
		}, proven("platform_certificates ok", "api_v3_key ok", "notify skipped callback_not_asked")},
		{"certificates, and the APIv3 key is another", func(w world) {
			keys(sim.PlatformCertificate)(w)
			change(w, func(c *wechat.Config) { downloads(c); c.APIv3Keys = []string{strings.Repeat("x", 32)} })
		}, failed("platform_certificates failed api_v3_key_wrong", "api_v3_key failed api_v3_key_wrong")},
		{"certificates, of a merchant that has none", func(w world) { change(w, downloads) },
			failed("platform_certificates failed no_platform_certificates", "api_v3_key skipped not_tested")},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			test.spoil(w)
			checks := w.RunSelfTest(t.Context(), sdk.SelfTest{Call: call(firstApp)})
			if got := seen(checks); got != test.want {
				t.Errorf("got\n%s\nwant\n%s", got, test.want)
			}
			remedied(t, w, checks)
		})
	}
}

// remedied holds each finding to what a person needs, and to R45.
func remedied(t *testing.T, w world, checks []sdk.Check) {
	t.Helper()
	for _, c := range checks {
		if (c.Status == sdk.CheckOK) != (c.Remedy == "") || (c.Remedy == "") != (c.RemedyZH == "") {
			t.Errorf("%s: remedy %q, %q", c.Name, c.Remedy, c.RemedyZH)
		}
		if len(c.Remedy) > 512 || len(c.RemedyZH) > 512 || len(c.Detail) > 512 {
			t.Errorf("%s: longer than the host keeps", c.Name)
		}
		if strings.Contains(c.Detail, w.sim.Merchant(merchant).APIv3Key) || strings.Contains(c.Detail, "PRIVATE KEY") {
			t.Errorf("R45 %s shows a secret", c.Name)
		}
	}
}

func TestASelfTestOfWhatIsNotThere(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := call(firstApp)
	c.Route.Account = "second"
	if got := seen(w.RunSelfTest(t.Context(), sdk.SelfTest{Call: c})); got != "connection failed account_not_configured" {
		t.Error(got)
	}
	closed := httptest.NewServer(http.NotFoundHandler())
	a := w.account()
	a.Generation, a.Mode.BaseURL = 2, closed.URL
	closed.Close()
	w.configure(a)
	if got := seen(w.RunSelfTest(t.Context(), sdk.SelfTest{Call: call(firstApp)})); got != failed("connection failed unreachable", noCallback) {
		t.Error(got)
	}
}

func TestASelfTestOfASubMerchant(t *testing.T) {
	t.Parallel()
	w := partnerWorld(t)
	asked := []string{"notify skipped callback_not_asked", noCallback}
	if got := seen(w.RunSelfTest(t.Context(), sdk.SelfTest{Call: subCall(withoutApp, sdk.OpenidSp)})); got != proven(append(asked, "sub_merchant ok")...) {
		t.Error(got)
	}
	w.configure(w.accountOf("any", partner, func(*wechat.Config) {}))
	stranger := subCall("1900000199", sdk.OpenidSp)
	stranger.Route.Account = "any"
	checks := w.RunSelfTest(t.Context(), sdk.SelfTest{Call: stranger})
	if got := seen(checks); got != proven(append(asked, "sub_merchant failed sub_merchant_refused")...) {
		t.Error(got)
	}
	remedied(t, w, checks)
}

// The callback alone proves the notify URL and the APIv3 key: it comes as a notice with the host's own echo.
func TestASelfTestIsCalledBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if err := w.sim.SetFaults(); err != nil { // callbacks are sent
		t.Fatal(err)
	}
	inbox := make(chan sdk.Notification, 1)
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		inbox <- sdk.Notification{Account: "main", Method: r.Method, Path: r.URL.Path, Header: r.Header, Body: body, ReceivedAt: time.Now()}
		rw.WriteHeader(http.StatusNoContent)
	}))
	t.Cleanup(server.Close)
	c := call(firstApp)
	c.Route.NotifyURL = server.URL + "/notify/wechat-jsapi/main"
	checks := w.RunSelfTest(t.Context(), sdk.SelfTest{Call: c, Echo: "doctor-1"})
	if got := seen(checks); got != proven("notify skipped callback_awaited", "api_v3_key skipped callback_awaited") {
		t.Error(got)
	}
	remedied(t, w, checks)
	p := w.ParseNotification(t.Context(), <-inbox)
	if p.Notice == nil || p.Notice.Kind != "self_test.echo" || p.Notice.ID != "doctor-1" {
		t.Errorf("told: %+v", p)
	}
	c.Route.NotifyURL += "?order=1"
	if got := seen(w.RunSelfTest(t.Context(), sdk.SelfTest{Call: c, Echo: "doctor-2"})); got != proven("notify failed notify_url_wrong", noCallback) {
		t.Error(got)
	}
}

func TestASelfTestMovesNoMoney(t *testing.T) {
	t.Parallel()
	w := partnerWorld(t)
	w.RunSelfTest(t.Context(), sdk.SelfTest{Call: subCall(withApp, sdk.OpenidSub), Echo: "doctor-1"})
	for _, sent := range w.sim.Requests() {
		if sent.Method != http.MethodGet && sent.Path != "/v3/security/echo" {
			t.Errorf("%s %s", sent.Method, sent.Path)
		}
	}
	if l := w.sim.Ledger(); len(l.Trades) != 0 {
		t.Errorf("trades: %+v", l.Trades)
	}
}

// publicPart is the public key of a certificate.
func publicPart(w world, certificate string) string {
	w.t.Helper()
	block, _ := pem.Decode([]byte(certificate))
	parsed, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		w.t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(parsed.PublicKey)
	if err != nil {
		w.t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}
