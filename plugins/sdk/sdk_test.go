package sdk_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"

	pb "github.com/paybridge/paybridge/plugins/proto/providerv1"
	"github.com/paybridge/paybridge/plugins/sdk"
)

func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(slog.DiscardHandler)) // the panics below are on purpose
	os.Exit(m.Run())
}

// scripted answers what a test says.
type scripted struct {
	result sdk.Result
	parsed sdk.Parsed
	failed error
	got    sdk.Create
	crash  any
}

func (s *scripted) Describe() sdk.Description {
	return sdk.Description{Name: "scripted", Version: "1.0.0", NotPayableAfter: time.Hour}
}

func (s *scripted) Configure(context.Context, sdk.Account) (sdk.Merchant, error) {
	return sdk.Merchant{MchID: "m"}, s.failed
}

func (s *scripted) CreatePayment(_ context.Context, r sdk.Create) sdk.Result {
	if s.crash != nil {
		panic(s.crash)
	}
	s.got = r
	return s.result
}
func (s *scripted) QueryPayment(context.Context, sdk.Query) sdk.Result      { return s.result }
func (s *scripted) ClosePayment(context.Context, sdk.Close) sdk.Result      { return s.result }
func (s *scripted) CreateRefund(context.Context, sdk.Refund) sdk.Result     { return s.result }
func (s *scripted) QueryRefund(context.Context, sdk.RefundQuery) sdk.Result { return s.result }
func (s *scripted) ParseNotification(context.Context, sdk.Notification) sdk.Parsed {
	return s.parsed
}

// everything implements the optional capabilities too.
type everything struct{ scripted }

func (e *everything) DownloadBill(_ context.Context, _ sdk.BillRequest, emit func(sdk.BillItem) error) sdk.Result {
	for _, item := range []sdk.BillItem{sdk.TradeLine{Number: "1", FeeMilli: -20}, sdk.FundLine{FlowID: "f"}, sdk.BillTotals{Lines: 2}} {
		if err := emit(item); err != nil {
			return sdk.Indeterminate(err)
		}
	}
	return e.result
}
func (e *everything) PayByCode(context.Context, sdk.CodePayment) sdk.Result      { return e.result }
func (e *everything) ReverseByCode(context.Context, sdk.CodeReversal) sdk.Result { return e.result }
func (e *everything) ResolveAbnormalRefund(context.Context, sdk.AbnormalRefund) sdk.Result {
	return e.result
}
func (e *everything) ReportRefund(context.Context, sdk.RefundReport) sdk.Result { return e.result }
func (e *everything) RunSelfTest(context.Context, sdk.SelfTest) []sdk.Check {
	return []sdk.Check{{Name: "request_signature", Status: sdk.CheckOK}}
}

// dial serves a plugin in this process.
func dial(t *testing.T, p sdk.Plugin) *grpc.ClientConn {
	t.Helper()
	pipe := bufconn.Listen(1 << 16)
	server := sdk.NewServer(p)
	go func() { _ = server.Serve(pipe) }()
	t.Cleanup(server.Stop)
	conn, err := grpc.NewClient("passthrough:plugin", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return pipe.DialContext(ctx) }))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func create(t *testing.T, s *scripted) (*pb.CreatePaymentResponse, error) {
	t.Helper()
	return pb.NewProviderClient(dial(t, s)).CreatePayment(t.Context(), &pb.CreatePaymentRequest{Number: "n1"})
}

func TestTheZeroValueIsTheSafeOne(t *testing.T) {
	t.Parallel()
	answer, err := create(t, &scripted{})
	if err != nil || answer.GetOutcome().GetVerdict() != pb.Verdict_VERDICT_INDETERMINATE {
		t.Errorf("a result that nobody set: %v, %v", answer, err)
	}
	parsed, err := pb.NewProviderClient(dial(t, &scripted{})).ParseNotification(t.Context(), &pb.ParseNotificationRequest{})
	if err != nil || parsed.GetRefused() == nil {
		t.Errorf("a notification that nobody verified: %v, %v", parsed, err)
	}
}

func TestResultsOnTheWire(t *testing.T) {
	t.Parallel()
	broken := errors.New("connection reset")
	for _, c := range []struct {
		name    string
		result  sdk.Result
		verdict pb.Verdict
		reason  pb.Reason
		message string
	}{
		{"accepted", sdk.Accepted(), pb.Verdict_VERDICT_ACCEPTED, 0, ""},
		{"rejected", sdk.Rejected(sdk.Declined, "CARD", "no"), pb.Verdict_VERDICT_REJECTED, pb.Reason_REASON_DECLINED, "no"},
		{"indeterminate", sdk.Indeterminate(broken), pb.Verdict_VERDICT_INDETERMINATE, 0, "connection reset"},
		{"not sent", sdk.NotSent(broken), pb.Verdict_VERDICT_NOT_SENT, pb.Reason_REASON_UNAVAILABLE, "connection reset"},
		{"auth", sdk.Auth("account %s", "a"), pb.Verdict_VERDICT_NOT_SENT, pb.Reason_REASON_AUTH, "account a"},
		{"checkpoint", sdk.Checkpoint(sdk.State{}.Next([]byte("x"))), pb.Verdict_VERDICT_CHECKPOINT, 0, ""},
	} {
		answer, err := create(t, &scripted{result: c.result})
		o := answer.GetOutcome()
		if err != nil || o.GetVerdict() != c.verdict || o.GetReason() != c.reason || o.GetMessage() != c.message {
			t.Errorf("%s: %v, %v", c.name, answer, err)
		}
	}
}

func TestPartsOfAnAnswer(t *testing.T) {
	t.Parallel()
	at := time.Unix(1750000000, 0)
	answer, err := create(t, &scripted{result: sdk.Accepted(
		sdk.WechatMedIns("mix1", nil).Until(at), sdk.RequestID("r"), sdk.ProviderTime(at), sdk.RetryAfter(time.Second),
		sdk.NotPayableAfter(at), sdk.NeedsPerson(sdk.AttentionOperator, "call them"), sdk.TokenRefused(),
		sdk.State{Version: 2, Data: []byte("s")}, sdk.PaymentFacts{State: sdk.PaymentSucceeded, Number: "n1", Medical: &sdk.MedicalFacts{Gov: 5}})})
	if err != nil {
		t.Fatal(err)
	}
	o, h := answer.GetOutcome(), answer.GetHandOff()
	if o.GetRequestId() != "r" || !o.GetProviderTime().AsTime().Equal(at) || o.GetRetryAfter().AsDuration() != time.Second ||
		o.GetAttention() != pb.Attention_ATTENTION_OPERATOR || o.GetRemedy() != "call them" || !o.GetAppAccessTokenRefused() {
		t.Errorf("outcome %v", o)
	}
	if h.GetKind() != "wechat_medins" || string(h.GetParams()) != `{"mixTradeNo":"mix1"}` || !h.GetValidUntil().AsTime().Equal(at) {
		t.Errorf("hand-off %v", h)
	}
	if answer.GetProviderState().GetVersion() != 2 || answer.GetFacts().GetDetails().GetMedical().GetGov() != 5 ||
		!answer.GetNotPayableAfter().AsTime().Equal(at) {
		t.Errorf("answer %v", answer)
	}
}

// gRPC refuses text that is not UTF-8: a provider's odd words must not make an error of a trade that was made.
func TestOddWordsDoNotSpoilAnAnswer(t *testing.T) {
	t.Parallel()
	odd := strings.Repeat("caf\xe9 费", 1000)
	result := sdk.Accepted(sdk.RequestID(odd), sdk.NeedsPerson(sdk.AttentionOperator, odd), sdk.PaymentFacts{StateName: odd,
		Payer: sdk.PayerFacts{FundsSource: odd}, Medical: &sdk.MedicalFacts{FailReason: odd}},
		sdk.RefundFacts{ReceivedAccount: odd, StateName: odd})
	result.Code, result.Message = odd, odd
	s := &scripted{result: result, failed: sdk.Field("/key", "%s", odd), parsed: sdk.Refuse(sdk.Malformed, "%s", odd)}
	c := pb.NewProviderClient(dial(t, s))
	made, err := c.CreatePayment(t.Context(), &pb.CreatePaymentRequest{Number: "n1"})
	o := made.GetOutcome()
	if err != nil || o.GetVerdict() != pb.Verdict_VERDICT_ACCEPTED || !strings.HasPrefix(o.GetMessage(), "caf 费") ||
		len(o.GetMessage()) > 1<<10 || len(o.GetCode()) > 128 || len(o.GetRequestId()) > 128 || len(o.GetRemedy()) > 512 {
		t.Errorf("create: %v, %v", o, err)
	}
	if _, err := c.QueryRefund(t.Context(), &pb.QueryRefundRequest{}); err != nil {
		t.Errorf("refund: %v", err)
	}
	if a, err := c.Configure(t.Context(), &pb.ConfigureRequest{}); err != nil || len(a.GetErrors()) != 1 {
		t.Errorf("configure: %v, %v", a, err)
	}
	if n, err := c.ParseNotification(t.Context(), &pb.ParseNotificationRequest{}); err != nil || n.GetRefused() == nil {
		t.Errorf("notification: %v, %v", n, err)
	}
}

func TestFactsThatAnAcceptedCallImplies(t *testing.T) {
	t.Parallel()
	c := pb.NewProviderClient(dial(t, &scripted{result: sdk.Accepted()}))
	made, _ := c.CreatePayment(t.Context(), &pb.CreatePaymentRequest{Number: "n1"})
	if f := made.GetFacts(); f.GetState() != pb.PaymentState_PAYMENT_STATE_PENDING || f.GetNumber() != "" { // R12: the request's number is not the provider's word
		t.Errorf("create: %v", f)
	}
	closed, _ := c.ClosePayment(t.Context(), &pb.ClosePaymentRequest{Number: "n1"})
	if f := closed.GetFacts(); f.GetState() != pb.PaymentState_PAYMENT_STATE_CLOSED || f.GetNumber() != "" {
		t.Errorf("close: %v", f)
	}
	refund, _ := c.CreateRefund(t.Context(), &pb.CreateRefundRequest{Number: "r1", PaymentNumber: "n1"})
	if f := refund.GetFacts(); f.GetState() != pb.RefundState_REFUND_STATE_PROCESSING || f.GetNumber() != "r1" {
		t.Errorf("refund: %v", f)
	}
	query, _ := c.QueryPayment(t.Context(), &pb.QueryPaymentRequest{Number: "n1"})
	if query.GetOutcome().GetVerdict() != pb.Verdict_VERDICT_INDETERMINATE {
		t.Errorf("a query without facts answers nothing: %v", query)
	}
}

func TestAPanicIsAnErrorOfOneCall(t *testing.T) {
	t.Parallel()
	s := &scripted{crash: "openid of a payer"}
	c := pb.NewProviderClient(dial(t, s))
	_, err := c.CreatePayment(t.Context(), &pb.CreatePaymentRequest{})
	if status.Code(err) != codes.Internal || strings.Contains(err.Error(), "openid") {
		t.Errorf("got %v", err)
	}
	if _, err := c.Describe(t.Context(), &pb.DescribeRequest{}); err != nil {
		t.Errorf("the next call: %v", err)
	}
}

func TestAHandOffMustBeAnObject(t *testing.T) {
	t.Parallel()
	for _, params := range []any{nil, "text", []int{1}, func() {}, json.RawMessage(`{`)} {
		if answer, err := create(t, &scripted{result: sdk.Accepted(sdk.HandOff{Kind: "x", Params: params})}); err == nil {
			t.Errorf("%T: %v", params, answer)
		}
	}
}

func TestOptionalCapabilities(t *testing.T) {
	t.Parallel()
	few, err := pb.NewProviderClient(dial(t, &scripted{})).Describe(t.Context(), &pb.DescribeRequest{})
	if err != nil || len(few.GetOptionalServices()) != 1 || few.GetNotPayableAfter().AsDuration() != time.Hour {
		t.Errorf("a plain plugin has diagnostics alone: %v, %v", few, err)
	}
	_, err = pb.NewPayerCodeClient(dial(t, &scripted{})).PayByCode(t.Context(), &pb.PayByCodeRequest{})
	if status.Code(err) != codes.Unimplemented {
		t.Errorf("an absent service: %v", err)
	}

	conn := dial(t, &everything{scripted{result: sdk.Accepted()}})
	all, err := pb.NewProviderClient(conn).Describe(t.Context(), &pb.DescribeRequest{})
	if err != nil || len(all.GetOptionalServices()) != 6 {
		t.Errorf("all of them: %v, %v", all.GetOptionalServices(), err)
	}
	paid, err := pb.NewPayerCodeClient(conn).PayByCode(t.Context(), &pb.PayByCodeRequest{Number: "n"})
	if err != nil || paid.GetFacts().GetState() != pb.PaymentState_PAYMENT_STATE_PENDING {
		t.Errorf("pay by code: %v, %v", paid, err)
	}
	reversed, err := pb.NewPayerCodeClient(conn).ReverseByCode(t.Context(), &pb.ReverseByCodeRequest{Number: "n"})
	if err != nil || reversed.GetFacts().GetState() != pb.PaymentState_PAYMENT_STATE_CLOSED {
		t.Errorf("reverse: %v, %v", reversed, err)
	}
	if r, err := pb.NewRefundReporterClient(conn).ReportRefund(t.Context(), &pb.ReportRefundRequest{}); err != nil || r.GetOutcome().GetVerdict() != pb.Verdict_VERDICT_ACCEPTED {
		t.Errorf("report: %v, %v", r, err)
	}
	if r, err := pb.NewAbnormalRefundClient(conn).ResolveAbnormalRefund(t.Context(), &pb.ResolveAbnormalRefundRequest{}); err != nil || r.GetOutcome().GetVerdict() != pb.Verdict_VERDICT_ACCEPTED {
		t.Errorf("abnormal refund: %v, %v", r, err)
	}
	if r, err := pb.NewSelfTestClient(conn).RunSelfTest(t.Context(), &pb.RunSelfTestRequest{}); err != nil || len(r.GetChecks()) != 1 {
		t.Errorf("self-test: %v, %v", r, err)
	}
}

func TestABillEndsWithItsOutcome(t *testing.T) {
	t.Parallel()
	stream, err := pb.NewBillDownloadClient(dial(t, &everything{scripted{result: sdk.Accepted()}})).DownloadBill(t.Context(), &pb.DownloadBillRequest{})
	if err != nil {
		t.Fatal(err)
	}
	var items []*pb.DownloadBillResponse
	for {
		item, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		items = append(items, item)
	}
	if len(items) != 4 || items[0].GetTrade().GetFeeMilli() != -20 || items[1].GetFund().GetFlowId() != "f" ||
		items[2].GetTotals().GetLines() != 2 || items[3].GetEnd().GetVerdict() != pb.Verdict_VERDICT_ACCEPTED {
		t.Errorf("got %v", items)
	}
}

func TestStatsCountCallsByVerdict(t *testing.T) {
	t.Parallel()
	conn := dial(t, &scripted{result: sdk.Rejected(sdk.Conflict, "", "")})
	for range 3 {
		if _, err := pb.NewProviderClient(conn).CreatePayment(t.Context(), &pb.CreatePaymentRequest{}); err != nil {
			t.Fatal(err)
		}
	}
	stats, err := pb.NewDiagnosticsClient(conn).Stats(t.Context(), &pb.StatsRequest{})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range stats.GetSamples() {
		if s.GetName() == "plugin_calls_total" && s.GetLabels()["method"] == "CreatePayment" {
			if s.GetValue() != 3 || s.GetLabels()["result"] != "VERDICT_REJECTED" || !s.GetCounter() {
				t.Errorf("got %v", s)
			}
			return
		}
	}
	t.Errorf("the calls are not counted: %v", stats)
}

func TestARequestArrivesWhole(t *testing.T) {
	t.Parallel()
	s := &scripted{result: sdk.Accepted()}
	_, err := pb.NewProviderClient(dial(t, s)).CreatePayment(t.Context(), &pb.CreatePaymentRequest{
		Call: &pb.Call{
			Route: &pb.Route{Provider: "p", Entry: "e", Account: "a", Mchid: "m", SubMchid: "sm", SpAppid: "sp", SubAppid: "sa",
				AppId: "app", OpenidKind: 9, NotifyUrl: "n", Options: []byte(`{"goods_tag":"g"}`)},
			ProviderState:  &pb.ProviderState{Version: 4, Data: []byte("s")},
			AppAccessToken: &pb.AppAccessToken{AppId: "app", Token: "t"},
		},
		Number: "n1", Amount: &pb.Amount{Minor: 7, Currency: "CNY"}, Payer: &pb.Payer{Openid: "o", ClientIp: "::1"},
		Legs: []*pb.Leg{{LegId: "l", Kind: "insurance", Amount: &pb.Amount{Minor: 7, Currency: "CNY"}}},
		Details: &pb.Details{Kind: &pb.Details_Medical{Medical: &pb.MedicalDetails{
			SerialNo: "s", Payer: &pb.MedicalPerson{Name: "x"}, CashReductions: []*pb.MedicalCashChange{{Type: "DISCOUNT", Minor: 2}}}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	route := sdk.Route{Provider: "p", Entry: "e", Account: "a", MchID: "m", SubMchID: "sm", SpAppID: "sp", SubAppID: "sa",
		AppID: "app", OpenidKind: 9, NotifyURL: "n"} // 9: a kind of a later version is carried, not dropped
	got := s.got
	var options struct {
		GoodsTag string `json:"goods_tag"`
	}
	if err := got.Route.DecodeOptions(&options); err != nil || options.GoodsTag != "g" {
		t.Errorf("options %+v, %v", options, err)
	}
	if got.Route.Options = nil; got.Route.Provider != route.Provider || got.Route.OpenidKind != 9 || got.Route.SubAppID != "sa" ||
		got.State.Version != 4 || got.AppAccessToken.Token != "t" || got.Amount.Minor != 7 || got.Payer.ClientIP != "::1" ||
		got.Legs[0].Kind != "insurance" || got.Details.Medical.Payer.Name != "x" || got.Details.Medical.CashReductions[0].Minor != 2 {
		t.Errorf("got %+v", got)
	}
}

func TestConfigureNamesEachField(t *testing.T) {
	t.Parallel()
	c := func(err error) *pb.ConfigureResponse {
		answer, failed := pb.NewProviderClient(dial(t, &scripted{failed: err})).Configure(t.Context(), &pb.ConfigureRequest{Generation: 3})
		if failed != nil {
			t.Fatal(failed)
		}
		return answer
	}
	if a := c(nil); a.GetGeneration() != 3 || a.GetMchid() != "m" || len(a.GetErrors()) != 0 {
		t.Errorf("in use: %v", a)
	}
	a := c(errors.Join(sdk.Field("/key", "is %s", "short"), sdk.Field("/mchid", "is missing")))
	if e := a.GetErrors(); len(e) != 2 || e[0].GetField() != "/key" || e[0].GetMessage() != "is short" || e[1].GetField() != "/mchid" {
		t.Errorf("two fields: %v", a)
	}
	if a := c(errors.New("all of it")); len(a.GetErrors()) != 1 || a.GetGeneration() != 0 {
		t.Errorf("the whole: %v", a)
	}
}

func TestConfigureTellsTheGenerationInUse(t *testing.T) {
	t.Parallel()
	c := pb.NewProviderClient(dial(t, &scripted{}))
	for _, step := range []struct{ given, want int64 }{{3, 3}, {2, 3}, {3, 3}, {4, 4}} {
		a, err := c.Configure(t.Context(), &pb.ConfigureRequest{Account: "a", Generation: step.given})
		if err != nil || a.GetGeneration() != step.want || a.GetMchid() != "m" {
			t.Errorf("given %d: %v, %v", step.given, a, err)
		}
	}
	if a, err := c.Configure(t.Context(), &pb.ConfigureRequest{Account: "b", Generation: 1}); err != nil || a.GetGeneration() != 1 {
		t.Errorf("another account: %v, %v", a, err)
	}
}
