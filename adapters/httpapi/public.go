package httpapi

import (
	"context"
	"log/slog"
	"net/http"
	"net/netip"
	"time"

	"github.com/gorilla/mux"

	"github.com/paybridge/paybridge/core/gateway"
)

// PublicOptions is what the public listener is made of.
type PublicOptions struct {
	Gateway *gateway.Gateway
	Checks  func(context.Context) []Check // for /readyz, which anybody may ask: cheap ones; nil: always ready
	Log     *slog.Logger
	// TrustedProxies may say who called, by X-Forwarded-For. Nobody else may.
	TrustedProxies []netip.Prefix
	Observe        func(Request) // told of each request; nil: nobody is
	Trace          Trace         // nil: nobody traces
	// SecureCookies sets payers' cookies for https alone, as production needs.
	SecureCookies bool
	// OnlyWeChat keeps browsers that are not WeChat's from signing in: WeChat would only say that it cannot.
	OnlyWeChat bool
	limits     *limits           // nil: those of every gateway
	Mount      func(*mux.Router) // adds routes outside of /v1 (a first page); nil: none
	// Pages adds the payers' pages, which are limited for each address as signing in is. client tells who asks; note gives the
	// request's log line the code of what went wrong. nil: there are none.
	Pages func(r *mux.Router, client func(*http.Request) string, note func(r *http.Request, app, code string))
}

// service is what the handlers share.
type service struct {
	gateway  *gateway.Gateway
	checks   func(context.Context) []Check
	log      *slog.Logger
	proxies  []netip.Prefix
	observe  func(Request)
	trace    Trace
	contract contract

	secure     bool // payers' cookies
	onlyWeChat bool
	limits     *limits
}

// Public is the handler of the public listener: /v1, /notify, /oauth, /p, /livez, /readyz and what Mount adds. Everything else is a
// 404 problem. It fails only on an embedded OpenAPI document that is wrong.
func Public(o PublicOptions) (http.Handler, error) {
	calls, err := readContract()
	if err != nil {
		return nil, err
	}
	s := &service{gateway: o.Gateway, checks: o.Checks, log: o.Log, proxies: o.TrustedProxies, observe: o.Observe, trace: o.Trace, contract: calls}
	s.secure, s.onlyWeChat, s.limits = o.SecureCookies, o.OnlyWeChat, o.limits
	if s.limits == nil {
		s.limits = &limits{rate: payersRate, burst: payersBurst}
	}
	root := s.router()
	api := root.NewRoute().Subrouter()
	api.Use(private, s.authenticated, s.formed)
	HandlerWithOptions(s.strict(), GorillaServerOptions{BaseRouter: api, ErrorHandlerFunc: s.malformed})
	root.HandleFunc("/notify/{provider}/{account}", s.notify).Methods(http.MethodPost)
	s.payerRoutes(root)
	root.HandleFunc("/livez", live).Methods(http.MethodGet, http.MethodHead)
	root.HandleFunc("/readyz", s.ready).Methods(http.MethodGet, http.MethodHead)
	if o.Pages != nil {
		pages := root.NewRoute().Subrouter()
		pages.Use(forPayers, s.limited)
		o.Pages(pages, s.client, noteOf)
	}
	if o.Mount != nil {
		o.Mount(root)
	}
	return s.traced("public", root), nil
}

// noteOf adds to a request's log line what a page knows of it.
func noteOf(r *http.Request, app, code string) {
	c := callOf(r.Context())
	c.app, c.code = app, code
}

// apiTime is how long a call of the API may take before its reads are given up. What moves money has its own, longer
// than any client's patience: core goes on with it when the caller has gone.
const apiTime = 30 * time.Second

// private keeps the API's answers out of caches and its calls from waiting for ever.
func private(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		ctx, cancel := context.WithTimeout(r.Context(), apiTime)
		defer cancel()
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}
