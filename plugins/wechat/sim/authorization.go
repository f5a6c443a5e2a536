package sim

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"
	"time"
)

const scheme = "WECHATPAY2-SHA256-RSA2048"

// authorization is the request header of that name, parsed.
type authorization struct {
	mchID, nonce, timestamp, serial, signature string
}

// parseAuthorization reads the fields behind the scheme: name="value" pairs parted by commas, in any order,
// each once, none unknown.
func parseAuthorization(fields string) (authorization, bool) {
	var a authorization
	slots := map[string]*string{
		"mchid": &a.mchID, "nonce_str": &a.nonce, "timestamp": &a.timestamp, "serial_no": &a.serial, "signature": &a.signature,
	}
	for pair := range strings.SplitSeq(fields, ",") {
		name, value, found := strings.Cut(strings.TrimSpace(pair), "=")
		slot := slots[name]
		if !found || slot == nil || len(value) < 3 || value[0] != '"' || value[len(value)-1] != '"' {
			return authorization{}, false
		}
		value = value[1 : len(value)-1]
		if strings.Contains(value, `"`) {
			return authorization{}, false
		}
		*slot = value
		delete(slots, name)
	}
	return a, len(slots) == 0
}

// Texts of the 401s.
const (
	textNoAuthorization = "签名信息错误，验签失败"
	textHeaderFormat    = "Http头Authorization值格式错误，请参考《微信支付商户REST API签名规则》"
	textScheme          = "Http头Authorization认证类型不正确"
	textClock           = "Http头Authorization中的timestamp与发起请求的时间不得超过5分钟"
	textSerial          = "商户证书序列号有误。请使用签名私钥匹配的证书序列号"
	textReplaced        = "商户已更换证书，请使用新证书"
	textSignature       = "签名错误"
)

// signatureWindow is how far a request's clock may be off.
const signatureWindow = 5 * time.Minute

// authorize checks who signed a request, in WeChat's order: header, scheme, timestamp, merchant, serial,
// signature. A refusal is nil when all is well.
func (s *Simulator) authorize(r *http.Request, body []byte, wall time.Time) (authorization, *merchant, *answer) {
	header := r.Header.Get("Authorization")
	if header == "" {
		if underPay(r.URL.Path) {
			return authorization{}, nil, s.signError(r, textNoAuthorization)
		}
		return authorization{}, nil, s.signError(r, textHeaderFormat)
	}
	kind, fields, _ := strings.Cut(header, " ")
	if kind != scheme {
		return authorization{}, nil, s.signError(r, textScheme)
	}
	a, parsed := parseAuthorization(fields)
	if !parsed {
		return a, nil, s.signError(r, textHeaderFormat)
	}
	seconds, err := strconv.ParseInt(a.timestamp, 10, 64)
	if err != nil {
		return a, nil, s.signError(r, textHeaderFormat)
	}
	if off := wall.Unix() - seconds; off > int64(signatureWindow.Seconds()) || -off > int64(signatureWindow.Seconds()) {
		return a, nil, s.signError(r, textClock)
	}
	s.mu.Lock()
	m := s.world.merchants[a.mchID]
	var cert merchantCert
	if m != nil {
		cert = m.certs[a.serial]
	}
	s.mu.Unlock()
	switch {
	case m == nil:
		return a, nil, s.signError(r, textSignature)
	case cert.key == nil:
		return a, nil, s.signError(r, textSerial)
	case cert.ended:
		return a, nil, s.signError(r, textReplaced)
	}
	message := strings.Join([]string{r.Method, r.RequestURI, a.timestamp, a.nonce, string(body), ""}, "\n")
	if !verified(cert.key, message, a.signature) {
		return a, nil, s.signatureMismatch(r, a, message, body)
	}
	return a, m, nil
}

func verified(key *rsa.PublicKey, message, signature string) bool {
	raw, err := base64.StdEncoding.DecodeString(signature)
	if err != nil {
		return false
	}
	sum := sha256.Sum256([]byte(message))
	return rsa.VerifyPKCS1v15(key, crypto.SHA256, sum[:], raw) == nil
}

// underPay tells the paths whose 401 carries no Request-ID and another first text.
func underPay(path string) bool { return strings.HasPrefix(path, "/v3/pay/transactions/") }

// signError is a 401, which is never signed.
func (s *Simulator) signError(r *http.Request, message string) *answer {
	a := refuse(http.StatusUnauthorized, "SIGN_ERROR", message, causeUnspecified)
	a.unsigned, a.noRequestID = true, underPay(r.URL.Path)
	return &a
}

// signatureMismatch shows what WeChat signed, the body cut to its first 8 bytes.
func (s *Simulator) signatureMismatch(r *http.Request, a authorization, message string, body []byte) *answer {
	shown := strings.Join([]string{r.Method, r.RequestURI, a.timestamp, a.nonce, string(body[:min(8, len(body))]), ""}, "\n")
	out := *s.signError(r, textSignature)
	out.body = compact(refusal{
		Code: "SIGN_ERROR",
		Detail: map[string]any{
			"detail":   map[string]any{"issue": "sign not match"},
			"field":    "signature",
			"location": "authorization",
			"sign_information": map[string]any{
				"method":                 r.Method,
				"sign_message_length":    len(message),
				"truncated_sign_message": shown,
				"url":                    r.RequestURI,
			},
		},
		Message: textSignature,
	})
	return &out
}
