package pluginhost

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/paybridge/paybridge/core/money"
	"github.com/paybridge/paybridge/core/pay"
	pb "github.com/paybridge/paybridge/plugins/proto/providerv1"
	"github.com/paybridge/paybridge/ports"
)

// What a plugin answers, as core knows it. A plugin may be wrong or lie: an answer that breaks the contract is
// INDETERMINATE as a whole, so that the provider is asked again and nothing of it is stored.

const (
	maxState   = 8 << 10  // bytes of provider_state
	maxParams  = 64 << 10 // bytes of a hand-off's parameters
	maxLegs    = 8
	maxID      = 128 // bytes of an id, number or app id
	maxMessage = 1 << 10
	// A plugin may ask us to wait, not to forget.
	longestRetry = time.Hour
)

// paymentResponse is what the answers about payments have in common.
type paymentResponse interface {
	GetOutcome() *pb.Outcome
	GetFacts() *pb.PaymentFacts
	GetProviderState() *pb.ProviderState
}

// paymentAnswer reads the answer of a query or a close.
func paymentAnswer(r paymentResponse) ports.PaymentAnswer {
	a := ports.PaymentAnswer{Outcome: outcome(r.GetOutcome()), ProviderTime: moment(r.GetOutcome().GetProviderTime())}
	var err error
	if a.ProviderState, err = providerState(r.GetProviderState()); err != nil {
		return ports.PaymentAnswer{Outcome: distrust(a.Outcome, err)}
	}
	if a.Outcome.Verdict != pay.Accepted {
		return a
	}
	if a.Facts, err = facts(r.GetFacts()); err != nil {
		return ports.PaymentAnswer{Outcome: distrust(a.Outcome, err)}
	}
	return a
}

// created reads the answer of a create, which may bring a hand-off or ask for a checkpoint.
func created(r *pb.CreatePaymentResponse) ports.PaymentAnswer {
	if r.GetOutcome().GetVerdict() == pb.Verdict_VERDICT_CHECKPOINT {
		return checkpoint(r)
	}
	a := paymentAnswer(r)
	if a.Outcome.Verdict != pay.Accepted {
		return a
	}
	a.NotPayableAfter = moment(r.GetNotPayableAfter())
	if r.GetHandOff() == nil {
		return a
	}
	var err error
	if a.HandOff, err = handOff(r.GetHandOff()); err != nil {
		return ports.PaymentAnswer{Outcome: distrust(a.Outcome, err)}
	}
	return a
}

func checkpoint(r *pb.CreatePaymentResponse) ports.PaymentAnswer {
	o := outcome(r.GetOutcome())
	state, err := providerState(r.GetProviderState())
	if err == nil && state == nil {
		err = errors.New("a checkpoint without a state")
	}
	if err != nil {
		return ports.PaymentAnswer{Outcome: distrust(o, err)}
	}
	o.Verdict = pay.Accepted
	return ports.PaymentAnswer{Outcome: o, Checkpoint: true, ProviderState: state,
		ProviderTime: moment(r.GetOutcome().GetProviderTime())}
}

// refundAnswer reads the answer of a refund or its query.
func refundAnswer(r interface {
	GetOutcome() *pb.Outcome
	GetFacts() *pb.RefundFacts
	GetProviderState() *pb.ProviderState
}) ports.RefundAnswer {
	a := ports.RefundAnswer{Outcome: outcome(r.GetOutcome()), ProviderTime: moment(r.GetOutcome().GetProviderTime())}
	var err error
	if a.ProviderState, err = providerState(r.GetProviderState()); err != nil {
		return ports.RefundAnswer{Outcome: distrust(a.Outcome, err)}
	}
	if a.Outcome.Verdict != pay.Accepted {
		return a
	}
	if a.Facts, err = refundFacts(r.GetFacts()); err != nil {
		return ports.RefundAnswer{Outcome: distrust(a.Outcome, err)}
	}
	if a.Outcome.NeedsAttention == "" { // said of the refund and not of the call
		a.Outcome.NeedsAttention = attention(r.GetFacts().GetAttention(), "")
	}
	return a
}

// distrust is INDETERMINATE with what the plugin did wrong; the request id stays, for the provider's support desk.
func distrust(o pay.Outcome, err error) pay.Outcome {
	return pay.Outcome{RequestID: o.RequestID, Message: "the plugin broke its contract: " + err.Error()}
}

func outcome(o *pb.Outcome) pay.Outcome {
	out := pay.Outcome{
		Code: clean(o.GetCode(), maxID), Message: clean(o.GetMessage(), maxMessage),
		RequestID: clean(o.GetRequestId(), maxID), RetryAfter: min(max(0, o.GetRetryAfter().AsDuration()), longestRetry),
		NeedsAttention: attention(o.GetAttention(), o.GetRemedy()),
	}
	switch o.GetVerdict() {
	case pb.Verdict_VERDICT_ACCEPTED:
		out.Verdict = pay.Accepted
	case pb.Verdict_VERDICT_REJECTED:
		out.Verdict, out.Reason = pay.Rejected, reason(o.GetReason())
	case pb.Verdict_VERDICT_NOT_SENT:
		out.Verdict, out.Reason = pay.NotSent, reason(o.GetReason())
	default: // INDETERMINATE, a checkpoint where none can be, or a verdict of a later version
		out.Verdict = pay.Indeterminate
	}
	return out
}

var reasons = map[pb.Reason]pay.Reason{
	pb.Reason_REASON_INVALID_REQUEST: pay.InvalidRequest,
	pb.Reason_REASON_DECLINED:        pay.Declined,
	pb.Reason_REASON_NOT_FOUND:       pay.NotFound,
	pb.Reason_REASON_CONFLICT:        pay.Conflict,
	pb.Reason_REASON_RATE_LIMITED:    pay.RateLimited,
	pb.Reason_REASON_AUTH:            pay.Auth,
	pb.Reason_REASON_UNAVAILABLE:     pay.Unavailable,

	pb.Reason_REASON_AUTHORIZATION_EXPIRED: pay.AuthorizationExpired,
}

// reason of a later version keeps the state and asks again, as Unavailable does.
func reason(r pb.Reason) pay.Reason {
	if known, ok := reasons[r]; ok {
		return known
	}
	return pay.Unavailable
}

func attention(a pb.Attention, remedy string) string {
	switch {
	case a == pb.Attention_ATTENTION_UNSPECIFIED:
		return ""
	case remedy != "":
		return clean(remedy, 512)
	case a == pb.Attention_ATTENTION_NOT_ENOUGH:
		return "the account has not enough funds for the refund: top it up"
	case a == pb.Attention_ATTENTION_ABNORMAL:
		return "the payer's account cannot receive the refund: end it at the provider"
	}
	return "a person must act at the provider"
}

func providerState(s *pb.ProviderState) (*pay.ProviderState, error) {
	switch {
	case s == nil:
		return nil, nil
	case len(s.GetData()) > maxState:
		return nil, fmt.Errorf("a provider_state of %d bytes, %d are allowed", len(s.GetData()), maxState)
	case s.GetVersion() < 1:
		return nil, fmt.Errorf("a provider_state of version %d", s.GetVersion())
	}
	return &pay.ProviderState{Version: s.GetVersion(), Data: s.GetData()}, nil
}

// handOff reads parameters: strings as they are, anything else as its JSON.
func handOff(h *pb.HandOff) (*pay.HandOff, error) {
	if len(h.GetParams()) > maxParams {
		return nil, fmt.Errorf("a hand-off of %d bytes, %d are allowed", len(h.GetParams()), maxParams)
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(h.GetParams(), &fields); err != nil || fields == nil {
		return nil, errors.New("a hand-off whose parameters are no JSON object")
	}
	if !pluginName.MatchString(strings.ReplaceAll(h.GetKind(), "_", "-")) {
		return nil, errors.New("a hand-off of no kind")
	}
	params := make(map[string]string, len(fields))
	for name, value := range fields {
		var text string
		if json.Unmarshal(value, &text) != nil {
			var compact bytes.Buffer
			_ = json.Compact(&compact, value) // it was just unmarshalled
			text = compact.String()
		}
		params[name] = text
	}
	return &pay.HandOff{Kind: h.GetKind(), Params: params, ValidUntil: moment(h.GetValidUntil())}, nil
}

func facts(f *pb.PaymentFacts) (*pay.Facts, error) {
	if f == nil {
		return nil, errors.New("accepted without facts")
	}
	total, err := moneyOf(f.GetAmount())
	if err != nil {
		return nil, err
	}
	paid, err := moneyOf(f.GetPayerAmount())
	if err != nil {
		return nil, err
	}
	if len(f.GetLegs()) > maxLegs {
		return nil, fmt.Errorf("facts of %d legs, %d are allowed", len(f.GetLegs()), maxLegs)
	}
	if err := ids(f.GetNumber(), f.GetMchid(), f.GetSubMchid(), f.GetAppId(), f.GetProviderId(), f.GetPayer().GetOpenid()); err != nil {
		return nil, err
	}
	out := &pay.Facts{
		State: factState(f.GetState()), Number: f.GetNumber(), MchID: f.GetMchid(), SubMchID: f.GetSubMchid(),
		AppID: f.GetAppId(), Amount: total, PayerTotal: paid.Minor,
		Payer: f.GetPayer().GetOpenid(), ProviderID: f.GetProviderId(), PaidAt: moment(f.GetPaidAt()),
		Refunded: f.GetState() == pb.PaymentState_PAYMENT_STATE_REFUNDED,
	}
	if out.Medical, err = medicalFacts(f.GetDetails()); err != nil {
		return nil, err
	}
	if out.LegsOnly = f.GetLegsOnly(); out.LegsOnly {
		out.State = "" // decides nothing of the payment as a whole
	}
	for _, l := range f.GetLegs() {
		share, err := moneyOf(l.GetAmount())
		if err == nil {
			err = ids(l.GetLegId(), l.GetKind(), l.GetProviderId())
		}
		if err != nil {
			return nil, err
		}
		out.Legs = append(out.Legs, pay.LegFacts{ID: l.GetLegId(), Kind: pay.LegKind(l.GetKind()), Amount: share,
			State: factState(l.GetState()), ProviderID: l.GetProviderId(), Refunded: l.GetState() == pb.PaymentState_PAYMENT_STATE_REFUNDED})
	}
	return out, nil
}

// factState of a later version is the unknown one, which decides nothing.
func factState(s pb.PaymentState) pay.FactState {
	switch s {
	case pb.PaymentState_PAYMENT_STATE_PENDING:
		return pay.FactUnpaid
	case pb.PaymentState_PAYMENT_STATE_SUCCEEDED, pb.PaymentState_PAYMENT_STATE_REFUNDED:
		return pay.FactSucceeded
	case pb.PaymentState_PAYMENT_STATE_CLOSED:
		return pay.FactClosed
	case pb.PaymentState_PAYMENT_STATE_FAILED:
		return pay.FactFailed
	}
	return ""
}

func refundFacts(f *pb.RefundFacts) (*pay.RefundFacts, error) {
	if f == nil {
		return nil, errors.New("accepted without facts")
	}
	back, err := moneyOf(f.GetAmount())
	if err == nil {
		err = ids(f.GetNumber(), f.GetPaymentNumber(), f.GetProviderId(), f.GetMchid(), f.GetSubMchid())
	}
	if err != nil {
		return nil, err
	}
	return &pay.RefundFacts{
		State: refundFactState(f.GetState()), Number: f.GetNumber(), Payment: f.GetPaymentNumber(),
		MchID: f.GetMchid(), SubMchID: f.GetSubMchid(), Amount: back, ProviderID: f.GetProviderId(),
		SucceededAt: moment(f.GetSucceededAt()), Account: clean(f.GetReceivedAccount(), maxID),
	}, nil
}

func refundFactState(s pb.RefundState) pay.RefundFactState {
	switch s {
	case pb.RefundState_REFUND_STATE_PROCESSING:
		return pay.RefundFactProcessing
	case pb.RefundState_REFUND_STATE_SUCCEEDED:
		return pay.RefundFactSucceeded
	case pb.RefundState_REFUND_STATE_CLOSED:
		return pay.RefundFactClosed
	case pb.RefundState_REFUND_STATE_ABNORMAL:
		return pay.RefundFactAbnormal
	}
	return ""
}

// moneyOf reads an amount; one that nobody said is the zero Amount.
func moneyOf(a *pb.Amount) (money.Amount, error) {
	if a == nil {
		return money.Amount{}, nil
	}
	m := money.Amount{Minor: a.GetMinor(), Currency: a.GetCurrency()}
	checked := m
	if m.Minor == 0 && m.Currency != "" { // nothing at all is an amount; its currency is still one
		checked.Minor = 1
	}
	if m != (money.Amount{}) && checked.Payable() != nil {
		return money.Amount{}, fmt.Errorf("an amount of %d %q", m.Minor, clean(m.Currency, 8))
	}
	return m, nil
}

// ids refuses what could not be stored or compared: ids are never cut.
func ids(values ...string) error {
	for _, v := range values {
		if len(v) > maxID || strings.IndexFunc(v, unicode.IsControl) >= 0 {
			return fmt.Errorf("an id of %d bytes or with control characters", len(v))
		}
	}
	return nil
}

func moment(t *timestamppb.Timestamp) time.Time {
	if t == nil || !t.IsValid() {
		return time.Time{}
	}
	return t.AsTime()
}

// clean makes a plugin's words fit to be stored and read: of n bytes at most, without control characters.
func clean(s string, n int) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s[:min(len(s), n)], ""))
}
