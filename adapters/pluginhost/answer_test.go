package pluginhost

import (
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/paybridge/paybridge/core/money"
	"github.com/paybridge/paybridge/core/pay"
	pb "github.com/paybridge/paybridge/plugins/proto/providerv1"
	"github.com/paybridge/paybridge/ports"
)

func accepted() *pb.Outcome { return &pb.Outcome{Verdict: pb.Verdict_VERDICT_ACCEPTED} }

func pendingFacts(change ...func(*pb.PaymentFacts)) *pb.PaymentFacts {
	f := &pb.PaymentFacts{State: pb.PaymentState_PAYMENT_STATE_PENDING, Number: "1", Amount: &pb.Amount{Minor: 100, Currency: "CNY"}}
	for _, c := range change {
		c(f)
	}
	return f
}

// A plugin that lies harms nobody: what breaks the contract is INDETERMINATE as a whole, and nothing of it is kept.
func TestALyingPluginIsIndeterminate(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", maxID+1)
	for name, r := range map[string]*pb.CreatePaymentResponse{
		"nothing at all":                  {},
		"a verdict of a later version":    {Outcome: &pb.Outcome{Verdict: 77}, Facts: pendingFacts()},
		"accepted without facts":          {Outcome: accepted()},
		"a number that is too long":       {Outcome: accepted(), Facts: pendingFacts(func(f *pb.PaymentFacts) { f.Number = long })},
		"an id with a NUL":                {Outcome: accepted(), Facts: pendingFacts(func(f *pb.PaymentFacts) { f.ProviderId = "a\x00" })},
		"a negative amount":               {Outcome: accepted(), Facts: pendingFacts(func(f *pb.PaymentFacts) { f.Amount.Minor = -1 })},
		"an amount of no currency":        {Outcome: accepted(), Facts: pendingFacts(func(f *pb.PaymentFacts) { f.Amount.Currency = "fen" })},
		"a leg of a negative amount":      {Outcome: accepted(), Facts: pendingFacts(func(f *pb.PaymentFacts) { f.Legs = []*pb.LegFacts{{Amount: &pb.Amount{Minor: -5}}} })},
		"a hundred legs":                  {Outcome: accepted(), Facts: pendingFacts(func(f *pb.PaymentFacts) { f.Legs = make([]*pb.LegFacts, 100) })},
		"a state that is too large":       {Outcome: accepted(), Facts: pendingFacts(), ProviderState: &pb.ProviderState{Version: 1, Data: make([]byte, maxState+1)}},
		"a state without a version":       {Outcome: accepted(), Facts: pendingFacts(), ProviderState: &pb.ProviderState{Data: []byte("x")}},
		"a checkpoint without a state":    {Outcome: &pb.Outcome{Verdict: pb.Verdict_VERDICT_CHECKPOINT}},
		"a checkpoint of a broken state":  {Outcome: &pb.Outcome{Verdict: pb.Verdict_VERDICT_CHECKPOINT}, ProviderState: &pb.ProviderState{}},
		"a hand-off that is no object":    {Outcome: accepted(), Facts: pendingFacts(), HandOff: &pb.HandOff{Kind: "qr_code", Params: []byte(`[1]`)}},
		"a hand-off that is null":         {Outcome: accepted(), Facts: pendingFacts(), HandOff: &pb.HandOff{Kind: "qr_code", Params: []byte(`null`)}},
		"a hand-off that is too large":    {Outcome: accepted(), Facts: pendingFacts(), HandOff: &pb.HandOff{Kind: "qr_code", Params: make([]byte, maxParams+1)}},
		"a hand-off whose kind is markup": {Outcome: accepted(), Facts: pendingFacts(), HandOff: &pb.HandOff{Kind: "<b>", Params: []byte(`{}`)}},
	} {
		a := created(r)
		if a.Outcome.Verdict != pay.Indeterminate || a.Facts != nil || a.HandOff != nil || a.ProviderState != nil || a.Checkpoint {
			t.Errorf("%s: %+v", name, a)
		}
	}
	if a := paymentAnswer(&pb.QueryPaymentResponse{Outcome: &pb.Outcome{Verdict: pb.Verdict_VERDICT_CHECKPOINT},
		ProviderState: &pb.ProviderState{Version: 1}}); a.Outcome.Verdict != pay.Indeterminate {
		t.Errorf("a checkpoint of a query: %+v", a)
	}
}

func TestWhatAPluginSays(t *testing.T) {
	t.Parallel()
	a := created(&pb.CreatePaymentResponse{
		Outcome: &pb.Outcome{Verdict: pb.Verdict_VERDICT_ACCEPTED, Message: "two\nlines\x00", RequestId: "r"},
		Facts: pendingFacts(func(f *pb.PaymentFacts) {
			f.State, f.PayerAmount = pb.PaymentState_PAYMENT_STATE_REFUNDED, &pb.Amount{Minor: 90, Currency: "CNY"}
		}),
		HandOff:         &pb.HandOff{Kind: "miniprogram_redirect", Params: []byte(`{"path": "p", "extraData": {"a": [1, 2]}}`)},
		NotPayableAfter: timestamppb.New(time.Unix(1800000000, 0)),
		ProviderState:   &pb.ProviderState{Version: 3, Data: []byte("s")},
	})
	want := ports.PaymentAnswer{
		Outcome:         pay.Outcome{Verdict: pay.Accepted, Message: "two lines ", RequestID: "r"},
		Facts:           &pay.Facts{State: pay.FactSucceeded, Refunded: true, Number: "1", Amount: money.CNY(100), PayerTotal: 90},
		HandOff:         &pay.HandOff{Kind: "miniprogram_redirect", Params: map[string]string{"path": "p", "extraData": `{"a":[1,2]}`}},
		NotPayableAfter: time.Unix(1800000000, 0).UTC(),
		ProviderState:   &pay.ProviderState{Version: 3, Data: []byte("s")},
	}
	if !reflect.DeepEqual(a, want) {
		t.Errorf("\n got %+v\nwant %+v", a, want)
	}
}

func TestMedicalFacts(t *testing.T) {
	t.Parallel()
	said := func(m *pb.MedicalFacts) *pb.QueryPaymentResponse {
		return &pb.QueryPaymentResponse{Outcome: accepted(), Facts: pendingFacts(func(f *pb.PaymentFacts) {
			f.Details = &pb.FactDetails{Kind: &pb.FactDetails_Medical{Medical: m}}
		})}
	}
	a := paymentAnswer(said(&pb.MedicalFacts{MixStatus: "MIX_PAY_SUCCESS", FailReason: "a\nb", Gov: 1, Self: 2, Other: 3, Cash: 4, PassthroughResponse: []byte(`{"a":1}`)}))
	want := &pay.MedicalFacts{MixStatus: "MIX_PAY_SUCCESS", FailReason: "a b", Gov: 1, Self: 2, Other: 3, Cash: 4, Passthrough: []byte(`{"a":1}`)}
	if a.Facts == nil || !reflect.DeepEqual(a.Facts.Medical, want) {
		t.Errorf("%+v", a)
	}
	if a := paymentAnswer(said(&pb.MedicalFacts{PassthroughResponse: []byte(`<ok/>`)})); a.Facts == nil || string(a.Facts.Medical.Passthrough) != `"\u003cok/\u003e"` {
		t.Errorf("an answer of the bureau that is no JSON: %+v", a)
	}
	for name, m := range map[string]*pb.MedicalFacts{"below zero": {Gov: -1}, "too large": {PassthroughResponse: make([]byte, maxPassthrough+1)}} {
		if a := paymentAnswer(said(m)); a.Outcome.Verdict != pay.Indeterminate || a.Facts != nil {
			t.Errorf("%s: %+v", name, a)
		}
	}
}

// A refund's answer, whatever its verdict, may bring what the plugin wants to remember of the payment.
func TestWhatAPluginSaysOfARefund(t *testing.T) {
	t.Parallel()
	said := &pb.ProviderState{Version: 3, Data: []byte("s")}
	for name, r := range map[string]*pb.CreateRefundResponse{
		"accepted": {Outcome: accepted(), Facts: &pb.RefundFacts{State: pb.RefundState_REFUND_STATE_PROCESSING}, ProviderState: said},
		"rejected": {Outcome: &pb.Outcome{Verdict: pb.Verdict_VERDICT_REJECTED}, ProviderState: said},
	} {
		if a := refundAnswer(r); !reflect.DeepEqual(a.ProviderState, &pay.ProviderState{Version: 3, Data: []byte("s")}) {
			t.Errorf("%s: %+v", name, a)
		}
	}
	broken := refundAnswer(&pb.QueryRefundResponse{Outcome: accepted(), Facts: &pb.RefundFacts{}, ProviderState: &pb.ProviderState{}})
	if broken.Outcome.Verdict != pay.Indeterminate || broken.Facts != nil || broken.ProviderState != nil {
		t.Errorf("a state without a version: %+v", broken)
	}
}

func TestReasonsAndStatesOfALaterVersionDecideNothing(t *testing.T) {
	t.Parallel()
	if o := outcome(&pb.Outcome{Verdict: pb.Verdict_VERDICT_REJECTED, Reason: 99}); o.Reason != pay.Unavailable || o.Final() {
		t.Errorf("reason 99: %s", o)
	}
	if o := outcome(&pb.Outcome{Verdict: pb.Verdict_VERDICT_REJECTED}); o.Final() {
		t.Errorf("no reason: %s", o)
	}
	if s := factState(99); s != "" {
		t.Errorf("payment state 99: %s", s)
	}
	if s := refundFactState(99); s != "" {
		t.Errorf("refund state 99: %s", s)
	}
	if f, err := facts(pendingFacts(func(f *pb.PaymentFacts) {
		f.State, f.LegsOnly = pb.PaymentState_PAYMENT_STATE_SUCCEEDED, true
	})); err != nil || f.State != "" {
		t.Errorf("facts of a leg alone say nothing of the payment: %+v, %v", f, err)
	}
	if c := refused(99); c != ports.RefusedSignature {
		t.Errorf("refusal 99: %s", c)
	}
}

func TestAttentionOfARefund(t *testing.T) {
	t.Parallel()
	a := refundAnswer(&pb.QueryRefundResponse{Outcome: accepted(), Facts: &pb.RefundFacts{
		State: pb.RefundState_REFUND_STATE_PROCESSING, Attention: pb.Attention_ATTENTION_NOT_ENOUGH}})
	if a.Facts == nil || !strings.Contains(a.Outcome.NeedsAttention, "top it up") {
		t.Errorf("%+v", a)
	}
}

func TestNotificationsThatBreakTheContract(t *testing.T) {
	t.Parallel()
	paid := &pb.ParseNotificationResponse_Payment{Payment: pendingFacts()}
	for name, r := range map[string]*pb.ParseNotificationResponse{
		"no dedupe key":                 {Result: paid},
		"a dedupe key that is too long": {Result: paid, DedupeKey: strings.Repeat("k", maxID+1)},
		"an answer that is too large":   {Result: paid, DedupeKey: "k", Ack: &pb.HTTPAnswer{Body: make([]byte, maxNotifyAnswer+1)}},
		"a header in the content type":  {Result: paid, DedupeKey: "k", Ack: &pb.HTTPAnswer{ContentType: "a\r\nSet-Cookie: b"}},
		"a notice that is too large":    {Result: &pb.ParseNotificationResponse_Notice{Notice: &pb.Notice{Body: make([]byte, maxNotice+1)}}, DedupeKey: "k"},
	} {
		if n, err := notification(r); err == nil {
			t.Errorf("%s: %+v", name, n)
		}
	}
	if n, err := notification(&pb.ParseNotificationResponse{}); err != nil || n.Refused != ports.RefusedSignature {
		t.Errorf("nothing at all is not believed: %+v, %v", n, err)
	}
}

func FuzzCreateAnswer(f *testing.F) {
	for _, r := range []*pb.CreatePaymentResponse{
		{Outcome: accepted(), Facts: pendingFacts(), HandOff: &pb.HandOff{Kind: "qr_code", Params: []byte(`{"content":"x"}`)}},
		{Outcome: &pb.Outcome{Verdict: pb.Verdict_VERDICT_CHECKPOINT}, ProviderState: &pb.ProviderState{Version: 1}},
	} {
		b, err := proto.Marshal(r)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r := &pb.CreatePaymentResponse{}
		if proto.Unmarshal(b, r) != nil {
			return
		}
		a := created(r)
		if a.Facts != nil && (a.Outcome.Verdict != pay.Accepted || a.Facts.Amount.Minor < 0 || len(a.Facts.Number) > maxID) {
			t.Errorf("facts %+v with %s", a.Facts, a.Outcome)
		}
		if a.Checkpoint && a.ProviderState == nil || a.HandOff != nil && a.Outcome.Verdict != pay.Accepted {
			t.Errorf("%+v", a)
		}
		if strings.IndexFunc(a.Outcome.Message, unicode.IsControl) >= 0 {
			t.Errorf("message %q", a.Outcome.Message)
		}
	})
}
