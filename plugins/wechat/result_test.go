package wechat

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/paybridge/paybridge/plugins/sdk"
)

func TestAResultKeepsWhatPeopleNeed(t *testing.T) {
	t.Parallel()
	body := `{"code":"PARAM_ERROR","message":"参数错误","detail":{"field":"/amount/currency","value":"XYZ","issue":"Currency code is invalid","location":"body"}}`
	_, a, err := answering(t, reply{status: 400, body: body}).Prepay(t.Context(), prepay)
	r := Failed(a, err)
	if r.Verdict != sdk.VerdictRejected || r.Reason != sdk.InvalidRequest || r.Code != "PARAM_ERROR" || r.Remedy == "" ||
		r.Message != "参数错误 (body /amount/currency Currency code is invalid)" ||
		r.RequestID != "089BBA92AA0610E50318F7C58C5820F79B0D28B25F-268892709" || r.ProviderTime.IsZero() {
		t.Errorf("got %+v", r)
	}
}

// Nobody has signed a 401, so it may not end a payment, whatever it says.
func TestAnUnsigned401DecidesNoMoreThanThatWeWereNotLetIn(t *testing.T) {
	t.Parallel()
	_, a, err := answering(t, reply{status: 401, body: `{"code":"PARAM_ERROR","message":"x"}`, unsigned: true}).Prepay(t.Context(), prepay)
	if r := Failed(a, err); r.Verdict != sdk.VerdictRejected || r.Reason != sdk.AuthFailed {
		t.Errorf("got %+v", r)
	}
}

func TestR39_AClockThatIsOffIsSaid(t *testing.T) {
	t.Parallel()
	reply := reply{status: 401, unsigned: true, body: `{"code":"SIGN_ERROR","message":"Http头Authorization中的timestamp与发起请求的时间不得超过5分钟"}`}
	c := answering(t, reply)
	c.now = func() time.Time { return time.Now().Add(-6 * time.Minute) }
	_, a, err := c.QueryTrade(t.Context(), "", prepay.OutTradeNo)
	r := Failed(a, err)
	if r.Reason != sdk.AuthFailed || !strings.Contains(r.Remedy, "clock is more than 5 minutes") || r.ProviderTime.IsZero() {
		t.Errorf("got %+v", r)
	}
}

// No error and no log line, at any level, shows a key, or the values that WeChat sends back with a refusal.
func TestR45_NoSecretInErrorsOrLogs(t *testing.T) {
	t.Parallel()
	config := testConfig(t)
	const name = "欧阳娜娜"
	secrets := []string{config.APIv3Keys[0], name, "card 6222"}
	for line := range strings.Lines(config.PrivateKey) {
		if !strings.Contains(line, "-----") {
			secrets = append(secrets, strings.TrimSpace(line))
		}
	}
	var seen bytes.Buffer
	log := slog.New(slog.NewTextHandler(&seen, &slog.HandlerOptions{Level: slog.LevelDebug}))
	say := func(err error) {
		if err == nil {
			t.Error("a call that must fail did not")
		}
		log.Error("failed", "err", err, "result", Failed(Answer{}, err))
		fmt.Fprintf(&seen, "%v %+v %#v\n", err, err, Failed(Answer{}, err))
	}
	echoes := `{"code":"PARAM_ERROR","message":"x","detail":{"location":"body","value":"` + name + `","detail":{"issue":"` + name + `"}}}`
	for _, r := range []reply{
		{status: 400, body: echoes}, {status: 401, body: echoes, unsigned: true}, {status: 200, body: `{"prepay_id":{"card 6222":1}}`},
		{status: 500, body: echoes}, {status: 502, body: name, unsigned: true}, {status: 200, body: name},
	} {
		_, _, err := answering(t, r).Prepay(t.Context(), prepay)
		say(err)
	}
	_, _, err := newClient(t, config, Options{BaseURL: "http://wechat.invalid"}).Prepay(t.Context(), prepay)
	say(err)
	for _, spoil := range []func(*Config){
		func(c *Config) { c.PrivateKey = strings.Replace(c.PrivateKey, "MIIE", "MIIX", 1) },
		func(c *Config) { c.PrivateKey = strings.Replace(c.PrivateKey, "PRIVATE", "SECRET", 2) },
		func(c *Config) { c.APIv3Keys = []string{c.APIv3Keys[0] + "x"} },
		func(c *Config) { c.PublicKeys = map[string]string{"PUB_KEY_ID_1": c.PrivateKey} },
	} {
		c := testConfig(t)
		spoil(&c)
		_, err := New(c, Options{})
		say(err)
	}
	c := newClient(t, config, Options{})
	for _, plaintext := range []string{name, `{"amount":"` + name + `"}`} {
		body := envelope(t, testAPIv3Key, "REFUND.SUCCESS", "refund", plaintext)
		h := http.Header{}
		signature(t, wechatKey(t), h, testKeyID, time.Now(), body)
		_, err := c.Notification(h, []byte(body), time.Now())
		say(err)
	}
	for _, secret := range secrets {
		if strings.Contains(seen.String(), secret) {
			t.Errorf("%.6s… is shown in:\n%s", secret, seen.String())
		}
	}
}

func TestAnErrorOfAnotherKindIsUnclear(t *testing.T) {
	t.Parallel()
	if r := Failed(Answer{}, errors.New("x")); r.Verdict != sdk.VerdictIndeterminate {
		t.Errorf("got %+v", r)
	}
}
