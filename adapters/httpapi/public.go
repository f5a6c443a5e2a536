package httpapi

import (
	"context"
	"log/slog"
	"net/http"
	"net/netip"

	"github.com/gorilla/mux"

	"github.com/paybridge/paybridge/core/gateway"
)

// PublicOptions is what the public listener is made of.
type PublicOptions struct {
	Gateway *gateway.Gateway
	Checks  func(context.Context) []Check // for /readyz; nil: always ready
	Log     *slog.Logger
	// TrustedProxies may say who called, by X-Forwarded-For. Nobody else may.
	TrustedProxies []netip.Prefix
	Observe        func(Request)     // told of each request; nil: nobody is
	Mount          func(*mux.Router) // adds routes outside of /v1 (the payers' pages, a first page); nil: none
}

// service is what the handlers share.
type service struct {
	gateway  *gateway.Gateway
	checks   func(context.Context) []Check
	log      *slog.Logger
	proxies  []netip.Prefix
	observe  func(Request)
	contract contract
}

// Public is the handler of the public listener: /v1, /notify, /livez, /readyz and what Mount adds. Everything else is a
// 404 problem. It fails only on an embedded OpenAPI document that is wrong.
func Public(o PublicOptions) (http.Handler, error) {
	calls, err := readContract()
	if err != nil {
		return nil, err
	}
	s := &service{gateway: o.Gateway, checks: o.Checks, log: o.Log, proxies: o.TrustedProxies, observe: o.Observe, contract: calls}
	root := s.router()
	api := root.NewRoute().Subrouter()
	api.Use(s.authenticated, s.formed)
	HandlerWithOptions(s.strict(), GorillaServerOptions{BaseRouter: api, ErrorHandlerFunc: s.malformed})
	root.HandleFunc("/notify/{provider}/{account}", s.notify).Methods(http.MethodPost)
	root.HandleFunc("/livez", live).Methods(http.MethodGet, http.MethodHead)
	root.HandleFunc("/readyz", s.ready).Methods(http.MethodGet, http.MethodHead)
	if o.Mount != nil {
		o.Mount(root)
	}
	return s.traced("public", root), nil
}
