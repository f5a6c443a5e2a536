package telemetry

import (
	"io"
	"log/slog"
	"strings"
)

// Form is the form of a log line.
type Form string

// The forms: for people and for machines.
const (
	Text Form = "text"
	JSON Form = "json"
)

// Redacted stands where a value was that nobody may read in a log (R45).
const Redacted = "[redacted]"

// Logger writes lines of at least this level to w. The value of an attribute whose name sounds like a secret, or like
// something personal, is not written, in groups of any depth.
func Logger(w io.Writer, form Form, level slog.Leveler) *slog.Logger {
	options := &slog.HandlerOptions{Level: level, ReplaceAttr: redact}
	if form == JSON {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}

func redact(groups []string, a slog.Attr) slog.Attr {
	if len(groups) == 0 && (a.Key == slog.TimeKey || a.Key == slog.LevelKey || a.Key == slog.MessageKey) {
		return a
	}
	if isSecret(a.Key) {
		return slog.String(a.Key, Redacted)
	}
	for _, group := range groups { // everything in a group "credentials"
		if isSecret(group) {
			return slog.String(a.Key, Redacted)
		}
	}
	return a
}

// secretWords are what names of secret and personal things contain, in lower case without separators.
var secretWords = []string{
	"secret", "password", "passwd", "token", "authorization", "credential", "cookie", "privatekey", "apikey", "apiv3key",
	"signature", "paysign", "ciphertext", "dsn", "openid", "unionid", "sessionkey", "jscode", "prepayid", "params", "body",
	"headers", "idnumber", "idcard", "phone", "mobile", "payer", "username", "realname",
}

// separators are what names are spelled with in different places. Made once: every attribute of every line is asked.
var separators = strings.NewReplacer("_", "", "-", "", ".", "", " ", "")

func isSecret(name string) bool {
	plain := separators.Replace(strings.ToLower(name))
	for _, word := range secretWords {
		if strings.Contains(plain, word) {
			return true
		}
	}
	return false
}
