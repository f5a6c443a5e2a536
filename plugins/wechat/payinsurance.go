package wechat

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/paybridge/paybridge/plugins/sdk"
)

// PayInsurance makes the calls of medical insurance 1.0 (/payinsurance/…), of 2019, for one merchant number: XML of version 2,
// signed by the APIv2 key, at WeChat's other host, opened by an app id's access token. Like Client it keeps nothing but keys.
type PayInsurance struct {
	mchID string
	key   string
	how   V2SignType
	host  string // scheme and host
	http  *http.Client
	now   func() time.Time
}

// weixinHost is where medical insurance 1.0 is, unlike the rest of WeChat Pay.
const weixinHost = "https://api.weixin.qq.com"

// NewPayInsurance is for accounts with an APIv2 key; nil where there is none.
func NewPayInsurance(c Config, o Options) (*PayInsurance, error) {
	if c.APIv2Key == "" {
		return nil, nil
	}
	how := c.V2SignType
	switch {
	case how == "":
		how = V2MD5
	case how != V2MD5 && how != V2HMACSHA256:
		return nil, sdk.Field("/v2_sign_type", "is %s or %s", V2MD5, V2HMACSHA256)
	}
	if len(c.APIv2Key) != 32 {
		return nil, sdk.Field("/api_v2_key", "has 32 characters, this one has %d", len(c.APIv2Key))
	}
	at, err := hosts(o.BaseURL)
	if err != nil {
		return nil, err
	}
	if o.Transport == nil {
		o.Transport = transport
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	p := &PayInsurance{mchID: c.MchID, key: c.APIv2Key, how: how, host: at[0], now: o.Now, http: &http.Client{
		Transport:     o.Transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	if len(at) > 1 { // WeChat's own: elsewhere, as in the simulator, one host plays both
		p.host = weixinHost
	}
	return p, nil
}

// MchID is the merchant number whose key signs.
func (p *PayInsurance) MchID() string { return p.mchID }

// ErrAccessToken says that WeChat did not take the access token: with another the same call is right.
var ErrAccessToken = errors.New("WeChat does not take the access token of the app id")

// accessTokenCodes are WeChat's errcodes of tokens that are wrong, over, or replaced.
var accessTokenCodes = []int{40001, 40014, 41001, 42001}

// Ask makes one call and gives its verified answer. The parties stand in m; who signs, the nonce and the signature are added. The
// error is an *Error, whose text never holds the token or a parameter.
func (p *PayInsurance) Ask(ctx context.Context, op Op, number, path, token string, m V2) (V2, Answer, error) {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	fail := &Error{Op: op, Number: number, Kind: NotSent}
	m["mch_id"], m["nonce_str"] = p.mchID, rand.Text()
	if p.how != V2MD5 {
		m["sign_type"] = string(p.how)
	}
	m["sign"] = m.Signature(p.how, p.key)
	var connected atomic.Bool
	traced := httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { connected.Store(true) }})
	r, err := http.NewRequestWithContext(traced, http.MethodPost, p.host+path+"?access_token="+url.QueryEscape(token), bytes.NewReader(m.XML()))
	if err != nil {
		fail.cause = errors.New("the address of the call cannot be read")
		return nil, Answer{}, fail
	}
	r.Header.Set("Content-Type", "application/xml")
	r.Header.Set("User-Agent", userAgent)
	res, err := p.http.Do(r)
	if connected.Load() {
		fail.Kind = Unanswered
	}
	if err != nil {
		fail.cause = withoutAddress(err)
		return nil, Answer{}, fail
	}
	defer func() { _ = res.Body.Close() }()
	return p.read(res, fail)
}

// withoutAddress is an error without the call's address, in which the token is.
func withoutAddress(err error) error {
	if in := new(url.Error); errors.As(err, &in) {
		return in.Err
	}
	return err
}

func (p *PayInsurance) read(res *http.Response, fail *Error) (V2, Answer, error) {
	var a Answer
	fail.Status = res.StatusCode
	body, err := io.ReadAll(io.LimitReader(res.Body, longestV2+1))
	if err != nil {
		fail.cause = err
		return nil, a, fail
	}
	if code, ok := refusedToken(body); ok {
		fail.Kind, fail.cause = NotSent, fmt.Errorf("%w (%d)", ErrAccessToken, code)
		return nil, a, fail
	}
	said, err := ParseV2(body)
	switch {
	case err != nil || res.StatusCode != http.StatusOK:
		fail.cause = fmt.Errorf("its answer, HTTP %d, is not one of medical insurance 1.0", res.StatusCode)
		return nil, a, fail
	case said["return_code"] != "SUCCESS": // not looked at, and so not signed: it is our message that is wrong
		fail.Kind, fail.Code, fail.Message = Refused, "RETURN_"+cut(said["return_code"], 32), cut(said["return_msg"], 256)
		return nil, a, fail
	case !said.Signed(p.how, p.key):
		fail.Kind, fail.cause = Unverified, errors.New("it is not signed by the APIv2 key, or by another sign_type")
		return nil, a, fail
	}
	a.Clock, _ = http.ParseTime(res.Header.Get("Date"))
	if said["result_code"] != "SUCCESS" {
		fail.Kind, fail.Code, fail.Message = Refused, cut(said["err_code"], 64), cut(said["err_code_des"], 256)
		return nil, a, fail
	}
	return said, a, nil
}

// refusedToken reads WeChat's JSON errors of access tokens, which come before any XML is looked at.
func refusedToken(body []byte) (code int, refused bool) {
	var said struct {
		Code int `json:"errcode"`
	}
	return said.Code, json.Unmarshal(body, &said) == nil && slices.Contains(accessTokenCodes, said.Code)
}

// Callback reads a message about a payment and verifies it. The error never repeats what stands in it.
func (p *PayInsurance) Callback(body []byte) (V2, error) {
	m, err := ParseV2(body)
	if err != nil {
		return nil, err
	}
	if !m.Signed(p.how, p.key) {
		return nil, errors.New("it is not signed by the APIv2 key, or by another sign_type")
	}
	return m, nil
}

// payInsuranceReasons is what WeChat's codes of version 2 mean, without their underscores: it spells some in two ways. A code that is
// not here decides nothing.
var payInsuranceReasons = map[string]sdk.Reason{
	"INVALIDREQUEST": sdk.InvalidRequest, "PARAMERROR": sdk.InvalidRequest, "LACKPARAMS": sdk.InvalidRequest, "XMLFORMATERROR": sdk.InvalidRequest,
	"NOTUTF8": sdk.InvalidRequest, "POSTDATAEMPTY": sdk.InvalidRequest, "REQUIREPOSTMETHOD": sdk.InvalidRequest, "TRADEOVERDUE": sdk.InvalidRequest,
	"REFUNDFEEMISMATCH": sdk.InvalidRequest, "OPENIDMISMATCH": sdk.InvalidRequest,
	"SIGNERROR": sdk.AuthFailed, "NOAUTH": sdk.AuthFailed, "APPIDNOTEXIST": sdk.AuthFailed, "MCHIDNOTEXIST": sdk.AuthFailed,
	"APPIDMCHIDNOTMATCH": sdk.AuthFailed, "CERTERROR": sdk.AuthFailed,
	"ORDERPAID": sdk.Conflict, "ORDERCLOSED": sdk.Conflict, "OUTTRADENOUSED": sdk.Conflict,
	"ORDERNOTEXIST": sdk.NotFound, "REFUNDNOTEXIST": sdk.NotFound,
	"NOTENOUGH": sdk.Unavailable, "USERACCOUNTABNORMAL": sdk.Declined,
	"FREQUENCYLIMITED": sdk.RateLimited, "RATELIMITED": sdk.RateLimited, "INVALIDREQTOOMUCH": sdk.RateLimited,
}

// PayInsuranceFailed says what a call of medical insurance 1.0 that ended with err means to the host.
func PayInsuranceFailed(a Answer, err error) sdk.Result {
	var e *Error
	if !errors.As(err, &e) {
		return sdk.Indeterminate(err)
	}
	code := strings.ReplaceAll(e.Code, "_", "")
	reason, known := payInsuranceReasons[code]
	var r sdk.Result
	switch {
	case errors.Is(err, ErrAccessToken):
		r = sdk.Auth("%v", e).With(sdk.TokenRefused())
	case e.Kind == NotSent:
		r = sdk.NotSent(e)
	case e.Kind == Refused && strings.HasPrefix(e.Code, "RETURN_"): // as "签名错误"
		r = sdk.Auth("%v: is api_v2_key the merchant platform's, and v2_sign_type WeChat's for this merchant?", e)
	case e.Kind == Refused && known:
		r = sdk.Rejected(reason, e.Code, e.Message)
	default:
		r = sdk.Indeterminate(e)
	}
	if code == "NOTENOUGH" {
		r = r.With(sdk.NeedsPerson(sdk.AttentionNotEnough, "The merchant account has not enough funds for this refund: top it up; the same refund is tried again."))
	}
	return r.With(sdk.ProviderTime(a.Clock))
}
