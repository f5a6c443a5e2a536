package httpapi

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"time"

	"golang.org/x/text/language"

	"github.com/paybridge/paybridge/core/gateway"
	"github.com/paybridge/paybridge/core/pay"
)

// turn is how a payer who cannot go on is answered, in Chinese and English. The texts say what to do.
type turn struct {
	status  int
	chinese string
	english string
}

const (
	turnForeignOrigin     gateway.Turn = "foreign_origin"
	turnOpenInWeChat      gateway.Turn = "open_in_wechat"
	turnOpenInAccount     gateway.Turn = "open_in_official_account"
	turnOpenInMiniProgram gateway.Turn = "open_in_mini_program"
	turnMalformed         gateway.Turn = "invalid_request"
	turnAppRefused        gateway.Turn = "app_refused"
	turnAppUnreachable    gateway.Turn = "app_unreachable"
	turnAppFirst          gateway.Turn = "authorize_first"
	turnNoMedical         gateway.Turn = "insurance_not_online"
	turnInternal          gateway.Turn = "internal"
)

// turns is every reason for which a payer is turned away here.
var turns = map[gateway.Turn]turn{
	gateway.TurnEntryUnknown:  {http.StatusNotFound, "没有这个入口，请从商家的页面重新进入。", "There is no such entry. Start again from the merchant's page."},
	gateway.TurnReturnURL:     {http.StatusBadRequest, "返回地址未登记，请联系商家。", "The address to return to is not registered. Please tell the merchant."},
	gateway.TurnStateInvalid:  {http.StatusBadRequest, "登录链接无效，或不是在这个浏览器里打开的，请重新进入。", "The sign-in link is not valid, or was begun in another browser. Start again."},
	gateway.TurnStateUsed:     {http.StatusConflict, "这个登录链接已经用过，请重新进入。", "This sign-in link was used before. Start again."},
	gateway.TurnStateExpired:  {http.StatusGone, "登录超时，请重新进入。", "Signing in took too long. Start again."},
	gateway.TurnNotAgreed:     {http.StatusForbidden, "您没有同意授权，因此无法继续；同意后即可付款。", "You did not agree to be known, so this cannot go on. Agree to pay."},
	gateway.TurnCodeInvalid:   {http.StatusBadRequest, "微信登录凭证无效或已过期，请重试。", "WeChat's sign-in code is not valid, or has expired. Try again."},
	gateway.TurnCodeUsed:      {http.StatusConflict, "微信登录凭证已经用过，请重试。", "WeChat's sign-in code was used before. Try again."},
	gateway.TurnSnapshot:      {http.StatusForbidden, "当前是微信的浏览模式，请点页面下方的“使用完整服务”后再付款。", "WeChat shows this page for reading only. Tap “Use full service” below it, then pay."},
	gateway.TurnBlocked:       {http.StatusForbidden, "微信限制了该账号的登录，请在微信中查看原因。", "WeChat keeps this account from signing in. WeChat says why."},
	gateway.TurnTooOften:      {http.StatusTooManyRequests, "操作太频繁，请稍等一分钟再试。", "Too many tries. Wait a minute and try again."},
	gateway.TurnUnavailable:   {http.StatusServiceUnavailable, "暂时无法登录，请稍后重试；没有产生任何扣款。", "Signing in does not work at the moment. Try again later; nothing was paid."},
	gateway.TurnTokenInvalid:  {http.StatusNotFound, "链接无效，请返回小程序重新打开。", "The link is not valid. Go back to the mini program and open it again."},
	gateway.TurnTokenUsed:     {http.StatusConflict, "链接已经用过，请返回小程序重新打开。", "The link was used before. Go back to the mini program and open it again."},
	gateway.TurnTokenExpired:  {http.StatusGone, "链接已过期，请返回小程序重新打开。", "The link has expired. Go back to the mini program and open it again."},
	gateway.TurnNoSession:     {http.StatusUnauthorized, "请先登录。", "Sign in first."},
	gateway.TurnTicketInvalid: {http.StatusNotFound, "支付凭证无效，请返回订单页重新支付。", "The ticket is not valid. Go back to the order and pay from there."},
	gateway.TurnTicketSpent:   {http.StatusGone, "支付凭证已失效，请返回订单页查看结果或重新支付。", "The ticket is spent. Go back to the order: see how it stands, or pay again."},

	pay.CodeOrderPaid:          {http.StatusConflict, "订单已支付，无需重复付款。", "The order is paid. Do not pay again."},
	pay.CodeOrderClosed:        {http.StatusConflict, "订单已关闭，请重新下单。", "The order is closed. Please order again."},
	pay.CodeOrderClosing:       {http.StatusConflict, "订单正在关闭，请稍后查看。", "The order is being closed. Look again in a moment."},
	pay.CodeOrderExpired:       {http.StatusConflict, "订单已过期，请重新下单。", "The order has expired. Please order again."},
	pay.CodePreviousUnresolved: {http.StatusConflict, "上一次支付还在确认中，请稍后再试，以免重复付款。", "The payment before is still being confirmed. Wait a moment, so that you do not pay twice."},
	pay.CodePaymentFailed:      {http.StatusConflict, "支付未能发起，请联系商家。", "The payment could not be made. Please tell the merchant."},
	pay.CodePaymentDisputed:    {http.StatusConflict, "订单的支付结果需要人工核对，请联系商家，暂勿再次付款。", "The order's payment has to be looked at by a person. Please tell the merchant, and do not pay again."},

	turnAppUnreachable: {http.StatusServiceUnavailable, "商家系统暂时没有回应，请稍后再试；没有产生任何扣款。", "The merchant's system does not answer at the moment. Try again later; nothing was paid."},
	turnAppRefused:     {http.StatusConflict, "商家暂不接受这笔付款，请联系商家。", "The merchant does not take this payment now. Please tell the merchant."},

	turnAppFirst:  {http.StatusConflict, "请返回订单页，先完成医保授权，再支付。", "Go back to the order, authorize the insurance payment there, and pay again."},
	turnNoMedical: {http.StatusConflict, "医院还没有开通在线医保支付，请联系医院。", "The hospital does not take insurance payments online yet. Please ask the hospital."},

	pay.CodeMedicalAuthorizationExpired: {http.StatusConflict, "医保授权已过期或已使用，请返回订单页重新授权后再支付。", "The insurance authorization has expired or was used. Go back to the order, authorize again, and pay."},

	turnForeignOrigin:     {http.StatusForbidden, "请求来自其他网站，已拒绝。", "The request came from another site and was refused."},
	turnOpenInWeChat:      {http.StatusBadRequest, "请在微信中打开此页面。", "Open this page in WeChat."},
	turnOpenInAccount:     {http.StatusBadRequest, "小程序内不能使用网页授权，请返回小程序重新进入。", "Inside a mini program one does not sign in this way. Go back to the mini program and enter again."},
	turnOpenInMiniProgram: {http.StatusBadRequest, "这个链接只能在小程序内打开，请从小程序重新进入。", "This link opens inside its mini program only. Enter from the mini program."},
	turnMalformed:         {http.StatusBadRequest, "请求格式不正确。", "The request is malformed."},
	turnInternal:          {http.StatusInternalServerError, "网关出错了，请稍后重试。", "The gateway has a fault. Try again later."},
}

// payersLanguages are those that payers are answered in; the first is for whoever asks for another.
var payersLanguages = language.NewMatcher([]language.Tag{language.SimplifiedChinese, language.English})

// isEnglish tells whether a payer reads English rather than Chinese.
func isEnglish(r *http.Request) bool {
	asked, _, err := language.ParseAcceptLanguage(r.Header.Get("Accept-Language"))
	if err != nil || len(asked) == 0 {
		return false
	}
	_, at, sure := payersLanguages.Match(asked...)
	return at == 1 || sure == language.No // neither: English is read in more places
}

// turnOf says what an error means to a payer.
func turnOf(err error) (gateway.Turn, turn, *gateway.SignInRequest) {
	var away *gateway.TurnedAway
	if errors.As(err, &away) {
		return away.Turn, turns[away.Turn], away.Again
	}
	if errors.Is(err, gateway.ErrAppSilent) {
		return turnAppUnreachable, turns[turnAppUnreachable], nil
	}
	if errors.Is(err, gateway.ErrNoMedicalPart) {
		return turnNoMedical, turns[turnNoMedical], nil
	}
	if first := new(gateway.AtAppFirst); errors.As(err, &first) { // a native page cannot go there
		return turnAppFirst, turns[turnAppFirst], nil
	}
	var byApp *gateway.RefusedByApp
	if errors.As(err, &byApp) { // in its own words, in either language
		t := turns[turnAppRefused]
		t.chinese = cmp.Or(byApp.Chinese, byApp.English, t.chinese)
		t.english = cmp.Or(byApp.English, byApp.Chinese, t.english)
		return turnAppRefused, t, nil
	}
	var refusal *pay.Refusal
	if errors.As(err, &refusal) {
		if refusal.Code == pay.CodePayerNotAllowed { // another's order is none (R41)
			return gateway.TurnTicketInvalid, turns[gateway.TurnTicketInvalid], nil
		}
		if t, ok := turns[gateway.Turn(refusal.Code)]; ok {
			return gateway.Turn(refusal.Code), t, nil
		}
	}
	if p, _ := problemOf(err); p.Status == http.StatusServiceUnavailable {
		return gateway.TurnUnavailable, turns[gateway.TurnUnavailable], nil
	}
	return turnInternal, turns[turnInternal], nil
}

// tellTurn notes for the log why a payer was turned away. What an operator can mend is logged with its cause.
func (s *service) tellTurn(r *http.Request, err error) (gateway.Turn, turn, *gateway.SignInRequest) {
	code, t, again := turnOf(err)
	c := callOf(r.Context())
	c.code = string(code)
	var away *gateway.TurnedAway
	if errors.As(err, &away) && away.Cause != nil || t.status >= http.StatusInternalServerError {
		s.log.WarnContext(r.Context(), "a payer was turned away", "request_id", c.id, "route", c.route, "code", c.code, "error", err)
	}
	return code, t, again
}

// turnProblem answers a payer's program.
func (s *service) turnProblem(w http.ResponseWriter, r *http.Request, err error) {
	code, t, _ := s.tellTurn(r, err)
	detail := t.chinese
	if isEnglish(r) {
		detail = t.english
	}
	w.Header().Set("Vary", "Accept-Language")
	write(w, callOf(r.Context()).id, Problem{Code: ProblemCode(code), Status: t.status, Title: t.english, Detail: detail}, retryAfter(t))
}

func retryAfter(t turn) time.Duration {
	switch t.status {
	case http.StatusTooManyRequests:
		return time.Minute
	case http.StatusServiceUnavailable:
		return 5 * time.Second
	}
	return 0
}

// turnPolicy lets the page load nothing and be framed by nobody.
const turnPolicy = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

var turnTemplate = template.Must(template.New("").Parse(`<!doctype html>
<html lang="{{.Lang}}"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{.Title}}</title></head>
<body><main><h1>{{.Title}}</h1><p>{{.Text}}</p>
{{with .Again}}<p><a href="{{.}}">{{$.AgainWord}}</a></p>{{end}}<p><small>{{.Code}}</small></p></main></body></html>
`))

// turnPage answers a payer's browser with a page that says what to do.
func (s *service) turnPage(w http.ResponseWriter, r *http.Request, err error) {
	code, t, again := s.tellTurn(r, err)
	page := map[string]string{"Code": string(code), "Lang": "zh-CN", "Title": "无法继续", "Text": t.chinese, "AgainWord": "重新开始"}
	if isEnglish(r) {
		page = map[string]string{"Code": string(code), "Lang": "en", "Title": "This cannot go on", "Text": t.english, "AgainWord": "Start again"}
	}
	if again != nil {
		// Beside this page, whatever path a proxy has put before it.
		page["Again"] = "authorize?" + url.Values{"app": {again.App}, "return_url": {again.ReturnURL}}.Encode()
	}
	var text bytes.Buffer
	if err := turnTemplate.Execute(&text, page); err != nil {
		panic(fmt.Sprintf("write the page: %v", err)) // the template is fixed
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Language", page["Lang"])
	h.Set("Vary", "Accept-Language")
	if after := retryAfter(t); after > 0 {
		h.Set("Retry-After", fmt.Sprint(seconds(after)))
	}
	w.WriteHeader(t.status)
	_, _ = w.Write(text.Bytes()) // the payer may have gone
}

// forPayers keeps payers' pages out of caches, frames and referrers.
func forPayers(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Cache-Control", "no-store")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Content-Security-Policy", turnPolicy)
		next.ServeHTTP(w, r)
	})
}
