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

// BindRequest is what an app says of one of its users.
type BindRequest struct {
	UserID string // the app's own name for the user; Lookup may go by it alone
	Entry  string // whose app id the openid is of
	OpenID string
}

// name is whom a request means; field is the first that is wrong.
func (g *Gateway) name(app string, r BindRequest) (identity.Name, error) {
	s := g.settings.Load()
	i := slices.IndexFunc(s.apps, func(a ports.App) bool { return a.Name == app })
	e, ok := s.entries[r.Entry]
	switch {
	case i < 0 || !ok || !slices.Contains(s.apps[i].Entries, r.Entry):
		return identity.Name{}, &Invalid{"entry", fmt.Sprintf("%q is not an entry of this app", r.Entry)}
	case e.AppID == "" || e.OpenIDKind == pay.OpenIDNone:
		return identity.Name{}, &Invalid{"entry", fmt.Sprintf("%q is of a channel without openids", r.Entry)}
	case r.OpenID == "" || len(r.OpenID) > 128 || !printable(r.OpenID):
		return identity.Name{}, &Invalid{"openid", "the user's openid of the entry's app id, 1 to 128 bytes"}
	}
	return identity.Name{AppID: e.AppID, OpenID: r.OpenID}, nil
}

// Bind lets an app call whoever has an openid by a user_id. The payers of its user_ids are joined for this app alone: no
// other sees anything of it (R42). An openid that is known by an app's word only may pay, but makes no session.
func (g *Gateway) Bind(ctx context.Context, app string, r BindRequest) (identity.Payer, error) {
	of, err := g.name(app, r)
	if err != nil {
		return identity.Payer{}, err
	}
	if r.UserID == "" || len(r.UserID) > 128 || !printable(r.UserID) {
		return identity.Payer{}, &Invalid{"user_id", "the app's name for the user, 1 to 128 bytes"}
	}
	now := g.intent()
	err = g.identify(ctx, func(tx ports.Tx) error {
		if _, _, err := meet(ctx, tx, identity.Seen{Name: of}, now); err != nil {
			return err
		}
		ids, ties, err := tx.LockPayer(ctx, app, of)
		if err != nil {
			return err
		}
		tie, err := identity.Bind(app, of, r.UserID, identity.View(app, of, ids, ties))
		if err != nil {
			return err
		}
		return tx.PutTie(ctx, tie, now)
	})
	var conflict *identity.Conflict
	switch {
	case errors.As(err, &conflict):
		return identity.Payer{}, &pay.Refusal{Code: pay.CodeIdentityConflict, Detail: "the one behind this openid has another user_id in this app already: look the openid up, and go on with that one"}
	case err != nil:
		return identity.Payer{}, err
	}
	return g.payer(ctx, app, of)
}

// LookUp tells an app whom it knows: by its own user_id, or by an openid that it has given or that has signed in for it.
// ErrNotFound: nobody that it knows.
func (g *Gateway) LookUp(ctx context.Context, app string, r BindRequest) (identity.Payer, error) {
	if r.UserID != "" {
		names, err := g.Store.NamesOf(ctx, app, r.UserID)
		if err != nil {
			return identity.Payer{}, err
		}
		if len(names) == 0 {
			return identity.Payer{}, fmt.Errorf("a user of app %s: %w", app, ports.ErrNotFound)
		}
		return g.payer(ctx, app, names[0])
	}
	of, err := g.name(app, r)
	if err != nil {
		return identity.Payer{}, err
	}
	p, err := g.payer(ctx, app, of)
	if err == nil && !slices.ContainsFunc(p.Ties, func(t identity.Tie) bool { return t.Name == of }) {
		err = fmt.Errorf("an identity of app %s: %w", app, ports.ErrNotFound) // known, but not to this app (R42)
	}
	return p, err
}

// payersPage is how many orders a payer's list has at a time.
const payersPage = 20

// PayerOrders lists a payer's own orders, newest first.
func (g *Gateway) PayerOrders(ctx context.Context, p identity.Payer, cursor string) (ports.OrderPage, error) {
	return g.Store.PayerOrders(ctx, p, cursor, payersPage)
}

// PayerOrder reads an order for a payer, with all that belongs to it. Another payer's order is none (R41).
func (g *Gateway) PayerOrder(ctx context.Context, p identity.Payer, number string) (pay.Rows, error) {
	rows, err := g.Store.Rows(ctx, p.App, number)
	if err == nil && !pay.MaySee(rows, p) {
		err = fmt.Errorf("order %s: %w", number, ports.ErrNotFound)
	}
	return rows, err
}
