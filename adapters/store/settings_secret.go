package store

import (
	"fmt"
	"strings"

	"github.com/paybridge/paybridge/ports"
)

// aboutSecret comes before the row that a secret is sealed for, in what it is sealed for: moved to another row, it stays shut.
const aboutSecret = "secret of "

// SealSecret seals a secret for a row (ports.Settings).
func (s *Store) SealSecret(of ports.SettingKey, secret string) (string, error) {
	row := string(of.Kind) + "/" + of.Name
	sealed, err := s.keys.seal([]byte(secret), aboutSecret+row)
	if err != nil {
		return "", err
	}
	return ports.SealedPrefix + row + ":" + sealed, nil
}

// OpenSecret opens a sealed secret (ports.Settings).
func (s *Store) OpenSecret(sealed string) (string, error) {
	row, text, ok := strings.Cut(strings.TrimPrefix(sealed, ports.SealedPrefix), ":")
	if !ok || !strings.HasPrefix(sealed, ports.SealedPrefix) {
		return "", fmt.Errorf("what begins with %s is not a sealed secret", ports.SealedPrefix)
	}
	secret, err := s.keys.open(text, aboutSecret+row)
	return string(secret), err
}
