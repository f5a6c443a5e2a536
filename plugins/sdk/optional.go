package sdk

import (
	"context"
	"slices"

	"google.golang.org/grpc"

	pb "github.com/paybridge/paybridge/plugins/proto/providerv1"
)

// optionalServices is what p implements beside Plugin.
func optionalServices(p Plugin) []pb.OptionalService {
	have := []pb.OptionalService{pb.OptionalService_OPTIONAL_SERVICE_DIAGNOSTICS}
	for service, implemented := range map[pb.OptionalService]bool{
		pb.OptionalService_OPTIONAL_SERVICE_BILL_DOWNLOAD:   is[Bills](p),
		pb.OptionalService_OPTIONAL_SERVICE_REFUND_REPORTER: is[RefundReports](p),
		pb.OptionalService_OPTIONAL_SERVICE_ABNORMAL_REFUND: is[AbnormalRefunds](p),
		pb.OptionalService_OPTIONAL_SERVICE_PAYER_CODE:      is[PayerCodes](p),
		pb.OptionalService_OPTIONAL_SERVICE_SELF_TEST:       is[SelfTests](p),
		pb.OptionalService_OPTIONAL_SERVICE_RECEIPT_PAGE:    is[ReceiptPages](p),
	} {
		if implemented {
			have = append(have, service)
		}
	}
	slices.Sort(have)
	return have
}

func is[T any](p Plugin) bool {
	_, ok := p.(T)
	return ok
}

func registerOptional(s grpc.ServiceRegistrar, p Plugin) {
	if v, ok := p.(Bills); ok {
		pb.RegisterBillDownloadServer(s, &billServer{bills: v})
	}
	if v, ok := p.(RefundReports); ok {
		pb.RegisterRefundReporterServer(s, &reportServer{reports: v})
	}
	if v, ok := p.(AbnormalRefunds); ok {
		pb.RegisterAbnormalRefundServer(s, &abnormalServer{refunds: v})
	}
	if v, ok := p.(PayerCodes); ok {
		pb.RegisterPayerCodeServer(s, &payerCodeServer{codes: v})
	}
	if v, ok := p.(ReceiptPages); ok {
		pb.RegisterReceiptPageServer(s, &receiptServer{pages: v})
	}
	if v, ok := p.(SelfTests); ok {
		pb.RegisterSelfTestServer(s, &selfTestServer{tests: v})
	}
}

type receiptServer struct {
	pb.UnimplementedReceiptPageServer
	pages ReceiptPages
}

func (s *receiptServer) SetReceiptPage(ctx context.Context, r *pb.SetReceiptPageRequest) (*pb.SetReceiptPageResponse, error) {
	result := s.pages.SetReceiptPage(ctx, ReceiptPage{Call: fromCall(r.GetCall()), Page: ReceiptPageKind(r.GetPage())})
	return &pb.SetReceiptPageResponse{Outcome: toOutcome(result)}, nil
}

type billServer struct {
	pb.UnimplementedBillDownloadServer
	bills Bills
}

func (s *billServer) DownloadBill(r *pb.DownloadBillRequest, stream grpc.ServerStreamingServer[pb.DownloadBillResponse]) error {
	request := BillRequest{Call: fromCall(r.GetCall()), Kind: BillKind(r.GetKind()), Date: r.GetDate()}
	result := s.bills.DownloadBill(stream.Context(), request, func(item BillItem) error {
		return stream.Send(toBillItem(item))
	})
	return stream.Send(&pb.DownloadBillResponse{Item: &pb.DownloadBillResponse_End{End: toOutcome(result)}})
}

func toBillItem(item BillItem) *pb.DownloadBillResponse {
	switch l := item.(type) {
	case TradeLine:
		return &pb.DownloadBillResponse{Item: &pb.DownloadBillResponse_Trade{Trade: &pb.TradeLine{
			OccurredAt: toTime(l.OccurredAt), AppId: l.AppID, Mchid: l.MchID, SubMchid: l.SubMchID,
			ProviderId: l.ProviderID, Number: l.Number, ProviderRefundId: l.ProviderRefundID,
			RefundNumber: l.RefundNumber, Amount: toAmount(l.Amount), RefundAmount: toAmount(l.RefundAmount),
			FeeMilli: l.FeeMilli, TradeStateName: l.TradeStateName, RefundStateName: l.RefundStateName,
			RefundState: pb.RefundState(l.RefundState), Attach: words(l.Attach, 128),
		}}}
	case FundLine:
		return &pb.DownloadBillResponse{Item: &pb.DownloadBillResponse_Fund{Fund: &pb.FundLine{
			BookedAt: toTime(l.BookedAt), BusinessId: l.BusinessID, FlowId: l.FlowID, BusinessName: l.BusinessName,
			BusinessType: l.BusinessType, Amount: toAmount(l.Amount), Balance: toAmount(l.Balance),
			Remark: l.Remark, VoucherNo: l.VoucherNo,
		}}}
	case BillTotals:
		return &pb.DownloadBillResponse{Item: &pb.DownloadBillResponse_Totals{Totals: &pb.BillTotals{
			Lines: l.Lines, Paid: toAmount(l.Paid), Refunded: toAmount(l.Refunded), FeeMilli: l.FeeMilli,
		}}}
	}
	panic("a bill item of an unknown type") // BillItem is closed: only this package makes types of it
}

type reportServer struct {
	pb.UnimplementedRefundReporterServer
	reports RefundReports
}

func (s *reportServer) ReportRefund(ctx context.Context, r *pb.ReportRefundRequest) (*pb.ReportRefundResponse, error) {
	result := s.reports.ReportRefund(ctx, RefundReport{
		Call: fromCall(r.GetCall()), PaymentNumber: r.GetPaymentNumber(), ProviderPaymentID: r.GetProviderPaymentId(),
		Number: r.GetNumber(), LegID: r.GetLegId(), Gov: r.GetGov(), Self: r.GetSelf(), Other: r.GetOther(),
		RefundedAt: fromTime(r.GetRefundedAt()), BureauRefundNo: r.GetBureauRefundNo(),
	})
	return &pb.ReportRefundResponse{Outcome: toOutcome(result)}, nil
}

type abnormalServer struct {
	pb.UnimplementedAbnormalRefundServer
	refunds AbnormalRefunds
}

func (s *abnormalServer) ResolveAbnormalRefund(ctx context.Context, r *pb.ResolveAbnormalRefundRequest) (*pb.ResolveAbnormalRefundResponse, error) {
	result := s.refunds.ResolveAbnormalRefund(ctx, AbnormalRefund{
		Call: fromCall(r.GetCall()), PaymentNumber: r.GetPaymentNumber(), Number: r.GetNumber(),
		ProviderID: r.GetProviderId(), Target: AbnormalTarget(r.GetTarget()), BankType: r.GetBankType(),
		BankAccount: r.GetBankAccount(), RealName: r.GetRealName(),
	})
	return &pb.ResolveAbnormalRefundResponse{Outcome: toOutcome(result), Facts: toRefund(result.Refund)}, nil
}

type payerCodeServer struct {
	pb.UnimplementedPayerCodeServer
	codes PayerCodes
}

func (s *payerCodeServer) PayByCode(ctx context.Context, r *pb.PayByCodeRequest) (*pb.PayByCodeResponse, error) {
	result := s.codes.PayByCode(ctx, CodePayment{
		Call: fromCall(r.GetCall()), Number: r.GetNumber(), Amount: fromAmount(r.GetAmount()),
		Description: r.GetDescription(), Code: r.GetCode(), Payer: fromPayer(r.GetPayer()),
		TimeExpire: fromTime(r.GetTimeExpire()), Legs: fromLegs(r.GetLegs()), Details: fromDetails(r.GetDetails()),
		DeviceID: r.GetDeviceId(),
	})
	result = result.assumingPayment(PaymentPending)
	return &pb.PayByCodeResponse{Outcome: toOutcome(result), Facts: toPayment(result.Payment),
		ProviderState: toState(result.State)}, nil
}

func (s *payerCodeServer) ReverseByCode(ctx context.Context, r *pb.ReverseByCodeRequest) (*pb.ReverseByCodeResponse, error) {
	result := s.codes.ReverseByCode(ctx, CodeReversal{
		Call: fromCall(r.GetCall()), Number: r.GetNumber(), ProviderID: r.GetProviderId(),
	})
	result = result.assumingPayment(PaymentClosed)
	return &pb.ReverseByCodeResponse{Outcome: toOutcome(result), Facts: toPayment(result.Payment),
		ProviderState: toState(result.State)}, nil
}

type selfTestServer struct {
	pb.UnimplementedSelfTestServer
	tests SelfTests
}

func (s *selfTestServer) RunSelfTest(ctx context.Context, r *pb.RunSelfTestRequest) (*pb.RunSelfTestResponse, error) {
	out := &pb.RunSelfTestResponse{}
	for _, c := range s.tests.RunSelfTest(ctx, SelfTest{Call: fromCall(r.GetCall()), Echo: r.GetEcho()}) {
		out.Checks = append(out.Checks, &pb.SelfTestCheck{
			Name: c.Name, Status: pb.SelfTestStatus(c.Status), Detail: c.Detail, Remedy: c.Remedy,
			Code: c.Code, RemedyZh: c.RemedyZH})
	}
	return out, nil
}
