package httpapi

import (
	"net/http"
	"time"

	"github.com/gorilla/mux"

	"github.com/paybridge/paybridge/core/gateway"
	"github.com/paybridge/paybridge/core/money"
	"github.com/paybridge/paybridge/core/pay"
	"github.com/paybridge/paybridge/ports"
)

// found is an order, payment or refund that an operator looked for.
type found struct {
	Kind      string    `json:"kind"`
	Number    string    `json:"number"`
	Order     string    `json:"order"`
	App       string    `json:"app"`
	Reference string    `json:"reference,omitempty"`
	State     string    `json:"state"`
	Amount    int64     `json:"amount"`
	Currency  string    `json:"currency"`
	Account   string    `json:"account,omitempty"`
	CreatedAt time.Time `json:"created_at"`
}

// find answers what has this number: of ours, of the provider's, the app's reference, the payer's openid.
func (s *service) find(r *http.Request) (any, error) {
	q, err := queryOf(r, "q")
	if err != nil {
		return nil, err
	}
	if q.Get("q") == "" {
		return nil, invalid{{Field: "q", Detail: "must be what to look for: a number of an order, payment or refund, a reference or an openid"}}
	}
	all, err := s.gateway.Store.Find(r.Context(), q.Get("q"))
	page := make([]found, len(all))
	for i, f := range all {
		page[i] = found{string(f.Kind), f.Number, f.Order, f.App, f.Reference, f.State, f.Amount.Minor, f.Amount.Currency, f.Account, moment(f.CreatedAt)}
	}
	return map[string]any{"found": page}, err
}

// story is all that is kept of an order.
type story struct {
	Order    Order         `json:"order"`
	Payments []toldPayment `json:"payments"`
	Refunds  []toldRefund  `json:"refunds"`
	Audit    []toldStep    `json:"audit"`
	Messages []message     `json:"messages"`
	Events   []toldEvent   `json:"events"`
	Alarms   []alarm       `json:"alarms"`
	Due      *time.Time    `json:"due,omitempty"` // when the order is looked at next
}

// toldPayment is a payment with what an operator has to know of it, and an app has not.
type toldPayment struct {
	Payment
	OutTradeNo string     `json:"out_trade_no"`
	Why        string     `json:"disputed_because,omitempty"`
	Due        *time.Time `json:"due,omitempty"`
}

type toldRefund struct {
	Refund
	OutRefundNo string     `json:"out_refund_no"`
	Held        bool       `json:"held"`
	Due         *time.Time `json:"due,omitempty"`
}

type toldStep struct {
	At        time.Time `json:"at"`
	Kind      string    `json:"kind"`
	Number    string    `json:"number"`
	Old       string    `json:"old,omitempty"`
	New       string    `json:"new"`
	Cause     string    `json:"cause"`
	RequestID string    `json:"request_id,omitempty"` // the provider's
}

type toldEvent struct {
	ID     string    `json:"id"`
	Seq    int64     `json:"seq"`
	Kind   string    `json:"kind"`
	Number string    `json:"number"`
	At     time.Time `json:"at"`
	Taken  bool      `json:"taken"` // by the app's endpoint
}

// message is a verified message of a provider, without what it says.
type message struct {
	ID         string     `json:"id"`
	Provider   string     `json:"provider"`
	Account    string     `json:"account"`
	Verdict    string     `json:"verdict"`
	Cause      string     `json:"cause,omitempty"`
	Number     string     `json:"number"`
	ReceivedAt time.Time  `json:"received_at"`
	Due        *time.Time `json:"due,omitempty"`
}

func messagesOf(all []ports.InboxRow) []message {
	page := make([]message, len(all))
	for i, m := range all {
		page[i] = message{m.ID, m.Provider, m.Account, string(m.Verdict), m.Cause, m.Number, moment(m.Received), unlessZero(moment(m.Due))}
	}
	return page
}

// tell answers the story of an order.
func (s *service) tell(r *http.Request) (any, error) {
	told, err := s.gateway.Tell(r.Context(), mux.Vars(r)["number"])
	if err != nil {
		return nil, err
	}
	out := story{Order: api{s.gateway}.orderOf(told.Rows.Order), Due: unlessZero(moment(told.Rows.Order.Due)), Messages: messagesOf(told.Messages)}
	for _, p := range told.Rows.Payments {
		out.Payments = append(out.Payments, toldPayment{paymentOf(p), p.OutTradeNo(), p.Disputed, unlessZero(moment(p.Due))})
	}
	for _, f := range told.Rows.Refunds {
		out.Refunds = append(out.Refunds, toldRefund{refundOf(f), f.OutRefundNo(), f.Hold, unlessZero(moment(f.NextDue()))})
	}
	for _, a := range told.Audit {
		out.Audit = append(out.Audit, toldStep{moment(a.At), string(a.Kind), a.Number, a.Old, a.New, a.Cause, a.RequestID})
	}
	for _, e := range told.Events {
		out.Events = append(out.Events, toldEvent{e.ID(), e.Seq, string(e.Kind), e.Number, moment(e.At), e.Seq <= told.Taken})
	}
	for _, a := range told.Alarms {
		out.Alarms = append(out.Alarms, alarmOf(a))
	}
	return out, nil
}

// listMessages answers a page of at most a thousand verified messages, newest first.
func (s *service) listMessages(r *http.Request) (any, error) {
	q, err := queryOf(r, "number", "account", "verdict", "before")
	if err != nil {
		return nil, err
	}
	verdict := ports.Verdict(q.Get("verdict"))
	switch verdict {
	case "", ports.VerdictApplied, ports.VerdictUnmatched, ports.VerdictNotice:
	default:
		return nil, invalid{{Field: "verdict", Detail: "must be applied, unmatched or notice"}}
	}
	all, err := s.gateway.Store.Messages(r.Context(), ports.MessageQuery{Number: q.Get("number"), Account: q.Get("account"), Verdict: verdict, Before: q.Get("before"), Limit: 1000})
	return map[string]any{"messages": messagesOf(all)}, err
}

// named is an operator's call that needs no more than the name: {"name": "who"}.
func named(act func(r *http.Request, number string) (any, error)) func(*http.Request) (any, error) {
	return func(r *http.Request) (any, error) {
		var in struct {
			Name string `json:"name"`
		}
		if err := bodyOf(r, &in); err != nil {
			return nil, err
		}
		ctx, err := gateway.ByOperator(r.Context(), in.Name)
		if err != nil {
			return nil, err
		}
		return act(r.WithContext(ctx), mux.Vars(r)["number"])
	}
}

// replay has a message applied again.
func (s *service) replay(r *http.Request, id string) (any, error) {
	m, err := s.gateway.Replay(r.Context(), id)
	return messagesOf([]ports.InboxRow{m})[0], err
}

func (s *service) closeOrder(r *http.Request, number string) (any, error) {
	o, err := s.gateway.CloseOrder(r.Context(), "", number)
	return api{s.gateway}.orderOf(o), err
}

func (s *service) closePayment(r *http.Request, number string) (any, error) {
	p, err := s.gateway.ClosePayment(r.Context(), "", number)
	return paymentOf(p), err
}

func (s *service) retryRefund(r *http.Request, number string) (any, error) {
	f, err := s.gateway.RetryRefund(r.Context(), "", number)
	return refundOf(f), err
}

// refund gives back of a payment, in an operator's name: {"name": "who", "reference": "…", "amount": fen, "reason": "shown to the
// payer", "legs": {"self": fen}}. The same reference again is the same refund.
func (s *service) refund(r *http.Request) (any, error) {
	var in struct {
		Name      string           `json:"name"`
		Reference string           `json:"reference"`
		Amount    int64            `json:"amount"`
		Reason    string           `json:"reason"`
		Legs      map[string]int64 `json:"legs"`
	}
	if err := bodyOf(r, &in); err != nil {
		return nil, err
	}
	ctx, err := gateway.ByOperator(r.Context(), in.Name)
	if err != nil {
		return nil, err
	}
	number := mux.Vars(r)["number"]
	p, err := s.gateway.Payment(ctx, "", number)
	if err != nil {
		return nil, err
	}
	f, _, err := s.gateway.Refund(ctx, "", number, pay.RefundRequest{
		Reference: in.Reference, Amount: money.Amount{Minor: in.Amount, Currency: p.Total().Currency}, Reason: in.Reason, Legs: in.Legs,
	})
	return refundOf(f), err
}
