package httpapi

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/paybridge/paybridge/core/gateway"
)

// CreateTicket makes what opens a mini program's pay page, for an app with pages of its own in a web-view.
func (a api) CreateTicket(ctx context.Context, r CreateTicketRequestObject) (CreateTicketResponseObject, error) {
	t, err := a.gateway.MakeTicket(ctx, callOf(ctx).app, r.Number, r.Body.Entry)
	if err != nil {
		return nil, err
	}
	return CreateTicket201JSONResponse{
		HandOff: HandOff{Kind: t.HandOff.Kind, Params: t.HandOff.Params, ValidUntil: moment(t.HandOff.ValidUntil)}, ExpiresAt: moment(t.ExpiresAt),
	}, nil
}

// redeemRequest is the body of POST /p/v1/tickets/redeem.
type redeemRequest struct {
	Ticket string `json:"ticket"`
	JSCode string `json:"js_code"`
}

// redeemed is its answer, which the client kit's pay page reads.
type redeemed struct {
	Order       string   `json:"order"`
	Amount      int64    `json:"amount"` // fen
	Currency    string   `json:"currency"`
	Description string   `json:"description"`
	HandOff     *HandOff `json:"hand_off,omitempty"`
	ReturnURL   string   `json:"return_url,omitempty"`
}

// redeem takes a ticket and a mini program's login from the native pay page, and makes the payment.
func (s *service) redeem(w http.ResponseWriter, r *http.Request) {
	if foreign.Check(r) != nil {
		s.turnProblem(w, r, &gateway.TurnedAway{Turn: turnForeignOrigin})
		return
	}
	var in redeemRequest
	if !readPayers(w, r, &in) || in.Ticket == "" || in.JSCode == "" {
		s.turnProblem(w, r, &gateway.TurnedAway{Turn: turnMalformed})
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), apiTime)
	defer cancel()
	got, err := s.gateway.Redeem(ctx, in.Ticket, in.JSCode, s.client(r))
	if err != nil {
		s.turnProblem(w, r, err)
		return
	}
	callOf(r.Context()).app = got.Order.App
	out := redeemed{
		Order: got.Order.Number, Amount: got.Order.Amount.Minor, Currency: got.Order.Amount.Currency,
		Description: got.Order.Description, ReturnURL: got.ReturnURL,
	}
	status := http.StatusOK
	switch h := got.HandOff; {
	case h == nil: // not known yet; the page asks again
		status = http.StatusAccepted
		w.Header().Set("Retry-After", fmt.Sprint(askAgain))
	case got.Created:
		status = http.StatusCreated
		fallthrough
	default:
		out.HandOff = &HandOff{Kind: h.Kind, Params: h.Params, ValidUntil: moment(h.ValidUntil)}
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(out) // the page may be gone
}
