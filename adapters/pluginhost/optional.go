package pluginhost

import (
	"context"
	"fmt"
	"slices"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/paybridge/paybridge/core/pay"
	pb "github.com/paybridge/paybridge/plugins/proto/providerv1"
	"github.com/paybridge/paybridge/ports"
)

var _ ports.Optional = (*Host)(nil)

var services = map[pb.OptionalService]ports.Service{
	pb.OptionalService_OPTIONAL_SERVICE_BILL_DOWNLOAD:   ports.ServiceBills,
	pb.OptionalService_OPTIONAL_SERVICE_REFUND_REPORTER: ports.ServiceRefundReports,
	pb.OptionalService_OPTIONAL_SERVICE_ABNORMAL_REFUND: ports.ServiceAbnormalRefund,
	pb.OptionalService_OPTIONAL_SERVICE_PAYER_CODE:      ports.ServicePayerCode,
	pb.OptionalService_OPTIONAL_SERVICE_SELF_TEST:       ports.ServiceSelfTest,
	pb.OptionalService_OPTIONAL_SERVICE_RECEIPT_PAGE:    ports.ServiceReceiptPage,
	pb.OptionalService_OPTIONAL_SERVICE_DIAGNOSTICS:     ports.ServiceDiagnostics,
}

// Offers tells which optional services a provider's plugin has (ports.Optional).
func (h *Host) Offers(provider string) ([]ports.Service, error) {
	about, err := h.about(provider)
	if err != nil {
		return nil, err
	}
	return offered(about), nil
}

// offered leaves out services of a later version: nobody here could call them.
func offered(about *pb.DescribeResponse) (all []ports.Service) {
	for _, s := range about.GetOptionalServices() {
		if known, ok := services[s]; ok {
			all = append(all, known)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// option finds the plugin that serves a route, if it has the service and the account.
func (h *Host) option(route pay.Route, service ports.Service) (*instance, error) {
	i, err := h.instance(route.Provider)
	if err != nil {
		return nil, err
	}
	if err := i.ready(route.Account); err != nil {
		return nil, err
	}
	if _, about := i.current(); !slices.Contains(offered(about), service) {
		return nil, absent(route.Provider, service)
	}
	return i, nil
}

func absent(provider string, service ports.Service) error {
	return fmt.Errorf("plugin %s has no %s: %w", provider, service, ports.ErrUnimplemented)
}

// optional makes one call to an optional service. A plugin that has said by Describe that it serves one, and then does
// not, is as absent as one that never said so.
func optional[Request, Response any](ctx context.Context, h *Host, route pay.Route, service ports.Service, what string, request Request,
	method func(grpc.ClientConnInterface, context.Context, Request) (Response, error),
) (answer Response, failed *pay.Outcome, err error) {
	i, err := h.option(route, service)
	if err != nil {
		return answer, nil, err
	}
	var code codes.Code
	answer, failed = callBy(ctx, i, i.calls, route.Account, what, request, func(ctx context.Context, conn grpc.ClientConnInterface) (Response, error) {
		answer, err := method(conn, ctx, request)
		code = status.Code(err)
		return answer, err
	})
	if code == codes.Unimplemented {
		return answer, nil, absent(route.Provider, service)
	}
	return answer, failed, nil
}

// SelfTest proves the account of a route without money (ports.Optional).
func (h *Host) SelfTest(ctx context.Context, route pay.Route, echo string) ([]ports.SelfTestCheck, error) {
	answer, failed, err := optional(ctx, h, route, ports.ServiceSelfTest, "RunSelfTest",
		&pb.RunSelfTestRequest{Call: callOf(pay.Payment{Route: route}), Echo: echo},
		func(c grpc.ClientConnInterface, ctx context.Context, r *pb.RunSelfTestRequest) (*pb.RunSelfTestResponse, error) {
			return pb.NewSelfTestClient(c).RunSelfTest(ctx, r)
		})
	switch {
	case err != nil:
		return nil, err
	case failed != nil:
		return nil, fmt.Errorf("self-test of account %s: %s: %w", route.Account, failed.Message, ports.ErrUnavailable)
	}
	return selfTestChecks(answer), nil
}

// maxChecks is the most that is read of one self-test.
const maxChecks = 50

func selfTestChecks(r *pb.RunSelfTestResponse) (all []ports.SelfTestCheck) {
	for _, c := range r.GetChecks()[:min(len(r.GetChecks()), maxChecks)] {
		check := ports.SelfTestCheck{
			Name: clean(c.GetName(), 64), Code: clean(c.GetCode(), 64), Detail: clean(c.GetDetail(), 512),
			Remedy: clean(c.GetRemedy(), 512), RemedyZH: clean(c.GetRemedyZh(), 512),
		}
		switch c.GetStatus() {
		case pb.SelfTestStatus_SELF_TEST_STATUS_OK:
			check.Status = ports.CheckOK
		case pb.SelfTestStatus_SELF_TEST_STATUS_FAILED:
			check.Status = ports.CheckFailed
		default: // of a later version too: nothing was proven
			check.Status = ports.CheckSkipped
		}
		all = append(all, check)
	}
	return all
}

// ResolveAbnormalRefund sends a refund's money elsewhere (ports.Optional).
func (h *Host) ResolveAbnormalRefund(ctx context.Context, p pay.Payment, r pay.Refund, to ports.AbnormalTarget) (ports.RefundAnswer, error) {
	request := &pb.ResolveAbnormalRefundRequest{
		Call: callOf(p), PaymentNumber: p.OutTradeNo(), Number: r.OutRefundNo(), ProviderId: r.ProviderID,
		Target:   pb.AbnormalRefundTarget_ABNORMAL_REFUND_TARGET_PAYER_CARD,
		BankType: to.BankType, BankAccount: to.BankAccount, RealName: to.RealName,
	}
	if to.ToMerchant {
		request.Target = pb.AbnormalRefundTarget_ABNORMAL_REFUND_TARGET_MERCHANT
		request.BankType, request.BankAccount, request.RealName = "", "", ""
	}
	answer, failed, err := optional(ctx, h, p.Route, ports.ServiceAbnormalRefund, "ResolveAbnormalRefund", request,
		func(c grpc.ClientConnInterface, ctx context.Context, r *pb.ResolveAbnormalRefundRequest) (*pb.ResolveAbnormalRefundResponse, error) {
			return pb.NewAbnormalRefundClient(c).ResolveAbnormalRefund(ctx, r)
		})
	switch {
	case err != nil:
		return ports.RefundAnswer{}, err
	case failed != nil:
		return ports.RefundAnswer{Outcome: *failed}, nil
	}
	return refundAnswer(abnormalAnswer{answer}), nil
}

// abnormalAnswer is a refund's answer without a provider_state, which this call has not.
type abnormalAnswer struct {
	*pb.ResolveAbnormalRefundResponse
}

func (abnormalAnswer) GetProviderState() *pb.ProviderState { return nil }

// ReportRefund tells the provider of a refund that was made elsewhere (ports.Optional).
func (h *Host) ReportRefund(ctx context.Context, p pay.Payment, r ports.RefundReport) (pay.Outcome, error) {
	request := &pb.ReportRefundRequest{
		Call: callOf(p), PaymentNumber: p.OutTradeNo(), ProviderPaymentId: p.ProviderID, Number: r.Number, LegId: r.LegID,
		Gov: r.Gov, Self: r.Self, Other: r.Other, RefundedAt: instant(r.RefundedAt), BureauRefundNo: r.BureauRefundNo,
	}
	answer, failed, err := optional(ctx, h, p.Route, ports.ServiceRefundReports, "ReportRefund", request,
		func(c grpc.ClientConnInterface, ctx context.Context, r *pb.ReportRefundRequest) (*pb.ReportRefundResponse, error) {
			return pb.NewRefundReporterClient(c).ReportRefund(ctx, r)
		})
	switch {
	case err != nil:
		return pay.Outcome{}, err
	case failed != nil:
		return *failed, nil
	}
	return outcome(answer.GetOutcome()), nil
}

// PayByCode charges by a code that the payer shows (ports.Optional).
func (h *Host) PayByCode(ctx context.Context, p pay.Payment, code ports.PayerCode) (ports.PaymentAnswer, error) {
	c := p.Content
	request := &pb.PayByCodeRequest{
		Call: callOf(p), Number: p.OutTradeNo(), Amount: amount(c.Amount), Description: c.Description, Code: code.Code,
		Payer: &pb.Payer{Openid: c.OpenID, ClientIp: c.ClientIP}, TimeExpire: instant(c.TimeExpire), Legs: legs(p), DeviceId: code.DeviceID,
		Details: details(c.Details),
	}
	answer, failed, err := optional(ctx, h, p.Route, ports.ServicePayerCode, "PayByCode", request,
		func(c grpc.ClientConnInterface, ctx context.Context, r *pb.PayByCodeRequest) (*pb.PayByCodeResponse, error) {
			return pb.NewPayerCodeClient(c).PayByCode(ctx, r)
		})
	return codeAnswer(answer, failed, err)
}

// ReverseByCode undoes a charge (ports.Optional).
func (h *Host) ReverseByCode(ctx context.Context, p pay.Payment) (ports.PaymentAnswer, error) {
	request := &pb.ReverseByCodeRequest{Call: callOf(p), Number: p.OutTradeNo(), ProviderId: p.ProviderID}
	answer, failed, err := optional(ctx, h, p.Route, ports.ServicePayerCode, "ReverseByCode", request,
		func(c grpc.ClientConnInterface, ctx context.Context, r *pb.ReverseByCodeRequest) (*pb.ReverseByCodeResponse, error) {
			return pb.NewPayerCodeClient(c).ReverseByCode(ctx, r)
		})
	return codeAnswer(answer, failed, err)
}

func codeAnswer(r paymentResponse, failed *pay.Outcome, err error) (ports.PaymentAnswer, error) {
	switch {
	case err != nil:
		return ports.PaymentAnswer{}, err
	case failed != nil:
		return ports.PaymentAnswer{Outcome: *failed}, nil
	}
	return paymentAnswer(r), nil
}

var receiptPages = map[ports.ReceiptPage]pb.ReceiptPageKind{
	ports.NoReceipt:       pb.ReceiptPageKind_RECEIPT_PAGE_KIND_NONE,
	ports.ProviderReceipt: pb.ReceiptPageKind_RECEIPT_PAGE_KIND_PROVIDER,
	ports.OwnReceipt:      pb.ReceiptPageKind_RECEIPT_PAGE_KIND_OWN,
}

// SetReceiptPage chooses what payers see after paying (ports.Optional).
func (h *Host) SetReceiptPage(ctx context.Context, route pay.Route, page ports.ReceiptPage) (pay.Outcome, error) {
	request := &pb.SetReceiptPageRequest{Call: callOf(pay.Payment{Route: route}), Page: receiptPages[page]}
	answer, failed, err := optional(ctx, h, route, ports.ServiceReceiptPage, "SetReceiptPage", request,
		func(c grpc.ClientConnInterface, ctx context.Context, r *pb.SetReceiptPageRequest) (*pb.SetReceiptPageResponse, error) {
			return pb.NewReceiptPageClient(c).SetReceiptPage(ctx, r)
		})
	switch {
	case err != nil:
		return pay.Outcome{}, err
	case failed != nil:
		return *failed, nil
	}
	return outcome(answer.GetOutcome()), nil
}
