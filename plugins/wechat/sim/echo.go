package sim

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1" // WeChat encrypts by OAEP over SHA-1
	"encoding/base64"
	"net/http"
)

// echoFields is the body of POST /v3/security/echo.
var echoFields = []field{
	{path: "echo_message", label: "回显消息", required: true},
	{path: "encrypted_echo_message", label: "加密的回显消息"},
	{path: "notify_url", label: "通知地址", max: 255, pattern: notifyURL},
}

// echoAnswer and echoNotice say the same; the notice spells the second field otherwise.
type echoAnswer struct {
	Message   string `json:"echo_message"`
	Encrypted string `json:"encrypted_echo_message,omitempty"`
}

type echoNotice struct {
	Message   string `json:"echo_message"`
	Encrypted string `json:"encrypt_echo_message,omitempty"`
}

// echo gives a merchant back what it sent, so that it can try its keys without money: encrypted to WeChat's key
// on the way in, to the merchant's certificate on the way back, and as a callback where it names a notify URL.
func (s *Simulator) echo(c *call) answer {
	body, bad := parseBody(c.body, echoFields)
	if bad != nil {
		return *bad
	}
	said := echoAnswer{Message: body.text("echo_message")}
	if cipher := body.text("encrypted_echo_message"); cipher != "" {
		plain, bad := s.sensitive(c, "encrypted_echo_message", cipher)
		if bad != nil {
			return *bad
		}
		s.mu.Lock()
		to := c.merchant.certs[c.serial].key
		s.mu.Unlock()
		back, err := rsa.EncryptOAEP(sha1.New(), rand.Reader, to, plain, nil)
		if err != nil {
			return *paramError("body", len(plain), "输入源“/body/encrypted_echo_message”解密后的内容超过加密长度限制 214 字节")
		}
		said.Encrypted = base64.StdEncoding.EncodeToString(back)
	}
	if url := body.text("notify_url"); url != "" {
		s.mu.Lock()
		keys, epoch := c.merchant.keys, s.world.epoch
		s.mu.Unlock()
		told := &Callback{EventType: eventEcho, MchID: c.merchant.MchID, URL: url, CreatedAt: c.now}
		told.seal(compact(echoNotice(said)), "安全回显成功", "security", keys)
		s.send(told, epoch, c.now)
	}
	return ok(said)
}

const eventEcho = "SECURITY_ECHO.SUCCESS"

// sensitive decrypts a field that was encrypted to the key of WeChat's that the request names.
func (s *Simulator) sensitive(c *call, path, cipher string) ([]byte, *answer) {
	key := s.decrypter(c.merchant, c.named)
	if key == nil {
		bad := refuse(http.StatusBadRequest, "PARAM_ERROR", "平台证书序列号Wechatpay-Serial错误", causeParam)
		return nil, &bad
	}
	raw, err := base64.StdEncoding.DecodeString(cipher)
	if err == nil {
		raw, err = rsa.DecryptOAEP(sha1.New(), nil, key, raw, nil)
	}
	if err != nil {
		return nil, paramError("body", path, "输入源“/body/"+path+"”敏感信息解密失败，请检查加密所用的公钥")
	}
	return raw, nil
}
