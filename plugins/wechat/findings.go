package wechat

import (
	"errors"
	"net/http"
	"strings"

	"github.com/paybridge/paybridge/plugins/sdk"
)

// finding is what a check of a self-test came to: what to do, in English and Chinese.
type finding struct{ remedy, zh string }

// findings by their codes. MAPPING.md lists them.
var findings = map[string]finding{
	"account_not_configured": {
		"Configure the account, with this merchant number and this sub merchant.",
		"请先配置该账户，并核对商户号与特约商户号。",
	},
	"unreachable": {
		"Let this machine reach https://api.mch.weixin.qq.com (DNS, firewall, HTTPS_PROXY, the system's root certificates), or mend the account's base URL.",
		"请确认本机可以访问 https://api.mch.weixin.qq.com（DNS、防火墙、HTTPS_PROXY、系统根证书），或更正账户的 base URL。",
	},
	"no_answer": {
		"The connection broke, or the answer cannot be read: try again; if it stays, look for a proxy in between that changes or cuts answers.",
		"连接中断或应答无法读取：请重试；若持续出现，请检查中间是否有代理改写或截断应答。",
	},
	"clock_off": {
		"Set this machine's clock by NTP: WeChat refuses what is more than 5 minutes off.",
		"请用 NTP 校准本机时钟：与微信相差超过 5 分钟的请求会被拒绝。",
	},
	"serial_unknown": {
		"Set serial_no to the serial number of the merchant's own API certificate (merchant platform, account centre, API security), not to WeChat's.",
		"请将 serial_no 设为商户 API 证书的序列号（商户平台 → 账户中心 → API 安全），不要填写微信平台证书的序列号。",
	},
	"key_not_of_certificate": {
		"The private key does not belong to serial_no: give apiclient_key.pem of that very certificate.",
		"私钥与 serial_no 不匹配：请配置与该证书对应的 apiclient_key.pem。",
	},
	"certificate_expired": {
		"Apply for a new API certificate at the merchant platform; give its key and its serial_no.",
		"商户 API 证书已过期：请在商户平台申请新证书，并更新私钥与 serial_no。",
	},
	"certificate_revoked": {
		"The API certificate was revoked: apply for a new one at the merchant platform; give its key and its serial_no.",
		"商户 API 证书已作废：请在商户平台申请新证书，并更新私钥与 serial_no。",
	},
	"certificate_replaced": {
		"Another API certificate has taken this one's place: set serial_no and the private key to the new one.",
		"商户 API 证书已被更换：请将 serial_no 与私钥改为新证书的。",
	},
	"signature_refused": {
		"Check that mchid, serial_no and private_key are of one merchant and belong together.",
		"请核对 mchid、serial_no 与 private_key 属于同一商户且相互匹配。",
	},
	"answer_key_unknown": {
		"Give public_keys the key that WeChat signs with (its id stands in the detail of API security), or set platform_certificates.",
		"请在 public_keys 中配置微信签名所用的公钥（商户平台 → API 安全可查看公钥 ID），或启用 platform_certificates。",
	},
	"answer_signature_wrong": {
		"The key under this id in public_keys is not WeChat's: download pub_key.pem again. If it is right, something in between changes answers.",
		"public_keys 中该 ID 对应的公钥不是微信的：请重新下载 pub_key.pem。若公钥无误，则应答在途中被改写。",
	},
	"answer_unsigned": {
		"What answers is not WeChat, or a proxy takes its headers away: check the base URL and the proxy.",
		"应答方不是微信，或代理去掉了签名头：请检查 base URL 与代理。",
	},
	"encryption_refused": {
		"WeChat cannot open what was encrypted to it: the key in public_keys does not belong to its id. Download pub_key.pem again.",
		"微信无法解密：public_keys 中的公钥与其 ID 不对应，请重新下载 pub_key.pem。",
	},
	"decryption_failed": {
		"Give the private key of the API certificate that serial_no names; while it is replaced, both under private_keys.",
		"请配置 serial_no 所指证书的私钥；更换证书期间请在 private_keys 中同时保留新旧私钥。",
	},
	"no_platform_certificates": {
		"This merchant has a WeChat Pay public key instead of certificates: give it under public_keys and take platform_certificates away.",
		"该商户使用微信支付公钥，没有平台证书：请在 public_keys 中配置公钥，并去掉 platform_certificates。",
	},
	"api_v3_key_wrong": {
		"Set api_v3_keys to the APIv3 key of the merchant platform (API security); while it is changed, both.",
		"请将 api_v3_keys 设为商户平台（API 安全）中的 APIv3 密钥；更换期间请同时保留新旧密钥。",
	},
	"not_allowed": {
		"WeChat does not allow it to this merchant number: the detail says why; apply for it, or lift the penalty, at the merchant platform.",
		"该商户号没有此权限：原因见详情，请在商户平台开通产品或解除处罚。",
	},
	"refused": {
		"WeChat refuses the call; the detail says why.",
		"微信拒绝了该请求，原因见详情。",
	},
	"too_fast": {
		"Too many calls for this merchant number: try again in a minute.",
		"该商户号请求过于频繁：请一分钟后重试。",
	},
	"notify_url_wrong": {
		"Set the notify base to an https address without query or fragment, together with the account's name at most 255 bytes.",
		"请将通知地址设为不带参数与片段的 https 地址，总长不超过 255 字节。",
	},
	"notify_refused": {
		"WeChat does not take the notify URL; the detail says why.",
		"微信不接受该通知地址，原因见详情。",
	},
	"callback_awaited": {
		"When no callback comes within a minute: the notify URL is not reachable from outside (DNS, firewall, certificate, path), or the merchant has no APIv3 key. When one comes that cannot be opened, api_v3_keys is wrong.",
		"若一分钟内没有回调：通知地址无法从公网访问（DNS、防火墙、证书、路径），或商户未设置 APIv3 密钥；若回调无法解密，则 api_v3_keys 有误。",
	},
	"callback_not_asked": {
		"Give the test a notify URL: only a callback proves that it is reachable and that the APIv3 key is right.",
		"请为自检提供通知地址：只有真实回调才能证明地址可达且 APIv3 密钥正确。",
	},
	"sub_merchant_refused": {
		"WeChat knows no relation of this partner to the sub merchant, or the product is not allowed to it: check sub_mchid and the partner platform.",
		"微信不认可该服务商与特约商户的受理关系，或未开通产品权限：请核对 sub_mchid，并在服务商平台检查。",
	},
	"app_binding_unproven": {
		"See at the merchant platform (product centre, AppID management) that the entry's app id is bound to the merchant number; without it the first payment says APPID_MCHID_NOT_MATCH.",
		"请在商户平台（产品中心 → AppID 账号管理）确认入口的 AppID 已与商户号绑定；未绑定时首笔支付会返回 APPID_MCHID_NOT_MATCH。",
	},
	"not_tested": {
		"Mend what failed before it, then test again.",
		"请先解决前面失败的检查项，再重新自检。",
	},
}

// notConfigured is the self-test of an account that is not here.
func notConfigured(refusal sdk.Result) []sdk.Check {
	t := selfTest{}
	t.fail("account_not_configured", refusal.Message, checkConnection)
	return t.checks
}

// unauthorized is what a 401 says of why our signature is not taken, by a part of WeChat's words. They are not signed, so
// they are a hint for people and decide nothing.
var unauthorized = []struct{ part, code string }{
	{"timestamp", "clock_off"},
	{"序列号", "serial_unknown"},
	{"过期", "certificate_expired"},
	{"作废", "certificate_revoked"},
	{"更换", "certificate_replaced"},
}

// findingOf is the code for a call that failed.
func findingOf(err error) string {
	var e *Error
	if !errors.As(err, &e) {
		return "no_answer"
	}
	switch {
	case errors.Is(e.cause, ErrClock):
		return "clock_off"
	case e.Kind == NotSent:
		return "unreachable"
	case e.Op == OpCertificates && e.Status == http.StatusNotFound: // signed, but by a key that only a download could bring
		return "no_platform_certificates"
	case e.Kind == Unverified:
		return unverified(e)
	case e.Kind == Unanswered:
		return "no_answer"
	case e.Status == http.StatusUnauthorized:
		for _, hint := range unauthorized {
			if strings.Contains(e.Message, hint.part) {
				return hint.code
			}
		}
		if strings.Contains(e.Field, "signature") {
			return "key_not_of_certificate"
		}
		return "signature_refused"
	}
	switch m := e.meaning(); {
	case m.reason == sdk.RateLimited:
		return "too_fast"
	case m.reason == sdk.AuthFailed || m.reason == sdk.Declined:
		return "not_allowed"
	case m.reason == sdk.InvalidRequest && e.Op == OpEcho:
		return "encryption_refused" // nothing else of an echo can be wrong
	}
	return "refused"
}

func unverified(e *Error) string {
	switch {
	case errors.Is(e.cause, ErrUnknownSerial):
		return "answer_key_unknown"
	case errors.Is(e.cause, ErrUnsigned):
		return "answer_unsigned"
	case errors.Is(e.cause, ErrDecryption):
		return "api_v3_key_wrong"
	}
	return "answer_signature_wrong"
}
