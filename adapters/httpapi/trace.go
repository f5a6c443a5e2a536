package httpapi

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"runtime"
	"runtime/debug"
	"strings"
	"time"

	"github.com/gorilla/mux"
)

// call is what is known of one request while it is served: what its log line says.
type call struct {
	id     string // X-Request-Id
	route  string // the template; numbers and tokens in the path are not logged
	app    string // whose key it came with; empty: none
	code   string // of the problem it ended with; empty: none
	status int
	size   int64 // bytes answered
}

type callKey struct{}

// callOf is the request's call. Every request that reaches a handler has one.
func callOf(ctx context.Context) *call { return ctx.Value(callKey{}).(*call) }

// Request is what an observer is told of each request, once it is answered.
type Request struct {
	Listener string // public or admin
	Method   string // of HTTP; OTHER where it is none of the usual ones
	Route    string // the template, as in /v1/orders/{number}; empty where none matched
	Status   int
	Took     time.Duration
}

// Trace begins the part of a trace that a request is. end is given the method, the route's template and the status.
type Trace func(*http.Request) (inside context.Context, end func(method, route string, status int))

// traced names each request, logs it with its route's template, counts it, and turns a panic into a problem. It is
// the outermost handler.
func (s *service) traced(listener string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began := time.Now()
		c := &call{id: requestID(r.Header.Get("X-Request-Id"))}
		w.Header().Set("X-Request-Id", c.id)
		noted := &answer{ResponseWriter: w, call: c}
		ctx, end := r.Context(), func(string, string, int) {}
		if s.trace != nil {
			ctx, end = s.trace(r)
		}
		r = r.WithContext(context.WithValue(ctx, callKey{}, c))
		defer func() {
			cause := recover()
			switch {
			case cause == nil:
			case isAbort(cause): // net/http's own way to hang up
				panic(cause)
			default:
				s.log.Error("a request's handler panicked", "request_id", c.id, "route", c.route, "panic", withheld(cause), "stack", string(debug.Stack()))
				if c.status == 0 {
					p, _ := problemOf(errors.New("panic"))
					c.code = string(p.Code)
					write(noted, c.id, p, 0)
				}
			}
			s.logged(listener, r, c, time.Since(began))
			end(methodOf(r), c.route, c.status)
		}()
		next.ServeHTTP(noted, r)
	})
}

// withheld is what a log may say of a panic: the words that the runtime itself wrote. Any other value may hold a secret
// or data of a payer, and only its type is told.
func withheld(cause any) string {
	if err, ok := cause.(runtime.Error); ok {
		return err.Error()
	}
	return fmt.Sprintf("%T", cause)
}

func isAbort(cause any) bool {
	err, ok := cause.(error)
	return ok && errors.Is(err, http.ErrAbortHandler)
}

func (s *service) logged(listener string, r *http.Request, c *call, took time.Duration) {
	if c.status == 0 {
		c.status = http.StatusOK // what net/http sends when a handler says nothing
	}
	if s.observe != nil {
		s.observe(Request{Listener: listener, Method: methodOf(r), Route: c.route, Status: c.status, Took: took})
	}
	level := slog.LevelInfo
	if c.route == "/livez" || c.route == "/readyz" || c.route == "/metrics" {
		level = slog.LevelDebug // asked every few seconds by machines
	}
	s.log.LogAttrs(r.Context(), level, "request",
		slog.String("listener", listener), slog.String("method", methodOf(r)), slog.String("route", c.route),
		slog.Int("status", c.status), slog.Int64("bytes", c.size), slog.Duration("took", took), slog.String("app", c.app),
		slog.String("code", c.code), slog.String("client", s.client(r)), slog.String("request_id", c.id))
}

// methodOf is the request's method, made safe to label and log: a client can send any word.
func methodOf(r *http.Request) string {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return r.Method
	}
	return "OTHER"
}

// routed notes the template of the route that matched. It stands first among the router's middlewares.
func routed(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if route := mux.CurrentRoute(r); route != nil {
			if template, err := route.GetPathTemplate(); err == nil {
				callOf(r.Context()).route = template
			}
		}
		next.ServeHTTP(w, r)
	})
}

// requestID is the caller's name for the request, where it is short and plain, else a new one.
func requestID(given string) string {
	const plain = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-"
	if given != "" && len(given) <= 64 && strings.Trim(given, plain) == "" {
		return given
	}
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// client is the address that the request came from: the peer's, or, where the peer is a trusted proxy, the rightmost
// address in X-Forwarded-For that is not one. What stands further left anybody can write.
func (s *service) client(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return ""
	}
	at, err := netip.ParseAddr(host)
	if err != nil {
		return ""
	}
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(hops) - 1; i >= 0 && s.trusts(at); i-- {
		hop, err := netip.ParseAddr(strings.TrimSpace(hops[i]))
		if err != nil {
			break
		}
		at = hop
	}
	return at.Unmap().WithZone("").String()
}

func (s *service) trusts(a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	for _, proxy := range s.proxies {
		if proxy.Contains(a) {
			return true
		}
	}
	return false
}

// answer notes the status and size of what is answered.
type answer struct {
	http.ResponseWriter
	call *call
}

func (a *answer) WriteHeader(status int) {
	if a.call.status == 0 && status >= 200 {
		a.call.status = status
	}
	a.ResponseWriter.WriteHeader(status)
}

func (a *answer) Write(b []byte) (int, error) {
	if a.call.status == 0 {
		a.call.status = http.StatusOK
	}
	n, err := a.ResponseWriter.Write(b)
	a.call.size += int64(n)
	return n, err
}

// Unwrap lets http.ResponseController reach the connection.
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }
