package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/paybridge/paybridge/core/gateway"
	"github.com/paybridge/paybridge/core/pay"
	"github.com/paybridge/paybridge/ports"
)

// problems is every code that this API answers with. A code never changes its meaning.
var problems = map[string]struct {
	status int
	title  string
}{
	"invalid_request":                   {http.StatusBadRequest, "The request is malformed"},
	"unauthenticated":                   {http.StatusUnauthorized, "There is no valid key with the request"},
	"scope_missing":                     {http.StatusForbidden, "The key may not do this"},
	"not_found":                         {http.StatusNotFound, "There is no such thing"},
	"method_not_allowed":                {http.StatusMethodNotAllowed, "The route has no such method"},
	pay.CodeOrderPaid:                   {http.StatusConflict, "The order is paid"},
	pay.CodeOrderClosed:                 {http.StatusConflict, "The order is closed"},
	pay.CodeOrderClosing:                {http.StatusConflict, "The order is being closed"},
	pay.CodeOrderExpired:                {http.StatusConflict, "Too little time is left to pay the order"},
	pay.CodePayerNotAllowed:             {http.StatusConflict, "The order is another payer's"},
	pay.CodePreviousUnresolved:          {http.StatusConflict, "An earlier payment is still being closed"},
	"payment_failed":                    {http.StatusConflict, "The provider refused the payment"},
	pay.CodePaymentDisputed:             {http.StatusConflict, "A payment contradicts what the provider says"},
	pay.CodePaymentNotPaid:              {http.StatusConflict, "Nothing was taken"},
	pay.CodeNotCloseable:                {http.StatusConflict, "The payment cannot be closed"},
	pay.CodeReferenceReused:             {http.StatusConflict, "The reference has other content"},
	pay.CodeRefundExceeds:               {http.StatusConflict, "More is asked than is left of the payment"},
	pay.CodeRefundLegs:                  {http.StatusConflict, "The payment has several parts"},
	pay.CodeRefundLeg:                   {http.StatusConflict, "The insurance part of the refund does not allow it"},
	pay.CodeRefundUnknown:               {http.StatusConflict, "A refund of unknown amount was made elsewhere"},
	pay.CodeRefundTooMany:               {http.StatusConflict, "The provider allows no more refunds of the payment"},
	pay.CodeRefundTooLate:               {http.StatusConflict, "The provider's time limit for refunds has passed"},
	pay.CodeRefundNotRetryable:          {http.StatusConflict, "The refund leaves nothing to send"},
	pay.CodeRefundNotSettleable:         {http.StatusConflict, "The refund cannot be settled outside"},
	pay.CodeMedicalAuthorizationExpired: {http.StatusConflict, "The insurance authorization has expired"},
	pay.CodeIdentityConflict:            {http.StatusConflict, "The openid is another user's"},
	"body_too_large":                    {http.StatusRequestEntityTooLarge, "The body is too large"},
	"unsupported_media_type":            {http.StatusUnsupportedMediaType, "The body is not application/json"},
	"internal":                          {http.StatusInternalServerError, "A fault of the gateway"},
	"unavailable":                       {http.StatusServiceUnavailable, "Something that this needs is away"},
	pay.CodeRefundNotAbnormal:           {http.StatusConflict, "The refund cannot be sent elsewhere"},
	pay.CodeNotOffered:                  {http.StatusConflict, "The pay channel does not offer this"},
	pay.CodeOrderNotPaid:                {http.StatusConflict, "The order is not paid"},
	pay.CodeFulfilmentUnderWay:          {http.StatusConflict, "Another fulfilment is being reported"},
	pay.CodePaymentNotDisputed:          {http.StatusConflict, "The payment is not disputed"},
	pay.CodeTradeNotOurs:                {http.StatusConflict, "The trade is another's"},
	pay.CodeReceiptPage:                 {http.StatusConflict, "The provider refuses this receipt page"},
	pay.CodeFulfilmentFinal:             {http.StatusConflict, "The fulfilment cannot be corrected any more"},
}

// fault is a request that is refused before any use case sees it.
type fault struct{ code, detail string }

func (f *fault) Error() string { return f.code + ": " + f.detail }

// invalid is a request whose form is wrong, with every field that is.
type invalid []FieldError

func (i invalid) Error() string {
	fields := make([]string, len(i))
	for n, f := range i {
		fields[n] = f.Field + " " + f.Detail
	}
	return strings.Join(fields, "; ")
}

// problemOf says what an error means to the caller, and how soon asking again may help (0: it won't).
func problemOf(err error) (p Problem, retryAfter time.Duration) {
	var (
		form        invalid
		field       *gateway.Invalid
		refusal     *pay.Refusal
		unavailable *gateway.Unavailable
		refused     *fault
	)
	problem := func(code, detail string) Problem {
		return Problem{Code: ProblemCode(code), Status: problems[code].status, Title: problems[code].title, Detail: detail}
	}
	switch {
	case errors.As(err, &form):
		p = problem("invalid_request", form.Error())
		p.Errors = (*[]FieldError)(&form)
		return p, 0
	case errors.As(err, &field):
		p = problem("invalid_request", field.Error())
		p.Errors = &[]FieldError{{Field: field.Field, Detail: field.Detail}}
		return p, 0
	case errors.As(err, &refused):
		return problem(refused.code, refused.detail), 0
	case errors.As(err, &refusal) && problems[refusal.Code].status != 0:
		return problem(refusal.Code, refusal.Detail), refusal.RetryAfter
	case errors.Is(err, ports.ErrNotFound):
		return problem("not_found", "There is no such number, or it is not yours."), 0
	case errors.As(err, &unavailable):
		return problem("unavailable", unavailable.Detail), max(unavailable.RetryAfter, time.Second)
	case errors.Is(err, ports.ErrUnavailable):
		return problem("unavailable", "The pay channel is not available here. Nothing failed for it; ask again."), 5 * time.Second
	case errors.Is(err, ports.ErrStoreAway):
		return problem("unavailable", "The database is away. Nothing was decided; send the very same request again."), 5 * time.Second
	case errors.Is(err, ports.ErrClaimed), errors.Is(err, ports.ErrMoved), errors.Is(err, ports.ErrLivePayment),
		errors.Is(err, ports.ErrCommitUnknown), errors.Is(err, context.DeadlineExceeded):
		return problem("unavailable", "The same is being worked on already, or the database is slow. Ask again."), time.Second
	}
	return problem("internal", "What was asked may have happened: send the very same request again. The log has the cause under the request id."), 0
}

// statusCallerGone is what is logged and counted where nobody waits for the answer any more: no fault of ours.
const statusCallerGone = 499

// fail answers a request that was not done. What is a fault of ours is logged here, once; its cause is not answered.
func (s *service) fail(w http.ResponseWriter, r *http.Request, err error) {
	c := callOf(r.Context())
	if errors.Is(r.Context().Err(), context.Canceled) {
		c.status = statusCallerGone
		return
	}
	p, retryAfter := problemOf(err)
	c.code = string(p.Code)
	if p.Status >= http.StatusInternalServerError {
		s.log.ErrorContext(r.Context(), "a request was not done", "request_id", c.id, "route", c.route, "code", c.code, "error", err)
	}
	write(w, c.id, p, retryAfter)
}

// write answers with a problem document.
func write(w http.ResponseWriter, requestID string, p Problem, retryAfter time.Duration) {
	p.Type = "urn:paybridge:problem:" + string(p.Code)
	p.Instance = "urn:paybridge:request:" + requestID
	body, err := json.Marshal(p)
	if err != nil {
		panic(fmt.Sprintf("a problem is JSON: %v", err))
	}
	h := w.Header()
	h.Set("Content-Type", "application/problem+json")
	h.Set("Cache-Control", "no-store")
	if retryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(seconds(retryAfter)))
	}
	if p.Status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", `Bearer realm="paybridge"`)
	}
	w.WriteHeader(p.Status)
	_, _ = w.Write(append(body, '\n')) // the caller may have gone
}

// seconds is a time for Retry-After: whole, at least 1.
func seconds(d time.Duration) int { return max(1, int(math.Ceil(d.Seconds()))) }
