package gateway

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/paybridge/paybridge/core/money"
	"github.com/paybridge/paybridge/core/pay"
	"github.com/paybridge/paybridge/core/tradeno"
	"github.com/paybridge/paybridge/ports"
)

// OrderRequest is what an app asks a payer to owe.
type OrderRequest struct {
	Reference   string
	Amount      money.Amount
	Description string
	ProductType string // two digits; empty: 00
	Payer       pay.PayerPolicy
	PayerID     string // openid or user_id, with PayerNamed
	ReturnURL   string
	Metadata    map[string]string
	ExpiresAt   time.Time // zero: in two hours
	Bill        *pay.Bill // of a hospital's order; its payer is named
}

const (
	defaultExpiry = 2 * time.Hour
	longestExpiry = 7 * 24 * time.Hour
)

// CreateOrder makes an order, or answers the one that has this reference already and the same content. Other content
// is refused with reference_reused.
func (g *Gateway) CreateOrder(ctx context.Context, app string, r OrderRequest) (o pay.Order, created bool, err error) {
	now := g.Clock.Now()
	expiresGiven := !r.ExpiresAt.IsZero()
	if err := r.complete(now); err != nil {
		return o, false, err
	}
	if err := g.mayOrder(app); err != nil {
		return o, false, err
	}
	o = pay.Order{
		App: app, Reference: r.Reference, Amount: r.Amount, Description: r.Description, ProductType: r.ProductType,
		Payer: r.Payer, PayerID: r.PayerID, ReturnURL: r.ReturnURL, Metadata: r.Metadata, ExpiresAt: r.ExpiresAt, Bill: r.Bill,
		State: pay.OrderOpen, CreatedAt: now, Due: r.ExpiresAt,
	}
	for range tries {
		if o.Number, err = tradeno.New(tradeno.Order, tradeno.OrderMethod, o.ProductType, g.Installation, now); err != nil {
			return o, false, err
		}
		stored, added, err := g.Store.AddOrder(ctx, o)
		switch {
		case errors.Is(err, ports.ErrNumberTaken), errors.Is(err, ports.ErrCommitUnknown):
			continue // the reference makes it safe to run again
		case err != nil:
			return o, false, fmt.Errorf("add order %q of %s: %w", r.Reference, app, err)
		case added:
			return stored, true, nil
		}
		if !expiresGiven { // a repeat without a time means the first one's
			o.ExpiresAt = stored.ExpiresAt
		}
		if !stored.SameContent(o) {
			return stored, false, &pay.Refusal{Code: pay.CodeReferenceReused, Detail: fmt.Sprintf("order %s has the reference %q with other content", stored.Number, r.Reference)}
		}
		return stored, false, nil
	}
	return o, false, &Unavailable{"the order could not be stored", time.Second}
}

// complete fills in defaults and says which field is wrong.
func (r *OrderRequest) complete(now time.Time) error {
	if r.ProductType == "" {
		r.ProductType = "00"
	}
	if r.Payer == "" {
		r.Payer = pay.PayerFirst
	}
	if r.ExpiresAt.IsZero() {
		r.ExpiresAt = now.Add(defaultExpiry)
	}
	r.ExpiresAt = r.ExpiresAt.UTC().Truncate(time.Second) // what the provider can be told
	switch {
	case r.Reference == "" || len(r.Reference) > 64 || strings.HasPrefix(r.Reference, "~") || !printable(r.Reference):
		return &Invalid{"reference", "1 to 64 bytes of printable text that do not begin with ~"}
	case r.Amount.Payable() != nil || r.Amount.Currency != "CNY" || r.Amount.Minor > 100_000_000_00:
		return &Invalid{"amount", "whole fen, 1 to 10000000000, currency CNY"}
	case r.Description == "" || len(r.Description) > 127 || !printable(r.Description):
		return &Invalid{"description", "1 to 127 bytes of printable text, shown to the payer"}
	case len(r.ProductType) != 2 || strings.Trim(r.ProductType, "0123456789") != "":
		return &Invalid{"product_type", "two digits"}
	case r.Payer != pay.PayerNamed && r.Payer != pay.PayerFirst && r.Payer != pay.PayerAnyone:
		return &Invalid{"payer.policy", "named, first or anyone"}
	case (r.Payer == pay.PayerNamed) != (r.PayerID != "") || len(r.PayerID) > 128 || !printable(r.PayerID):
		return &Invalid{"payer.id", "1 to 128 bytes with the policy named, and only with it"}
	case r.ExpiresAt.Sub(now) < pay.LeastTimeToPay || r.ExpiresAt.Sub(now) > longestExpiry:
		return &Invalid{"expires_at", "between 2 minutes and 7 days from now"}
	case len(r.Metadata) > 20:
		return &Invalid{"metadata", "at most 20 keys"}
	}
	if r.ReturnURL != "" {
		if u, err := url.Parse(r.ReturnURL); err != nil || (u.Scheme != "https" && u.Scheme != "http") || u.Host == "" || u.User != nil || len(r.ReturnURL) > 512 {
			return &Invalid{"return_url", "an absolute http or https URL of at most 512 bytes"}
		}
	}
	if r.Bill != nil {
		if field, problem := r.Bill.Check(r.Amount); field != "" {
			return &Invalid{field, problem}
		}
		if r.Payer != pay.PayerNamed {
			return &Invalid{"payer.policy", "named, where the order has a bill: it holds personal data"}
		}
	}
	for k, v := range r.Metadata {
		if k == "" || len(k) > 40 || len(v) > 500 || !printable(k) || !utf8.ValidString(v) || strings.ContainsRune(v, 0) {
			return &Invalid{"metadata." + k, "keys of 1 to 40 bytes, values of at most 500 bytes of text"}
		}
	}
	return nil
}

// printable is text that can be stored, shown, and sent to a provider as it is.
func printable(s string) bool {
	return utf8.ValidString(s) && strings.IndexFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f }) < 0
}

// Order reads one order of an app.
func (g *Gateway) Order(ctx context.Context, app, number string) (pay.Order, error) {
	return g.Store.Order(ctx, app, number)
}

// Orders lists an app's orders, newest first.
func (g *Gateway) Orders(ctx context.Context, q ports.OrderQuery) (ports.OrderPage, error) {
	return g.Store.Orders(ctx, q)
}
