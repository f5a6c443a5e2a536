package sim

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// FaultKind names something that goes wrong.
type FaultKind string

// Faults of requests. The answer of an executed one is lost or bad; the trade or refund is made all the same.
const (
	TimeoutExecuted     FaultKind = "timeout_executed"
	TimeoutNotExecuted  FaultKind = "timeout_not_executed"
	BrokenExecuted      FaultKind = "connection_broken_executed"
	BrokenNotExecuted   FaultKind = "connection_broken_not_executed"
	ErrorExecuted       FaultKind = "server_error_executed"
	ErrorNotExecuted    FaultKind = "server_error_not_executed"
	RateLimited         FaultKind = "rate_limited"
	RateLimitedExecuted FaultKind = "rate_limited_executed"
	Refusal             FaultKind = "refusal"
	NotEnough           FaultKind = "not_enough"
	NumberUsedCode      FaultKind = "number_used_code"
	AnswerTampered      FaultKind = "answer_tampered"
	AnswerProbe         FaultKind = "answer_signtest"
	Slow                FaultKind = "slow"
	ClockOff            FaultKind = "clock_off"
)

// Faults of the payer's side and of refunds under way.
const (
	ClosedPaid     FaultKind = "closed_paid"
	RefundGoesBad  FaultKind = "refund_abnormal"
	RefundGoesShut FaultKind = "refund_closed"
)

// Faults of callbacks.
const (
	CallbackLost          FaultKind = "callback_lost"
	CallbackLate          FaultKind = "callback_late"
	CallbackDoubled       FaultKind = "callback_doubled"
	CallbackReordered     FaultKind = "callback_reordered"
	CallbackBodyTampered  FaultKind = "callback_body_tampered"
	CallbackSignTampered  FaultKind = "callback_signature_tampered"
	CallbackOtherKey      FaultKind = "callback_other_key"
	CallbackUnknownSerial FaultKind = "callback_unknown_serial"
	CallbackStale         FaultKind = "callback_stale"
	CallbackProbe         FaultKind = "callback_signtest"
)

// Faults of bills.
const (
	BillCreating     FaultKind = "bill_creating"
	BillMissing      FaultKind = "bill_missing"
	BillWrongHash    FaultKind = "bill_wrong_hash"
	BillTruncated    FaultKind = "bill_truncated"
	BillColumnsMoved FaultKind = "bill_columns_moved"
	BillExtraRow     FaultKind = "bill_extra_row"
	BillMissingRow   FaultKind = "bill_missing_row"
	BillAmountOff    FaultKind = "bill_amount_off"
	BillTotalsWrong  FaultKind = "bill_totals_wrong"
	BillPlain        FaultKind = "bill_plain"
)

// faultText says what each kind does; the README's table holds the same list, and a test compares them.
var faultText = map[FaultKind]string{
	TimeoutExecuted:     "executes the request, then never answers",
	TimeoutNotExecuted:  "does nothing and never answers",
	BrokenExecuted:      "executes the request, then breaks the connection",
	BrokenNotExecuted:   "breaks the connection before anything is done",
	ErrorExecuted:       "executes the request and answers 500 SYSTEM_ERROR",
	ErrorNotExecuted:    "answers 500 SYSTEM_ERROR and does nothing",
	RateLimited:         "answers 429 FREQUENCY_LIMITED and does nothing",
	RateLimitedExecuted: "executes the request and answers 429 FREQUENCY_LIMITED",
	Refusal:             "refuses for good, with status, code and message (400 INVALID_REQUEST unless given)",
	NotEnough:           "refuses a refund with 403 NOT_ENOUGH",
	NumberUsedCode:      "answers a number sent with other content by 403 OUT_TRADE_NO_USED instead of 400 INVALID_REQUEST",
	AnswerTampered:      "answers with a signature that does not verify",
	AnswerProbe:         "executes the request and answers with a signature beginning WECHATPAY/SIGNTEST/",
	Slow:                "answers after delay (1s unless given), on the machine's clock",
	ClockOff:            "WeChat's clock is off by delay (10m unless given; may be negative), in requests and callbacks",

	ClosedPaid:     "lets a closed or expired trade be paid all the same",
	RefundGoesBad:  "a refund ends ABNORMAL instead of SUCCESS",
	RefundGoesShut: "a refund ends CLOSED instead of SUCCESS",

	CallbackLost:          "an attempt is not sent; the schedule goes on",
	CallbackLate:          "an attempt is sent later by delay (1m unless given), on the simulated clock",
	CallbackDoubled:       "an attempt is sent twice at once",
	CallbackReordered:     "an attempt is held until another callback was sent, at most delay (1m unless given)",
	CallbackBodyTampered:  "the body is changed after it was signed",
	CallbackSignTampered:  "the signature is changed",
	CallbackOtherKey:      "signed with a key that is not WeChat's, under the known serial",
	CallbackUnknownSerial: "signed with a key that nobody was told of, under its own serial",
	CallbackStale:         "signed with a time 20 minutes ago",
	BillCreating:          "a bill is answered by 400 STATEMENT_CREATING",
	BillMissing:           "a bill is answered by 400 NO_STATEMENT_EXIST",
	BillWrongHash:         "a bill's hash_value is another file's",
	BillTruncated:         "a bill's download ends half way",
	BillColumnsMoved:      "a bill's columns come in another order",
	BillExtraRow:          "a bill has a row of a trade that nobody made",
	BillMissingRow:        "a bill's first row is missing",
	BillAmountOff:         "a bill's first row has a fen too much",
	BillTotalsWrong:       "a bill's totals count a row too many",
	BillPlain:             "a bill comes without byte order mark and with LF alone, as some have been seen",

	CallbackProbe: "a probe with a signature beginning WECHATPAY/SIGNTEST/ goes first, as WeChat does to see that it is refused",
}

// Fault is a rule: what goes wrong, where, how often.
type Fault struct {
	ID   string    `json:"id,omitempty"` // given by the simulator when empty
	Kind FaultKind `json:"kind"`

	// Where. Empty fields match everything.
	Path   string `json:"path,omitempty"`   // a part of "METHOD /path?query", for faults of requests
	Number string `json:"number,omitempty"` // out_trade_no or out_refund_no; of bills the bill_date
	Event  string `json:"event,omitempty"`  // a callback's event_type, or its beginning
	MchID  string `json:"mchid,omitempty"`

	// How often. Count 0 means until it is cleared; Probability 0 means always.
	Count       int     `json:"count,omitempty"`
	Probability float64 `json:"probability,omitempty"` // over 0 to 1, drawn from Config.RandomSeed

	Delay   Duration `json:"delay,omitempty"`
	Status  int      `json:"status,omitempty"` // refusal and server errors only
	Code    string   `json:"code,omitempty"`
	Message string   `json:"message,omitempty"`
}

// Duration is a time.Duration written as Go writes it ("90s", "-10m").
type Duration time.Duration

// MarshalText writes the duration as Go does.
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// UnmarshalText reads what time.ParseDuration reads.
func (d *Duration) UnmarshalText(text []byte) error {
	v, err := time.ParseDuration(string(text))
	*d = Duration(v)
	return err
}

func (d Duration) or(other time.Duration) time.Duration {
	if d == 0 {
		return other
	}
	return time.Duration(d)
}

func (f Fault) check() error {
	switch {
	case faultText[f.Kind] == "":
		return fmt.Errorf("there is no fault %q; GET /control/v1/faults lists the kinds", f.Kind)
	case f.Count < 0:
		return fmt.Errorf("fault %s: the count %d is negative", f.Kind, f.Count)
	case f.Probability < 0 || f.Probability > 1:
		return fmt.Errorf("fault %s: the probability %v is not between 0 and 1", f.Kind, f.Probability)
	case f.Status != 0 && (f.Status < 400 || f.Status > 599):
		return fmt.Errorf("fault %s: the status %d is not an error's (400 to 599)", f.Kind, f.Status)
	}
	return nil
}

// occasion is a moment at which something may go wrong.
type occasion struct {
	path, number, event, mchID string
}

func (f Fault) matches(o occasion) bool {
	return strings.Contains(o.path, f.Path) &&
		(f.Number == "" || f.Number == o.number) &&
		strings.HasPrefix(o.event, f.Event) &&
		(f.MchID == "" || f.MchID == o.mchID)
}

// faultRules are the rules in force, in the order they were set. Guarded by Simulator.mu.
type faultRules struct {
	rules []Fault
	fired map[FaultKind]int
	made  int
	rand  *rand.Rand
}

func newFaultRules(seed uint64) *faultRules {
	return &faultRules{fired: map[FaultKind]int{}, rand: rand.New(rand.NewPCG(seed, seed))}
}

func (r *faultRules) add(f Fault) Fault {
	if f.ID == "" {
		r.made++
		f.ID = fmt.Sprintf("fault-%d", r.made)
	}
	r.rules = append(r.rules, f)
	return f
}

// take is the first rule of one of the kinds that fits and fires now. A rule with a count ends with it.
func (r *faultRules) take(o occasion, kinds ...FaultKind) (Fault, bool) {
	for i, f := range r.rules {
		if !slices.Contains(kinds, f.Kind) || !f.matches(o) {
			continue
		}
		if f.Probability > 0 && r.rand.Float64() >= f.Probability {
			continue
		}
		r.fired[f.Kind]++
		if f.Count > 0 {
			r.rules[i].Count--
			if r.rules[i].Count == 0 {
				r.rules = slices.Delete(r.rules, i, i+1)
			}
		}
		return f, true
	}
	return Fault{}, false
}

// fault asks whether one of the kinds goes wrong now.
func (s *Simulator) fault(o occasion, kinds ...FaultKind) (Fault, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.faults.take(o, kinds...)
}

// SetFaults replaces the rules in force. The counters of what fired stay.
func (s *Simulator) SetFaults(rules ...Fault) error {
	for _, f := range rules {
		if err := f.check(); err != nil {
			return err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults.rules = nil
	for _, f := range rules {
		s.faults.add(f)
	}
	return nil
}

// AddFault puts one more rule behind those in force and returns it with its id.
func (s *Simulator) AddFault(f Fault) (Fault, error) {
	if err := f.check(); err != nil {
		return Fault{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.faults.add(f), nil
}

// ClearFault ends one rule, or all of them when id is empty.
func (s *Simulator) ClearFault(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults.rules = slices.DeleteFunc(s.faults.rules, func(f Fault) bool { return id == "" || f.ID == id })
}

// Faults are the rules in force, counts as they are left, and how often each kind has fired.
func (s *Simulator) Faults() (rules []Fault, fired map[FaultKind]int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fired = map[FaultKind]int{}
	for kind, n := range s.faults.fired {
		fired[kind] = n
	}
	return slices.Clone(s.faults.rules), fired
}

// FaultKinds are all kinds with what each does.
func FaultKinds() map[FaultKind]string { return maps.Clone(faultText) }
