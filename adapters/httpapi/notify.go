package httpapi

import (
	"errors"
	"io"
	"net/http"

	"github.com/gorilla/mux"

	"github.com/paybridge/paybridge/core/gateway"
	"github.com/paybridge/paybridge/ports"
)

// notifyLimit bounds a provider's message, in bytes. WeChat's are below 8 KiB.
const notifyLimit = 256 << 10

// notify takes a provider's message as it came: the signature is over its bytes. What stands in the path only picks
// the keys to verify with. Nothing of the message is logged.
func (s *service) notify(w http.ResponseWriter, r *http.Request) {
	if r.URL.RawQuery != "" || r.URL.ForceQuery { // no notify URL of ours has a query
		s.notFound(w, r)
		return
	}
	at := mux.Vars(r)
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, notifyLimit))
	var tooLarge *http.MaxBytesError
	var result gateway.NotifyResult
	switch {
	case errors.As(err, &tooLarge):
		result = s.gateway.NotifyTooLarge(r.Context(), at["provider"], at["account"])
	case err != nil:
		s.fail(w, r, invalid{{Field: "body", Detail: "could not be read to its end"}})
		return
	default:
		result = s.gateway.Notify(r.Context(), at["provider"], at["account"], ports.RawMessage{
			Method: r.Method, Path: r.URL.EscapedPath(), Headers: r.Header, Body: body,
		})
	}
	if result.Answer.ContentType != "" {
		w.Header().Set("Content-Type", result.Answer.ContentType)
	}
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(notifyStatus(result.Verdict))
	_, _ = w.Write(result.Answer.Body) // a provider that has gone asks again
}

// notifyStatus is what a provider goes by: whether to send the message again. The body is the plugin's.
func notifyStatus(v gateway.NotifyVerdict) int {
	switch v {
	case gateway.NotifyApplied:
		return http.StatusOK
	case gateway.NotifyRefused:
		return http.StatusUnauthorized // R14
	case gateway.NotifyUnmatched:
		return http.StatusInternalServerError // R15
	}
	return http.StatusServiceUnavailable // R14 unknown serial, R16
}
