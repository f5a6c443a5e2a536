package gateway

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/paybridge/paybridge/core/identity"
	"github.com/paybridge/paybridge/core/pay"
	"github.com/paybridge/paybridge/ports"
)

// checkoutPages is where the hosted checkout's pages are, below an entry's public address.
const checkoutPages = "/checkout/"

// SignPage signs a page of an app's for WeChat's JS-SDK, in the official account of an entry. Without it the page cannot open the
// cashier of medical insurance. *Invalid: the entry has no secret, or page is neither one of its return_urls nor of the checkout.
func (g *Gateway) SignPage(ctx context.Context, app, entry, page string) (ports.PageSignature, error) {
	r, err := g.route(app, entry)
	if err != nil {
		return ports.PageSignature{}, err
	}
	e := g.settings.Load().entries[entry]
	page, _, _ = strings.Cut(page, "#") // WeChat signs what comes before it
	own := []string{e.NotifyBase + checkoutPages}
	switch {
	case e.Secret == "" || g.Identity == nil:
		return ports.PageSignature{}, &Invalid{"entry", fmt.Sprintf("%q has no secret: without it there is no ticket to sign by", entry)}
	case !identity.Allowed(page, append(own, e.ReturnURLs...)):
		return ports.PageSignature{}, &Invalid{"url", fmt.Sprintf("must be one of the return_urls of entry %q, or below it, without user-info and dots in its path", entry)}
	}
	signed, err := g.Identity.SignPage(ctx, r.AppID, page)
	if errors.Is(err, ports.ErrIdentityRefused) { // the operator's to mend
		g.raise(ctx, pay.Alarm{Kind: pay.AlarmIdentityRefused, Number: e.Name, What: err.Error()})
		return signed, &Unavailable{fmt.Sprintf("WeChat gives no ticket to entry %q, by which its pages are signed", entry), time.Minute}
	}
	return signed, err
}

// SignCheckout signs a page of the hosted checkout, named by its path and query. *Invalid: it is none.
func (g *Gateway) SignCheckout(ctx context.Context, app, entry, path string) (ports.PageSignature, error) {
	u, err := url.Parse(path)
	if err != nil || u.IsAbs() || u.Host != "" || !strings.HasPrefix(u.Path, checkoutPages) {
		return ports.PageSignature{}, &Invalid{"page", "must be the path and query of a page of the checkout"}
	}
	return g.SignPage(ctx, app, entry, g.settings.Load().entries[entry].NotifyBase+path)
}
