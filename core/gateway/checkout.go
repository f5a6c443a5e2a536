package gateway

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/paybridge/paybridge/core/identity"
	"github.com/paybridge/paybridge/core/pay"
	"github.com/paybridge/paybridge/ports"
)

// The methods of the entries that the checkout's pages can be opened in. The rest of the two digits is the operator's.
const (
	MethodOfficialAccount = "01"
	MethodMiniProgram     = "02"
)

// CheckoutURL is where an app sends the payer of an order. It is the same whenever it is asked for, and opens in whatever
// entry of the app the payer is in. Empty: the app has no entry that payers can be in.
func (g *Gateway) CheckoutURL(o pay.Order) string {
	e, ok := g.EntryIn(o.App, MethodOfficialAccount, "")
	if !ok {
		e, ok = g.EntryIn(o.App, MethodMiniProgram, "")
	}
	if !ok || len(g.CookieKeys) == 0 {
		return ""
	}
	return e.NotifyBase + "/c/" + g.CookieKeys.Link(o.Number)
}

// Linked is the order of a checkout link. ErrNotFound: the link is not one of ours.
func (g *Gateway) Linked(ctx context.Context, link string) (pay.Order, error) {
	number, ok := g.CookieKeys.OpenLink(link)
	if !ok {
		return pay.Order{}, fmt.Errorf("checkout link: %w", ports.ErrNotFound)
	}
	return g.Store.Order(ctx, "", number)
}

// AppOf is the app whose order a number names, for pages that know no more of their visitor. ErrNotFound.
func (g *Gateway) AppOf(ctx context.Context, order string) (string, error) {
	o, err := g.Store.Order(ctx, "", order)
	return o.App, err
}

// Merchant is an app as payers see it.
func (g *Gateway) Merchant(app string) string {
	for _, a := range g.settings.Load().apps {
		if a.Name == app && a.DisplayName != "" {
			return a.DisplayName
		}
	}
	return app
}

// EntryIn is the entry of an app for payers who are in an official account or in a mini program, by its method: the one
// that was asked for where it is one, else the app's first.
func (g *Gateway) EntryIn(app, method, asked string) (ports.Entry, bool) {
	return firstNamed(g.entriesOf(app, func(e ports.Entry) bool { return e.Method == method }), asked)
}

// EntryFor is the entry by which an order is paid there. One with a bill is paid by medical insurance, through an entry whose app
// id is that of an entry of the place.
func (g *Gateway) EntryFor(o pay.Order, method, asked string) (ports.Entry, bool) {
	if o.Bill == nil {
		return g.EntryIn(o.App, method, asked)
	}
	there := g.entriesOf(o.App, func(e ports.Entry) bool { return e.Method == method })
	return firstNamed(g.entriesOf(o.App, func(e ports.Entry) bool {
		return g.insures(e) && slices.ContainsFunc(there, func(place ports.Entry) bool { return place.AppID == e.AppID })
	}), asked)
}

// entriesOf are the entries that an app may make new payments through and that are of a kind, in the app's order.
func (g *Gateway) entriesOf(app string, of func(ports.Entry) bool) (all []ports.Entry) {
	s := g.settings.Load()
	i := slices.IndexFunc(s.apps, func(a ports.App) bool { return a.Name == app })
	if i < 0 {
		return nil
	}
	for _, name := range s.apps[i].Entries {
		if e, ok := s.entries[name]; ok && !e.Retired && of(e) {
			all = append(all, e)
		}
	}
	return all
}

// firstNamed is the entry of that name, else the first.
func firstNamed(all []ports.Entry, name string) (ports.Entry, bool) {
	for _, e := range all {
		if e.Name == name {
			return e, true
		}
	}
	if len(all) == 0 {
		return ports.Entry{}, false
	}
	return all[0], true
}

// Receipt is the order of a payment to a partner's sub merchant, named as its provider names it. ErrNotFound.
func (g *Gateway) Receipt(ctx context.Context, subMchID, number string) (pay.Rows, pay.Payment, error) {
	p, err := g.Store.Payment(ctx, "", number)
	if err == nil && (p.Route.SubMchID == "" || p.Route.SubMchID != subMchID) {
		err = fmt.Errorf("payment %s of sub merchant %q: %w", number, subMchID, ports.ErrNotFound)
	}
	if err != nil {
		return pay.Rows{}, p, err
	}
	rows, err := g.Store.Rows(ctx, p.App, p.Order)
	return rows, p, err
}

// VerificationFile is what an entry wants to be answered at the root of its domain.
func (g *Gateway) VerificationFile(name string) (content string, ok bool) {
	for _, e := range g.settings.Load().entries {
		for _, f := range e.VerificationFiles {
			if f.Name == name {
				return f.Content, true
			}
		}
	}
	return "", false
}

// PayersOrder is an order as the payer who owns it sees it. Another's is ErrNotFound (R41).
func (g *Gateway) PayersOrder(ctx context.Context, p identity.Payer, number string) (pay.Rows, error) {
	rows, err := g.Store.Rows(ctx, p.App, number)
	if err == nil && !pay.MaySee(rows, p) {
		err = fmt.Errorf("order %s: %w", number, ports.ErrNotFound)
	}
	return rows, err
}

// LinkedRows is an order with all that belongs to it, for whoever opened its link.
func (g *Gateway) LinkedRows(ctx context.Context, link string) (pay.Rows, error) {
	o, err := g.Linked(ctx, link)
	if err != nil {
		return pay.Rows{}, err
	}
	return g.Store.Rows(ctx, o.App, o.Number)
}

// PayersOrders lists a payer's orders, newest first.
func (g *Gateway) PayersOrders(ctx context.Context, p identity.Payer, cursor string, limit int) (ports.OrderPage, error) {
	return g.Store.PayerOrders(ctx, p, cursor, limit)
}

// Refreshed asks the provider about whatever of an order can still be paid, because its payer has come back (R17), and reads
// it again; a question that was asked a moment ago is not asked again. It waits for the answer no longer than the context does; what comes later is written all the same. told is false
// where the provider did not say in time whether the order is paid.
func (g *Gateway) Refreshed(ctx context.Context, rows pay.Rows) (now pay.Rows, told bool, err error) {
	told = true
	for _, p := range rows.Payments {
		if !p.State.Live() {
			continue
		}
		if sure, ok := g.asked.lately(p.Number, g.Clock.Now()); ok {
			told = told && sure
			continue
		}
		answered := make(chan bool, 1)
		go func() { answered <- g.askAbout(context.WithoutCancel(ctx), p) }()
		select {
		case sure := <-answered:
			told = told && sure
		case <-ctx.Done():
			told = false
		}
	}
	now, err = g.Store.Rows(context.WithoutCancel(ctx), rows.Order.App, rows.Order.Number)
	return now, told, err
}

// askAbout asks the provider where a payment stands, and tells whether it said so.
func (g *Gateway) askAbout(ctx context.Context, p pay.Payment) (told bool) {
	ctx, cancel := detached(ctx, syncTime)
	defer cancel()
	claim, err := g.claim(ctx, ports.KindPayment, p.Number)
	if err == nil {
		answer := g.call(ctx, p, "query", ports.Provider.QueryPayment)
		told = answer.Outcome.Verdict == pay.Accepted || answer.Outcome.Is(pay.NotFound)
		_, err = g.outcome(ctx, p.Number, answer, pay.Queried, claim)
	}
	if err != nil {
		g.Log.Warn("a payer came back, and the provider could not be asked", "payment", p.Number, "error", err)
	}
	told = told && err == nil
	g.asked.remember(p.Number, g.Clock.Now(), told)
	return told
}

// PayAs makes a payment of a signed-in payer's through an entry, or goes on with the one that is there. The openid is what
// WeChat has said of the payer, never what a client says. An order of another payer's is ErrNotFound (R41).
func (g *Gateway) PayAs(ctx context.Context, s ports.Session, p identity.Payer, order, entry, clientIP string) (Attempt, error) {
	route, err := g.route(p.App, entry)
	if err != nil {
		return Attempt{}, err
	}
	if _, err := g.PayersOrder(ctx, p, order); err != nil {
		return Attempt{}, err
	}
	openID := ""
	if s.AppID == route.AppID {
		openID = s.OpenID
	}
	for _, n := range p.Names {
		if openID == "" && n.AppID == route.AppID {
			openID = n.OpenID
		}
	}
	if openID == "" { // they came another way; this one they have to be known in as well
		return Attempt{}, &TurnedAway{Turn: TurnNoSession}
	}
	medical, err := g.askApp(ctx, p.App, order, entry, identity.Name{AppID: route.AppID, OpenID: openID})
	if err != nil {
		return Attempt{}, err
	}
	a, err := g.Pay(ctx, p.App, order, PayRequest{Entry: entry, OpenID: openID, ClientIP: clientIP, Medical: medical})
	if notTheirs(err) {
		err = errors.Join(fmt.Errorf("order %s: %w", order, ports.ErrNotFound), err)
	}
	return a, err
}

// ReturnURL is where a payer goes back to from an order: what the app said, where an entry that the payer can be in allows
// it (R44). Empty: nowhere.
func (g *Gateway) ReturnURL(rows pay.Rows, entry string) string {
	for _, p := range rows.Payments {
		if p.Number == rows.Order.SettledBy || rows.Order.SettledBy == "" {
			entry = p.Route.Entry // through which they paid, or tried to last
		}
	}
	e, ok := g.settings.Load().entries[entry]
	if !ok || !identity.Allowed(rows.Order.ReturnURL, e.ReturnURLs) {
		return ""
	}
	return rows.Order.ReturnURL
}
