package httpapi

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"golang.org/x/time/rate"
)

const (
	bind   = "/v1/identities/bind"
	lookUp = "/v1/identities/lookup"
)

func TestBindAndLookUp(t *testing.T) {
	t.Parallel()
	w := start(t)
	w.must(200, clinicKey, "POST", bind, `{"user_id":"ann","entry":"official-account","openid":"o1"}`)
	const ann = `{"divided":false,"identities":[{"app_id":"wxa","openid":"o1","verified":false},{"app_id":"wxb","openid":"o2","verified":false}],"user_id":"ann"}`
	for _, row := range []struct {
		name, key, path, body string
		status                int
		says                  string // a code, or the whole answer
	}{
		{"a second openid of the user", clinicKey, bind, `{"user_id":"ann","entry":"second-account","openid":"o2"}`, 200, ann},
		{"again", clinicKey, bind, `{"user_id":"ann","entry":"second-account","openid":"o2"}`, 200, ann},
		{"by user_id", clinicKey, lookUp, `{"user_id":"ann"}`, 200, ann},
		{"by openid", clinicKey, lookUp, `{"entry":"official-account","openid":"o1"}`, 200, ann},
		{"R42 an openid of another user", clinicKey, bind, `{"user_id":"joe","entry":"official-account","openid":"o1"}`, 409, "identity_conflict"},
		{"… changed nothing", clinicKey, lookUp, `{"user_id":"ann"}`, 200, ann},
		{"a user of nobody's", clinicKey, lookUp, `{"user_id":"joe"}`, 404, "not_found"},
		{"an openid of nobody's", clinicKey, lookUp, `{"entry":"official-account","openid":"o9"}`, 404, "not_found"},
		{"R42 another app's user", shopKey, lookUp, `{"user_id":"ann"}`, 404, "not_found"},
		{"R42 an openid that only another app knows", shopKey, lookUp, `{"entry":"official-account","openid":"o1"}`, 404, "not_found"},
		{"R42 another app may call them otherwise", shopKey, bind, `{"user_id":"customer-7","entry":"official-account","openid":"o1"}`, 200,
			`{"divided":false,"identities":[{"app_id":"wxa","openid":"o1","verified":false}],"user_id":"customer-7"}`},
		{"R42 … which the first does not see", clinicKey, lookUp, `{"user_id":"ann"}`, 200, ann},
		{"an entry of another app", shopKey, bind, `{"user_id":"x","entry":"second-account","openid":"o2"}`, 400, "invalid_request"},
		{"no user_id", clinicKey, bind, `{"entry":"official-account","openid":"o1"}`, 400, "invalid_request"},
		{"a user_id with a newline", clinicKey, bind, `{"user_id":"a\nb","entry":"official-account","openid":"o1"}`, 400, "invalid_request"},
		{"both ways at once", clinicKey, lookUp, `{"user_id":"ann","entry":"official-account","openid":"o1"}`, 400, "invalid_request"},
		{"neither way", clinicKey, lookUp, `{}`, 400, "invalid_request"},
		{"half a way", clinicKey, lookUp, `{"openid":"o1"}`, 400, "invalid_request"},
		{"the other half", clinicKey, lookUp, `{"entry":"official-account"}`, 400, "invalid_request"},
		{"a key that may only read", clinicReads, lookUp, `{"user_id":"ann"}`, 403, "scope_missing"},
	} {
		r := w.call(row.key, "POST", row.path, row.body)
		if r.status != row.status || r.code() != row.says && strings.TrimSpace(r.text) != row.says {
			t.Errorf("%s: %d %s, want %d %s", row.name, r.status, r.text, row.status, row.says)
		}
	}
	if strings.Contains(w.log.String(), "ann") {
		t.Error("R45: the log names a user")
	}
}

func TestAnOrderThatNamesAUserIsPaidUnderAnyNameOfTheirs(t *testing.T) {
	t.Parallel()
	w := start(t)
	for entry, openID := range map[string]string{"official-account": "o1", "second-account": "o2"} {
		w.must(200, clinicKey, "POST", bind, fmt.Sprintf(`{"user_id":"ann","entry":%q,"openid":%q}`, entry, openID))
	}
	order := w.must(201, clinicKey, "POST", "/v1/orders", `{"reference":"R","amount":100,"description":"Fee","payer":{"policy":"named","id":"ann"}}`).number()
	pay := func(entry, openID string) reply {
		return w.call(clinicKey, "POST", "/v1/orders/"+order+"/payments", fmt.Sprintf(`{"entry":%q,"payer":{"openid":%q}}`, entry, openID))
	}
	if r := pay("official-account", "o1"); r.status != 201 {
		t.Errorf("the user: %d %s", r.status, r.text)
	}
	if r := pay("second-account", "o2"); r.status != 201 {
		t.Errorf("the user in another app id: %d %s", r.status, r.text)
	}
	if r := pay("official-account", "o3"); r.status != 409 || r.code() != "payer_not_allowed" {
		t.Errorf("somebody else: %d %s", r.status, r.text)
	}
	if r := pay("second-account", "o1"); r.status != 409 || r.code() != "payer_not_allowed" {
		t.Errorf("R09 the user's openid under another app id: %d %s", r.status, r.text)
	}
}

func TestLimits(t *testing.T) {
	t.Parallel()
	now := time.Now()
	l := &limits{rate: 1, burst: 3}
	for i, want := range []bool{true, true, true, false} {
		if l.allow("2001:db8::1", now) != want {
			t.Errorf("the %d. time: want %v", i+1, want)
		}
	}
	if l.allow("2001:db8::2", now) {
		t.Error("another address of the same /64 has its own limit")
	}
	if !l.allow("203.0.113.7", now) {
		t.Error("one address uses another's limit up")
	}
	if !l.allow("2001:db8::1", now.Add(time.Second)) {
		t.Error("the limit never ends")
	}
	full := &limits{rate: 1, burst: 3, of: map[netip.Addr]*rate.Limiter{}}
	at := netip.MustParseAddr("10.0.0.0")
	for range mostAddresses {
		at = at.Next()
		full.allow(at.String(), now)
	}
	if full.allow("203.0.113.7", now) || len(full.of) != mostAddresses {
		t.Errorf("%d addresses are remembered", len(full.of))
	}
	if !full.allow("203.0.113.7", now.Add(time.Minute)) || len(full.of) != 1 {
		t.Errorf("those that have been quiet are not forgotten: %d", len(full.of))
	}
}

func TestAnAddressThatAsksTooOftenIsTurnedAway(t *testing.T) {
	t.Parallel()
	p := startPayers(t, func(o *PublicOptions) { o.limits = &limits{burst: 1} }) // nothing is given back
	if r := p.browser("en").get("/p/enter/none"); r.status != 404 {
		t.Errorf("within the limit: %d", r.status)
	}
	for lang, text := range map[string]string{"zh-CN": "操作太频繁，请稍等一分钟再试。", "en": "Too many tries. Wait a minute and try again."} {
		b := p.browser(lang)
		for _, r := range []reply{b.get("/p/enter/none"), b.login("mini", "x")} {
			if r.status != 429 || r.header.Get("Retry-After") == "" || !strings.Contains(r.text, text) || !strings.Contains(r.text, "too_many_requests") {
				t.Errorf("%d %v %s", r.status, r.header, r.text)
			}
		}
	}
	if r := p.call(clinicKey, "GET", "/v1/orders", ""); r.status != 200 {
		t.Errorf("the app's calls are limited too: %d", r.status)
	}
}
