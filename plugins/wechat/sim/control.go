package sim

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"time"
)

// ControlOptions changes the control API.
type ControlOptions struct {
	// AllowOrigin is the origin of a page that may call the control API from a browser ("http://127.0.0.1:8080");
	// empty: none may. Requests with a body must say Content-Type: application/json, so that no foreign page can
	// send one without asking first.
	AllowOrigin string
}

// Control is the API by which tests and people play the payer, set faults, move the time and read the ledger, and
// at / a page that does the same with buttons. It has no login: serve it on loopback.
func (s *Simulator) Control(o ControlOptions) http.Handler {
	mux := http.NewServeMux()
	for pattern, handle := range map[string]func(*http.Request) (any, error){
		"GET /control/v1/health":    s.controlHealth,
		"GET /control/v1/merchants": s.controlMerchants,
		"GET /control/v1/users":     s.controlUsers,
		"POST /control/v1/users":    s.controlAddUser,

		"POST /control/v1/merchants/{mchid}/sub-merchants":           s.controlAddSubMerchant,
		"PUT /control/v1/merchants/{mchid}/receipt-link":             s.controlSetReceiptLink,
		"PUT /control/v1/merchants/{mchid}/keys":                     s.controlSetKeyMode,
		"PUT /control/v1/merchants/{mchid}/apiv3-key":                s.controlSetAPIv3Key,
		"POST /control/v1/merchants/{mchid}/certificate":             s.controlRenewCertificate,
		"DELETE /control/v1/merchants/{mchid}/certificates/{serial}": s.controlEndCertificate,

		"GET /control/v1/platform-certificates":               s.controlPlatform,
		"POST /control/v1/platform-certificates":              s.controlAddPlatform,
		"POST /control/v1/platform-certificates/{serial}/use": s.controlUsePlatform,
		"DELETE /control/v1/platform-certificates/{serial}":   s.controlWithdrawPlatform,

		"POST /control/v1/pay":    func(r *http.Request) (any, error) { return s.controlPayer(r, "ok", s.Pay) },
		"POST /control/v1/fail":   func(r *http.Request) (any, error) { return s.controlPayer(r, "fail", s.FailPayment) },
		"POST /control/v1/cancel": func(r *http.Request) (any, error) { return s.controlPayer(r, "cancel", s.CancelPayment) },

		"POST /control/v1/bureau/authorizations": s.controlAuthorize,
		"POST /control/v1/bureau/refunds":        s.controlBureauRefund,
		"POST /control/v1/med-ins/pay":           s.controlCashier("ok", s.PayMedIns),
		"POST /control/v1/med-ins/fail":          s.controlCashier("fail", s.FailMedIns),
		"POST /control/v1/med-ins/cancel":        s.controlCashier("cancel", s.CancelMedIns),

		"POST /control/v1/insurance-1.0/pay":    s.controlInsurance10(s.PayInsurance10),
		"POST /control/v1/insurance-1.0/fail":   s.controlInsurance10(s.FailInsurance10),
		"POST /control/v1/insurance-1.0/cancel": s.controlInsurance10(s.OpenInsurance10),

		"GET /control/v1/overview":                   s.controlOverview,
		"GET /control/v1/ledger":                     func(*http.Request) (any, error) { return s.Ledger(), nil },
		"GET /control/v1/requests":                   s.controlRequests,
		"GET /control/v1/trades/{number}":            s.controlTrade,
		"POST /control/v1/trades/{number}/expire":    s.controlExpire,
		"POST /control/v1/refunds/{number}/success":  s.controlRefund(RefundSuccess),
		"POST /control/v1/refunds/{number}/abnormal": s.controlRefund(RefundAbnormal),
		"POST /control/v1/refunds/{number}/close":    s.controlRefund(RefundClosed),

		"POST /control/v1/callbacks/{number}/resend": s.controlResend,

		"GET /control/v1/faults":         s.controlFaults,
		"PUT /control/v1/faults":         s.controlSetFaults,
		"POST /control/v1/faults":        s.controlAddFault,
		"DELETE /control/v1/faults":      s.controlClearFaults,
		"DELETE /control/v1/faults/{id}": s.controlClearFaults,

		"GET /control/v1/clock":          func(*http.Request) (any, error) { return s.controlClock(), nil },
		"PUT /control/v1/clock":          s.controlSetClock,
		"POST /control/v1/clock/advance": s.controlAdvance,

		"POST /control/v1/weixin/login-code": s.controlLoginCode,
		"POST /control/v1/weixin/oauth-code": s.controlOAuthCode,
		"POST /control/v1/weixin/unionid":    s.controlUnionID,

		"POST /control/v1/drain": s.controlDrain,
		"POST /control/v1/reset": func(*http.Request) (any, error) { s.Reset(); return struct{}{}, nil },
	} {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) { answerControl(w, r, handle) })
	}
	pageRoutes(mux)
	return guard(mux, o)
}

// controlError is what went wrong, for programs (Code) and people.
type controlError struct {
	status  int
	Code    string `json:"code"`
	Message string `json:"message"`
}

func (e *controlError) Error() string { return e.Message }

func answerControl(w http.ResponseWriter, r *http.Request, handle func(*http.Request) (any, error)) {
	v, err := handle(r)
	if err == nil {
		writeControl(w, http.StatusOK, v)
		return
	}
	var refused *Refused
	var e *controlError
	switch {
	case errors.As(err, &refused):
		e = &controlError{http.StatusConflict, refused.Reason, refused.Message}
		if refused.Reason == ReasonUnknown {
			e.status = http.StatusNotFound
		}
	case errors.As(err, &e):
	default:
		e = &controlError{http.StatusBadRequest, "invalid_request", err.Error()}
	}
	writeControl(w, e.status, e)
}

func writeControl(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(append(compact(v), '\n')) // a caller that has gone away is the caller's business
}

// guard answers a browser's questions for the allowed origin and refuses bodies that a form could send.
func guard(next http.Handler, o ControlOptions) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if origin := r.Header.Get("Origin"); origin != "" && origin == o.AllowOrigin {
			h := w.Header()
			h.Set("Access-Control-Allow-Origin", origin)
			h.Set("Access-Control-Allow-Methods", "GET, POST, PUT, DELETE")
			h.Set("Access-Control-Allow-Headers", "Content-Type")
			h.Set("Vary", "Origin")
			if r.Method == http.MethodOptions {
				w.WriteHeader(http.StatusNoContent)
				return
			}
		}
		kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
		if (r.Method == http.MethodPost || r.Method == http.MethodPut) && kind != "application/json" {
			writeControl(w, http.StatusUnsupportedMediaType, &controlError{
				Code: "content_type", Message: "send Content-Type: application/json (also with an empty body)",
			})
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		next.ServeHTTP(w, r)
	})
}

// readControl reads a body strictly; an empty one leaves v as it is.
func readControl(r *http.Request, v any) error {
	d := json.NewDecoder(r.Body)
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("read the body: %w", err)
	}
	return nil
}

func (s *Simulator) controlHealth(*http.Request) (any, error) {
	return map[string]any{"status": "ok", "base_url": s.BaseURL(), "random_seed": s.RandomSeed()}, nil
}

// shownMerchant is a merchant without its secrets, which are in the keys folder.
type shownMerchant struct {
	MchID   string    `json:"mchid"`
	Name    string    `json:"name"`
	KeyMode KeyMode   `json:"keys"`
	Serial  string    `json:"serial"`
	Apps    []SeedApp `json:"apps"`

	SubMerchants []SubMerchant `json:"sub_merchants,omitempty"`
}

func (s *Simulator) shownMerchants() []shownMerchant {
	var merchants []shownMerchant
	for _, m := range s.Merchants() {
		merchants = append(merchants, shownMerchant{m.MchID, m.Name, m.KeyMode, m.Serial, m.Apps, m.SubMerchants})
	}
	return merchants
}

func (s *Simulator) controlMerchants(*http.Request) (any, error) {
	return map[string]any{"merchants": s.shownMerchants(), "public_key_id": s.PublicKeyID(), "public_key": s.PublicKeyPEM()}, nil
}

func (s *Simulator) controlUsers(*http.Request) (any, error) {
	users := map[string][]SeedUser{}
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, a := range s.world.apps {
		users[id] = slices.Clone(a.Users)
	}
	return users, nil
}

func (s *Simulator) controlAddUser(r *http.Request) (any, error) {
	var body struct {
		AppID string `json:"app_id"`
		SeedUser
	}
	if err := readControl(r, &body); err != nil {
		return nil, err
	}
	return body.SeedUser, s.AddUser(body.AppID, body.SeedUser)
}

func (s *Simulator) controlAddSubMerchant(r *http.Request) (any, error) {
	var sub SeedSubMerchant
	if err := readControl(r, &sub); err != nil {
		return nil, err
	}
	return sub, s.AddSubMerchant(r.PathValue("mchid"), sub)
}

// paidAnswer is what the payer's page hears, and the trade behind it.
type paidAnswer struct {
	ErrMsg string `json:"err_msg"` // as getBrandWCPayRequest gives it
	Trade  Trade  `json:"trade"`
}

func (s *Simulator) controlPayer(r *http.Request, result string, act func(Pay) (Trade, error)) (any, error) {
	var p Pay
	if err := readControl(r, &p); err != nil {
		return nil, err
	}
	t, err := act(p)
	return paidAnswer{"get_brand_wcpay_request:" + result, t}, err
}

func (s *Simulator) controlAuthorize(r *http.Request) (any, error) {
	var a Authorization
	if err := readControl(r, &a); err != nil {
		return nil, err
	}
	return s.Authorize(a)
}

func (s *Simulator) controlBureauRefund(r *http.Request) (any, error) {
	var b BureauRefund
	if err := readControl(r, &b); err != nil {
		return nil, err
	}
	return s.BureauRefund(b)
}

// cashierAnswer is what the payer's page hears, and the payment behind it.
type cashierAnswer struct {
	ErrMsg string `json:"err_msg"` // as requestMedicalInsurancePay gives it
	MedIns MedIns `json:"med_ins"`
}

func (s *Simulator) controlCashier(result string, act func(MedInsPay) (MedIns, error)) func(*http.Request) (any, error) {
	return func(r *http.Request) (any, error) {
		var p MedInsPay
		if err := readControl(r, &p); err != nil {
			return nil, err
		}
		m, err := act(p)
		return cashierAnswer{"requestMedicalInsurancePay:" + result, m}, err
	}
}

func (s *Simulator) controlInsurance10(act func(Insurance10Pay) (Insurance10, error)) func(*http.Request) (any, error) {
	return func(r *http.Request) (any, error) {
		var p Insurance10Pay
		if err := readControl(r, &p); err != nil {
			return nil, err
		}
		return act(p)
	}
}

func (s *Simulator) controlRequests(r *http.Request) (any, error) {
	after := 0
	if text := r.URL.Query().Get("after"); text != "" {
		var err error
		if after, err = strconv.Atoi(text); err != nil {
			return nil, fmt.Errorf("after %q is not a request's number", text)
		}
	}
	all := s.Requests()
	i := slices.IndexFunc(all, func(q Request) bool { return q.Seq > after })
	if i < 0 {
		return []Request{}, nil
	}
	return all[i:], nil
}

// owner is the merchant that has the trade or refund of that number: named by ?mchid=, or the only one.
func (s *Simulator) owner(r *http.Request, has func(tradeKey) bool) (string, error) {
	number := r.PathValue("number")
	if id := r.URL.Query().Get("mchid"); id != "" {
		return id, nil
	}
	var owners []string
	s.mu.Lock()
	defer s.mu.Unlock()
	for id := range s.world.merchants {
		if has(tradeKey{id, number}) {
			owners = append(owners, id)
		}
	}
	switch len(owners) {
	case 1:
		return owners[0], nil
	case 0:
		return "", &controlError{http.StatusNotFound, "not_found", "no merchant has the number " + number}
	}
	return "", fmt.Errorf("several merchants have the number %s: add ?mchid=", number)
}

func (s *Simulator) hasTrade(k tradeKey) bool  { return s.world.trades[k] != nil }
func (s *Simulator) hasRefund(k tradeKey) bool { return s.world.refunds[k] != nil }

func (s *Simulator) controlTrade(r *http.Request) (any, error) {
	mchID, err := s.owner(r, s.hasTrade)
	if err != nil {
		return nil, err
	}
	return s.Trade(mchID, r.PathValue("number"))
}

func (s *Simulator) controlExpire(r *http.Request) (any, error) {
	mchID, err := s.owner(r, s.hasTrade)
	if err != nil {
		return nil, err
	}
	if err := s.ExpireTrade(mchID, r.PathValue("number")); err != nil {
		return nil, err
	}
	return s.Trade(mchID, r.PathValue("number"))
}

func (s *Simulator) controlRefund(status RefundStatus) func(*http.Request) (any, error) {
	return func(r *http.Request) (any, error) {
		mchID, err := s.owner(r, s.hasRefund)
		if err != nil {
			return nil, err
		}
		if err := s.SettleRefund(mchID, r.PathValue("number"), status); err != nil {
			return nil, err
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		return *s.world.refunds[tradeKey{mchID, r.PathValue("number")}], nil
	}
}

// controlResend posts a callback again, as often at once as the body says, whole or spoiled.
func (s *Simulator) controlResend(r *http.Request) (any, error) {
	body := struct {
		Times int       `json:"times"`
		Fault FaultKind `json:"fault"`
	}{Times: 1}
	if err := readControl(r, &body); err != nil {
		return nil, err
	}
	mchID, err := s.owner(r, func(k tradeKey) bool { return s.hasTrade(k) || s.hasRefund(k) })
	if err != nil {
		return nil, err
	}
	statuses, err := s.Resend(r.Context(), mchID, r.PathValue("number"), body.Times, body.Fault)
	return map[string]any{"statuses": statuses}, err
}

// shownFaults is the rules in force, how often each kind has fired, and what the kinds do.
type shownFaults struct {
	Rules      []Fault              `json:"rules"`
	Fired      map[FaultKind]int    `json:"fired"`
	RandomSeed uint64               `json:"random_seed"`
	Kinds      map[FaultKind]string `json:"kinds"`
}

func (s *Simulator) controlFaults(*http.Request) (any, error) {
	rules, fired := s.Faults()
	return shownFaults{rules, fired, s.RandomSeed(), FaultKinds()}, nil
}

func (s *Simulator) controlSetFaults(r *http.Request) (any, error) {
	var rules []Fault
	if err := readControl(r, &rules); err != nil {
		return nil, err
	}
	if err := s.SetFaults(rules...); err != nil {
		return nil, err
	}
	return s.controlFaults(r)
}

func (s *Simulator) controlAddFault(r *http.Request) (any, error) {
	var f Fault
	if err := readControl(r, &f); err != nil {
		return nil, err
	}
	return s.AddFault(f)
}

func (s *Simulator) controlClearFaults(r *http.Request) (any, error) {
	s.ClearFault(r.PathValue("id"))
	return s.controlFaults(r)
}

// shownClock is the simulated time, its speed, and the machine's time.
type shownClock struct {
	Now   time.Time `json:"now"`
	Speed float64   `json:"speed"`
	Wall  time.Time `json:"wall"`
}

func (s *Simulator) controlClock() shownClock {
	return shownClock{s.Now(), s.clock.currentSpeed(), s.cfg.Wall()}
}

func (s *Simulator) controlSetClock(r *http.Request) (any, error) {
	var body struct {
		Now   *time.Time `json:"now"`
		Speed *float64   `json:"speed"`
	}
	if err := readControl(r, &body); err != nil {
		return nil, err
	}
	if body.Speed != nil {
		if err := s.SetSpeed(*body.Speed); err != nil {
			return nil, err
		}
	}
	if body.Now != nil {
		if err := s.SetTime(*body.Now); err != nil {
			return nil, err
		}
	}
	return s.controlClock(), nil
}

func (s *Simulator) controlAdvance(r *http.Request) (any, error) {
	var body struct {
		By Duration `json:"by"`
	}
	if err := readControl(r, &body); err != nil {
		return nil, err
	}
	if err := s.Advance(time.Duration(body.By)); err != nil {
		return nil, err
	}
	return s.controlClock(), nil
}

// controlDrain answers when everything that is due was done.
func (s *Simulator) controlDrain(r *http.Request) (any, error) {
	return s.controlClock(), s.Drain(r.Context())
}
