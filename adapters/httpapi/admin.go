package httpapi

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"log/slog"
	"net/http"
	"time"

	"github.com/gorilla/mux"

	"github.com/paybridge/paybridge/core/gateway"
)

// AdminOptions is what the admin listener is made of.
type AdminOptions struct {
	Token   string                        // that every call must bear; empty only where config allows it (development, loopback)
	Metrics http.Handler                  // Prometheus
	Checks  func(context.Context) []Check // for /readyz; nil: always ready
	Gateway *gateway.Gateway
	Plugins Plugins // nil: there are no routes for them
	// Doctor examines accounts and entries, or what the filter names; nil: there is no route for it.
	Doctor  func(ctx context.Context, filter string) (any, error)
	Log     *slog.Logger
	Observe func(Request)     // told of each request; nil: nobody is
	Mount   func(*mux.Router) // adds routes, guarded by the token like all others; nil: none
}

// DoctorTime is the most that an examination may take, its answer included: a partner has hundreds of sub merchants.
const DoctorTime = 5 * time.Minute

// Admin is the handler of the admin listener: /metrics, /readyz in detail and /admin/v1. Every route, one that does not
// exist included, wants the token. It fails only on an embedded OpenAPI document that is wrong.
func Admin(o AdminOptions) (http.Handler, error) {
	calls, err := readAdminContract()
	if err != nil {
		return nil, err
	}
	s := &service{gateway: o.Gateway, checks: o.Checks, log: o.Log, observe: o.Observe, contract: calls}
	root := s.router()
	root.Handle("/metrics", o.Metrics).Methods(http.MethodGet)
	root.HandleFunc("/readyz", s.readyInDetail).Methods(http.MethodGet)
	s.operations(root)
	s.settings(root.NewRoute().Subrouter())
	if o.Plugins != nil {
		s.adminOfPlugins(root, o.Plugins)
	}
	if o.Doctor != nil {
		examine := s.answering(func(r *http.Request) (any, error) { return o.Doctor(r.Context(), r.URL.Query().Get("only")) })
		root.HandleFunc("/admin/v1/doctor", func(w http.ResponseWriter, r *http.Request) {
			_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(DoctorTime)) // the listener's own comes sooner
			examine.ServeHTTP(w, r)
		}).Methods(http.MethodPost)
	}
	if o.Mount != nil {
		o.Mount(root)
	}
	return s.traced("admin", s.guarded(o.Token, root)), nil
}

// guarded lets only the operator pass. Hashes are compared, so that the time taken tells not even the token's length.
func (s *service) guarded(token string, next http.Handler) http.Handler {
	want := sha256.Sum256([]byte(token))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		given, ok := bearer(r)
		got := sha256.Sum256([]byte(given))
		if token != "" && (!ok || subtle.ConstantTimeCompare(got[:], want[:]) != 1) {
			s.fail(w, r, &fault{"unauthenticated", "Send the admin token: Authorization: Bearer TOKEN."})
			return
		}
		next.ServeHTTP(w, r)
	})
}

// readyInDetail says what is away: {"ready": false, "checks": [{"name": "clock wechat-jsapi", "ok": false, …}]}.
func (s *service) readyInDetail(w http.ResponseWriter, r *http.Request) {
	checks, ready := s.readiness(r.Context())
	status := http.StatusOK
	if !ready {
		status = http.StatusServiceUnavailable
	}
	answerJSON(w, status, struct {
		Ready  bool    `json:"ready"`
		Checks []Check `json:"checks"`
	}{ready, append([]Check{}, checks...)})
}

func answerJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // the caller may have gone
}
