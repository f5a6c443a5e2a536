package sim

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strings"
	"time"
)

const (
	digits   = "0123456789"
	letters  = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	mixed    = digits + letters
	hexLower = "0123456789abcdef"
)

func draw(n int, alphabet string) string {
	raw := make([]byte, n)
	// crypto/rand.Read never fails: it ends the process instead.
	_, _ = rand.Read(raw)
	for i, b := range raw {
		raw[i] = alphabet[int(b)%len(alphabet)]
	}
	return string(raw)
}

func alphanumeric(n int) string { return draw(n, mixed) }

// answerNonce is the nonce of an answer: 32 lower-case hex digits, unlike a callback's.
func answerNonce() string { return draw(32, hexLower) }

// prepayID is "wx" and 34 lower-case hex digits, the first 14 the time.
func prepayID(now time.Time) string {
	return "wx" + now.In(shanghai).Format("20060102150405") + draw(20, hexLower)
}

// transactionID is 28 digits with the day in the middle.
func transactionID(now time.Time) string {
	return "420000" + draw(4, digits) + now.In(shanghai).Format("20060102") + draw(10, digits)
}

// refundID is 29 digits with the day in the middle.
func refundID(now time.Time) string {
	return "5030" + draw(6, digits) + now.In(shanghai).Format("20060102") + draw(11, digits)
}

// callbackID looks like the version-5 UUIDs that WeChat sends.
func callbackID() string {
	raw := make([]byte, 16)
	_, _ = rand.Read(raw)
	raw[6] = raw[6]&0x0f | 0x50
	raw[8] = raw[8]&0x3f | 0x80
	h := hex.EncodeToString(raw)
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

// requestID is WeChat's: five numbered varints in hex, the first the time in seconds, a dash, and the cause
// of a refusal, 0 on success.
func requestID(now time.Time, cause int) string {
	var b []byte
	for i, v := range []uint64{uint64(now.Unix()), 485, random(28), random(21), random(14)} {
		b = append(b, byte(i+1)<<3)
		b = binary.AppendUvarint(b, v)
	}
	return fmt.Sprintf("%s-%d", strings.ToUpper(hex.EncodeToString(b)), cause)
}

func random(bits uint) uint64 {
	var raw [8]byte
	_, _ = rand.Read(raw[:])
	return binary.BigEndian.Uint64(raw[:]) >> (64 - bits)
}
