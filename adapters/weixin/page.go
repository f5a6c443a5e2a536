package weixin

import (
	"context"
	"crypto/rand"
	"crypto/sha1" // WeChat's choice
	"encoding/hex"
	"fmt"

	"github.com/paybridge/paybridge/ports"
)

// SignPage signs a page's address by the app id's ticket (ports.IdentityProvider). WeChat wants the four values in this order, and
// the address as it is, without its fragment.
func (c *Client) SignPage(ctx context.Context, appID, url string) (ports.PageSignature, error) {
	ticket, err := c.Ticket(ctx, appID)
	if err != nil {
		return ports.PageSignature{}, err
	}
	s := ports.PageSignature{AppID: appID, Timestamp: c.Now().Unix(), Nonce: rand.Text()}
	sum := sha1.Sum(fmt.Appendf(nil, "jsapi_ticket=%s&noncestr=%s&timestamp=%d&url=%s", ticket.Token, s.Nonce, s.Timestamp, url))
	s.Signature = hex.EncodeToString(sum[:])
	return s, nil
}
