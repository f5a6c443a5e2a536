package httpapi

import (
	"errors"
	"net/http"
	"strings"

	"github.com/gorilla/mux"
)

// router is a router whose every answer is ours: paths are taken as they are sent, without a redirect to a cleaned
// one, and what matches nothing is a problem document.
func (s *service) router() *mux.Router {
	r := mux.NewRouter().SkipClean(true)
	r.Use(routed)
	r.NotFoundHandler = http.HandlerFunc(s.notFound)
	r.MethodNotAllowedHandler = http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		allowed := methodsAt(r, req)
		w.Header().Set("Allow", strings.Join(allowed, ", "))
		s.fail(w, req, &fault{"method_not_allowed", "Here works only " + strings.Join(allowed, " or ") + "."})
	})
	return r
}

func (s *service) notFound(w http.ResponseWriter, r *http.Request) {
	s.fail(w, r, &fault{"not_found", "There is no such route. The API's begin with /v1/."})
}

// methodsAt is what a path can be asked with.
func methodsAt(router *mux.Router, r *http.Request) (methods []string) {
	for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete} {
		other := r.Clone(r.Context())
		other.Method = method
		var match mux.RouteMatch
		if router.Match(other, &match) && match.MatchErr == nil && match.Route != nil {
			methods = append(methods, method)
		}
	}
	return methods
}

// strict puts the generated server's errors into problem documents.
func (s *service) strict() ServerInterface {
	return NewStrictHandlerWithOptions(api{s.gateway}, nil, StrictHTTPServerOptions{
		RequestErrorHandlerFunc:  s.malformed,
		ResponseErrorHandlerFunc: s.fail,
	})
}

// malformed answers what the generated decoder does not take though the form was right, as the number 1e3 for a whole
// one.
func (s *service) malformed(w http.ResponseWriter, r *http.Request, err error) {
	field := "body"
	var parameter *InvalidParamFormatError
	if errors.As(err, &parameter) {
		field = parameter.ParamName
	}
	s.fail(w, r, invalid{{Field: field, Detail: "could not be read: write whole numbers without point or exponent"}})
}
