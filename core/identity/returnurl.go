package identity

import (
	"net/url"
	"strings"
)

// Allowed tells whether a payer may be sent to a URL: one of the list's schemes, hosts and ports, and below its path
// (R44). Both are compared after parsing, and what two parsers could read in two ways is refused: user-info, backslashes,
// control characters, dots in the path, a path that is encoded twice.
func Allowed(target string, list []string) bool {
	u, ok := plainURL(target)
	if !ok {
		return false
	}
	for _, entry := range list {
		a, ok := plainURL(entry)
		if ok && a.Scheme == u.Scheme && strings.EqualFold(a.Hostname(), u.Hostname()) && port(a) == port(u) && below(u.Path, a.Path) {
			return true
		}
	}
	return false
}

// longestURL bounds a return URL, in bytes.
const longestURL = 512

func plainURL(s string) (*url.URL, bool) {
	if s == "" || len(s) > longestURL || strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == '\\' }) {
		return nil, false
	}
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.User != nil || u.Opaque != "" {
		return nil, false
	}
	if strings.ContainsAny(u.Path, "%\\") || strings.ContainsFunc(u.Path, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return nil, false // decoded once and still encoded, or never a path that a person wrote
	}
	if strings.Contains(strings.ToLower(u.RawPath), "%2f") {
		return nil, false // one reader's slash is another's letter
	}
	for segment := range strings.SplitSeq(strings.Trim(u.Path, "/"), "/") {
		if segment == "." || segment == ".." {
			return nil, false
		}
	}
	if strings.Contains(u.Path, "//") {
		return nil, false
	}
	return u, true
}

func port(u *url.URL) string {
	if p := u.Port(); p != "" {
		return p
	}
	return map[string]string{"http": "80", "https": "443"}[u.Scheme]
}

// below tells whether a path is the prefix or lies below it; /pay is not below /p.
func below(p, prefix string) bool {
	prefix = strings.TrimSuffix(prefix, "/")
	return p == prefix || strings.HasPrefix(p, prefix+"/") || prefix == ""
}
