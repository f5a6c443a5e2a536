package checkout

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/gorilla/mux"

	"github.com/paybridge/paybridge/core/gateway"
	"github.com/paybridge/paybridge/core/identity"
	"github.com/paybridge/paybridge/core/pay"
	"github.com/paybridge/paybridge/ports"
)

// visitor is who asks for a page of an app.
type visitor struct {
	lang  lang
	place place
	app   string
	// session and payer are of whoever has signed in for the app; signedIn is false where nobody has.
	session  ports.Session
	payer    identity.Payer
	signedIn bool
	link     string // the order's link, which they hold; it shows the amount and the merchant alone
}

// visitor finds out who asks for a page of this app.
func (s *site) visitor(ctx context.Context, r *http.Request, app string) (visitor, error) {
	s.Note(r, app, "")
	v := visitor{lang: langOf(r), place: placeOf(r.UserAgent()), app: app}
	if asked := place(r.URL.Query().Get("place")); v.place == someWeChat && (asked == officialAccount || asked == miniProgram) {
		v.place = asked // the page's script has found out
	}
	c, err := r.Cookie(s.SessionCookie(app))
	if err != nil {
		return v, nil
	}
	v.session, v.payer, err = s.Gateway.Session(ctx, app, c.Value)
	var away *gateway.TurnedAway
	if errors.As(err, &away) {
		return v, nil
	}
	v.signedIn = err == nil
	return v, err
}

// linkCookie keeps the link of an order, so that it need not stand in the address. It is sent with that order's pages alone.
const linkCookie = "pb-link"

func (s *site) keepLink(w http.ResponseWriter, order pay.Order, link string) {
	http.SetCookie(w, &http.Cookie{
		Name: linkCookie, Value: link, Path: "/checkout/orders/" + order.Number, HttpOnly: true, Secure: s.Secure,
		SameSite: http.SameSiteLaxMode, MaxAge: int((24 * time.Hour).Seconds()),
	})
}

// view is an order on its way to its payer's eyes.
type view struct {
	visitor
	rows pay.Rows
}

// errSignIn says that nothing of an order is shown before its payer is known.
var errSignIn = errors.New("the payer is not known")

// see reads the order that a page is about, as far as the visitor may see it.
func (s *site) see(ctx context.Context, r *http.Request) (v view, err error) {
	number := mux.Vars(r)["number"]
	app, err := s.Gateway.AppOf(ctx, number)
	if err != nil {
		v.visitor = visitor{lang: langOf(r), place: placeOf(r.UserAgent())}
		return v, err
	}
	if v.visitor, err = s.visitor(ctx, r, app); err != nil {
		return v, err
	}
	if v.signedIn {
		v.rows, err = s.Gateway.PayersOrder(ctx, v.payer, number)
		return v, err
	}
	if c, noCookie := r.Cookie(linkCookie); noCookie == nil {
		rows, err := s.Gateway.LinkedRows(ctx, c.Value)
		if err == nil && rows.Order.Number == number {
			v.rows, v.link = rows, c.Value
			return v, nil
		} else if err != nil && !errors.Is(err, ports.ErrNotFound) {
			return v, err
		}
	}
	return v, errSignIn
}

// cameBack marks the address that a payer is led back to once they have signed in: a browser that keeps no cookies would
// be sent to sign in again and again.
const cameBack = "in"

// signInURL is where a visitor signs in for an app, and comes back to a path of ours. Empty: not from here.
func (s *site) signInURL(v visitor, entry, path string) string {
	e, ok := s.Gateway.EntryIn(v.app, gateway.MethodOfficialAccount, entry)
	if !ok || e.Secret == "" || v.place != officialAccount && v.place != someWeChat {
		return ""
	}
	back := url.Values{cameBack: {"1"}}
	return "/oauth/" + url.PathEscape(e.Name) + "/authorize?" + url.Values{"app": {v.app}, "return_url": {path + "?" + back.Encode()}}.Encode()
}

// asksFirst tells whether signing in through an entry asks the payer. WeChat wants a tap before it: without one it shows a
// page for reading only, whose payer is nobody.
func (s *site) asksFirst(app, entry string) bool {
	e, ok := s.Gateway.EntryIn(app, gateway.MethodOfficialAccount, entry)
	return ok && e.Scope == ports.ScopeUserInfo
}

// turnAway answers a visitor who may not see an order, or not yet.
func (s *site) turnAway(w http.ResponseWriter, r *http.Request, v visitor, err error) {
	switch {
	case errors.Is(err, ports.ErrNotFound):
		s.problem(w, r, v.app, http.StatusNotFound, "not_found", "")
	case !errors.Is(err, errSignIn):
		s.failed(w, r, v.app, err)
	case r.URL.Query().Has(cameBack):
		s.problem(w, r, v.app, http.StatusForbidden, "cookies_off", "")
	case v.place == miniProgram:
		s.problem(w, r, v.app, http.StatusUnauthorized, "where_mini_session", "")
	case v.place == browser || v.place == weChatOther:
		s.where(w, r, v, nil, s.self(r, v.app))
	default:
		to := s.signInURL(v, r.URL.Query().Get("entry"), r.URL.Path)
		switch {
		case to == "":
			s.problem(w, r, v.app, http.StatusNotFound, "no_sign_in", "")
		case v.place == someWeChat || s.asksFirst(v.app, r.URL.Query().Get("entry")):
			s.landing(w, r, v, nil, to)
		default:
			http.Redirect(w, r, to, http.StatusFound)
		}
	}
}

// failed answers what is nobody's fault but ours.
func (s *site) failed(w http.ResponseWriter, r *http.Request, app string, err error) {
	status, code := http.StatusInternalServerError, "internal"
	if errors.Is(err, ports.ErrUnavailable) || errors.Is(err, ports.ErrStoreAway) {
		status, code = http.StatusServiceUnavailable, "away"
		w.Header().Set("Retry-After", "5")
	}
	s.Log.Warn("a payer's page failed", "app", app, "code", code, "error", err)
	s.problem(w, r, app, status, code, "")
}

// self is the whole address of the page that is asked for, as it can be sent to somebody's WeChat.
func (s *site) self(r *http.Request, app string) string {
	for _, method := range []string{gateway.MethodOfficialAccount, gateway.MethodMiniProgram} {
		if e, ok := s.Gateway.EntryIn(app, method, ""); ok {
			return strings.TrimSuffix(e.NotifyBase, "/") + r.URL.Path
		}
	}
	scheme := "http"
	if s.Secure {
		scheme = "https"
	}
	return scheme + "://" + r.Host + r.URL.Path
}

// sessions are the apps for which the browser has a payer's session that is alive.
func (s *site) sessions(ctx context.Context, r *http.Request) (all []visitor, err error) {
	prefix := s.SessionCookie("")
	seen := map[string]bool{}
	for _, c := range r.Cookies() {
		app, ok := strings.CutPrefix(c.Name, prefix)
		if !ok || seen[app] || len(seen) >= mostSessions {
			continue
		}
		seen[app] = true
		v, err := s.visitor(ctx, r, app)
		if err != nil {
			return nil, err
		}
		if v.signedIn {
			all = append(all, v)
		}
	}
	return all, nil
}

// mostSessions is how many cookies are looked at, whatever a browser sends.
const mostSessions = 10

// entryFor is the entry that a page pays its order through: the one that the request names, or that the payer came through, where
// it is one of the place's.
func (s *site) entryFor(v view, asked string) (ports.Entry, bool) {
	method := gateway.MethodOfficialAccount
	if v.place == miniProgram {
		method = gateway.MethodMiniProgram
	}
	return s.Gateway.EntryFor(v.rows.Order, method, cmp.Or(asked, v.session.Entry))
}
