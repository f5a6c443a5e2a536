package wechat

import (
	"context"
	"net/http"
)

// echo is the body of POST /v3/security/echo, and its answer: what was encrypted to WeChat's key comes back encrypted to
// our API certificate.
type echo struct {
	Message   string `json:"echo_message"`
	Encrypted string `json:"encrypted_echo_message,omitempty"`
	NotifyURL string `json:"notify_url,omitempty"` // WeChat tells it the message too, sealed with the APIv3 key
}

// echo asks WeChat to say the message again. It moves no money and names no app. serial is the key of WeChat's that
// encrypted is for, and that the answer shall be signed with.
func (c *Client) echo(ctx context.Context, serial string, said echo) (back echo, a Answer, err error) {
	a, err = c.do(ctx, request{
		op: OpEcho, number: c.mchID, method: http.MethodPost, path: "/v3/security/echo", body: said, serial: serial,
	}, &back)
	return back, a, err
}

// echoNotice is what the SECURITY_ECHO.SUCCESS notification holds. Its second field, which is spelled otherwise than the
// answer's, says nothing that the answer has not proven.
type echoNotice struct {
	Message string `json:"echo_message"`
}
