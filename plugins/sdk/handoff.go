package sdk

import (
	"encoding/json"
	"time"
)

// HandOff is what the payer's client needs to go and pay.
type HandOff struct {
	Kind       string // one of the Kind constants, or the channel's own
	Params     any    // anything that marshals to a JSON object in the shape of the kind
	ValidUntil time.Time
}

func (h HandOff) addTo(r *Result) { r.HandOff = &h }

// Until says until when the hand-off can be used.
func (h HandOff) Until(t time.Time) HandOff {
	h.ValidUntil = t
	return h
}

// The kinds of hand-off that the checkout and the client kits know.
const (
	KindWechatJSAPI         = "wechat_jsapi"
	KindWechatMiniProgram   = "wechat_miniprogram"
	KindMiniProgramRedirect = "miniprogram_redirect"
	KindWechatMedIns        = "wechat_medins"
	KindRedirectURL         = "redirect_url"
	KindQRCode              = "qr_code"
	KindFormPost            = "form_post"
	KindAppInvoke           = "app_invoke"
)

// WechatPay is the parameters that WeChat's client checks the signature of. All strings, TimeStamp too.
type WechatPay struct {
	AppID     string `json:"appId"`
	TimeStamp string `json:"timeStamp"`
	NonceStr  string `json:"nonceStr"`
	Package   string `json:"package"` // "prepay_id=…"
	SignType  string `json:"signType"`
	PaySign   string `json:"paySign"`
}

// WechatJSAPI pays in an official account's page.
func WechatJSAPI(p WechatPay) HandOff { return HandOff{Kind: KindWechatJSAPI, Params: p} }

// WechatMiniProgram pays in a mini program's native page.
func WechatMiniProgram(p WechatPay) HandOff { return HandOff{Kind: KindWechatMiniProgram, Params: p} }

// WechatMedIns pays a mixed insurance payment. Pay is nil when there is no self-paid part.
func WechatMedIns(mixTradeNo string, pay *WechatPay) HandOff {
	return HandOff{Kind: KindWechatMedIns, Params: struct {
		MixTradeNo string `json:"mixTradeNo"`
		*WechatPay
	}{mixTradeNo, pay}}
}

// MiniProgramRedirect leads into another mini program (medical insurance 1.0). ExtraData may be nil.
func MiniProgramRedirect(appID, path, envVersion string, extraData any) HandOff {
	return HandOff{Kind: KindMiniProgramRedirect, Params: struct {
		AppID      string `json:"appId"`
		Path       string `json:"path"`
		EnvVersion string `json:"envVersion"`
		ExtraData  any    `json:"extraData,omitempty"`
	}{appID, path, envVersion, extraData}}
}

// RedirectURL leads the payer's browser to the provider's page.
func RedirectURL(url string) HandOff {
	return HandOff{Kind: KindRedirectURL, Params: struct {
		URL string `json:"url"`
	}{url}}
}

// QRCode shows a code whose content is this text.
func QRCode(content string) HandOff {
	return HandOff{Kind: KindQRCode, Params: struct {
		Content string `json:"content"`
	}{content}}
}

// FormPost has the payer's browser post this HTML form.
func FormPost(html string) HandOff {
	return HandOff{Kind: KindFormPost, Params: struct {
		HTML string `json:"html"`
	}{html}}
}

// AppInvoke calls the provider's app with these parameters, a JSON object.
func AppInvoke(params json.RawMessage) HandOff { return HandOff{Kind: KindAppInvoke, Params: params} }
