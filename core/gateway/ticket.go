package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/paybridge/paybridge/core/identity"
	"github.com/paybridge/paybridge/core/pay"
	"github.com/paybridge/paybridge/ports"
)

const (
	// HandOffPage is the kind of hand-off by which an H5 page in a web-view opens the mini program's native pay page.
	HandOffPage = "miniprogram_page"
	// PayPage is where the client kit's pay page is in a mini program.
	PayPage = "/pages/paybridge/pay"

	// ticketLife is how long a payer may take from the H5 page to the native one.
	ticketLife = 10 * time.Minute
	// ticketAgain is how long the one who redeemed a ticket gets the same answer again.
	ticketAgain = time.Minute
	// codeAsks and codeWait are how often, and how long between, a js_code that WeChat calls used is looked for in the ticket:
	// the request that it was exchanged for may be about to write it down.
	codeAsks = 20
	codeWait = 100 * time.Millisecond
)

// Ticket is what opens a mini program's pay page for an order.
type Ticket struct {
	HandOff   pay.HandOff // HandOffPage
	ExpiresAt time.Time
}

// ticket is the content of a TokenTicket. It names no payer until somebody redeems it: they are asked who they are.
type ticket struct {
	App   string `json:"app"`
	Order string `json:"order"`
	Entry string `json:"entry"`

	Code string        `json:"code,omitempty"` // the hash of the js_code that was accepted last
	Seen identity.Seen `json:"seen,omitzero"`  // whom WeChat named for it
}

// accepted tells whether whose code this is was asked before: WeChat takes a code once, and a request may come twice.
func (t ticket) accepted(jsCode string) bool { return t.Code != "" && t.Code == identity.Hash(jsCode) }

// MakeTicket makes a ticket by which an order is paid in the mini program of an entry. The payment is made when the native
// page redeems it, so the page that asks needs no login there. *Invalid: the entry is no mini program's, or cannot tell its
// payers; ErrNotFound: the order is not the app's.
func (g *Gateway) MakeTicket(ctx context.Context, app, order, entry string) (Ticket, error) {
	o, err := g.Store.Order(ctx, app, order)
	if err != nil {
		return Ticket{}, err
	}
	if _, err := g.route(app, entry); err != nil {
		return Ticket{}, err
	}
	e := g.settings.Load().entries[entry]
	switch {
	case e.Method == MethodOfficialAccount:
		return Ticket{}, &Invalid{"entry", fmt.Sprintf("%q is an official account's: its page calls pay itself", entry)}
	case e.Secret == "" || g.Identity == nil:
		return Ticket{}, &Invalid{"entry", fmt.Sprintf("%q has no secret: without it nobody can tell who redeems a ticket", entry)}
	}
	if o.State != pay.OrderOpen {
		_, _, err := pay.Attempt(pay.Rows{Order: o}, pay.Want{Entry: entry}, g.Clock.Now())
		return Ticket{}, err
	}
	token := identity.NewToken()
	t := Ticket{}
	if t.ExpiresAt, err = g.addToken(ctx, ports.TokenTicket, token, "", ticketLife, ticket{App: app, Order: order, Entry: entry}); err != nil {
		return Ticket{}, err
	}
	t.HandOff = openPage(e, url.Values{"ticket": {token}, "number": {order}})
	t.HandOff.ValidUntil = t.ExpiresAt
	return t, nil
}

// openPage is the hand-off that opens an entry's native pay page. Each value is encoded once.
func openPage(e ports.Entry, query url.Values) pay.HandOff {
	page := e.PayPage
	if page == "" {
		page = PayPage
	}
	// decodeURIComponent, which reads it, leaves a plus sign as it is.
	return pay.HandOff{Kind: HandOffPage, Params: map[string]string{"url": page + "?" + strings.ReplaceAll(query.Encode(), "+", "%20")}}
}

// HandOver gives a page in a web-view what opens the mini program's pay page: a ticket, or, where the entry wants that, the
// pay parameters themselves. Those need a payer who has signed in, in that mini program or so that they are known there.
func (g *Gateway) HandOver(ctx context.Context, s ports.Session, p identity.Payer, app, order, entry, clientIP string) (pay.HandOff, error) {
	e := g.settings.Load().entries[entry]
	if e.HandOver != ports.HandOverParameters {
		if g.insures(e) { // the app may lead the payer to a page of its own from here, and not from the native page
			if _, err := g.askApp(ctx, app, order, entry, identity.Name{}); err != nil {
				return pay.HandOff{}, err
			}
		}
		t, err := g.MakeTicket(ctx, app, order, entry)
		return t.HandOff, err
	}
	a, err := g.PayAs(ctx, s, p, order, entry, clientIP)
	if err != nil || a.HandOff == nil {
		return pay.HandOff{}, err
	}
	return parametersPage(e, *a.HandOff, order)
}

// parametersPage is the hand-off in the style of 2019: the pay parameters in the page's address. Of another kind only the
// way into another mini program has a form of its own there.
func parametersPage(e ports.Entry, h pay.HandOff, order string) (pay.HandOff, error) {
	query := url.Values{"number": {order}}
	switch h.Kind {
	case "wechat_miniprogram":
		query.Set("type", "1")
		for _, name := range []string{"timeStamp", "nonceStr", "package", "signType", "paySign"} {
			query.Set(name, h.Params[name])
		}
	case "miniprogram_redirect":
		query.Set("type", "2")
		query.Set("appid", h.Params["appId"])
		query.Set("payUrl", h.Params["path"])
	default:
		return pay.HandOff{}, &Invalid{"entry", fmt.Sprintf("%q hands over by parameters, and %s has no such form: let it hand over by ticket", e.Name, h.Kind)}
	}
	page := openPage(e, query)
	page.ValidUntil = h.ValidUntil
	return page, nil
}

// Redeemed is what the native page pays by.
type Redeemed struct {
	Attempt
	Order     pay.Order
	ReturnURL string // where the payer goes afterwards; empty: to the order's result
}

// Redeem makes the payment of a ticket for whoever WeChat names by their mini program's login. The first of them owns the
// ticket and gets the same answer again for a minute, for the same js_code without WeChat's being asked; to another there is
// no such ticket. Two requests at once make one payment.
func (g *Gateway) Redeem(ctx context.Context, token, jsCode, clientIP string) (Redeemed, error) {
	in, err := g.ticket(ctx, token)
	if err != nil {
		return Redeemed{}, err
	}
	e, r, err := g.entryOf(SignInRequest{Entry: in.Entry, App: in.App})
	if err != nil {
		return Redeemed{}, err
	}
	if in, err = g.askWho(ctx, e, token, in, jsCode); err != nil {
		return Redeemed{}, err
	}
	content, err := json.Marshal(in)
	if err != nil {
		return Redeemed{}, fmt.Errorf("write down a ticket: %w", err)
	}
	seen := in.Seen
	err = g.Store.OwnToken(ctx, ports.TokenTicket, identity.Hash(token), identity.Hash(seen.AppID+" "+seen.OpenID), content, ticketAgain, g.Clock.Now())
	if err != nil {
		return Redeemed{}, ticketTurned(err)
	}
	if _, err := g.signIn(ctx, r, seen, false); err != nil { // what else they are called; no session
		return Redeemed{}, err
	}
	medical, err := g.askApp(ctx, in.App, in.Order, in.Entry, seen.Name)
	if err != nil {
		return Redeemed{}, err
	}
	a, err := g.Pay(ctx, in.App, in.Order, PayRequest{Entry: in.Entry, OpenID: seen.OpenID, ClientIP: clientIP, Medical: medical})
	if err != nil {
		return Redeemed{}, err
	}
	rows, err := g.Store.Rows(ctx, in.App, in.Order)
	if err != nil {
		return Redeemed{}, err
	}
	return Redeemed{Attempt: a, Order: rows.Order, ReturnURL: g.ReturnURL(rows, in.Entry)}, nil
}

// ticket reads a ticket that may still be redeemed by somebody: no login is spent on what is over.
func (g *Gateway) ticket(ctx context.Context, token string) (in ticket, err error) {
	kept, err := g.Store.Token(ctx, ports.TokenTicket, identity.Hash(token))
	switch {
	case err != nil:
	case kept.Holder == "" && !kept.ExpiresAt.After(g.Clock.Now()):
		err = ports.ErrTokenExpired
	default:
		err = json.Unmarshal(kept.Content, &in)
	}
	return in, ticketTurned(err)
}

// askWho has the ticket say whose login a js_code is: of the code that was accepted it knows, of another WeChat does. A
// code that WeChat has answered before may be one whose first answer is just being written down, on any replica.
func (g *Gateway) askWho(ctx context.Context, e ports.Entry, token string, in ticket, jsCode string) (ticket, error) {
	if in.accepted(jsCode) {
		return in, nil
	}
	seen, err := g.Identity.ByJSCode(ctx, identityApp(e), jsCode)
	if err == nil {
		in.Code, in.Seen = identity.Hash(jsCode), seen
		return in, nil
	}
	if !errors.Is(err, ports.ErrCodeUsed) {
		return in, g.turned(ctx, e, err, nil)
	}
	for range codeAsks {
		select {
		case <-ctx.Done():
			return in, ctx.Err()
		case <-time.After(codeWait):
		}
		if now, readErr := g.ticket(ctx, token); readErr == nil && now.accepted(jsCode) {
			return now, nil
		}
	}
	return in, g.turned(ctx, e, err, nil)
}

// ticketTurned says why a ticket was not redeemed. That it is another's is not told from its being none.
func ticketTurned(err error) error {
	switch {
	case errors.Is(err, ports.ErrNotFound):
		return &TurnedAway{Turn: TurnTicketInvalid}
	case errors.Is(err, ports.ErrTokenExpired):
		return &TurnedAway{Turn: TurnTicketSpent}
	}
	return err
}
