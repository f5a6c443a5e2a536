package wechat

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// Op is what was asked of WeChat. One code may mean different things to different calls.
type Op string

// The calls that this client makes.
const (
	OpPrepay       Op = "prepay"
	OpQuery        Op = "query payment"
	OpClose        Op = "close payment"
	OpRefund       Op = "refund"
	OpRefundQuery  Op = "query refund"
	OpAbnormal     Op = "resolve abnormal refund"
	OpBill         Op = "bill"
	OpCertificates Op = "download certificates"
	OpEcho         Op = "self-test"
	OpGoldPlan     Op = "change gold plan"
	OpMedIns       Op = "medical insurance payment"
	OpMedInsQuery  Op = "query medical insurance payment"
	OpMedInsRefund Op = "report insurance refund"

	OpInsurance            Op = "medical insurance 1.0 payment"
	OpInsuranceQuery       Op = "query medical insurance 1.0 payment"
	OpInsuranceRefund      Op = "medical insurance 1.0 refund"
	OpInsuranceRefundQuery Op = "query medical insurance 1.0 refund"
)

// refunds tells whether a call sends money back.
func (o Op) refunds() bool { return o == OpRefund || o == OpAbnormal }

// Kind says how far a failed call got.
type Kind int

// How far a call got.
const (
	Unanswered Kind = iota // WeChat may have done it: the answer was lost, or cannot be read or understood. The zero value, on purpose
	NotSent                // nothing left this machine
	Unverified             // an answer came, but nothing proves that it is WeChat's
	Refused                // WeChat said no, or not yet: Status and Code say which
)

// Error is a call that did not end as asked. Its text never holds a key, nor the values that WeChat echoes.
type Error struct {
	Op        Op
	Number    string // of the payment or refund
	Kind      Kind
	Status    int    // HTTP; 0 when no answer came
	Code      string // WeChat's, as it spelled it
	Message   string // WeChat's words
	Field     string // where the mistake is, when WeChat says so
	RequestID string
	cause     error
}

var errNoPrepayID = errors.New("its answer holds no prepay_id")

// unknownState is for a verified answer whose state decides nothing, such as one that WeChat has added since.
func unknownState(op Op, number, field, state string, a Answer) error {
	return &Error{
		Op: op, Number: number, Kind: Unanswered, Status: http.StatusOK, RequestID: a.RequestID,
		cause: fmt.Errorf("its answer has the %s %q, which is not known", field, cut(state, 64)),
	}
}

func (e *Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s: ", e.Op, e.Number)
	switch e.Kind {
	case NotSent:
		b.WriteString("not sent")
	case Unverified:
		fmt.Fprintf(&b, "WeChat's answer (HTTP %d) is not believed", e.Status)
	case Refused:
		fmt.Fprintf(&b, "WeChat answered HTTP %d %s %s", e.Status, e.Code, e.words())
	default:
		b.WriteString("the outcome is unknown")
	}
	if e.cause != nil {
		b.WriteString(": " + withoutURL(e.cause).Error())
	}
	if e.RequestID != "" {
		b.WriteString(" (Request-ID " + e.RequestID + ")")
	}
	return b.String()
}

// words is what WeChat said, for people.
func (e *Error) words() string {
	if e.Field == "" {
		return e.Message
	}
	return e.Message + " (" + e.Field + ")"
}

// Unwrap gives what lies behind, as context.Canceled.
func (e *Error) Unwrap() error { return e.cause }

// Cause is the number at the end of WeChat's Request-ID, which says more than the code; empty when there is none.
func (e *Error) Cause() string {
	i := strings.LastIndexByte(e.RequestID, '-')
	if i < 0 || !digits(e.RequestID[i+1:]) {
		return ""
	}
	return e.RequestID[i+1:]
}

// refuse reads a refusal's body, which is {code, message, detail} in three shapes, or nothing at all. Detail's value
// is not kept: it is what we sent, and that may be a person's.
func (e *Error) refuse(body []byte) {
	e.Kind = Refused
	var said struct {
		Code    string          `json:"code"`
		Message string          `json:"message"`
		Detail  json.RawMessage `json:"detail"`
	}
	if json.Unmarshal(body, &said) != nil {
		return
	}
	e.Code, e.Message = cut(said.Code, 64), cut(said.Message, 512)
	var detail struct {
		Field    string `json:"field"`
		Issue    string `json:"issue"`
		Location string `json:"location"`
	}
	if json.Unmarshal(said.Detail, &detail) == nil {
		e.Field = cut(strings.TrimSpace(strings.Join([]string{detail.Location, detail.Field, detail.Issue}, " ")), 256)
	}
}

// cut shortens s to at most n bytes and leaves it valid UTF-8.
func cut(s string, n int) string {
	if len(s) > n {
		s = s[:n]
	}
	return strings.ToValidUTF8(s, "")
}

// withoutURL drops net/http's wrapper: the call and its number are already named.
func withoutURL(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}
