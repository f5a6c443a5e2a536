package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/paybridge/paybridge/core/identity"
	"github.com/paybridge/paybridge/core/pay"
	"github.com/paybridge/paybridge/ports"
)

const (
	// stateLife is how long a payer may take at WeChat, whose code lives 5 minutes.
	stateLife = 10 * time.Minute
	// enterLife is how long a mini program may take to open its web-view.
	enterLife = 5 * time.Minute
	// sessionLife is how long a payer stays signed in. Signing in again asks nothing of them.
	sessionLife = 12 * time.Hour
)

// Turn says why a payer cannot go on. It is a stable code; the page or problem that shows it has the words.
type Turn string

// The reasons.
const (
	TurnEntryUnknown Turn = "entry_unknown"          // no such entry of the app, or one that signs nobody in
	TurnReturnURL    Turn = "return_url_not_allowed" // R44
	TurnStateInvalid Turn = "state_invalid"          // forged, of another browser, or of another entry
	TurnStateUsed    Turn = "state_used"
	TurnStateExpired Turn = "state_expired"
	TurnNotAgreed    Turn = "authorization_denied"
	TurnCodeInvalid  Turn = "code_invalid"
	TurnCodeUsed     Turn = "code_used"
	TurnSnapshot     Turn = "snapshot_user"
	TurnBlocked      Turn = "payer_blocked"
	TurnTooOften     Turn = "too_many_requests"
	TurnUnavailable  Turn = "sign_in_unavailable"
	TurnTokenInvalid Turn = "token_invalid"
	TurnTokenUsed    Turn = "token_used"
	TurnTokenExpired Turn = "token_expired"
	TurnNoSession    Turn = "session_missing"

	TurnTicketInvalid Turn = "ticket_invalid" // forged, or another's
	TurnTicketSpent   Turn = "ticket_spent"   // too late
)

// TurnedAway is a payer who cannot go on.
type TurnedAway struct {
	Turn  Turn
	Again *SignInRequest // how to begin anew; nil: not known, or no use
	Cause error          // for the log
}

func (t *TurnedAway) Error() string {
	if t.Cause == nil {
		return string(t.Turn)
	}
	return string(t.Turn) + ": " + t.Cause.Error()
}

func (t *TurnedAway) Unwrap() error { return t.Cause }

// SignInRequest is how a payer comes.
type SignInRequest struct {
	Entry     string `json:"entry"`
	App       string `json:"app"`        // may be empty where one app alone uses the entry
	ReturnURL string `json:"return_url"` // one that the entry allows, or a path of the gateway's own pages; empty: the payer's orders
}

// Authorization is a web authorization that has begun.
type Authorization struct {
	URL       string // of WeChat, for the payer's browser
	State     string
	Browser   string // to be kept by this browser alone until it comes back
	ExpiresAt time.Time
}

// SignedIn is a payer who is known.
type SignedIn struct {
	App       string
	Cookie    string // the session's, signed
	ReturnURL string
	ExpiresAt time.Time
}

// entryOf is an entry that signs payers in for an app, and the request completed and checked by it.
func (g *Gateway) entryOf(r SignInRequest) (ports.Entry, SignInRequest, error) {
	s := g.settings.Load()
	e, ok := s.entries[r.Entry]
	var apps []string
	for _, a := range s.apps {
		if slices.Contains(a.Entries, r.Entry) {
			apps = append(apps, a.Name)
		}
	}
	switch {
	case !ok || len(apps) == 0:
		return e, r, &TurnedAway{Turn: TurnEntryUnknown}
	case r.App == "" && len(apps) == 1:
		r.App = apps[0]
	case !slices.Contains(apps, r.App):
		return e, r, &TurnedAway{Turn: TurnEntryUnknown, Cause: errors.New("the entry serves several apps: say which one with app=")}
	}
	if e.Secret == "" || g.Identity == nil {
		return e, r, &TurnedAway{Turn: TurnEntryUnknown, Cause: fmt.Errorf("entry %s has no secret: without it nobody can sign in", e.Name)}
	}
	own := e.NotifyBase + "/checkout"
	switch {
	case r.ReturnURL == "":
		r.ReturnURL = own + "/orders"
	case strings.HasPrefix(r.ReturnURL, "/") && !strings.HasPrefix(r.ReturnURL, "//"):
		r.ReturnURL = e.NotifyBase + r.ReturnURL
	}
	if !identity.Allowed(r.ReturnURL, append(slices.Clone(e.ReturnURLs), own)) {
		return e, r, &TurnedAway{Turn: TurnReturnURL}
	}
	return e, r, nil
}

// SecretOf is the reference of an app id's secret, by which its access tokens are fetched. ok is false where no entry has
// one.
func (g *Gateway) SecretOf(appID string) (ref string, ok bool) {
	for _, e := range g.settings.Load().entries {
		if e.AppID == appID && e.Secret != "" {
			return e.Secret, true
		}
	}
	return "", false
}

func identityApp(e ports.Entry) ports.IdentityApp {
	return ports.IdentityApp{AppID: e.AppID, Secret: e.Secret, Scope: e.Scope}
}

// Authorize begins a web authorization in a payer's browser. The state is bound to that browser and good once.
func (g *Gateway) Authorize(ctx context.Context, r SignInRequest) (Authorization, error) {
	e, r, err := g.entryOf(r)
	if err != nil {
		return Authorization{}, err
	}
	a := Authorization{State: identity.NewToken(), Browser: identity.NewToken()}
	if a.ExpiresAt, err = g.addToken(ctx, ports.TokenOAuthState, a.State, identity.Hash(a.Browser), stateLife, r); err != nil {
		return a, err
	}
	a.URL = g.Identity.AuthorizeURL(identityApp(e), e.NotifyBase+"/oauth/"+e.Name+"/callback", a.State)
	return a, nil
}

func (g *Gateway) addToken(ctx context.Context, kind ports.TokenKind, token, holder string, life time.Duration, content any) (expires time.Time, err error) {
	text, err := json.Marshal(content)
	if err != nil {
		return expires, fmt.Errorf("write down a %s: %w", kind, err)
	}
	now := g.intent()
	t := ports.Token{Hash: identity.Hash(token), Kind: kind, Holder: holder, Content: text, CreatedAt: now, ExpiresAt: now.Add(life)}
	return t.ExpiresAt, g.Store.AddToken(ctx, t)
}

// useToken consumes a one-time token. invalid, used and expired are what a payer is told.
func (g *Gateway) useToken(ctx context.Context, kind ports.TokenKind, token, holder string, content any, invalid, used, expired Turn) error {
	t, err := g.Store.UseToken(ctx, kind, identity.Hash(token), holder, g.Clock.Now())
	switch {
	case errors.Is(err, ports.ErrNotFound):
		return &TurnedAway{Turn: invalid}
	case errors.Is(err, ports.ErrTokenUsed):
		return &TurnedAway{Turn: used}
	case errors.Is(err, ports.ErrTokenExpired):
		return &TurnedAway{Turn: expired}
	case err != nil:
		return err
	}
	if err := json.Unmarshal(t.Content, content); err != nil {
		return fmt.Errorf("read a %s: %w", kind, err)
	}
	return nil
}

// Authorized ends a web authorization: the browser is back with a state and WeChat's code (empty: the payer did not agree).
func (g *Gateway) Authorized(ctx context.Context, entry, state, browser, code string) (SignedIn, error) {
	var r SignInRequest
	err := g.useToken(ctx, ports.TokenOAuthState, state, identity.Hash(browser), &r, TurnStateInvalid, TurnStateUsed, TurnStateExpired)
	if err != nil {
		return SignedIn{}, err
	}
	e, checked, err := g.entryOf(r)
	switch {
	case r.Entry != entry:
		return SignedIn{}, &TurnedAway{Turn: TurnStateInvalid}
	case err != nil:
		return SignedIn{}, err
	case code == "":
		return SignedIn{}, &TurnedAway{Turn: TurnNotAgreed, Again: &r}
	}
	seen, err := g.Identity.ByCode(ctx, identityApp(e), code)
	if err == nil && seen.Snapshot {
		err = &TurnedAway{Turn: TurnSnapshot}
	}
	if err != nil {
		return SignedIn{}, g.turned(ctx, e, err, &r)
	}
	return g.signIn(ctx, checked, seen, true)
}

// Entering is a mini program's login on its way into a web-view.
type Entering struct {
	Token     string
	URL       string // makes the session in whatever browser opens it first
	ExpiresAt time.Time
}

// SignInByJSCode takes a mini program's login, and gives a one-time token that its web-view becomes a session with.
func (g *Gateway) SignInByJSCode(ctx context.Context, r SignInRequest, jsCode string) (Entering, error) {
	e, r, err := g.entryOf(r)
	if err != nil {
		return Entering{}, err
	}
	seen, err := g.Identity.ByJSCode(ctx, identityApp(e), jsCode)
	if err != nil {
		return Entering{}, g.turned(ctx, e, err, nil)
	}
	if _, err := g.signIn(ctx, r, seen, false); err != nil {
		return Entering{}, err
	}
	in := Entering{Token: identity.NewToken()}
	in.URL = e.NotifyBase + "/p/enter/" + in.Token
	in.ExpiresAt, err = g.addToken(ctx, ports.TokenEnter, in.Token, "", enterLife, entering{r, seen.Name})
	return in, err
}

// entering is the content of a TokenEnter.
type entering struct {
	Request SignInRequest `json:"request"`
	Name    identity.Name `json:"name"`
}

// Enter exchanges the token of a mini program's login for a session.
func (g *Gateway) Enter(ctx context.Context, token string) (SignedIn, error) {
	var in entering
	if err := g.useToken(ctx, ports.TokenEnter, token, "", &in, TurnTokenInvalid, TurnTokenUsed, TurnTokenExpired); err != nil {
		return SignedIn{}, err
	}
	_, r, err := g.entryOf(in.Request) // the entry may have changed meanwhile
	if err != nil {
		return SignedIn{}, err
	}
	return g.signIn(ctx, r, identity.Seen{Name: in.Name}, true)
}

// signIn writes down whom WeChat has named, and begins a session where one is wanted. Whoever was signed in in the same
// browser before is not asked: holding a session never joins two identities (R42).
func (g *Gateway) signIn(ctx context.Context, r SignInRequest, seen identity.Seen, session bool) (SignedIn, error) {
	now := g.intent()
	token := identity.NewToken()
	in := SignedIn{App: r.App, ReturnURL: r.ReturnURL, ExpiresAt: now.Add(sessionLife)}
	var person string
	var divided []string
	err := g.identify(ctx, func(tx ports.Tx) (err error) {
		if person, divided, err = meet(ctx, tx, seen, now); err != nil {
			return err
		}
		if err := tx.PutTie(ctx, identity.Tie{App: r.App, Name: seen.Name, Verified: true}, now); err != nil || !session {
			return err
		}
		return tx.AddSession(ctx, ports.Session{
			Hash: identity.Hash(token), App: r.App, Entry: r.Entry, Name: seen.Name, CreatedAt: now, ExpiresAt: in.ExpiresAt,
		})
	})
	if err != nil {
		return SignedIn{}, err
	}
	for _, app := range divided {
		g.raise(ctx, pay.Alarm{Kind: pay.AlarmIdentityDivided, Number: app + "/" + person, What: "WeChat has told that two people whom app " + app + " calls by different user_ids are one (our person " + person + "); the app sees two payers as before"})
	}
	if session {
		in.Cookie = g.CookieKeys.Sign(r.App, token)
	}
	return in, nil
}

// meet decides and writes what WeChat says of a name, and tells whose it is.
func meet(ctx context.Context, tx ports.Tx, seen identity.Seen, now time.Time) (person string, divided []string, err error) {
	known, err := tx.LockIdentity(ctx, seen.Name, seen.UnionID)
	if err != nil {
		return "", nil, err
	}
	d := identity.Meet(seen, known, identity.NewToken()[:32])
	divided, err = tx.SignIn(ctx, d, known, now)
	return d.Put.Person, divided, err
}

// identify runs a transaction about identities again where another was quicker. Twice in effect is as good as once.
func (g *Gateway) identify(ctx context.Context, f func(ports.Tx) error) (err error) {
	for range tries {
		if err = g.Store.Tx(ctx, f); !errors.Is(err, ports.ErrMoved) {
			return err
		}
	}
	return err
}

// turned says what a payer is told of a sign-in that failed. That WeChat refuses the entry itself is the operator's to
// mend, and an alarm.
func (g *Gateway) turned(ctx context.Context, e ports.Entry, err error, again *SignInRequest) error {
	t := &TurnedAway{Cause: err, Again: again}
	var known *TurnedAway
	switch {
	case errors.As(err, &known):
		known.Again = again
		return known
	case errors.Is(err, ports.ErrCodeInvalid):
		t.Turn = TurnCodeInvalid
	case errors.Is(err, ports.ErrCodeUsed):
		t.Turn = TurnCodeUsed
	case errors.Is(err, ports.ErrPayerBlocked):
		t.Turn, t.Again = TurnBlocked, nil
	case errors.Is(err, ports.ErrTooOften):
		t.Turn = TurnTooOften
	case errors.Is(err, ports.ErrIdentityRefused):
		t.Turn = TurnUnavailable
		g.raise(ctx, pay.Alarm{Kind: pay.AlarmIdentityRefused, Number: e.Name, What: err.Error()})
	default:
		t.Turn = TurnUnavailable
	}
	return t
}

// Session is the payer behind a cookie, as the session's app sees them now. One of another app, a forged one and one that
// is over are all no session.
func (g *Gateway) Session(ctx context.Context, app, cookie string) (ports.Session, identity.Payer, error) {
	of, token, ok := g.CookieKeys.Open(cookie)
	if !ok || of != app {
		return ports.Session{}, identity.Payer{}, &TurnedAway{Turn: TurnNoSession}
	}
	s, err := g.Store.Session(ctx, identity.Hash(token), g.Clock.Now())
	if errors.Is(err, ports.ErrNotFound) || err == nil && s.App != app {
		return s, identity.Payer{}, &TurnedAway{Turn: TurnNoSession}
	} else if err != nil {
		return s, identity.Payer{}, err
	}
	p, err := g.payer(ctx, app, s.Name)
	return s, p, err
}

// SignOut ends the session behind a cookie.
func (g *Gateway) SignOut(ctx context.Context, cookie string) error {
	_, token, ok := g.CookieKeys.Open(cookie)
	if !ok {
		return nil
	}
	return g.Store.EndSession(ctx, identity.Hash(token))
}

func (g *Gateway) payer(ctx context.Context, app string, of identity.Name) (identity.Payer, error) {
	ids, ties, err := g.Store.Payer(ctx, app, of)
	if err != nil {
		return identity.Payer{}, err
	}
	return identity.View(app, of, ids, ties), nil
}
