package httpapi

import (
	"net/http"
	"slices"
	"strings"
)

// longestKey bounds what is hashed for a caller that we do not know yet.
const longestKey = 256

// authenticated lets a request pass whose key is an app's and has the scope that the call needs.
func (s *service) authenticated(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := callOf(r.Context())
		op, ok := s.contract[r.Method+" "+c.route]
		if !ok { // a route that openapi.yaml does not know is open to nobody
			s.notFound(w, r)
			return
		}
		key, ok := bearer(r)
		if !ok {
			s.fail(w, r, &fault{"unauthenticated", "Send one of the app's keys: Authorization: Bearer KEY."})
			return
		}
		app, scopes, ok := s.gateway.Authenticate(key)
		if !ok {
			s.fail(w, r, &fault{"unauthenticated", "The key is not valid: it may have been rotated out, or belong to another installation."})
			return
		}
		c.app = app
		if !slices.Contains(scopes, op.scope) {
			s.fail(w, r, &fault{"scope_missing", "The call needs a key with the scope " + op.scope + "."})
			return
		}
		next.ServeHTTP(w, r)
	})
}

// bearer is the token of the Authorization header (RFC 6750).
func bearer(r *http.Request) (token string, ok bool) {
	given := r.Header.Values("Authorization")
	if len(given) != 1 {
		return "", false
	}
	scheme, token, ok := strings.Cut(given[0], " ")
	return token, ok && strings.EqualFold(scheme, "Bearer") && token != "" && len(token) <= longestKey
}
