package httpapi

import (
	"context"
	"encoding/json"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/gorilla/mux"

	"github.com/paybridge/paybridge/core/gateway"
	"github.com/paybridge/paybridge/core/identity"
)

// payerRoutes are those by which payers sign in. They need no key, and are limited for each address.
func (s *service) payerRoutes(root *mux.Router) {
	payers := root.NewRoute().Subrouter()
	payers.Use(forPayers, s.limited)
	payers.HandleFunc("/oauth/{entry}/authorize", s.authorize).Methods(http.MethodGet)
	payers.HandleFunc("/oauth/{entry}/callback", s.authorized).Methods(http.MethodGet)
	payers.HandleFunc("/p/v1/sessions", s.openSession).Methods(http.MethodPost)
	payers.HandleFunc("/p/enter/{token}", s.enter).Methods(http.MethodGet)
	payers.HandleFunc("/p/v1/tickets/redeem", s.redeem).Methods(http.MethodPost)
}

// SessionCookie is the name of the cookie of a payer's session with an app. A secure one is bound to this very host by its
// prefix.
func SessionCookie(app string, secure bool) string { return cookieName("pb-session-"+app, secure) }

func cookieName(name string, secure bool) string {
	if secure {
		return "__Host-" + name
	}
	return name
}

// setCookie sets a cookie of this host alone, which no script reads.
func (s *service) setCookie(w http.ResponseWriter, name, value string, life time.Duration) {
	c := &http.Cookie{
		Name: cookieName(name, s.secure), Value: value, Path: "/", HttpOnly: true, Secure: s.secure,
		SameSite: http.SameSiteLaxMode, // WeChat leads back by a link: Strict would not send it
		MaxAge:   int(life.Seconds()),
	}
	if value == "" {
		c.MaxAge = -1
	}
	http.SetCookie(w, c)
}

// browserCookie binds a state to the browser that began with it. Each has its own, so that two tabs do not disturb each
// other.
func browserCookie(state string) string { return "pb-oauth-" + identity.Hash(state)[:16] }

// authorize sends a payer's browser to WeChat.
func (s *service) authorize(w http.ResponseWriter, r *http.Request) {
	q, ok := once(r.URL, "app", "return_url")
	switch agent := r.UserAgent(); {
	case !ok:
		s.turnPage(w, r, &gateway.TurnedAway{Turn: turnMalformed})
		return
	case strings.Contains(strings.ToLower(agent), "miniprogram"):
		s.turnPage(w, r, &gateway.TurnedAway{Turn: turnOpenInAccount})
		return
	case s.onlyWeChat && !strings.Contains(agent, "MicroMessenger"):
		s.turnPage(w, r, &gateway.TurnedAway{Turn: turnOpenInWeChat})
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), apiTime)
	defer cancel()
	a, err := s.gateway.Authorize(ctx, gateway.SignInRequest{Entry: mux.Vars(r)["entry"], App: q["app"], ReturnURL: q["return_url"]})
	if err != nil {
		s.turnPage(w, r, err)
		return
	}
	s.setCookie(w, browserCookie(a.State), a.Browser, time.Until(a.ExpiresAt))
	http.Redirect(w, r, a.URL, http.StatusFound)
}

// authorized takes the browser back from WeChat.
func (s *service) authorized(w http.ResponseWriter, r *http.Request) {
	q, ok := once(r.URL, "state", "code")
	if !ok || q["state"] == "" {
		s.turnPage(w, r, &gateway.TurnedAway{Turn: gateway.TurnStateInvalid})
		return
	}
	name := browserCookie(q["state"])
	browser, err := r.Cookie(cookieName(name, s.secure))
	if err != nil {
		s.turnPage(w, r, &gateway.TurnedAway{Turn: gateway.TurnStateInvalid})
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), apiTime)
	defer cancel()
	in, err := s.gateway.Authorized(ctx, mux.Vars(r)["entry"], q["state"], browser.Value, q["code"])
	if err != nil {
		s.turnPage(w, r, err)
		return
	}
	s.setCookie(w, name, "", 0)
	s.signedIn(w, r, in)
}

func (s *service) signedIn(w http.ResponseWriter, r *http.Request, in gateway.SignedIn) {
	callOf(r.Context()).app = in.App
	s.setCookie(w, "pb-session-"+in.App, in.Cookie, time.Until(in.ExpiresAt))
	http.Redirect(w, r, in.ReturnURL, http.StatusSeeOther) // away from the address with its token
}

// enter makes the one-time token of a mini program's login a session, and leads away from it. Such a link belongs into that
// mini program's web-view: sent to somebody else in a chat, it would sign them in as its sender.
func (s *service) enter(w http.ResponseWriter, r *http.Request) {
	if s.onlyWeChat && !strings.Contains(strings.ToLower(r.UserAgent()), "miniprogram") {
		s.turnPage(w, r, &gateway.TurnedAway{Turn: turnOpenInMiniProgram})
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), apiTime)
	defer cancel()
	in, err := s.gateway.Enter(ctx, mux.Vars(r)["token"])
	if err != nil {
		s.turnPage(w, r, err)
		return
	}
	s.signedIn(w, r, in)
}

// sessionRequest is the body of POST /p/v1/sessions.
type sessionRequest struct {
	Entry     string `json:"entry"`
	JSCode    string `json:"js_code"`
	App       string `json:"app"`
	ReturnURL string `json:"return_url"`
}

// payersBody bounds what a payer's program sends, in bytes.
const payersBody = 4 << 10

// foreign tells whether a page of another site sent a request. Programs that are no browser send neither header.
var foreign = http.NewCrossOriginProtection()

// openSession takes a mini program's login, and answers with what its web-view opens to be signed in.
func (s *service) openSession(w http.ResponseWriter, r *http.Request) {
	if foreign.Check(r) != nil {
		s.turnProblem(w, r, &gateway.TurnedAway{Turn: turnForeignOrigin})
		return
	}
	var in sessionRequest
	if !readPayers(w, r, &in) || in.Entry == "" || in.JSCode == "" {
		s.turnProblem(w, r, &gateway.TurnedAway{Turn: turnMalformed})
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), apiTime)
	defer cancel()
	e, err := s.gateway.SignInByJSCode(ctx, gateway.SignInRequest{Entry: in.Entry, App: in.App, ReturnURL: in.ReturnURL}, in.JSCode)
	if err != nil {
		s.turnProblem(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusCreated)
	_ = json.NewEncoder(w).Encode(map[string]any{"token": e.Token, "enter_url": e.URL, "expires_at": moment(e.ExpiresAt)})
}

// readPayers reads the JSON that a payer's program sends.
func readPayers(w http.ResponseWriter, r *http.Request, into any) (ok bool) {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "application/json" {
		return false
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, payersBody))
	if err != nil {
		return false
	}
	if _, err := parseJSON(body); err != nil { // a name that stands twice
		return false
	}
	return json.Unmarshal(body, into) == nil
}

// once reads parameters that may stand in a query once at most; others are left alone, as WeChat adds some.
func once(u *url.URL, names ...string) (map[string]string, bool) {
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return nil, false
	}
	found := map[string]string{}
	for _, name := range names {
		if len(query[name]) > 1 {
			return nil, false
		}
		found[name] = query.Get(name)
	}
	return found, true
}
