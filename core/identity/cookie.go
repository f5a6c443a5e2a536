package identity

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"strings"
)

// NewToken draws 256 bits, written so that they fit a URL, a cookie, and WeChat's state (letters and digits alone).
func NewToken() string {
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// Hash is a token as it is stored: whoever reads the database cannot use it.
func Hash(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}

// CookieKeys sign payers' session cookies and checkout links: the first signs, all verify, so that they can be changed while
// sessions live.
type CookieKeys [][]byte

// Link is what opens an order on the checkout's pages: its number and a signature of 256 bits over it. It follows from the
// number, so the same order has the same link for as long as the key is there, and nothing of it is stored.
func (k CookieKeys) Link(order string) string { return order + "-" + link(k[0], order) }

// OpenLink reads the order's number from a link.
func (k CookieKeys) OpenLink(token string) (order string, ok bool) {
	order, signed, ok := strings.Cut(token, "-")
	if !ok || len(token) > 128 {
		return "", false
	}
	for _, key := range k {
		if hmac.Equal([]byte(signed), []byte(link(key, order))) {
			return order, true
		}
	}
	return "", false
}

// Sign makes the cookie of a session: the app that it is for, its token, and a signature over both, so that a cookie of one
// app never opens another's pages and a made-up one costs no look at the database.
func (k CookieKeys) Sign(app, token string) string {
	return app + "." + token + "." + signature(k[0], app, token)
}

// Open reads a cookie.
func (k CookieKeys) Open(cookie string) (app, token string, ok bool) {
	parts := strings.Split(cookie, ".")
	if len(parts) != 3 || len(cookie) > 256 {
		return "", "", false
	}
	for _, key := range k {
		if hmac.Equal([]byte(parts[2]), []byte(signature(key, parts[0], parts[1]))) {
			return parts[0], parts[1], true
		}
	}
	return "", "", false
}

func signature(key []byte, app, token string) string {
	return signed(key, "payer session\x00"+app+"\x00"+token)
}

func link(key []byte, order string) string { return signed(key, "checkout link\x00"+order) }

func signed(key []byte, text string) string {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(text))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}
