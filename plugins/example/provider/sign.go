package main

import (
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
)

// keyring holds the provider's own keys. The last one added signs.
type keyring struct {
	mu      sync.Mutex
	private map[string]ed25519.PrivateKey
	signing string
}

// add makes a key from a seed of 32 bytes in hex, and signs with it from now on.
func (k *keyring) add(id, seed string) error {
	raw, err := hex.DecodeString(seed)
	if err != nil || len(raw) != ed25519.SeedSize {
		return fmt.Errorf("the seed of %s is not 32 bytes in hex", id)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.private[id], k.signing = ed25519.NewKeyFromSeed(raw), id
	return nil
}

// public is a key as an account's configuration has it.
func (k *keyring) public(id string) string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return base64.StdEncoding.EncodeToString(k.private[id].Public().(ed25519.PublicKey))
}

// signed is what every word of the provider's is wrapped in. The signature is over the payload as it stands.
type signed struct {
	Payload   string `json:"payload"`
	KeyID     string `json:"key_id"`
	Signature []byte `json:"signature"`
}

func (k *keyring) sign(payload []byte) signed {
	k.mu.Lock()
	defer k.mu.Unlock()
	return signed{string(payload), k.signing, ed25519.Sign(k.private[k.signing], payload)}
}

// signedBy says whether a call is the merchant's.
func (p *provider) signedBy(merchant, signature string, body []byte) bool {
	p.mu.Lock()
	key, known := p.merchants[merchant]
	p.mu.Unlock()
	mac := hmac.New(sha256.New, key)
	mac.Write(body)
	given, err := hex.DecodeString(signature)
	return known && err == nil && hmac.Equal(given, mac.Sum(nil))
}

// answer writes a signed answer. Only it and tell look at trades and refunds outside of a call, under the lock.
func (p *provider) answer(w http.ResponseWriter, said any, refused *refusal) {
	status := http.StatusOK
	if refused != nil {
		status, said = refused.status, refused
	}
	p.mu.Lock()
	payload := marshal(said)
	p.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(marshal(p.keys.sign(payload))) // a caller that has gone needs no answer
}

func marshal(v any) []byte {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err) // every type here marshals
	}
	return text
}
