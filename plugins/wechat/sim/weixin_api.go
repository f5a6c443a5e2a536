package sim

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// WeChat's error codes of api.weixin.qq.com.
const (
	errBusy          = -1
	errBadCredential = 40001
	errBadGrant      = 40002
	errBadAppID      = 40013
	errInvalidCode   = 40029
	errBadSecret     = 40125
	errCodeUsed      = 40163
	errNoAppID       = 41002
	errNoSecret      = 41004
	errNoCode        = 41008
	errMethod        = 43002
	errQuota         = 45009
	errTooOften      = 45011
	errBadJSON       = 47001
	errNoRight       = 48001
)

var weixinWords = map[int]string{
	errBusy: "system error", errBadCredential: "invalid credential, access_token is invalid or not latest", errBadGrant: "invalid grant_type",
	errBadAppID: "invalid appid", errInvalidCode: "invalid code", errBadSecret: "invalid appsecret", errCodeUsed: "code been used",
	errNoAppID: "appid missing", errNoSecret: "appsecret missing", errNoCode: "code missing", errMethod: "require POST method",
	errQuota: "reach max api daily quota limit", errTooOften: "api minute-quota reach limit", errBadJSON: "data format error",
	errNoRight: "api unauthorized",

	errNoTrade: "支付单不存在", errShippedTwice: "支付单已使用重新发货机会", errNotShippable: "支付单处于不可发货的状态", errLogistics: "物流类型有误",
	errNoItem: "商品描述 item_desc 字段不能为空", errLongItem: "商品描述 item_desc 字段太长", errShippingParam: "参数错误",
	errShippingSame: "发货信息未更新", errOtherPayer: "该笔支付单不属于 openid 所指定的用户", errUploadTime: "上传时间非法，请按照 RFC 3339 格式填写",
}

// weixinCall answers one path. Without a code the answer is fields.
type weixinCall func(s *Simulator, r *http.Request, q url.Values) (fields map[string]any, code int)

var weixinCalls = map[string]weixinCall{
	"/sns/oauth2/access_token":  (*Simulator).oauthToken,
	"/sns/userinfo":             (*Simulator).userInfo,
	"/sns/jscode2session":       (*Simulator).codeToSession,
	"/cgi-bin/stable_token":     (*Simulator).stableTokenCall,
	"/cgi-bin/ticket/getticket": (*Simulator).ticketCall,

	"/wxa/sec/order/upload_shipping_info": (*Simulator).uploadShippingCall,
	"/wxa/sec/order/get_order":            (*Simulator).shippedOrderCall,
}

// serveWeixin answers what goes to api.weixin.qq.com and open.weixin.qq.com in production; false: it goes to neither.
func (s *Simulator) serveWeixin(w http.ResponseWriter, r *http.Request) bool {
	if r.URL.Path == authorizePath {
		s.serveAuthorize(w, r)
		return true
	}
	call, ok := weixinCalls[r.URL.Path]
	insurance, insured := insurance10Calls[r.URL.Path]
	if !ok && !insured {
		return false
	}
	o := occasion{path: r.Method + " " + r.URL.Path}
	if f, slow := s.fault(o, Slow); slow && !s.pause(r, f.Delay.or(time.Second)) {
		panic(http.ErrAbortHandler)
	}
	f, faulty := s.fault(o, TimeoutNotExecuted, BrokenNotExecuted, ErrorNotExecuted, RateLimited, Refusal, TimeoutExecuted, BrokenExecuted)
	var fields map[string]any
	var code int
	switch {
	case faulty && f.Kind == ErrorNotExecuted:
		code = errBusy
	case faulty && f.Kind == RateLimited:
		code = errTooOften
	case faulty && f.Kind == Refusal:
		code, _ = strconv.Atoi(f.Code)
		code = cmp.Or(code, errBusy)
	case insured && !faulty:
		s.insurance10(insurance, w, r)
		return true
	case insured && (f.Kind == TimeoutExecuted || f.Kind == BrokenExecuted): // its answer is lost on the way
		s.insurance10(insurance, discard{}, r)
	case !faulty || f.Kind == TimeoutExecuted || f.Kind == BrokenExecuted:
		fields, code = call(s, r, r.URL.Query())
	}
	switch f.Kind {
	case TimeoutExecuted, TimeoutNotExecuted:
		select {
		case <-r.Context().Done():
		case <-s.closing:
		}
		panic(http.ErrAbortHandler)
	case BrokenExecuted, BrokenNotExecuted:
		panic(http.ErrAbortHandler)
	}
	contentType := "application/json; encoding=utf-8"
	if strings.HasPrefix(r.URL.Path, "/sns/") {
		contentType = "text/plain"
	}
	if code != 0 {
		fields = map[string]any{"errcode": code, "errmsg": fmt.Sprintf("%s, rid: %s", cmp.Or(weixinWords[code], "refused"), rid(s.Now()))}
	}
	w.Header().Set("Content-Type", contentType)
	_, _ = w.Write(compact(fields)) // a caller that has gone away is the caller's business
	return true
}

// discard is where an answer goes that nobody gets.
type discard struct{}

func (discard) Header() http.Header         { return http.Header{} }
func (discard) Write(b []byte) (int, error) { return len(b), nil }
func (discard) WriteHeader(int)             {}

// rid is how WeChat names a request in its errors.
func rid(now time.Time) string {
	return fmt.Sprintf("%x-%s-%s", now.Unix(), draw(8, hexLower), draw(8, hexLower))
}

// credentials checks app id and secret.
func (s *Simulator) credentials(appID, secret string) int {
	s.mu.Lock()
	known := s.world.apps[appID] != nil
	s.mu.Unlock()
	switch {
	case appID == "":
		return errNoAppID
	case !known:
		return errBadAppID
	case secret == "":
		return errNoSecret
	case secret != AppSecret(appID):
		return errBadSecret
	}
	return 0
}

// codeOf checks a call that brings a code, and spends it.
func (s *Simulator) codeOf(q url.Values, name string, ofOAuth bool) (loginCode, SeedUser, int) {
	appID := q.Get("appid")
	if code := s.credentials(appID, q.Get("secret")); code != 0 {
		return loginCode{}, SeedUser{}, code
	}
	switch {
	case q.Get("grant_type") != "authorization_code":
		return loginCode{}, SeedUser{}, errBadGrant
	case q.Get(name) == "":
		return loginCode{}, SeedUser{}, errNoCode
	}
	c, code := s.spend(appID, q.Get(name), ofOAuth)
	if code != 0 {
		return c, SeedUser{}, code
	}
	user, ok := s.user(appID, c.openID)
	if !ok {
		return c, user, errInvalidCode
	}
	return c, user, 0
}

func (s *Simulator) oauthToken(_ *http.Request, q url.Values) (map[string]any, int) {
	c, user, code := s.codeOf(q, "code", true)
	if code != 0 {
		return nil, code
	}
	token := "91_" + alphanumeric(107)
	s.weixin.mu.Lock()
	s.weixin.payers[token] = payerToken{user.OpenID, c.scope, s.Now().Add(appTokenLife)}
	s.weixin.mu.Unlock()
	fields := map[string]any{
		"access_token": token, "expires_in": int(appTokenLife.Seconds()), "refresh_token": "91_" + alphanumeric(107),
		"openid": user.OpenID, "scope": c.scope,
	}
	if c.scope == scopeUserInfo && user.UnionID != "" {
		fields["unionid"] = user.UnionID
	}
	if user.Snapshot {
		fields["is_snapshotuser"] = 1
	}
	return fields, 0
}

func (s *Simulator) userInfo(_ *http.Request, q url.Values) (map[string]any, int) {
	s.weixin.mu.Lock()
	t, ok := s.weixin.payers[q.Get("access_token")]
	s.weixin.mu.Unlock()
	switch {
	case !ok || t.openID != q.Get("openid") || !s.Now().Before(t.ends):
		return nil, errBadCredential
	case t.scope != scopeUserInfo:
		return nil, errNoRight
	}
	fields := map[string]any{"openid": t.openID, "nickname": "微信用户", "sex": 0, "language": "", "city": "", "province": "", "country": "", "headimgurl": "", "privilege": []string{}}
	if user, known := s.userByOpenID(t.openID); known && user.UnionID != "" {
		fields["unionid"] = user.UnionID
	}
	return fields, 0
}

func (s *Simulator) userByOpenID(openID string) (SeedUser, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range s.world.apps {
		for _, u := range a.Users {
			if u.OpenID == openID {
				return u, true
			}
		}
	}
	return SeedUser{}, false
}

func (s *Simulator) codeToSession(_ *http.Request, q url.Values) (map[string]any, int) {
	_, user, code := s.codeOf(q, "js_code", false)
	if code != 0 {
		return nil, code
	}
	fields := map[string]any{"session_key": alphanumeric(22) + "==", "openid": user.OpenID}
	if user.UnionID != "" {
		fields["unionid"] = user.UnionID
	}
	return fields, 0
}

func (s *Simulator) stableTokenCall(r *http.Request, _ url.Values) (map[string]any, int) {
	if r.Method != http.MethodPost {
		return nil, errMethod
	}
	var in struct {
		GrantType string `json:"grant_type"`
		AppID     string `json:"appid"`
		Secret    string `json:"secret"`
		Force     bool   `json:"force_refresh"`
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody))
	if err != nil || json.Unmarshal(body, &in) != nil {
		return nil, errBadJSON
	}
	if in.GrantType != "client_credential" {
		return nil, errBadGrant
	}
	if code := s.credentials(in.AppID, in.Secret); code != 0 {
		return nil, code
	}
	t, code := s.stableToken(in.AppID, in.Force)
	if code != 0 {
		return nil, code
	}
	return map[string]any{"access_token": t.token, "expires_in": int(t.ends.Sub(s.Now()).Seconds())}, 0
}

func (s *Simulator) ticketCall(_ *http.Request, q url.Values) (map[string]any, int) {
	appID, ok := s.tokenOf(q.Get("access_token"))
	if !ok {
		return nil, errBadCredential
	}
	t := s.ticket(appID)
	return map[string]any{"errcode": 0, "errmsg": "ok", "ticket": t.token, "expires_in": int(t.ends.Sub(s.Now()).Seconds())}, 0
}
