package wechat

import (
	"context"
	"crypto/rsa"
	"errors"

	"github.com/wechatpay-apiv3/wechatpay-go/utils"
)

// sealer encrypts what must not travel in clear, to the key of WeChat's that the request names by serial.
type sealer struct {
	serial string
	key    *rsa.PublicKey
}

// sealer takes the key that answers are signed with as well. It waits for a download where there is none.
func (c *Client) sealer(ctx context.Context) (sealer, error) {
	serial, known := c.answerKey(ctx)
	if !known {
		return sealer{}, errNoKey
	}
	return sealer{serial, c.key(serial)}, nil
}

// errSeal stands for the library's own words, which may repeat what it was given.
var errSeal = errors.New("a field could not be encrypted to WeChat Pay's key: it is longer than 214 bytes")

// seal gives base64, or nothing for nothing: an empty field is not sent.
func (s sealer) seal(text string) (string, error) {
	if text == "" {
		return "", nil
	}
	sealed, err := utils.EncryptOAEPWithPublicKey(text, s.key)
	if err != nil {
		return "", errSeal
	}
	return sealed, nil
}

// unseal opens what WeChat encrypted to our API certificate: the one that signed the request, or, while it is replaced,
// another that is configured.
func (c *Client) unseal(text string) (string, bool) {
	for _, key := range c.privates {
		if plain, err := utils.DecryptOAEP(text, key); err == nil {
			return plain, true
		}
	}
	return "", false
}
