package ports

import (
	"context"
	"errors"
	"time"

	"github.com/paybridge/paybridge/core/identity"
)

// IdentityProvider says who a payer is. Only it does: what a client sends is a code, which it is asked about.
type IdentityProvider interface {
	// AuthorizeURL is where a browser is sent to bring back a code of a web authorization and the state.
	AuthorizeURL(who IdentityApp, redirectURI, state string) string
	// ByCode exchanges a web authorization's code, ByJSCode a mini program's. Both fail with ErrCodeInvalid, ErrCodeUsed,
	// ErrPayerBlocked, ErrTooOften, ErrIdentityRefused, or ErrUnavailable. What else the provider gives (session_key,
	// tokens) goes nowhere.
	ByCode(ctx context.Context, who IdentityApp, code string) (identity.Seen, error)
	ByJSCode(ctx context.Context, who IdentityApp, jsCode string) (identity.Seen, error)
	// SignPage signs a page's address, which has no fragment, for wx.config of WeChat's JS-SDK in an official account. It fails with
	// ErrIdentityRefused or ErrUnavailable.
	SignPage(ctx context.Context, appID, url string) (PageSignature, error)
}

// PageSignature is what wx.config takes: an official account's word that the page at an address is its own.
type PageSignature struct {
	AppID     string
	Timestamp int64 // seconds
	Nonce     string
	Signature string // SHA-1, lower-case hex
}

// IdentityApp is an official account or a mini program as its identity provider knows it.
type IdentityApp struct {
	AppID  string
	Secret string        // a reference (env:NAME, file:path), never the value
	Scope  IdentityScope // of web authorizations
}

// IdentityScope is how much a web authorization asks for.
type IdentityScope string

// The scopes. Only userinfo brings a unionid; it asks the payer.
const (
	ScopeBase     IdentityScope = "snsapi_base"
	ScopeUserInfo IdentityScope = "snsapi_userinfo"
)

var (
	// ErrCodeInvalid says that a code is forged, expired or of another app id.
	ErrCodeInvalid = errors.New("the code is not valid")
	// ErrCodeUsed says that a code was exchanged before.
	ErrCodeUsed = errors.New("the code was used before")
	// ErrPayerBlocked says that WeChat keeps the payer from signing in.
	ErrPayerBlocked = errors.New("the payer is blocked")
	// ErrTooOften says that the provider wants fewer calls.
	ErrTooOften = errors.New("too many sign-ins")
	// ErrIdentityRefused says that the provider refuses the entry itself: its app id, secret or address.
	ErrIdentityRefused = errors.New("the identity provider refuses the entry")
)

// Identities keeps who payers are, their sessions, and one-time tokens.
type Identities interface {
	// Payer reads what identity.View needs to tell whom an app sees behind a name. ErrNotFound: nobody has that name.
	Payer(ctx context.Context, app string, of identity.Name) ([]identity.Identity, []identity.Tie, error)
	// NamesOf are the names that an app calls by a user_id, in order.
	NamesOf(ctx context.Context, app, userID string) ([]identity.Name, error)

	// Session reads a session by the hash of its token. ErrNotFound: there is none, or it has expired.
	Session(ctx context.Context, hash string, now time.Time) (Session, error)
	// EndSession forgets a session.
	EndSession(ctx context.Context, hash string) error

	// AddToken keeps a one-time token until it expires.
	AddToken(ctx context.Context, t Token) error
	// UseToken consumes a token by one UPDATE, so that it counts once on all replicas together. It fails with
	// ErrTokenUsed, ErrTokenExpired, or ErrNotFound: forged, of another kind, or held by another; then it is not consumed.
	UseToken(ctx context.Context, kind TokenKind, hash, holder string, now time.Time) (Token, error)

	// OwnToken gives a token to whoever comes first with it, and again to the same holder for so long after that: two of their
	// requests get the same answer. By the same UPDATE, content takes the place of what the token held. ErrTokenExpired: it
	// came too late, or the time for asking again is over. ErrNotFound: forged, of another kind, or another's.
	OwnToken(ctx context.Context, kind TokenKind, hash, holder string, content []byte, again time.Duration, now time.Time) error
	// Token reads a token without using it. ErrNotFound: forged, or of another kind.
	Token(ctx context.Context, kind TokenKind, hash string) (Token, error)

	// PayerOrders lists the orders of an app that name the payer or that they have tried to pay, newest first.
	PayerOrders(ctx context.Context, p identity.Payer, cursor string, limit int) (OrderPage, error)
}

// IdentityTx is the part of Tx that reads and writes who somebody is.
type IdentityTx interface {
	// LockIdentity locks and reads what is known of a name and of a unionid (empty: none was seen).
	LockIdentity(ctx context.Context, of identity.Name, unionID string) (identity.Stored, error)
	// SignIn writes what a sign-in changes, and tells which apps had given more than one user_id to the person that two
	// were merged into. ErrMoved: the name was written meanwhile.
	SignIn(ctx context.Context, d identity.SignIn, was identity.Stored, now time.Time) (divided []string, err error)
	// LockPayer is Identities.Payer under locks.
	LockPayer(ctx context.Context, app string, of identity.Name) ([]identity.Identity, []identity.Tie, error)
	// PutTie writes what an app knows of an identity. It takes neither a user_id nor Verified back.
	PutTie(ctx context.Context, t identity.Tie, now time.Time) error
	// AddSession keeps a payer's session.
	AddSession(ctx context.Context, s Session) error
}

// Session is a payer who has signed in for one app. It names an identity, and whoever that is found to be later.
type Session struct {
	Hash  string // of its token
	App   string
	Entry string // through which the payer came
	identity.Name
	CreatedAt time.Time
	ExpiresAt time.Time
}

// Token is something that is good once.
type Token struct {
	Hash      string // of the token: 256 bits that are nowhere else
	Kind      TokenKind
	Holder    string // the hash of what only the one has who may use it; empty: whoever has the token
	Content   []byte // sealed at rest
	CreatedAt time.Time
	ExpiresAt time.Time
}

// TokenKind is what a one-time token is for.
type TokenKind string

// The kinds.
const (
	TokenOAuthState TokenKind = "oauth_state"
	TokenEnter      TokenKind = "enter"  // makes a session in a mini program's web-view
	TokenTicket     TokenKind = "ticket" // opens a mini program's pay page for an order; its first holder owns it
)

var (
	// ErrTokenUsed says that a one-time token was used before.
	ErrTokenUsed = errors.New("the token was used before")
	// ErrTokenExpired says that a one-time token came too late.
	ErrTokenExpired = errors.New("the token has expired")
)

// TokenCache keeps access tokens and tickets of app ids once for all replicas, sealed at rest.
type TokenCache interface {
	// AppToken reads a token; the zero value: there is none.
	AppToken(ctx context.Context, kind AppTokenKind, appID string) (AppToken, error)
	// ClaimAppToken takes the right to fetch a new one, for so long by the database's clock. ok is false while another
	// replica has it.
	ClaimAppToken(ctx context.Context, kind AppTokenKind, appID string, hold time.Duration) (claim int64, ok bool, err error)
	// PutAppToken keeps a new one and gives the claim back. One whose claim has run out meanwhile is not kept.
	PutAppToken(ctx context.Context, kind AppTokenKind, appID string, claim int64, t AppToken) error
}

// AppToken is what opens calls that are made in an app id's name.
type AppToken struct {
	Token     string // a secret
	ExpiresAt time.Time
}

// AppTokenKind is which of an app id's tokens.
type AppTokenKind string

// The kinds: the access token, and the ticket that signs wx.config.
const (
	AccessToken AppTokenKind = "access_token"
	JSAPITicket AppTokenKind = "jsapi_ticket"
)
