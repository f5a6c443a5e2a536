package store

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
)

// Key is one key of encryption at rest.
type Key struct {
	ID  string // stored beside what it sealed
	Key []byte // 32 bytes
}

// Keyring seals with its first key and opens with any.
type Keyring struct {
	current string
	of      map[string]cipher.AEAD
}

// NewKeyring takes the current key first. It fails on a key that is not 32 bytes, on an id twice, and on none at all.
func NewKeyring(keys ...Key) (*Keyring, error) {
	if len(keys) == 0 {
		return nil, errors.New("a key of encryption at rest is needed; make one by: openssl rand -base64 32")
	}
	r := &Keyring{current: keys[0].ID, of: map[string]cipher.AEAD{}}
	for _, k := range keys {
		if _, twice := r.of[k.ID]; twice || k.ID == "" || strings.Contains(k.ID, ":") {
			return nil, fmt.Errorf("key %q: an id is unique, not empty, and has no colon", k.ID)
		}
		if len(k.Key) != 32 {
			return nil, fmt.Errorf("key %q has %d bytes, not 32", k.ID, len(k.Key))
		}
		block, err := aes.NewCipher(k.Key)
		if err != nil {
			return nil, fmt.Errorf("key %q: %w", k.ID, err)
		}
		if r.of[k.ID], err = cipher.NewGCM(block); err != nil {
			return nil, fmt.Errorf("key %q: %w", k.ID, err)
		}
	}
	return r, nil
}

// seal encrypts for one place: about says which row and column it belongs to, and it opens nowhere else. Nothing seals
// to nothing.
func (r *Keyring) seal(text []byte, about string) (string, error) {
	if len(text) == 0 {
		return "", nil
	}
	aead := r.of[r.current]
	nonce := make([]byte, aead.NonceSize(), aead.NonceSize()+len(text)+aead.Overhead())
	if _, err := rand.Read(nonce); err != nil {
		return "", fmt.Errorf("seal %s: %w", about, err)
	}
	return r.current + ":" + base64.StdEncoding.EncodeToString(aead.Seal(nonce, nonce, text, []byte(about))), nil
}

// open is the opposite of seal.
func (r *Keyring) open(sealed, about string) ([]byte, error) {
	if sealed == "" {
		return nil, nil
	}
	id, text, ok := strings.Cut(sealed, ":")
	aead, known := r.of[id]
	if !ok || !known {
		return nil, fmt.Errorf("open %s: it was sealed with key %q, which is not configured", about, id)
	}
	raw, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(raw) < aead.NonceSize() {
		return nil, fmt.Errorf("open %s: it is damaged", about)
	}
	n := aead.NonceSize()
	plain, err := aead.Open(nil, raw[:n], raw[n:], []byte(about))
	if err != nil {
		return nil, fmt.Errorf("open %s: it is damaged, or key %q has other bytes now", about, id)
	}
	return plain, nil
}
