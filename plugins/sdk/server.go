package sdk

import (
	"context"
	"fmt"
	"sync"

	"google.golang.org/grpc"

	pb "github.com/paybridge/paybridge/plugins/proto/providerv1"
)

// maxMessage bounds what a plugin reads from its host: far above every request, far below harm.
const maxMessage = 4 << 20

// NewServer is a gRPC server that serves p, with the isolation of panics and the counters that Serve has. Serve is
// what a plugin's main calls; this is for tests that talk to a plugin without a process.
func NewServer(p Plugin, options ...grpc.ServerOption) *grpc.Server {
	m := newMeter()
	s := grpc.NewServer(append(options, m.serverOptions()...)...)
	register(s, p, m)
	return s
}

// serverOptions is what every plugin's server has.
func (m *meter) serverOptions() []grpc.ServerOption {
	return []grpc.ServerOption{
		grpc.MaxRecvMsgSize(maxMessage),
		grpc.ChainUnaryInterceptor(m.unary, recoverUnary),
		grpc.ChainStreamInterceptor(m.stream, recoverStream),
	}
}

// register adds the contract's services to a server. Optional ones are registered only where p has them, so that a
// call to an absent one is UNIMPLEMENTED by itself.
func register(s grpc.ServiceRegistrar, p Plugin, m *meter) {
	pb.RegisterProviderServer(s, &providerServer{plugin: p, held: map[string]*pb.ConfigureResponse{}})
	pb.RegisterDiagnosticsServer(s, &diagnosticsServer{meter: m})
	registerOptional(s, p)
}

type providerServer struct {
	pb.UnimplementedProviderServer
	plugin Plugin

	configuring sync.Mutex
	held        map[string]*pb.ConfigureResponse // by account: the last that is in use
}

func (s *providerServer) Describe(context.Context, *pb.DescribeRequest) (*pb.DescribeResponse, error) {
	d := s.plugin.Describe()
	return &pb.DescribeResponse{
		Name: d.Name, Version: d.Version, Description: d.Summary, HandOffKinds: d.HandOffKinds,
		OptionalServices: optionalServices(s.plugin),
		AccountSchema:    d.AccountSchema, EntrySchema: d.EntrySchema, DetailsSchema: d.DetailsSchema,
		Renewable: d.Renewable, NotificationAuth: pb.NotificationAuth(d.NotificationAuth),
		RefundLimits: &pb.RefundLimits{Count: int32(d.RefundLimits.Count), Age: toDuration(d.RefundLimits.Age),
			MinInterval: toDuration(d.RefundLimits.MinInterval)},
		CloseSupport: pb.CloseSupport(d.CloseSupport), Expiry: pb.Expiry(d.Expiry),
		NeedsAppAccessToken: d.NeedsAppAccessToken, AppAccessTokenMode: d.AppAccessTokenMode, LegKinds: d.LegKinds,
		NotPayableAfter: toDuration(d.NotPayableAfter),
	}, nil
}

// Configure answers a generation lower than the one in use by the latter, without the plugin.
func (s *providerServer) Configure(ctx context.Context, r *pb.ConfigureRequest) (*pb.ConfigureResponse, error) {
	s.configuring.Lock()
	defer s.configuring.Unlock()
	if held := s.held[r.GetAccount()]; held.GetGeneration() > r.GetGeneration() {
		return held, nil
	}
	m := r.GetMode()
	merchant, err := s.plugin.Configure(ctx, Account{
		Name: r.GetAccount(), Generation: r.GetGeneration(), Config: r.GetConfig(),
		Mode: Mode{BaseURL: m.GetBaseUrl(), Test: m.GetTest(), Production: m.GetProduction()},
	})
	if err != nil {
		return &pb.ConfigureResponse{Errors: toFieldErrors(err)}, nil
	}
	inUse := &pb.ConfigureResponse{Generation: r.GetGeneration(), Mchid: merchant.MchID, SubMchid: merchant.SubMchID}
	s.held[r.GetAccount()] = inUse
	return inUse, nil
}

func (s *providerServer) CreatePayment(ctx context.Context, r *pb.CreatePaymentRequest) (*pb.CreatePaymentResponse, error) {
	result := s.plugin.CreatePayment(ctx, Create{
		Call: fromCall(r.GetCall()), Number: r.GetNumber(), Amount: fromAmount(r.GetAmount()),
		Description: r.GetDescription(), Payer: fromPayer(r.GetPayer()), TimeExpire: fromTime(r.GetTimeExpire()),
		Legs: fromLegs(r.GetLegs()), Details: fromDetails(r.GetDetails()), Attach: r.GetAttach(),
		ReturnURL: r.GetReturnUrl(),
	})
	result = result.assumingPayment(PaymentPending)
	handOff, err := toHandOff(result.HandOff)
	if err != nil {
		return nil, err // after the trade was made: a transport error, hence INDETERMINATE
	}
	return &pb.CreatePaymentResponse{Outcome: toOutcome(result), Facts: toPayment(result.Payment), HandOff: handOff,
		NotPayableAfter: toTime(result.NotPayableAfter), ProviderState: toState(result.State)}, nil
}

func (s *providerServer) QueryPayment(ctx context.Context, r *pb.QueryPaymentRequest) (*pb.QueryPaymentResponse, error) {
	result := s.plugin.QueryPayment(ctx, Query{
		Call: fromCall(r.GetCall()), Number: r.GetNumber(), ProviderID: r.GetProviderId(),
		Legs: fromLegs(r.GetLegs()), TimeExpire: fromTime(r.GetTimeExpire()),
	})
	if result.Verdict == VerdictAccepted && result.Payment == nil {
		result = Indeterminate(fmt.Errorf("query of %s accepted without facts: a bug of the plugin", r.GetNumber()))
	}
	return &pb.QueryPaymentResponse{Outcome: toOutcome(result), Facts: toPayment(result.Payment),
		ProviderState: toState(result.State)}, nil
}

func (s *providerServer) ClosePayment(ctx context.Context, r *pb.ClosePaymentRequest) (*pb.ClosePaymentResponse, error) {
	result := s.plugin.ClosePayment(ctx, Close{
		Call: fromCall(r.GetCall()), Number: r.GetNumber(), ProviderID: r.GetProviderId(), Legs: fromLegs(r.GetLegs()),
	})
	result = result.assumingPayment(PaymentClosed)
	return &pb.ClosePaymentResponse{Outcome: toOutcome(result), Facts: toPayment(result.Payment),
		ProviderState: toState(result.State)}, nil
}

func (s *providerServer) CreateRefund(ctx context.Context, r *pb.CreateRefundRequest) (*pb.CreateRefundResponse, error) {
	result := s.plugin.CreateRefund(ctx, Refund{
		Call: fromCall(r.GetCall()), PaymentNumber: r.GetPaymentNumber(), ProviderPaymentID: r.GetProviderPaymentId(),
		Number: r.GetNumber(), LegID: r.GetLegId(), Amount: fromAmount(r.GetAmount()), Total: fromAmount(r.GetTotal()),
		Reason: r.GetReason(), NotifyURL: r.GetNotifyUrl(),
	})
	if result.Verdict == VerdictAccepted && result.Refund == nil {
		result.Refund = &RefundFacts{State: RefundProcessing, Number: r.GetNumber(), PaymentNumber: r.GetPaymentNumber()}
	}
	return &pb.CreateRefundResponse{Outcome: toOutcome(result), Facts: toRefund(result.Refund),
		ProviderState: toState(result.State)}, nil
}

func (s *providerServer) QueryRefund(ctx context.Context, r *pb.QueryRefundRequest) (*pb.QueryRefundResponse, error) {
	result := s.plugin.QueryRefund(ctx, RefundQuery{
		Call: fromCall(r.GetCall()), PaymentNumber: r.GetPaymentNumber(), Number: r.GetNumber(),
		ProviderID: r.GetProviderId(), LegID: r.GetLegId(),
	})
	if result.Verdict == VerdictAccepted && result.Refund == nil {
		result = Indeterminate(fmt.Errorf("query of refund %s accepted without facts: a bug of the plugin", r.GetNumber()))
	}
	return &pb.QueryRefundResponse{Outcome: toOutcome(result), Facts: toRefund(result.Refund),
		ProviderState: toState(result.State)}, nil
}

func (s *providerServer) ParseNotification(ctx context.Context, r *pb.ParseNotificationRequest) (*pb.ParseNotificationResponse, error) {
	return toParsed(s.plugin.ParseNotification(ctx, fromNotification(r))), nil
}

// assumingPayment adds the state that an accepted create or close implies, and no more than that: a number repeated from
// the request would look like the provider's word (R12).
func (r Result) assumingPayment(state PaymentState) Result {
	if r.Verdict == VerdictAccepted && r.Payment == nil {
		r.Payment = &PaymentFacts{State: state}
	}
	return r
}
