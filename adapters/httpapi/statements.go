package httpapi

import (
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/gorilla/mux"

	"github.com/paybridge/paybridge/ports"
)

// statement is a day's statement of an account as it is answered.
type statement struct {
	Account     string     `json:"account"`
	Day         string     `json:"day"`
	State       string     `json:"state"`
	Lines       int64      `json:"lines"`
	Others      int64      `json:"others"`
	Differences int        `json:"differences"`
	Error       string     `json:"error,omitempty"`
	DoneAt      *time.Time `json:"done_at,omitempty"`
	Due         *time.Time `json:"due,omitempty"`
}

func statementsOf(all []ports.Statement) []statement {
	page := make([]statement, len(all))
	for i, s := range all {
		page[i] = statement{s.Account, s.Day, string(s.State), s.Lines, s.Others, s.Open, s.Error, unlessZero(moment(s.DoneAt)), unlessZero(moment(s.Due))}
	}
	return page
}

// difference is one thing that a statement and our rows say otherwise. Sums in fen.
type difference struct {
	ID         int64      `json:"id"`
	Account    string     `json:"account"`
	Day        string     `json:"day"`
	Kind       string     `json:"kind"`
	What       string     `json:"what"`
	Number     string     `json:"number"`
	ProviderID string     `json:"provider_id,omitempty"`
	Ours       int64      `json:"ours"`
	Theirs     int64      `json:"theirs"`
	OurState   string     `json:"our_state,omitempty"`
	TheirState string     `json:"their_state,omitempty"`
	FoundAt    time.Time  `json:"found_at"`
	HealedAt   *time.Time `json:"healed_at,omitempty"`
	AcceptedAt *time.Time `json:"accepted_at,omitempty"`
	AcceptedBy string     `json:"accepted_by,omitempty"`
	Reason     string     `json:"reason,omitempty"`
}

func differenceOf(d ports.Difference) difference {
	return difference{
		d.ID, d.Account, d.Day, string(d.Kind), string(d.What), d.Number, d.ProviderID, d.Ours, d.Theirs, d.OurState, d.TheirState,
		moment(d.FoundAt), unlessZero(moment(d.HealedAt)), unlessZero(moment(d.AcceptedAt)), d.AcceptedBy, d.Reason,
	}
}

func statementQuery(q url.Values) (ports.StatementQuery, error) {
	query := ports.StatementQuery{Account: q.Get("account"), Day: q.Get("day"), Open: q.Get("open") == "true", Limit: 1000}
	if q.Get("day") != "" {
		if _, err := time.Parse(time.DateOnly, query.Day); err != nil {
			return query, invalid{{Field: "day", Detail: "must be a day, as 2026-11-26"}}
		}
	}
	if open := q.Get("open"); open != "" && open != "true" && open != "false" {
		return query, invalid{{Field: "open", Detail: "must be true or false"}}
	}
	return query, nil
}

// listStatements answers the newest thousand statements, of an account, of a day, or of all.
func (s *service) listStatements(r *http.Request) (any, error) {
	q, err := queryOf(r, "account", "day", "open")
	if err != nil {
		return nil, err
	}
	query, err := statementQuery(q)
	if err != nil {
		return nil, err
	}
	all, err := s.gateway.Store.Statements(r.Context(), query)
	return map[string]any{"statements": statementsOf(all)}, err
}

// reconcile has the statements of a day compared now: {"day": "2026-11-26", "account": "one of them, or all without"}.
func (s *service) reconcile(r *http.Request) (any, error) {
	var in struct {
		Day     string `json:"day"`
		Account string `json:"account"`
	}
	if err := bodyOf(r, &in); err != nil {
		return nil, err
	}
	all, err := s.gateway.Reconcile(r.Context(), in.Account, in.Day)
	return map[string]any{"statements": statementsOf(all)}, err
}

// listDifferences answers a page of at most a thousand differences, newest first.
func (s *service) listDifferences(r *http.Request) (any, error) {
	q, err := queryOf(r, "account", "day", "open", "before")
	if err != nil {
		return nil, err
	}
	query, err := statementQuery(q)
	if err != nil {
		return nil, err
	}
	if query.Before, err = whole(q, "before"); err != nil {
		return nil, err
	}
	found, err := s.gateway.Store.Differences(r.Context(), query)
	page := make([]difference, len(found))
	for i, d := range found {
		page[i] = differenceOf(d)
	}
	return map[string]any{"differences": page}, err
}

// acceptDifference ends one as it is: {"name": "who", "reason": "why"}.
func (s *service) acceptDifference(r *http.Request) (any, error) {
	var in struct {
		Name   string `json:"name"`
		Reason string `json:"reason"`
	}
	if err := bodyOf(r, &in); err != nil {
		return nil, err
	}
	id, err := strconv.ParseInt(mux.Vars(r)["id"], 10, 64)
	if err != nil { // the route takes digits only
		return nil, err
	}
	d, err := s.gateway.AcceptDifference(r.Context(), id, in.Name, in.Reason)
	return differenceOf(d), err
}

// statementSum is what statements say of one app's payments by one entry on one day. Sums in fen, the fee in thousandths of a fen.
type statementSum struct {
	Day      string `json:"day"`
	Account  string `json:"account"`
	App      string `json:"app"`
	Entry    string `json:"entry"`
	Payments int64  `json:"payments"`
	Gross    int64  `json:"gross"`
	Refunds  int64  `json:"refunds"`
	Refunded int64  `json:"refunded"`
	FeeMilli int64  `json:"fee_milli"`
}

// statementSums answers what the statements of some days come to.
func (s *service) statementSums(r *http.Request) (any, error) {
	q, err := queryOf(r, "from", "to")
	if err != nil {
		return nil, err
	}
	for _, field := range []string{"from", "to"} {
		if _, err := time.Parse(time.DateOnly, q.Get(field)); err != nil {
			return nil, invalid{{Field: field, Detail: "must be a day, as 2026-11-26"}}
		}
	}
	all, err := s.gateway.Store.Sums(r.Context(), q.Get("from"), q.Get("to"))
	page := make([]statementSum, len(all))
	for i, sum := range all {
		page[i] = statementSum{sum.Day, sum.Account, sum.App, sum.Entry, sum.Payments, sum.Gross, sum.Refunds, sum.Refunded, sum.FeeMilli}
	}
	return map[string]any{"sums": page}, err
}
