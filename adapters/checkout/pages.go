package checkout

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/gorilla/mux"

	"github.com/paybridge/paybridge/core/money"
	"github.com/paybridge/paybridge/core/pay"
	"github.com/paybridge/paybridge/ports"
)

// link takes a payer from the address that an app gave them to their order, wherever they are.
func (s *site) link(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), pageTime)
	defer cancel()
	token, entry := mux.Vars(r)["token"], r.URL.Query().Get("entry")
	o, err := s.Gateway.Linked(ctx, token)
	switch {
	case errors.Is(err, ports.ErrNotFound):
		s.problem(w, r, "", http.StatusNotFound, "link_invalid", "")
		return
	case err != nil:
		s.failed(w, r, "", err)
		return
	}
	v, err := s.visitor(ctx, r, o.App)
	if err != nil {
		s.failed(w, r, o.App, err)
		return
	}
	path := "/checkout/orders/" + o.Number
	on := path
	if entry != "" {
		on += "?" + url.Values{"entry": {entry}}.Encode()
	}
	s.keepLink(w, o, token)
	switch {
	case v.signedIn, v.place == miniProgram:
		http.Redirect(w, r, on, http.StatusSeeOther)
	case v.place == browser || v.place == weChatOther:
		s.where(w, r, v, &o, s.self(r, o.App))
	default:
		to := s.signInURL(v, entry, path)
		switch {
		case to == "":
			s.where(w, r, v, &o, s.self(r, o.App))
		case v.place == someWeChat || s.asksFirst(o.App, entry):
			s.landing(w, r, v, &o, to)
		default:
			http.Redirect(w, r, to, http.StatusFound)
		}
	}
}

// order shows one order: what it is, how it stands, what went back, and the button that pays it.
func (s *site) order(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), pageTime)
	defer cancel()
	v, err := s.see(ctx, r)
	if err != nil {
		s.turnAway(w, r, v.visitor, err)
		return
	}
	told, err := s.refresh(ctx, &v)
	if err != nil {
		s.failed(w, r, v.app, err)
		return
	}
	p := s.orderPage(r, v, standingOf(v.rows, told, ""))
	p.Title, p.Heading = v.lang.say("title"), v.lang.say("title")
	s.show(w, r, http.StatusOK, "order", p)
}

// result shows what became of a payment. What the client says of it (?said) chooses words, never a state.
func (s *site) result(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), pageTime)
	defer cancel()
	v, err := s.see(ctx, r)
	if err != nil {
		s.turnAway(w, r, v.visitor, err)
		return
	}
	told, err := s.refresh(ctx, &v)
	if err != nil {
		s.failed(w, r, v.app, err)
		return
	}
	stands := standingOf(v.rows, told, r.URL.Query().Get("said"))
	p := s.orderPage(r, v, stands)
	p.Title = v.lang.say(string(stands) + "_title")
	p.Heading, p.Text = p.Title, v.lang.say(string(stands)+"_text")
	if stands == standsUnpaid && !p.Payable {
		p.Text = v.lang.say("expired_text")
	}
	p.Waits, p.Check = !stands.final(), p.URL+"/result?"+url.Values{"said": {"ok"}}.Encode()
	s.show(w, r, http.StatusOK, "result", p)
}

// refresh asks the provider about what can still be paid.
func (s *site) refresh(ctx context.Context, v *view) (told bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	v.rows, told, err = s.Gateway.Refreshed(ctx, v.rows)
	return told, err
}

// listed is how many orders a page of the list has.
const listed = 10

// orders lists what the payer owes and has paid, one app at a time.
func (s *site) orders(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), pageTime)
	defer cancel()
	q := r.URL.Query()
	sessions, err := s.sessions(ctx, r)
	if err != nil {
		s.failed(w, r, "", err)
		return
	}
	var v *visitor
	for i := range sessions {
		if sessions[i].app == q.Get("app") || len(sessions) == 1 && q.Get("app") == "" {
			v = &sessions[i]
		}
	}
	switch {
	case v != nil:
		s.list(ctx, w, r, *v, q.Get("cursor"))
	case len(sessions) > 0 && q.Get("app") == "":
		p := s.page(r, visitor{lang: langOf(r)})
		p.Title, p.Heading = p.Say("orders"), p.Say("apps")
		for _, v := range sessions {
			p.Apps = append(p.Apps, choice{s.Gateway.Merchant(v.app), "/checkout/orders?" + url.Values{"app": {v.app}}.Encode()})
		}
		s.show(w, r, http.StatusOK, "apps", p)
	default:
		nobody := visitor{lang: langOf(r), place: placeOf(r.UserAgent()), app: q.Get("app")}
		if to := s.signInURL(nobody, q.Get("entry"), r.URL.Path); to != "" && !q.Has(cameBack) {
			s.problem(w, r, nobody.app, http.StatusUnauthorized, "session_missing", to)
			return
		}
		s.problem(w, r, "", http.StatusUnauthorized, "session_missing", "")
	}
}

func (s *site) list(ctx context.Context, w http.ResponseWriter, r *http.Request, v visitor, cursor string) {
	found, err := s.Gateway.PayersOrders(ctx, v.payer, cursor, listed)
	if errors.Is(err, ports.ErrCursor) {
		found, err = s.Gateway.PayersOrders(ctx, v.payer, "", listed)
	}
	p := s.page(r, v)
	p.Title, p.Heading = p.Say("orders"), p.Say("orders")
	for _, o := range found.Orders {
		var rows pay.Rows
		if rows, err = s.Gateway.PayersOrder(ctx, v.payer, o.Number); errors.Is(err, ports.ErrNotFound) {
			err = nil
			continue // tried by them, and by then another's
		} else if err != nil {
			break
		}
		p.Orders = append(p.Orders, row{
			URL: "/checkout/orders/" + o.Number, Amount: yuan(o.Amount), Description: o.Description, State: string(o.State),
			Created: clock(o.CreatedAt), Refunds: refundsOf(v.lang, rows),
		})
	}
	if err != nil {
		s.failed(w, r, v.app, err)
		return
	}
	if found.Next != "" {
		p.More = "/checkout/orders?" + url.Values{"app": {v.app}, "cursor": {found.Next}}.Encode()
	}
	s.show(w, r, http.StatusOK, "orders", p)
}

// landing shows what is to be paid to somebody who has to tap before WeChat tells who they are.
func (s *site) landing(w http.ResponseWriter, r *http.Request, v visitor, o *pay.Order, signIn string) {
	p := s.page(r, v)
	p.Title, p.Heading, p.SignIn = p.Say("title"), p.Say("title"), signIn
	if o != nil {
		p.Amount = yuan(o.Amount)
	}
	s.show(w, r, http.StatusOK, "landing", p)
}

// where says where a page has to be opened to pay.
func (s *site) where(w http.ResponseWriter, r *http.Request, v visitor, o *pay.Order, link string) {
	p := s.page(r, v)
	p.Title, p.Heading, p.Link = p.Say("where_title"), p.Say("where_title"), link
	switch v.place {
	case browser:
		p.Text = p.Say("where_browser")
	case weChatOther:
		p.Text = p.Say("where_wechat_other")
	case miniProgram:
		p.Text = p.Say("where_no_mini")
	default:
		p.Text, p.Link = p.Say("where_no_account"), ""
	}
	if o != nil {
		p.Amount = yuan(o.Amount)
	}
	s.show(w, r, http.StatusOK, "where", p)
}

// problem says why a page is not shown, and what to do.
func (s *site) problem(w http.ResponseWriter, r *http.Request, app string, status int, code, signIn string) {
	s.Note(r, app, code)
	p := s.page(r, visitor{lang: langOf(r), place: placeOf(r.UserAgent())})
	p.Title, p.Heading, p.Text, p.SignIn, p.Code = p.Say("problem_title"), p.Say("problem_title"), p.Say(code), signIn, code
	s.show(w, r, status, "problem", p)
}

// orderPage is what the pages of one order share.
func (s *site) orderPage(r *http.Request, v view, stands standing) page {
	o := v.rows.Order
	p := s.page(r, v.visitor)
	p.Number, p.Amount, p.Stands, p.State, p.SignedIn = o.Number, yuan(o.Amount), string(stands), string(o.State), v.signedIn
	p.URL = "/checkout/orders/" + o.Number
	if v.signedIn { // a link alone shows the amount and the merchant
		p.Description, p.Created, p.Refunds, p.Parts = o.Description, clock(o.CreatedAt), refundsOf(v.lang, v.rows), partsOf(v.lang, o)
		if !o.PaidAt.IsZero() {
			p.PaidAt = clock(o.PaidAt)
		}
	}
	e, found := s.entryFor(v, r.URL.Query().Get("entry"))
	if found {
		p.Entry = e.Name
	}
	p.Insured = o.Bill != nil
	p.Return = s.Gateway.ReturnURL(v.rows, p.Entry)
	if payable(v.rows, s.Gateway.Clock.Now()) {
		p.Expires = clock(o.ExpiresAt)
		switch v.place {
		case officialAccount, someWeChat:
			p.Payable = found && v.signedIn
		case miniProgram: // its native page finds out who pays
			p.Payable = found && e.Secret != ""
		}
		switch {
		case p.Payable:
		case v.place == miniProgram:
			p.Where, p.Link = p.Say("where_no_mini"), s.self(r, v.app)
		case v.place == browser:
			p.Where, p.Link = p.Say("where_browser"), s.self(r, v.app)
		case v.place == weChatOther:
			p.Where, p.Link = p.Say("where_wechat_other"), s.self(r, v.app)
		default:
			p.Where = p.Say("where_no_account")
		}
	} else if o.State == pay.OrderOpen {
		p.Where = p.Say("expired_text")
	}
	return p
}

// refundsOf is what went back of an order, or is on its way.
func refundsOf(l lang, rows pay.Rows) (all []refund) {
	for _, f := range rows.Refunds {
		row := refund{Amount: yuan(f.Amount), State: string(f.State), Reason: f.Reason, To: f.Account, At: clock(f.CreatedAt)}
		if f.AmountUnknown {
			row.Amount = l.say("refund_unknown")
		}
		if !f.SucceededAt.IsZero() {
			row.At = clock(f.SucceededAt)
		}
		for _, leg := range f.Legs {
			if len(f.Legs) > 1 {
				row.Parts = append(row.Parts, part{l.say("leg_" + leg.LegID), yuan(leg.Amount), string(leg.State)})
			}
		}
		all = append(all, row)
	}
	return all
}

// partsOf is who pays what of a bill.
func partsOf(l lang, o pay.Order) (all []part) {
	if o.Bill == nil {
		return nil
	}
	for _, p := range []struct {
		name string
		fen  int64
	}{{"part_gov", o.Bill.Gov}, {"part_self", o.Bill.Self}, {"part_other", o.Bill.Other}, {"part_cash", o.Bill.Payable()}} {
		if p.fen > 0 {
			all = append(all, part{Name: l.say(p.name), Amount: yuan(money.Amount{Minor: p.fen, Currency: o.Amount.Currency})})
		}
	}
	return all
}

// keepLang keeps a language that was chosen on a page.
func (s *site) keepLang(w http.ResponseWriter, r *http.Request) {
	if chosen := r.URL.Query().Get("lang"); chosen == "zh" || chosen == "en" {
		http.SetCookie(w, &http.Cookie{
			Name: langCookie, Value: chosen, Path: "/", HttpOnly: true, Secure: s.Secure, SameSite: http.SameSiteLaxMode,
			MaxAge: int((365 * 24 * time.Hour).Seconds()),
		})
	}
}
