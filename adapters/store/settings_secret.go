package store

import (
	"fmt"
	"strings"
)

// SealedPrefix begins a secret that was sealed into an account's config. What follows is the account, the key and the
// sealed text.
const SealedPrefix = "sealed:"

const aboutSecret = "secret of account "

// SealSecret encrypts a secret for an account's config (ports.Settings).
func (s *Store) SealSecret(account, secret string) (string, error) {
	sealed, err := s.keys.seal([]byte(secret), aboutSecret+account)
	if err != nil {
		return "", err
	}
	return SealedPrefix + account + ":" + sealed, nil
}

// OpenSecret is the opposite of SealSecret (ports.Settings).
func (s *Store) OpenSecret(sealed string) (string, error) {
	account, text, ok := strings.Cut(strings.TrimPrefix(sealed, SealedPrefix), ":")
	if !ok || !strings.HasPrefix(sealed, SealedPrefix) {
		return "", fmt.Errorf("what begins with %s is not a sealed secret", SealedPrefix)
	}
	secret, err := s.keys.open(text, aboutSecret+account)
	return string(secret), err
}
