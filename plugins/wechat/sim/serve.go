package sim

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// maxBody bounds what is read of a request; WeChat's own bodies stay far below.
const maxBody = 1 << 20

// call is one authorized request on its way to an endpoint.
type call struct {
	merchant *merchant
	serial   string // of the certificate that signed it
	named    string // its Wechatpay-Serial: the key of WeChat's that it expects, and encrypts with
	signer   signer // of the answer
	body     []byte
	path     map[string]string // the parts of the path in braces
	query    url.Values
	now      time.Time // simulated
	request  *Request
}

// endpoint is one entry of the API: method, path, and what it does.
type endpoint struct {
	method, path string
	run          func(*Simulator, *call) answer
	sends        string // what its body makes: trade or refund; the ledger keeps what a number was sent with
	agent        bool   // refuses a request without Accept or User-Agent before anything else
}

var endpoints = []endpoint{
	{http.MethodPost, "/v3/pay/transactions/jsapi", (*Simulator).prepay, "trade", false},
	{http.MethodGet, "/v3/pay/transactions/out-trade-no/{out_trade_no}", (*Simulator).queryByNumber, "", false},
	{http.MethodGet, "/v3/pay/transactions/id/{transaction_id}", (*Simulator).queryByTransaction, "", false},
	{http.MethodPost, "/v3/pay/transactions/out-trade-no/{out_trade_no}/close", (*Simulator).closeTrade, "", false},
	{http.MethodPost, "/v3/pay/partner/transactions/jsapi", (*Simulator).partnerPrepay, "trade", false},
	{http.MethodGet, "/v3/pay/partner/transactions/out-trade-no/{out_trade_no}", (*Simulator).partnerQueryByNumber, "", false},
	{http.MethodGet, "/v3/pay/partner/transactions/id/{transaction_id}", (*Simulator).partnerQueryByTransaction, "", false},
	{http.MethodPost, "/v3/pay/partner/transactions/out-trade-no/{out_trade_no}/close", (*Simulator).partnerCloseTrade, "", false},
	{http.MethodPost, "/v3/refund/domestic/refunds", (*Simulator).refund, "refund", true},
	{http.MethodGet, "/v3/refund/domestic/refunds/{out_refund_no}", (*Simulator).queryRefund, "", true},
	{http.MethodPost, "/v3/refund/domestic/refunds/{refund_id}/apply-abnormal-refund", (*Simulator).abnormalRefund, "", true},
	{http.MethodGet, "/v3/bill/tradebill", (*Simulator).tradeBill, "", true},
	{http.MethodGet, "/v3/bill/fundflowbill", (*Simulator).fundBill, "", true},
	{http.MethodGet, billPath, (*Simulator).downloadBill, "", false},
	{http.MethodGet, "/v3/certificates", (*Simulator).certificates, "", true},
	{http.MethodPost, "/v3/med-ins/orders", (*Simulator).medInsOrder, "", false},
	{http.MethodGet, "/v3/med-ins/orders/out-trade-no/{out_trade_no}", (*Simulator).medInsByNumber, "", false},
	{http.MethodGet, "/v3/med-ins/orders/mix-trade-no/{mix_trade_no}", (*Simulator).medInsByMix, "", false},
	{http.MethodPost, "/v3/med-ins/refunds/notify", (*Simulator).medInsRefund, "", false},
	{http.MethodPost, "/v3/goldplan/merchants/changegoldplanstatus", (*Simulator).changeGoldPlan, "", false},
	{http.MethodPost, "/v3/goldplan/merchants/changecustompagestatus", (*Simulator).changeCustomPage, "", false},
	{http.MethodPost, "/v3/security/echo", (*Simulator).echo, "", true},
}

// route finds the endpoint of a path. Status 404: no such path; 405: not with this method.
func route(method, escapedPath string) (endpoint, map[string]string, int) {
	parts := strings.Split(escapedPath, "/")
	status := http.StatusNotFound
	for _, e := range endpoints {
		found, ok := matchPath(strings.Split(e.path, "/"), parts)
		switch {
		case !ok:
		case e.method != method:
			status = http.StatusMethodNotAllowed
		default:
			return e, found, http.StatusOK
		}
	}
	return endpoint{}, nil, status
}

func matchPath(pattern, parts []string) (map[string]string, bool) {
	if len(pattern) != len(parts) {
		return nil, false
	}
	found := map[string]string{}
	for i, p := range pattern {
		if name, isName := strings.CutPrefix(p, "{"); isName {
			value, err := url.PathUnescape(parts[i])
			if err != nil || value == "" {
				return nil, false
			}
			found[strings.TrimSuffix(name, "}")] = value
		} else if p != parts[i] {
			return nil, false
		}
	}
	return found, true
}

// serve answers one request. What is not of api.weixin.qq.com is of the v3 API: it is noted, checked, executed, and answered, unless a fault says
// otherwise.
func (s *Simulator) serve(w http.ResponseWriter, r *http.Request) {
	if s.serveWeixin(w, r) {
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	note := s.noteRequest(r, body)
	if err != nil {
		var tooLarge *http.MaxBytesError
		if errors.As(err, &tooLarge) {
			http.Error(w, "", http.StatusRequestEntityTooLarge)
		}
		s.outcome(note, NotExecuted, answer{}, "")
		return
	}
	e, path, status := route(r.Method, r.URL.EscapedPath())
	wall := s.wallFor(occasion{path: r.Method + " " + r.URL.RequestURI(), number: note.Number})
	if status != http.StatusOK {
		a := answer{status: status, unsigned: true}
		s.outcome(note, Answered, a, "")
		s.write(w, a, signer{}, wall, "")
		return
	}
	if e.agent && (r.Header.Get("Accept") == "" || r.Header.Get("User-Agent") == "") {
		a := refuse(http.StatusBadRequest, "INVALID_REQUEST", "Http头缺少Accept或User-Agent", causeParam)
		a.unsigned = true
		s.outcome(note, Answered, a, "")
		s.write(w, a, signer{}, wall, "")
		return
	}
	auth, m, refused := s.authorize(r, body, wall)
	s.noteSigner(note, auth, path)
	if refused != nil {
		s.outcome(note, Answered, *refused, "")
		s.write(w, *refused, signer{}, wall, "")
		return
	}
	named := r.Header.Get("Wechatpay-Serial")
	c := &call{
		merchant: m, serial: auth.serial, named: named, signer: s.answerSigner(m, named),
		body: body, path: path, query: r.URL.Query(), now: s.Now(), request: note,
	}
	s.noteContent(e, c)
	s.perform(w, r, e, c, wall)
}

// perform executes an authorized call with the faults that are set for it.
func (s *Simulator) perform(w http.ResponseWriter, r *http.Request, e endpoint, c *call, wall time.Time) {
	o := occasion{path: r.Method + " " + r.URL.RequestURI(), number: c.request.Number, mchID: c.merchant.MchID}
	if f, slow := s.fault(o, Slow); slow && !s.pause(r, f.Delay.or(time.Second)) {
		s.outcome(c.request, NotExecuted, answer{}, Slow)
		panic(http.ErrAbortHandler)
	}
	f, faulty := s.fault(o, TimeoutNotExecuted, BrokenNotExecuted, ErrorNotExecuted, RateLimited, Refusal, NotEnough,
		TimeoutExecuted, BrokenExecuted, ErrorExecuted, RateLimitedExecuted)
	if faulty {
		if a, instead := f.instead(); instead {
			s.finish(w, r, c, a, f, wall, NotExecuted)
			return
		}
	}
	if r.Header.Get("Accept-Language") == "*" {
		a := refuse(http.StatusBadRequest, "PARAM_ERROR", "传入了不支持的Accept-Language", causeParam)
		s.finish(w, r, c, a, Fault{}, wall, Answered)
		return
	}
	a := e.run(s, c)
	if faulty {
		s.finish(w, r, c, f.afterwards(a), f, wall, ExecutedNotAnswered)
		return
	}
	if f, spoiled := s.fault(o, AnswerTampered, AnswerProbe); spoiled {
		s.outcome(c.request, Answered, a, f.Kind)
		s.write(w, a, c.signer, wall, f.Kind)
		return
	}
	s.finish(w, r, c, a, Fault{}, wall, Answered)
}

// instead is what a fault answers in place of executing the call; status 0 is no answer at all.
func (f Fault) instead() (answer, bool) {
	switch f.Kind {
	case TimeoutNotExecuted, BrokenNotExecuted:
		return answer{}, true
	case ErrorNotExecuted:
		return f.systemError(), true
	case RateLimited:
		return frequencyLimited(), true
	case NotEnough:
		return refuse(http.StatusForbidden, "NOT_ENOUGH", "基本账户余额不足，请充值后重新发起", causeNotEnough), true
	case Refusal:
		a := f.shaped(http.StatusBadRequest, "INVALID_REQUEST", "此请求被拒绝")
		return a, true
	}
	return answer{}, false
}

// afterwards is what the client sees of a call that was executed; status 0 is nothing.
func (f Fault) afterwards(executed answer) answer {
	switch f.Kind {
	case TimeoutExecuted, BrokenExecuted:
		return answer{}
	case ErrorExecuted:
		return f.systemError()
	case RateLimitedExecuted:
		return frequencyLimited()
	}
	return executed
}

func (f Fault) systemError() answer {
	return f.shaped(http.StatusInternalServerError, "SYSTEM_ERROR", "系统错误，请稍后重试")
}

func (f Fault) shaped(status int, code, message string) answer {
	if f.Status != 0 {
		status = f.Status
	}
	if f.Code != "" {
		code = f.Code
	}
	if f.Message != "" {
		message = f.Message
	}
	return refuse(status, code, message, causeUnspecified)
}

func frequencyLimited() answer {
	return refuse(http.StatusTooManyRequests, "FREQUENCY_LIMITED", "频率限制，请稍后重试", causeUnspecified)
}

// finish answers, hangs or breaks the connection, and notes which.
func (s *Simulator) finish(w http.ResponseWriter, r *http.Request, c *call, a answer, f Fault, wall time.Time, o Outcome) {
	s.outcome(c.request, o, a, f.Kind)
	switch {
	case a.status != 0:
		s.write(w, a, c.signer, wall, "")
	case f.Kind == TimeoutExecuted || f.Kind == TimeoutNotExecuted:
		select {
		case <-r.Context().Done():
		case <-s.closing:
		}
		panic(http.ErrAbortHandler)
	default:
		panic(http.ErrAbortHandler) // net/http closes the connection without a word
	}
}

// pause waits on the machine's clock. False: the client or the simulator has gone.
func (s *Simulator) pause(r *http.Request, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-r.Context().Done():
	case <-s.closing:
	}
	return false
}

// wallFor is the time on WeChat's own clock, which a fault may have set wrong.
func (s *Simulator) wallFor(o occasion) time.Time {
	wall := s.cfg.Wall()
	if f, off := s.fault(o, ClockOff); off {
		return wall.Add(f.Delay.or(10 * time.Minute))
	}
	return wall
}

func (s *Simulator) noteRequest(r *http.Request, body []byte) *Request {
	note := &Request{
		At: s.Now(), Method: r.Method, Path: r.URL.RequestURI(), Body: string(body), Number: numberIn(body), Outcome: UnderWay,
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.world.requests.add(note)
	s.tellWatchers()
	return note
}

// numberIn is the number that a body names, for faults that are set on a number and for the ledger.
func numberIn(body []byte) string {
	var names struct {
		OutRefundNo string `json:"out_refund_no"`
		OutTradeNo  string `json:"out_trade_no"`
	}
	if json.Unmarshal(body, &names) != nil {
		return ""
	}
	if names.OutRefundNo != "" {
		return names.OutRefundNo
	}
	return names.OutTradeNo
}

func (s *Simulator) noteSigner(note *Request, a authorization, path map[string]string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	note.MchID, note.Serial = a.mchID, a.serial
	if note.Number == "" {
		note.Number = path["out_trade_no"] + path["out_refund_no"]
	}
}

// noteContent keeps what a number was sent with, whatever becomes of the call.
func (s *Simulator) noteContent(e endpoint, c *call) {
	if e.sends == "" || c.request.Number == "" {
		return
	}
	body, isObject := decode(c.body)
	if !isObject {
		return
	}
	text := body.canonical()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.world.noteSent(e.sends, c.merchant.MchID, c.request.Number, text)
}

func (s *Simulator) outcome(note *Request, o Outcome, a answer, f FaultKind) {
	s.mu.Lock()
	defer s.mu.Unlock()
	note.Outcome, note.Status, note.Code, note.Fault = o, a.status, a.code, f
	s.tellWatchers()
}
