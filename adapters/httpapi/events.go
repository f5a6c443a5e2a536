package httpapi

import (
	"cmp"
	"context"
	"encoding/json"
	"net/http"
	"strconv"
)

func (a api) ListEvents(ctx context.Context, r ListEventsRequestObject) (ListEventsResponseObject, error) {
	after, err := strconv.ParseInt(cmp.Or(given(r.Params.After), "0"), 10, 64)
	if err != nil { // openapi.yaml lets no other text pass
		return nil, err
	}
	events, next, err := a.gateway.ListEvents(ctx, callOf(ctx).app, after, int(cmp.Or(given(r.Params.Limit), defaultPage)))
	if err != nil {
		return nil, err
	}
	return eventPage{events, strconv.FormatInt(next, 10)}, nil
}

// eventPage is an EventPage whose events are the very bytes that a webhook gets.
type eventPage struct {
	Events    []json.RawMessage `json:"events"`
	NextAfter string            `json:"next_after"`
}

// VisitListEventsResponse answers with the page.
func (p eventPage) VisitListEventsResponse(w http.ResponseWriter) error {
	answerJSON(w, http.StatusOK, p)
	return nil
}
