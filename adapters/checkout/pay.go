package checkout

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"strconv"
	"time"

	"github.com/paybridge/paybridge/core/gateway"
	"github.com/paybridge/paybridge/core/pay"
	"github.com/paybridge/paybridge/ports"
)

// payRequest is the body of POST …/pay: where the page's script found itself to be, the entry that the page was for, and the page's
// path and query.
type payRequest struct {
	Place place  `json:"place"`
	Entry string `json:"entry"`
	Page  string `json:"page"`
}

// payBody bounds it, in bytes.
const payBody = 4 << 10

// handOff is what paybridge.js takes to the cashier.
type handOff struct {
	Kind   string            `json:"kind"`
	Params map[string]string `json:"params"`
}

// insuranceCashier is the kind of hand-off that a page opens through WeChat's JS-SDK, which has to know the page.
const insuranceCashier = "wechat_medins"

// config is what wx.config takes.
type config struct {
	AppID     string `json:"appId"`
	Timestamp int64  `json:"timestamp"`
	NonceStr  string `json:"nonceStr"`
	Signature string `json:"signature"`
}

// pay makes the payment of an order, or goes on with the one that is there: however often it is tapped, one trade. The payer
// is whom WeChat named; of the body only the way in is taken.
func (s *site) pay(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), pageTime+pay.CallTime)
	defer cancel()
	in, ok := readPay(w, r)
	switch {
	case s.foreign.Check(r) != nil:
		s.refuse(w, r, "", http.StatusForbidden, "foreign_origin", 0)
		return
	case !ok:
		s.refuse(w, r, "", http.StatusBadRequest, "invalid_request", 0)
		return
	}
	v, err := s.see(ctx, r)
	if err != nil {
		s.refusal(w, r, v.app, err)
		return
	}
	v.place = in.Place
	e, found := s.entryFor(v, in.Entry)
	switch {
	case !found:
		s.refuse(w, r, v.app, http.StatusConflict, "entry_unknown", 0)
		return
	case v.place == miniProgram:
		s.handOver(ctx, w, r, v, e)
		return
	case !v.signedIn:
		s.refusal(w, r, v.app, errSignIn)
		return
	}
	a, err := s.Gateway.PayAs(ctx, v.session, v.payer, v.rows.Order.Number, e.Name, s.Client(r))
	switch {
	case err != nil:
		s.refusal(w, r, v.app, err)
	case a.HandOff == nil: // the outcome is unknown: the same request goes on where this one stopped
		s.refuse(w, r, v.app, http.StatusAccepted, "unresolved", 2*time.Second)
	case a.HandOff.Kind == insuranceCashier:
		s.toInsurance(ctx, w, r, v, e, in.Page, *a.HandOff)
	default:
		answer(w, http.StatusOK, map[string]any{"hand_off": handOff{a.HandOff.Kind, a.HandOff.Params}})
	}
}

// toInsurance answers a page in an official account with what opens the cashier of insurance, and what makes the page one that may.
func (s *site) toInsurance(ctx context.Context, w http.ResponseWriter, r *http.Request, v view, e ports.Entry, page string, h pay.HandOff) {
	signed, err := s.Gateway.SignCheckout(ctx, v.app, e.Name, page)
	if err != nil {
		s.refusal(w, r, v.app, err)
		return
	}
	answer(w, http.StatusOK, map[string]any{"hand_off": handOff{h.Kind, h.Params}, "config": config{signed.AppID, signed.Timestamp, signed.Nonce, signed.Signature}})
}

// handOver answers a page in a web-view with what opens the mini program's pay page. Who pays is found out there: whoever may
// see the order's page here may ask.
func (s *site) handOver(ctx context.Context, w http.ResponseWriter, r *http.Request, v view, e ports.Entry) {
	h, err := s.Gateway.HandOver(ctx, v.session, v.payer, v.app, v.rows.Order.Number, e.Name, s.Client(r))
	switch {
	case err != nil:
		s.refusal(w, r, v.app, err)
	case h.Kind == "":
		s.refuse(w, r, v.app, http.StatusAccepted, "unresolved", 2*time.Second)
	default:
		answer(w, http.StatusOK, map[string]any{"hand_off": handOff{h.Kind, h.Params}})
	}
}

func readPay(w http.ResponseWriter, r *http.Request) (in payRequest, ok bool) {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "application/json" {
		return in, false
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, payBody))
	if err != nil || json.Unmarshal(body, &in) != nil {
		return in, false
	}
	return in, in.Place == officialAccount || in.Place == miniProgram
}

// state tells a page's script how its order stands. It asks the provider first: what a client says is no proof.
func (s *site) state(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), pageTime)
	defer cancel()
	v, err := s.see(ctx, r)
	if err != nil {
		s.refusal(w, r, v.app, err)
		return
	}
	told, err := s.refresh(ctx, &v)
	if err != nil {
		s.refusal(w, r, v.app, err)
		return
	}
	stands := standingOf(v.rows, told, r.URL.Query().Get("said"))
	answer(w, http.StatusOK, map[string]any{"state": v.rows.Order.State, "stands": stands, "told": told})
}

// turns are the words for which reasons the gateway has to refuse a payer, by its code; another is the gateway's fault.
var turns = map[string]struct {
	status int
	word   string
}{
	pay.CodeOrderPaid:          {http.StatusConflict, "paid_text"},
	pay.CodeOrderClosed:        {http.StatusConflict, "closed_text"},
	pay.CodeOrderClosing:       {http.StatusConflict, "closing_text"},
	pay.CodeOrderExpired:       {http.StatusConflict, "expired_text"},
	pay.CodePreviousUnresolved: {http.StatusConflict, "previous_attempt_unresolved"},
	pay.CodePaymentFailed:      {http.StatusConflict, "payment_failed"},
	pay.CodePaymentDisputed:    {http.StatusConflict, "payment_disputed"},
	pay.CodePayerNotAllowed:    {http.StatusNotFound, "not_found"},

	pay.CodeMedicalAuthorizationExpired: {http.StatusConflict, "medical_authorization_expired"},
}

// refusal answers a script whose wish was not done.
func (s *site) refusal(w http.ResponseWriter, r *http.Request, app string, err error) {
	var refused *pay.Refusal
	var invalid *gateway.Invalid
	var away *gateway.TurnedAway
	var down *gateway.Unavailable
	var byApp *gateway.RefusedByApp
	var first *gateway.AtAppFirst
	switch {
	case errors.As(err, &first): // the script goes there
		answer(w, http.StatusOK, map[string]any{"go_to": first.URL})
	case errors.Is(err, gateway.ErrNoMedicalPart):
		s.refuse(w, r, app, http.StatusConflict, "insurance_not_online", 0)
	case errors.As(err, &byApp): // in its own words, in either language
		words := [...]string{cmp.Or(byApp.Chinese, byApp.English), cmp.Or(byApp.English, byApp.Chinese)}[langOf(r)]
		s.tellWords(w, r, app, http.StatusConflict, "app_refused", cmp.Or(words, langOf(r).say("app_refused")), 0)
	case errors.Is(err, gateway.ErrAppSilent):
		s.refuse(w, r, app, http.StatusServiceUnavailable, "app_unreachable", 5*time.Second)
	case errors.Is(err, ports.ErrNotFound):
		s.refuse(w, r, app, http.StatusNotFound, "not_found", 0)
	case errors.Is(err, errSignIn), errors.As(err, &away):
		s.refuse(w, r, app, http.StatusUnauthorized, "session_missing", 0)
	case errors.As(err, &refused) && turns[refused.Code].word != "":
		t := turns[refused.Code]
		s.tell(w, r, app, t.status, refused.Code, t.word, refused.RetryAfter)
	case errors.As(err, &invalid):
		s.refuse(w, r, app, http.StatusConflict, "entry_unknown", 0)
	case errors.As(err, &down):
		s.refuse(w, r, app, http.StatusServiceUnavailable, "away", down.RetryAfter)
	case errors.Is(err, ports.ErrUnavailable), errors.Is(err, ports.ErrStoreAway):
		s.refuse(w, r, app, http.StatusServiceUnavailable, "away", 5*time.Second)
	default:
		s.Log.Warn("a payer's request failed", "app", app, "error", err)
		s.refuse(w, r, app, http.StatusInternalServerError, "internal", 0)
	}
}

func (s *site) refuse(w http.ResponseWriter, r *http.Request, app string, status int, code string, retry time.Duration) {
	s.tell(w, r, app, status, code, code, retry)
}

// tell answers a script with a code for programs and words for the payer.
func (s *site) tell(w http.ResponseWriter, r *http.Request, app string, status int, code, word string, retry time.Duration) {
	s.tellWords(w, r, app, status, code, langOf(r).say(word), retry)
}

func (s *site) tellWords(w http.ResponseWriter, r *http.Request, app string, status int, code, words string, retry time.Duration) {
	s.Note(r, app, code)
	if retry > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int((retry+time.Second-1)/time.Second)))
	}
	w.Header().Set("Vary", "Accept-Language, Cookie")
	answer(w, status, map[string]any{"code": code, "message": words})
}

func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // the payer may have gone
}
