package httpapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/gorilla/mux"

	"github.com/paybridge/paybridge/core/pay"
	"github.com/paybridge/paybridge/ports"
)

// operations are what a person can look at and do: alarms, refunds that go back another way, events sent again.
func (s *service) operations(root *mux.Router) {
	for _, route := range []struct {
		method, path string
		serve        func(*http.Request) (any, error)
	}{
		{http.MethodGet, "/alarms", s.listAlarms},
		{http.MethodPost, "/alarms/{id:[0-9]{1,18}}/acknowledge", s.acknowledge},
		{http.MethodGet, "/find", s.find},
		{http.MethodGet, "/orders/{number:[0-9]{32}}/story", s.tell},
		{http.MethodPost, "/orders/{number:[0-9]{32}}/close", named(s.closeOrder)},
		{http.MethodPost, "/payments/{number:[0-9]{32}}/close", named(s.closePayment)},
		{http.MethodPost, "/payments/{number:[0-9]{32}}/refunds", s.refund},
		{http.MethodPost, "/payments/{number:[0-9]{32}}/resolve-dispute", s.resolveDispute},
		{http.MethodPost, "/refunds/{number:[0-9]{32}}/retry", named(s.retryRefund)},
		{http.MethodGet, "/messages", s.listMessages},
		{http.MethodPost, "/messages/{number:[0-9a-f]{32}}/replay", named(s.replay)},
		{http.MethodPost, "/refunds/{number:[0-9]{32}}/settle-outside", s.settleOutside},
		{http.MethodPost, "/refunds/{number:[0-9]{32}}/resolve-abnormal", s.resolveAbnormal},
		{http.MethodPost, "/accounts/{name}/receipt-page", s.setReceiptPage},
		{http.MethodGet, "/statements", s.listStatements},
		{http.MethodPost, "/statements", s.reconcile},
		{http.MethodGet, "/statements/sums", s.statementSums},
		{http.MethodGet, "/differences", s.listDifferences},
		{http.MethodPost, "/differences/{id:[0-9]{1,18}}/accept", s.acceptDifference},
		{http.MethodGet, "/webhooks", s.webhooks},
		{http.MethodPost, "/webhooks/{app}/retry", s.retryEvents},
		{http.MethodPost, "/webhooks/{app}/resend", s.resendEvents},
		{http.MethodPost, "/events/{id}/resend", s.resendEvent},
	} {
		root.Handle("/admin/v1"+route.path, private(s.answering(route.serve))).Methods(route.method)
	}
}

// answering answers what serve gives, as JSON.
func (s *service) answering(serve func(*http.Request) (any, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer, err := serve(r)
		if err != nil {
			s.fail(w, r, err)
			return
		}
		answerJSON(w, http.StatusOK, answer)
	})
}

// alarm is an alarm as it is answered.
type alarm struct {
	ID             int64      `json:"id"`
	Kind           string     `json:"kind"`
	Number         string     `json:"number"`
	What           string     `json:"what"`
	English        alarmWords `json:"en"`
	Chinese        alarmWords `json:"zh"`
	RaisedAt       time.Time  `json:"raised_at"`
	SentAt         *time.Time `json:"sent_at,omitempty"` // to the operator's webhook
	AcknowledgedAt *time.Time `json:"acknowledged_at,omitempty"`
	AcknowledgedBy string     `json:"acknowledged_by,omitempty"`
}

type alarmWords struct {
	Title  string `json:"title"`
	Remedy string `json:"remedy"`
}

func alarmOf(a ports.AlarmRow) alarm {
	english, chinese := a.Words()
	return alarm{
		ID: a.ID, Kind: a.Kind, Number: a.Number, What: a.What, English: alarmWords(english), Chinese: alarmWords(chinese),
		RaisedAt: moment(a.RaisedAt), SentAt: unlessZero(moment(a.SentAt)), AcknowledgedAt: unlessZero(moment(a.AcknowledgedAt)),
		AcknowledgedBy: a.AcknowledgedBy,
	}
}

// listAlarms answers how many alarms are open, by kind, and a page of them, newest first: those that are open, and with
// all=true the others as well.
func (s *service) listAlarms(r *http.Request) (any, error) {
	q, err := queryOf(r, "all", "kind", "before", "limit")
	if err != nil {
		return nil, err
	}
	query := ports.AlarmQuery{Open: q.Get("all") != "true", Kind: q.Get("kind"), Limit: 100}
	if all := q.Get("all"); all != "" && all != "true" && all != "false" {
		return nil, invalid{{Field: "all", Detail: "must be true or false"}}
	}
	if query.Before, err = whole(q, "before"); err != nil {
		return nil, err
	}
	if limit, err := whole(q, "limit"); err != nil || limit > 1000 {
		return nil, invalid{{Field: "limit", Detail: "must be a whole number, at most 1000"}}
	} else if limit > 0 {
		query.Limit = int(limit)
	}
	open, err := s.gateway.Store.OpenAlarms(r.Context())
	if err != nil {
		return nil, err
	}
	found, err := s.gateway.Alarms(r.Context(), query)
	if err != nil {
		return nil, err
	}
	page := struct {
		Open   map[string]int `json:"open"`
		Alarms []alarm        `json:"alarms"`
	}{open, make([]alarm, len(found))}
	for i, a := range found {
		page.Alarms[i] = alarmOf(a)
	}
	return page, nil
}

// acknowledge closes an alarm: {"name": "who does it"}.
func (s *service) acknowledge(r *http.Request) (any, error) {
	var in struct {
		Name string `json:"name"`
	}
	if err := bodyOf(r, &in); err != nil {
		return nil, err
	}
	id, err := strconv.ParseInt(mux.Vars(r)["id"], 10, 64)
	if err != nil { // the route takes digits only
		return nil, err
	}
	a, err := s.gateway.Acknowledge(r.Context(), id, in.Name)
	return alarmOf(a), err
}

// settleOutside ends a refund whose money went back another way: {"name": "who says so", "reason": "how"} (R33);
// with "anyway": true also one that the provider is working on.
func (s *service) settleOutside(r *http.Request) (any, error) {
	var in struct {
		Name   string `json:"name"`
		Reason string `json:"reason"`
		Anyway bool   `json:"anyway"`
	}
	if err := bodyOf(r, &in); err != nil {
		return nil, err
	}
	f, err := s.gateway.SettleOutside(r.Context(), mux.Vars(r)["number"], pay.SettledOutside(in))
	return refundOf(f), err
}

// resolveDispute ends a payment's dispute (R12): {"name": "who", "reason": "why", "how": "adopt"}, or "refund".
func (s *service) resolveDispute(r *http.Request) (any, error) {
	var in struct {
		Name   string `json:"name"`
		Reason string `json:"reason"`
		How    string `json:"how"`
	}
	if err := bodyOf(r, &in); err != nil {
		return nil, err
	}
	if in.How != "adopt" && in.How != "refund" {
		return nil, invalid{{Field: "how", Detail: "must be adopt or refund"}}
	}
	p, err := s.gateway.ResolveDispute(r.Context(), mux.Vars(r)["number"], pay.Resolution{Name: in.Name, Reason: in.Reason, Refund: in.How == "refund"})
	return paymentOf(p), err
}

// resolveAbnormal lets the provider send a refund elsewhere that the payer's account could not take (R33):
// {"name": "who", "to": "merchant"}, or to a "card" of the payer's with its bank_type, bank_account and real_name.
func (s *service) resolveAbnormal(r *http.Request) (any, error) {
	var in struct {
		Name        string `json:"name"`
		To          string `json:"to"`
		BankType    string `json:"bank_type"`
		BankAccount string `json:"bank_account"`
		RealName    string `json:"real_name"`
	}
	if err := bodyOf(r, &in); err != nil {
		return nil, err
	}
	if in.To != "merchant" && in.To != "card" {
		return nil, invalid{{Field: "to", Detail: "must be merchant or card"}}
	}
	f, err := s.gateway.ResolveAbnormal(r.Context(), mux.Vars(r)["number"], in.Name, ports.AbnormalTarget{
		ToMerchant: in.To == "merchant", BankType: in.BankType, BankAccount: in.BankAccount, RealName: in.RealName,
	})
	return refundOf(f), err
}

// setReceiptPage chooses what the payers of an account see after paying: {"name": "who", "page": "own"}.
func (s *service) setReceiptPage(r *http.Request) (any, error) {
	var in struct {
		Name string            `json:"name"`
		Page ports.ReceiptPage `json:"page"`
	}
	if err := bodyOf(r, &in); err != nil {
		return nil, err
	}
	account := mux.Vars(r)["name"]
	return map[string]any{"account": account, "page": in.Page}, s.gateway.SetReceiptPage(r.Context(), account, in.Name, in.Page)
}

// webhooks answers how the delivery goes to each app that something waits for.
func (s *service) webhooks(r *http.Request) (any, error) {
	if _, err := queryOf(r); err != nil {
		return nil, err
	}
	found, err := s.gateway.Store.Endpoints(r.Context())
	if err != nil {
		return nil, err
	}
	type webhook struct {
		App          string     `json:"app"`
		Waiting      int        `json:"waiting"` // orders with an event that was not taken
		Failing      int        `json:"failing"`
		Parked       int        `json:"parked"`
		FailingSince *time.Time `json:"failing_since,omitempty"`
	}
	page := struct {
		Webhooks []webhook `json:"webhooks"`
	}{make([]webhook, len(found))}
	for i, e := range found {
		page.Webhooks[i] = webhook{e.App, e.Waiting, e.Failing, e.Parked, unlessZero(moment(e.FailingSince))}
	}
	return page, nil
}

// retryEvents brings forward what waits for an app's endpoint: {}.
func (s *service) retryEvents(r *http.Request) (any, error) {
	if err := bodyOf(r, &struct{}{}); err != nil {
		return nil, err
	}
	return struct{}{}, s.gateway.RetryEvents(r.Context(), mux.Vars(r)["app"])
}

// resendEvents sends an app's events behind a cursor again: {"after": "next_after of a page of GET /v1/events"}.
func (s *service) resendEvents(r *http.Request) (any, error) {
	var in struct {
		After string `json:"after"`
	}
	if err := bodyOf(r, &in); err != nil {
		return nil, err
	}
	after, err := strconv.ParseInt(in.After, 10, 64)
	if err != nil || after < 0 {
		return nil, invalid{{Field: "after", Detail: `must be a next_after of GET /v1/events; "0" sends all again`}}
	}
	orders, err := s.gateway.ResendEvents(r.Context(), mux.Vars(r)["app"], after)
	return struct {
		Orders int `json:"orders"`
	}{orders}, err
}

// resendEvent sends one event again, and what came after it in its order: {}.
func (s *service) resendEvent(r *http.Request) (any, error) {
	if err := bodyOf(r, &struct{}{}); err != nil {
		return nil, err
	}
	return struct{}{}, s.gateway.ResendEvent(r.Context(), mux.Vars(r)["id"])
}

// queryOf reads the parameters of a call that knows these.
func queryOf(r *http.Request, known ...string) (url.Values, error) {
	op := operation{query: map[string]*openapi3.Schema{}}
	for _, name := range known {
		op.query[name] = openapi3.NewStringSchema().WithMaxLength(64)
	}
	if err := checkQuery(op, r.URL); err != nil {
		return nil, err
	}
	return r.URL.Query(), nil
}

func whole(q url.Values, name string) (int64, error) {
	if q.Get(name) == "" {
		return 0, nil
	}
	n, err := strconv.ParseInt(q.Get(name), 10, 64)
	if err != nil || n < 0 {
		return 0, invalid{{Field: name, Detail: "must be a whole number"}}
	}
	return n, nil
}

// bodyOf reads a JSON body; none is as good as {}. Fields that are not known are refused, as everywhere.
func bodyOf(r *http.Request, into any) error {
	body, err := io.ReadAll(io.LimitReader(r.Body, bodyLimit+1))
	switch {
	case err != nil:
		return invalid{{Field: "body", Detail: "could not be read to its end"}}
	case len(body) > bodyLimit:
		return &fault{"body_too_large", fmt.Sprintf("The body may have %d bytes.", bodyLimit)}
	case len(bytes.TrimSpace(body)) == 0:
		body = []byte("{}")
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return invalid{{Field: "body", Detail: "must be a JSON object of the fields that this call knows"}}
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return invalid{{Field: "body", Detail: "must be one JSON object"}}
	}
	return nil
}
