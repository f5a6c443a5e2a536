package config

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/paybridge/paybridge/ports"
)

const (
	fromEnv  = "env:"
	fromFile = "file:"

	// secretSize bounds a secret file: certificates and keys are far below it.
	secretSize = 64 << 10
)

// SecretRef names where a secret is: "env:NAME" or "file:path". However it is printed, it shows the reference and
// never the secret, which it does not hold. The zero value names nothing.
type SecretRef struct {
	ref    string
	strict bool // production: refuse a file that others may read
}

// UnmarshalText takes a reference. Its error never repeats the text, which may be a secret by mistake.
func (s *SecretRef) UnmarshalText(text []byte) error {
	ref := string(text)
	if ref != "" && !isRef(ref) {
		return errors.New("must say where the secret is, env:NAME or file:path, and not be the secret itself")
	}
	s.ref = ref
	return nil
}

// String is the reference.
func (s SecretRef) String() string { return s.ref }

// MarshalText is the reference.
func (s SecretRef) MarshalText() ([]byte, error) { return []byte(s.ref), nil }

// IsZero says that nothing is named.
func (s SecretRef) IsZero() bool { return s.ref == "" }

// Resolve reads the secret now, so that a rotated file counts from the next use on. A file's trailing newlines are
// cut. The error names the reference and the remedy.
func (s SecretRef) Resolve() (string, error) { return resolve(s.ref, s.strict) }

// ResolveSecret reads a secret by the reference that is stored in a row, as SecretRef.Resolve does.
func (c Config) ResolveSecret(ref string) (string, error) { return resolve(ref, c.Mode != Development) }

// Key reads a key of encryption at rest: 32 bytes.
func (k SecretKey) Key() ([]byte, error) {
	text, err := k.Ref.Resolve()
	if err != nil {
		return nil, fmt.Errorf("key %s of encryption at rest: %w", k.ID, err)
	}
	key, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(key) != 32 {
		// The decoder's error would show a part of the text.
		return nil, fmt.Errorf("key %s of encryption at rest: %s does not hold 32 bytes in base64; make one by: openssl rand -base64 32",
			k.ID, k.Ref)
	}
	return key, nil
}

// ResolveConfig gives a copy of an account's config with the secrets in the place of their references, and of what open
// has sealed; nil: nothing is. The same config stored as a row and read again gives the same.
func (c Config) ResolveConfig(config map[string]any, open func(sealed string) (string, error)) (map[string]any, error) {
	read, err := mapStrings(config, func(s string) (string, error) {
		switch {
		case isRef(s):
			return resolve(s, c.Mode != Development)
		case open != nil && strings.HasPrefix(s, ports.SealedPrefix):
			return open(s)
		}
		return s, nil
	})
	if err != nil {
		return nil, err
	}
	return read.(map[string]any), nil
}

// IsReference tells a reference to a secret from a secret.
func IsReference(s string) bool { return isRef(s) }

func isRef(s string) bool {
	name, env := strings.CutPrefix(s, fromEnv)
	path, file := strings.CutPrefix(s, fromFile)
	return env && name != "" || file && path != ""
}

// keyDER is how the base64 of a key or certificate begins whose PEM lines were left out: an ASN.1 sequence of 256 bytes
// or more, or the one of an EC key.
var keyDER = regexp.MustCompile(`^(MII[A-Za-z0-9+/]{200,}|M[EFGHI][A-Za-z0-9+/]{80,})={0,2}$`)

// looksLikeKey says that a text spans lines, or is PEM or its content: nothing that is written in full where a
// reference belongs.
func looksLikeKey(s string) bool {
	if strings.ContainsAny(s, "\r\n") {
		return true
	}
	return !isRef(s) && (strings.Contains(s, "-----BEGIN") || strings.Contains(s, "PRIVATE KEY") || keyDER.MatchString(strings.ReplaceAll(s, " ", "")))
}

func resolve(ref string, strict bool) (string, error) {
	if name, ok := strings.CutPrefix(ref, fromEnv); ok {
		if secret := os.Getenv(name); secret != "" {
			return secret, nil
		}
		return "", fmt.Errorf("the secret %s: the variable is not set; set %s, or say where the secret is", ref, name)
	}
	path, ok := strings.CutPrefix(ref, fromFile)
	if !ok {
		return "", errors.New("no secret is named")
	}
	if strict {
		if err := refuseReadable(path); err != nil {
			return "", fmt.Errorf("the secret %s: %w", ref, err)
		}
	}
	f, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("the secret %s: %w", ref, err)
	}
	defer func() { _ = f.Close() }()
	text, err := io.ReadAll(io.LimitReader(f, secretSize+1))
	switch {
	case err != nil:
		return "", fmt.Errorf("the secret %s: %w", ref, err)
	case len(text) > secretSize:
		return "", fmt.Errorf("the secret %s: the file is over %d bytes, which no key or certificate is", ref, secretSize)
	}
	secret := strings.TrimRight(string(text), "\r\n")
	if secret == "" {
		return "", fmt.Errorf("the secret %s: the file is empty", ref)
	}
	return secret, nil
}

// refuseReadable fails on a file that every user of the machine may read. A file that is not there is not its
// matter.
func refuseReadable(path string) error {
	info, err := os.Stat(path)
	if err == nil && info.Mode().Perm()&0o004 != 0 {
		return fmt.Errorf("every user of this machine can read it, which production refuses; chmod 600 %s", path)
	}
	return nil
}

// absolute makes a file reference start at the root, so that it means the same wherever it is used.
func absolute(ref, dir string) string {
	path, ok := strings.CutPrefix(ref, fromFile)
	if !ok || filepath.IsAbs(path) {
		return ref
	}
	return fromFile + filepath.Join(dir, path)
}

// mapStrings copies a free-form value with f applied to each string in it, keys of maps excepted.
func mapStrings(v any, f func(string) (string, error)) (_ any, err error) {
	switch v := v.(type) {
	case string:
		return f(v)
	case []any:
		list := make([]any, len(v))
		for i := range v {
			if list[i], err = mapStrings(v[i], f); err != nil {
				return nil, err
			}
		}
		return list, nil
	case map[string]any:
		m := make(map[string]any, len(v))
		for k := range v {
			if m[k], err = mapStrings(v[k], f); err != nil {
				return nil, fmt.Errorf("%s: %w", k, err)
			}
		}
		return m, nil
	}
	return v, nil
}
