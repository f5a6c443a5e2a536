package wechat

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/paybridge/paybridge/plugins/sdk"
	"github.com/wechatpay-apiv3/wechatpay-go/utils"
)

// The checks of a self-test. MAPPING.md says what each proves.
const (
	checkConnection       = "connection"
	checkClock            = "clock"
	checkRequestSignature = "request_signature"
	checkAnswerSignature  = "answer_signature"
	checkEncryption       = "encryption"
	checkDecryption       = "decryption"
	checkCertificates     = "platform_certificates"
	checkAPIv3Key         = "api_v3_key"
	checkNotify           = "notify"
	checkSubMerchant      = "sub_merchant"
	checkAppBinding       = "app_binding"
)

// clockTolerance is how far the clocks may be apart before it is said. WeChat refuses at 5 minutes.
const clockTolerance = time.Minute

// SelfTest proves what can be proven of an account without money: it asks WeChat to say something again, and in partner
// mode for a trade that nobody made. With an echo, WeChat also tells it to the route's notify URL; what arrives there is
// the host's to see.
func (c *Client) SelfTest(ctx context.Context, r sdk.SelfTest) []sdk.Check {
	t := selfTest{client: c, request: r}
	downloaded := t.certificates(ctx)
	if answered := t.echo(ctx); answered {
		t.notify(ctx)
		t.subMerchant(ctx)
	} else {
		t.skip("not_tested", "what comes before it failed", checkNotify)
		if r.Route.SubMchID != "" {
			t.skip("not_tested", "what comes before it failed", checkSubMerchant)
		}
	}
	t.apiV3Key(downloaded)
	if r.Route.AppID != "" {
		t.skip("app_binding_unproven", "only a payment proves that the app id is bound to the merchant number", checkAppBinding)
	}
	return t.checks
}

// selfTest is one that is under way.
type selfTest struct {
	client  *Client
	request sdk.SelfTest
	checks  []sdk.Check
	called  bool // WeChat has taken the notify URL
}

func (t *selfTest) ok(detail string, names ...string) {
	for _, name := range names {
		t.checks = append(t.checks, sdk.Check{Name: name, Status: sdk.CheckOK, Detail: detail})
	}
}

func (t *selfTest) fail(code, detail, name string) { t.add(sdk.CheckFailed, code, detail, name) }

func (t *selfTest) skip(code, detail string, names ...string) {
	for _, name := range names {
		t.add(sdk.CheckSkipped, code, detail, name)
	}
}

func (t *selfTest) add(status sdk.CheckStatus, code, detail, name string) {
	f := findings[code]
	t.checks = append(t.checks, sdk.Check{Name: name, Status: status, Code: code, Detail: detail, Remedy: f.remedy, RemedyZH: f.zh})
}

// certificates downloads WeChat's certificates anew, where the account lives by them.
func (t *selfTest) certificates(ctx context.Context) error {
	if t.client.platform == nil {
		return nil
	}
	err := t.client.platform.load(ctx)
	if err != nil {
		t.fail(findingOf(err), err.Error(), checkCertificates)
		return err
	}
	t.ok(fmt.Sprintf("%d downloaded", len(t.client.platform.set().keys)), checkCertificates)
	return nil
}

// echo proves both signatures and, by something encrypted both ways, both keys. It tells whether WeChat took the call.
func (t *selfTest) echo(ctx context.Context) bool {
	secret, err := utils.GenerateNonce()
	to, noKey := t.client.sealer(ctx)
	if err = errors.Join(err, noKey); err != nil {
		t.skip("not_tested", err.Error(), checkConnection, checkClock, checkRequestSignature, checkAnswerSignature, checkEncryption, checkDecryption)
		return false
	}
	said := echo{Message: "PayBridge"}
	if said.Encrypted, err = to.seal(secret); err != nil {
		t.fail("encryption_refused", err.Error(), checkEncryption)
		return false
	}
	back, a, err := t.client.echo(ctx, to.serial, said)
	if err != nil {
		t.echoFailed(a, err)
		return false
	}
	t.ok("", checkConnection)
	t.clock(a)
	t.ok("certificate "+t.client.serial, checkRequestSignature)
	t.ok("key "+to.serial, checkAnswerSignature)
	t.ok("key "+to.serial, checkEncryption)
	if plain, opened := t.client.unseal(back.Encrypted); !opened || plain != secret {
		t.fail("decryption_failed", "what WeChat encrypted to our certificate cannot be opened", checkDecryption)
	} else {
		t.ok("certificate "+t.client.serial, checkDecryption)
	}
	return true
}

// echoFailed says how far the call got: what comes before the fault is proven, what comes after it is not known.
func (t *selfTest) echoFailed(a Answer, err error) {
	const after = "what comes before it failed"
	code := findingOf(err)
	var e *Error
	switch errors.As(err, &e); {
	case e == nil || e.Kind == NotSent || e.Kind == Unanswered:
		t.fail(code, err.Error(), checkConnection)
		t.skip("not_tested", after, checkClock, checkRequestSignature, checkAnswerSignature, checkEncryption, checkDecryption)
	case e.Kind == Unverified && code == "clock_off":
		t.ok("", checkConnection)
		t.fail(code, err.Error(), checkClock)
		t.skip("not_tested", after, checkRequestSignature, checkAnswerSignature, checkEncryption, checkDecryption)
	case e.Kind == Unverified:
		t.ok("", checkConnection)
		t.skip("not_tested", "the answer is not believed", checkClock, checkRequestSignature)
		t.fail(code, err.Error(), checkAnswerSignature)
		t.skip("not_tested", after, checkEncryption, checkDecryption)
	case e.Status == http.StatusUnauthorized:
		t.ok("", checkConnection)
		t.clock(a)
		t.fail(code, err.Error(), checkRequestSignature)
		t.skip("not_tested", "WeChat does not sign what it answers to a stranger", checkAnswerSignature, checkEncryption, checkDecryption)
	default: // signed, and verified: only what was asked is refused
		t.ok("", checkConnection)
		t.clock(a)
		t.ok("certificate "+t.client.serial, checkRequestSignature)
		t.ok("", checkAnswerSignature)
		t.fail(code, err.Error(), checkEncryption)
		t.skip("not_tested", after, checkDecryption)
	}
}

// clock compares WeChat's clock with ours (R39).
func (t *selfTest) clock(a Answer) {
	off := a.Clock.Sub(t.client.now()).Round(time.Second)
	switch {
	case a.Clock.IsZero():
		t.skip("not_tested", "WeChat's answer has no date", checkClock)
	case off.Abs() > clockTolerance:
		t.fail("clock_off", fmt.Sprintf("WeChat's clock is %s ahead of this machine's", off), checkClock)
	default:
		t.ok(fmt.Sprintf("WeChat's clock is %s ahead of this machine's", off), checkClock)
	}
}

// notify asks WeChat to call the route's notify URL. Whether it does, only the host can see.
func (t *selfTest) notify(ctx context.Context) {
	to := t.request.Route.NotifyURL
	if t.request.Echo == "" || to == "" {
		t.skip("callback_not_asked", "no notify URL was given to call", checkNotify)
		return
	}
	if why := badNotifyURL(to); why != "" {
		t.fail("notify_url_wrong", why, checkNotify)
		return
	}
	if _, _, err := t.client.echo(ctx, "", echo{Message: t.request.Echo, NotifyURL: to}); err != nil {
		t.fail("notify_refused", err.Error(), checkNotify)
		return
	}
	t.called = true
	t.skip("callback_awaited", "WeChat was asked to call "+to, checkNotify)
}

// badNotifyURL says what WeChat would not take.
func badNotifyURL(text string) string {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "" || (u.Scheme != "https" && u.Scheme != "http"):
		return "the notify URL is no address of the web"
	case u.RawQuery != "" || u.Fragment != "" || strings.ContainsAny(text, "?#"):
		return "the notify URL has a query or a fragment"
	case len(text) > 255:
		return "the notify URL is longer than 255 bytes"
	}
	return ""
}

// apiV3Key is proven by what it opens: a downloaded certificate, or else the callback alone.
func (t *selfTest) apiV3Key(downloaded error) {
	switch {
	case errors.Is(downloaded, ErrDecryption):
		t.fail("api_v3_key_wrong", "it does not open the downloaded certificates", checkAPIv3Key)
	case downloaded != nil:
		t.skip("not_tested", "what comes before it failed", checkAPIv3Key)
	case t.client.platform != nil:
		t.ok("it opens the downloaded certificates", checkAPIv3Key)
	case t.called:
		t.skip("callback_awaited", "only the callback proves it", checkAPIv3Key)
	default:
		t.skip("callback_not_asked", "only a callback proves it", checkAPIv3Key)
	}
}

// subMerchant asks for a trade that nobody made: WeChat looks for it only where it knows the partner's relation.
func (t *selfTest) subMerchant(ctx context.Context) {
	sub := t.request.Route.SubMchID
	if sub == "" {
		return
	}
	nonce, err := utils.GenerateNonce()
	if err == nil {
		_, _, err = t.client.QueryTrade(ctx, sub, "selftest"+nonce[:16])
	}
	result := outcome(err)
	switch {
	case err == nil || result.Reason == sdk.NotFound:
		t.ok("", checkSubMerchant)
	case result.Verdict == sdk.VerdictRejected && (result.Reason == sdk.AuthFailed || result.Reason == sdk.InvalidRequest):
		t.fail("sub_merchant_refused", err.Error(), checkSubMerchant)
	default:
		t.skip("not_tested", err.Error(), checkSubMerchant)
	}
}
