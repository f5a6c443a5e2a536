package sim

import (
	"crypto/sha1" // WeChat's choice
	"encoding/hex"
	"fmt"
	"strings"
)

// PageSignature is what a page gives to wx.config.
type PageSignature struct {
	AppID     string `json:"app_id"`
	Timestamp string `json:"timestamp"`
	NonceStr  string `json:"nonce_str"`
	Signature string `json:"signature"`
	URL       string `json:"url"` // of the page, as the payer's WeChat has it
}

// CheckPage is WeChat verifying wx.config: the signature is over the app id's ticket and the address without its fragment.
func (s *Simulator) CheckPage(p PageSignature) error {
	s.mu.Lock()
	known := s.world.apps[p.AppID] != nil
	s.mu.Unlock()
	if !known {
		return &Refused{ReasonUnknown, "invalid appid"}
	}
	url, _, _ := strings.Cut(p.URL, "#")
	sum := sha1.Sum(fmt.Appendf(nil, "jsapi_ticket=%s&noncestr=%s&timestamp=%s&url=%s", s.ticket(p.AppID).token, p.NonceStr, p.Timestamp, url))
	if hex.EncodeToString(sum[:]) != p.Signature {
		return &Refused{ReasonSignature, "invalid signature"}
	}
	return nil
}
