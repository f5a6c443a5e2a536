package sim

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"time"
)

// ForgedCallback is a callback about a paid trade or an ended refund whose content is a lie: change gets the decrypted
// fields and may make anything of them. It is sealed and signed as a true one, for tests of what a merchant believes
// once a signature holds. It is not sent, and the ledger does not know it.
func (s *Simulator) ForgedCallback(mchID, number string, change func(fields map[string]any)) (http.Header, []byte, error) {
	_, _, body, err := s.SignedCallback(mchID, number, "")
	if err != nil {
		return nil, nil, err
	}
	s.mu.Lock()
	keys := s.world.merchants[mchID].keys
	s.mu.Unlock()
	var about envelope
	var fields map[string]any
	if err := json.Unmarshal(body, &about); err != nil {
		return nil, nil, fmt.Errorf("read the callback about %s: %w", number, err)
	}
	plaintext, err := unseal(keys.apiV3Key, about.Resource)
	if err == nil {
		err = json.Unmarshal(plaintext, &fields)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("open the callback about %s: %w", number, err)
	}
	change(fields)
	if plaintext, err = json.Marshal(fields); err != nil {
		return nil, nil, fmt.Errorf("forge the callback about %s: %w", number, err)
	}
	made, err := time.Parse(time.RFC3339, about.CreateTime)
	if err != nil {
		return nil, nil, fmt.Errorf("read the callback about %s: %w", number, err)
	}
	lie := Callback{EventType: about.EventType, MchID: mchID, OutTradeNo: number, CreatedAt: made}
	lie.seal(plaintext, about.Summary, about.Resource.OriginalType, keys)
	header, body := s.signCallback(&lie, "")
	return header, body, nil
}

// unseal is the opposite of seal.
func unseal(apiV3Key string, r resource) ([]byte, error) {
	sealed, err := base64.StdEncoding.DecodeString(r.Ciphertext)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher([]byte(apiV3Key))
	if err != nil {
		return nil, err
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	return gcm.Open(nil, []byte(r.Nonce), sealed, []byte(r.AssociatedData))
}
