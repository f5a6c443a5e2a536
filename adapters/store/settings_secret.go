package store

import (
	"fmt"
	"strings"

	"github.com/paybridge/paybridge/ports"
)

const aboutSecret = "secret of account "

// SealSecret encrypts a secret for an account's config (ports.Settings). The text names the account and the key.
func (s *Store) SealSecret(account, secret string) (string, error) {
	sealed, err := s.keys.seal([]byte(secret), aboutSecret+account)
	if err != nil {
		return "", err
	}
	return ports.SealedPrefix + account + ":" + sealed, nil
}

// OpenSecret is the opposite of SealSecret (ports.Settings).
func (s *Store) OpenSecret(sealed string) (string, error) {
	account, text, ok := strings.Cut(strings.TrimPrefix(sealed, ports.SealedPrefix), ":")
	if !ok || !strings.HasPrefix(sealed, ports.SealedPrefix) {
		return "", fmt.Errorf("what begins with %s is not a sealed secret", ports.SealedPrefix)
	}
	secret, err := s.keys.open(text, aboutSecret+account)
	return string(secret), err
}
