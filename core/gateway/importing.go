package gateway

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/paybridge/paybridge/core/money"
	"github.com/paybridge/paybridge/core/pay"
	"github.com/paybridge/paybridge/core/tradeno"
	"github.com/paybridge/paybridge/ports"
)

// ImportedPayment is a payment that an earlier system took, by a merchant number and app id that an entry here has.
type ImportedPayment struct {
	App         string
	Entry       string // by whose account it can go back
	OutTradeNo  string // 6 to 64 bytes
	Reference   string // the app's, of the order that it paid; empty: "~imported:" and the out_trade_no
	Description string // empty: the reference
	Refunds     []ImportedRefund
}

// ImportedRefund is what has gone back of it already.
type ImportedRefund struct {
	OutRefundNo string
	Amount      int64 // fen
}

// ImportPayment takes a payment over, as the provider says it is, so that its refunds go through us: its amount, payer, legs and time are the
// provider's. It gets a number of ours; made is false where it is here already. No gateway serves meanwhile. An error that is an *Invalid
// says what is wrong with the payment; any other, that nothing can be said of it now.
func (g *Gateway) ImportPayment(ctx context.Context, in ImportedPayment) (number string, made bool, err error) {
	lost, err := g.imported(in)
	if err != nil {
		return "", false, err
	}
	route := lost.Route
	rows, err := g.Store.TradesByNumber(ctx, route.MchID, route.SubMchID, []string{in.OutTradeNo})
	if err != nil {
		return "", false, err
	}
	if len(rows) == 1 && rows[0].State == string(pay.PaymentSucceeded) {
		return rows[0].Number, false, g.importRefunds(ctx, rows[0].Number, route, in)
	}
	now := g.Clock.Now()
	answer := g.call(ctx, lost.Payment(now), "query", ports.Provider.QueryPayment)
	switch {
	case answer.Outcome.Is(pay.NotFound):
		return "", false, &Invalid{"out_trade_no", "the provider knows no such payment of merchant " + route.MchID}
	case answer.Outcome.Verdict != pay.Accepted || answer.Facts == nil:
		return "", false, fmt.Errorf("ask about payment %s: %s: %s", in.OutTradeNo, answer.Outcome, answer.Outcome.Message)
	case answer.Facts.AppID != route.AppID:
		return "", false, &Invalid{"entry", fmt.Sprintf("the payment was made with app id %s, the entry's is %s", answer.Facts.AppID, route.AppID)}
	}
	o, p, ok := lost.Rows(*answer.Facts, now)
	if !ok {
		return "", false, &Invalid{"out_trade_no", fmt.Sprintf("the provider says that it is %s, not paid", answer.Facts.State)}
	}
	if len(rows) == 1 {
		p.Number = rows[0].Number // a run before ended between the two
	} else if _, err := g.Store.AddLost(ctx, o, p, 0); errors.Is(err, ports.ErrReferenceTaken) {
		return "", false, &Invalid{"reference", "another order of the app has it; give each payment its own"}
	} else if err != nil {
		return "", false, err
	}
	facts := *answer.Facts
	facts.Refunded = facts.Refunded && len(in.Refunds) == 0
	if err := g.decideQuietly(ctx, p.Number, func(rows pay.Rows, now time.Time) (pay.Decision, error) {
		return pay.Settle(rows, p.Number, facts, pay.FromQuery, now)
	}); err != nil {
		return "", false, err
	}
	return p.Number, true, g.importRefunds(ctx, p.Number, route, in)
}

// imported is what is known of it before the provider is asked.
func (g *Gateway) imported(in ImportedPayment) (lost pay.Lost, err error) {
	s := g.settings.Load()
	i := slices.IndexFunc(s.apps, func(a ports.App) bool { return a.Name == in.App })
	e, known := s.entries[in.Entry]
	switch {
	case i < 0:
		return lost, &Invalid{"app", fmt.Sprintf("there is no app %q", in.App)}
	case !known || !slices.Contains(s.apps[i].Entries, in.Entry):
		return lost, &Invalid{"entry", fmt.Sprintf("%q is not an entry of app %s", in.Entry, in.App)}
	case len(in.OutTradeNo) < 6 || len(in.OutTradeNo) > 64 || !printable(in.OutTradeNo):
		return lost, &Invalid{"out_trade_no", "6 to 64 bytes, as the earlier system gave it to the provider"}
	case len(in.Reference) > 64 || !printable(in.Reference):
		return lost, &Invalid{"reference", "at most 64 bytes of printable text"}
	case len(in.Description) > 127 || !printable(in.Description):
		return lost, &Invalid{"description", "at most 127 bytes of printable text"}
	}
	for _, r := range in.Refunds {
		if len(r.OutRefundNo) < 1 || len(r.OutRefundNo) > 64 || r.Amount < 1 {
			return lost, &Invalid{"refunds", "out_refund_no:fen for each, joined by semicolons"}
		}
	}
	a, known := s.accounts[e.Account]
	if !known {
		return lost, &Invalid{"entry", fmt.Sprintf("entry %s needs account %s, which is not configured", in.Entry, e.Account)}
	}
	policy, err := g.Providers.Policy(e.Provider)
	if err != nil {
		return lost, err
	}
	const productType = "00"
	now := g.Clock.Now()
	lost = pay.Lost{
		ProviderNumber: in.OutTradeNo, Route: RouteOf(e, a, policy), ProductType: productType, Description: in.Description,
		Order: pay.Attached{App: in.App, Reference: in.Reference},
	}
	if lost.Number, err = tradeno.New(tradeno.Payment, e.Method, productType, g.Installation, now); err != nil {
		return lost, err
	}
	if lost.Order.Reference == "" {
		lost.Order.Reference = "~imported:" + in.OutTradeNo
	}
	if lost.Description == "" {
		lost.Description = lost.Order.Reference
	}
	lost.Order.Order, err = tradeno.New(tradeno.Order, tradeno.OrderMethod, productType, g.Installation, now)
	return lost, err
}

func (g *Gateway) importRefunds(ctx context.Context, payment string, route pay.Route, in ImportedPayment) error {
	for _, r := range in.Refunds {
		err := g.decideQuietly(ctx, payment, func(rows pay.Rows, now time.Time) (pay.Decision, error) {
			p, err := rows.Payment(payment)
			if err != nil {
				return pay.Decision{}, err
			}
			return pay.StatedRefund(rows, payment, pay.RefundFacts{
				State: pay.RefundFactSucceeded, Number: r.OutRefundNo, Payment: in.OutTradeNo, MchID: route.MchID, SubMchID: route.SubMchID,
				Amount: money.Amount{Minor: r.Amount, Currency: p.Total().Currency}, ProviderID: in.OutTradeNo + "/" + r.OutRefundNo, SucceededAt: now,
			}, now)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// decideQuietly decides about what happened long ago: nobody is alarmed.
func (g *Gateway) decideQuietly(ctx context.Context, payment string, decision func(pay.Rows, time.Time) (pay.Decision, error)) error {
	_, err := g.decide(ctx, byPayment(payment), decided(func(rows pay.Rows, now time.Time) (pay.Decision, error) {
		d, err := decision(rows, now)
		d.Alarms = nil
		return d, err
	}))
	return err
}

// ImportBegins has everything told that is to be told, so that ImportDone is about what was imported alone.
func (g *Gateway) ImportBegins(ctx context.Context) error {
	return g.publishAll(ctx, func(app string) bool { _, ok := g.webhook(app); return ok })
}

// ImportDone lets what was imported be read by GET /v1/events, and be told to nobody.
func (g *Gateway) ImportDone(ctx context.Context) error {
	return g.publishAll(ctx, func(string) bool { return false })
}

func (g *Gateway) publishAll(ctx context.Context, owed func(app string) bool) error {
	for {
		n, err := g.Store.PublishEvents(ctx, publishBatch, owed, g.Clock.Now())
		if err != nil || n == 0 {
			return err
		}
	}
}

// IsInvalid says whether a request itself is wrong, and why.
func IsInvalid(err error) (why string, is bool) {
	var wrong *Invalid
	var refusal *pay.Refusal
	switch {
	case errors.As(err, &wrong):
		return wrong.Field + ": " + wrong.Detail, true
	case errors.As(err, &refusal):
		return refusal.Detail, true
	}
	return "", false
}
