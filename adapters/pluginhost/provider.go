package pluginhost

import (
	"context"
	"fmt"
	"slices"

	"google.golang.org/grpc"
	"google.golang.org/grpc/status"

	"github.com/paybridge/paybridge/core/pay"
	pb "github.com/paybridge/paybridge/plugins/proto/providerv1"
	"github.com/paybridge/paybridge/ports"
)

// For is the plugin of a frozen route. The error wraps ports.ErrUnavailable when the plugin is down or does not have
// the route's account.
func (h *Host) For(route pay.Route) (ports.Provider, error) {
	i, err := h.instance(route.Provider)
	if err != nil {
		return nil, err
	}
	if err := i.ready(route.Account); err != nil {
		return nil, err
	}
	return provider{i}, nil
}

// Policy is what the provider promises, from the plugin's own description.
func (h *Host) Policy(provider string) (pay.Policy, error) {
	about, err := h.about(provider)
	if err != nil {
		return pay.Policy{}, err
	}
	limits := about.GetRefundLimits()
	return pay.Policy{
		Renewable:       about.GetRenewable(),
		RefundCount:     int(max(0, limits.GetCount())),
		RefundAge:       max(0, limits.GetAge().AsDuration()),
		RefundInterval:  max(0, limits.GetMinInterval().AsDuration()),
		Insurance:       slices.Contains(about.GetLegKinds(), string(pay.LegInsurance)),
		NoClose:         about.GetCloseSupport() != pb.CloseSupport_CLOSE_SUPPORT_FULL,
		NotPayableAfter: max(0, about.GetNotPayableAfter().AsDuration()),
	}, nil
}

// AccountSchema is the JSON Schema of the provider's accounts; fields with "writeOnly" are secrets.
func (h *Host) AccountSchema(provider string) ([]byte, error) {
	about, err := h.about(provider)
	if err != nil {
		return nil, err
	}
	return about.GetAccountSchema(), nil
}

// CheckEntry holds an entry's channel settings, a JSON object or empty, against the provider's schema of entries. A
// *ConfigError says that they are wrong; an error that wraps ports.ErrUnavailable, that the plugin has never run here.
func (h *Host) CheckEntry(provider, entry string, options []byte) error {
	about, err := h.about(provider)
	if err != nil {
		return fmt.Errorf("entry %s: %w", entry, err)
	}
	what := "entry " + entry
	switch {
	case len(about.GetEntrySchema()) > 0 && len(options) == 0:
		options = []byte("{}")
	case len(about.GetEntrySchema()) == 0 && len(options) > 0:
		return &ConfigError{what, []FieldProblem{{Problem: "has options, and provider " + provider + " knows none"}}}
	}
	return checkSchema(what, about.GetEntrySchema(), options)
}

func (h *Host) about(provider string) (*pb.DescribeResponse, error) {
	i, err := h.instance(provider)
	if err != nil {
		return nil, err
	}
	_, about := i.current()
	if about == nil {
		return nil, fmt.Errorf("plugin %s has never run here: %w", provider, ports.ErrUnavailable)
	}
	return about, nil
}

// provider makes the calls of one plugin.
type provider struct{ i *instance }

func (p provider) CreatePayment(ctx context.Context, m pay.Payment) ports.PaymentAnswer {
	answer, failed := call(ctx, p.i, p.i.calls, m.Route.Account, "CreatePayment", createPayment(m),
		pb.ProviderClient.CreatePayment)
	if failed != nil {
		return ports.PaymentAnswer{Outcome: *failed}
	}
	return created(answer)
}

func (p provider) QueryPayment(ctx context.Context, m pay.Payment) ports.PaymentAnswer {
	answer, failed := call(ctx, p.i, p.i.calls, m.Route.Account, "QueryPayment", queryPayment(m),
		pb.ProviderClient.QueryPayment)
	if failed != nil {
		return ports.PaymentAnswer{Outcome: *failed}
	}
	return paymentAnswer(answer)
}

func (p provider) ClosePayment(ctx context.Context, m pay.Payment) ports.PaymentAnswer {
	answer, failed := call(ctx, p.i, p.i.calls, m.Route.Account, "ClosePayment", closePayment(m),
		pb.ProviderClient.ClosePayment)
	if failed != nil {
		return ports.PaymentAnswer{Outcome: *failed}
	}
	return paymentAnswer(answer)
}

func (p provider) CreateRefund(ctx context.Context, m pay.Payment, r pay.Refund) ports.RefundAnswer {
	answer, failed := call(ctx, p.i, p.i.calls, m.Route.Account, "CreateRefund", createRefund(m, r),
		pb.ProviderClient.CreateRefund)
	if failed != nil {
		return ports.RefundAnswer{Outcome: *failed}
	}
	return refundAnswer(answer)
}

func (p provider) QueryRefund(ctx context.Context, m pay.Payment, r pay.Refund) ports.RefundAnswer {
	answer, failed := call(ctx, p.i, p.i.calls, m.Route.Account, "QueryRefund", queryRefund(m, r),
		pb.ProviderClient.QueryRefund)
	if failed != nil {
		return ports.RefundAnswer{Outcome: *failed}
	}
	return refundAnswer(answer)
}

// call makes one call of the contract's Provider within its bounds; see callBy.
func call[Request, Response any](ctx context.Context, i *instance, s slots, account, what string, request Request,
	method func(pb.ProviderClient, context.Context, Request, ...grpc.CallOption) (Response, error),
) (answer Response, failed *pay.Outcome) {
	return callBy(ctx, i, s, account, what, request, func(ctx context.Context, conn grpc.ClientConnInterface) (Response, error) {
		return method(pb.NewProviderClient(conn), ctx, request)
	})
}

// callBy makes one call within its bounds. When it fails the outcome says in which of two ways: NOT_SENT when it never
// left us, INDETERMINATE for every fault after that, since the plugin may have asked the provider before it.
func callBy[Response any](ctx context.Context, i *instance, s slots, account, what string, request any,
	method func(context.Context, grpc.ClientConnInterface) (Response, error),
) (answer Response, failed *pay.Outcome) {
	ctx, cancel := context.WithTimeout(ctx, i.o.CallTime)
	defer cancel()
	if err := i.addToken(ctx, request); err != nil {
		return answer, notSent("plugin %s: %v", i.pin.Name, err)
	}
	release, err := s.take(ctx, account)
	if err != nil {
		return answer, notSent("plugin %s has too many calls under way for %s: %v", i.pin.Name, what, err)
	}
	defer release()
	r, err := i.enter()
	if err != nil {
		return answer, notSent("%v", err)
	}
	defer i.leave()
	for again := true; ; again = false { // once more with another token, where the provider did not take the first
		answer, err = method(ctx, r.conn)
		if err != nil {
			return answer, &pay.Outcome{Message: fmt.Sprintf("plugin %s: %s: %s", i.pin.Name, what, faultText(err))}
		}
		if !i.noteToken(request, answer) || !again || i.addToken(ctx, request) != nil {
			return answer, nil
		}
	}
}

// maxFault is how much of a plugin's error is told, in bytes.
const maxFault = 256

func notSent(format string, a ...any) *pay.Outcome {
	return &pay.Outcome{Verdict: pay.NotSent, Reason: pay.Unavailable, Message: fmt.Sprintf(format, a...)}
}

// faultText is a gRPC error as people may read it: the plugin wrote it, so it is bounded.
func faultText(err error) string {
	s := status.Convert(err)
	return s.Code().String() + ": " + clean(s.Message(), maxFault)
}
