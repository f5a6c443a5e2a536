package httpapi

import (
	"context"
	"net/http"
)

// Check is one thing that readiness looks at.
type Check struct {
	Name   string `json:"name"` // as in "store", "plugin wechat-jsapi", "clock wechat-jsapi"
	OK     bool   `json:"ok"`
	Blocks bool   `json:"blocks"`           // while it fails no traffic should come here; else a part of the service is away
	Detail string `json:"detail,omitempty"` // for people; no secrets
}

// readiness asks all checks.
func (s *service) readiness(ctx context.Context) (checks []Check, ready bool) {
	ready = true
	if s.checks != nil {
		checks = s.checks(ctx)
	}
	for _, c := range checks {
		ready = ready && (c.OK || !c.Blocks)
	}
	return checks, ready
}

// ready tells a load balancer yes or no, and nobody why: that is the admin listener's.
func (s *service) ready(w http.ResponseWriter, r *http.Request) {
	_, ready := s.readiness(r.Context())
	yesOrNo(w, ready)
}

// live says that the process serves.
func live(w http.ResponseWriter, _ *http.Request) { yesOrNo(w, true) }

func yesOrNo(w http.ResponseWriter, yes bool) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	word := "yes\n"
	if !yes {
		word = "no\n"
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	_, _ = w.Write([]byte(word))
}
