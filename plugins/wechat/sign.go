package wechat

import (
	"fmt"
	"strconv"
	"time"

	"github.com/wechatpay-apiv3/wechatpay-go/core/consts"
	"github.com/wechatpay-apiv3/wechatpay-go/utils"
)

// authorization is the Authorization header of one request. path holds the query; body is the bytes that are sent.
func (c *Client) authorization(method, path string, body []byte) (string, error) {
	nonce, err := utils.GenerateNonce()
	if err != nil {
		return "", err
	}
	return c.authorizationAt(method, path, body, c.now().Unix(), nonce)
}

func (c *Client) authorizationAt(method, path string, body []byte, at int64, nonce string) (string, error) {
	signature, err := utils.SignSHA256WithRSA(fmt.Sprintf(consts.SignatureMessageFormat, method, path, at, nonce, body), c.private)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf(consts.HeaderAuthorizationFormat, authorizationScheme, c.mchID, nonce, at, c.serial, signature), nil
}

const authorizationScheme = "WECHATPAY2-SHA256-RSA2048"

// PayParams are what a page hands to getBrandWCPayRequest or wx.requestPayment, in WeChat's spelling.
type PayParams struct {
	AppID     string // the app id whose page calls pay
	TimeStamp string // seconds
	NonceStr  string
	Package   string // "prepay_id=…"
	SignType  string // always RSA: a mini program takes MD5 for granted
	PaySign   string
}

// PayParams signs a prepay id for the payer's client, with the key that signed the prepay. appID is the one whose
// page will pay; at is the time the client will show.
func (c *Client) PayParams(appID, prepayID string, at time.Time) (PayParams, error) {
	nonce, err := utils.GenerateNonce()
	if err != nil {
		return PayParams{}, err
	}
	return c.payParams(appID, prepayID, strconv.FormatInt(at.Unix(), 10), nonce)
}

func (c *Client) payParams(appID, prepayID, timeStamp, nonce string) (PayParams, error) {
	p := PayParams{AppID: appID, TimeStamp: timeStamp, NonceStr: nonce, Package: "prepay_id=" + prepayID, SignType: "RSA"}
	signature, err := utils.SignSHA256WithRSA(p.AppID+"\n"+p.TimeStamp+"\n"+p.NonceStr+"\n"+p.Package+"\n", c.private)
	if err != nil {
		return PayParams{}, fmt.Errorf("sign prepay %s: %w", prepayID, err)
	}
	p.PaySign = signature
	return p, nil
}
