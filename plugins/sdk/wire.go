package sdk

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	pb "github.com/paybridge/paybridge/plugins/proto/providerv1"
)

// This file is the only place where the messages of the contract become this package's types, and back. Enums are
// converted number by number, so that a value of a later version survives.

func fromCall(c *pb.Call) Call {
	r := c.GetRoute()
	return Call{
		Route: Route{
			Provider: r.GetProvider(), Entry: r.GetEntry(), Account: r.GetAccount(),
			MchID: r.GetMchid(), SubMchID: r.GetSubMchid(),
			SpAppID: r.GetSpAppid(), SubAppID: r.GetSubAppid(), AppID: r.GetAppId(),
			OpenidKind: OpenidKind(r.GetOpenidKind()), NotifyURL: r.GetNotifyUrl(), Options: r.GetOptions(),
		},
		State: State{Version: c.GetProviderState().GetVersion(), Data: c.GetProviderState().GetData()},
		AppAccessToken: AppAccessToken{
			AppID: c.GetAppAccessToken().GetAppId(), Token: c.GetAppAccessToken().GetToken(),
			ExpiresAt: fromTime(c.GetAppAccessToken().GetExpiresAt()),
		},
	}
}

func fromAmount(a *pb.Amount) Amount { return Amount{Minor: a.GetMinor(), Currency: a.GetCurrency()} }

// toAmount leaves out what nobody said.
func toAmount(a Amount) *pb.Amount {
	if a == (Amount{}) {
		return nil
	}
	return &pb.Amount{Minor: a.Minor, Currency: a.Currency}
}

func fromTime(t *timestamppb.Timestamp) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.AsTime()
}

func toTime(t time.Time) *timestamppb.Timestamp {
	if t.IsZero() {
		return nil
	}
	return timestamppb.New(t)
}

func toDuration(d time.Duration) *durationpb.Duration {
	if d == 0 {
		return nil
	}
	return durationpb.New(d)
}

func fromPayer(p *pb.Payer) Payer { return Payer{Openid: p.GetOpenid(), ClientIP: p.GetClientIp()} }

func fromLegs(legs []*pb.Leg) []Leg {
	out := make([]Leg, len(legs))
	for i, l := range legs {
		out[i] = Leg{l.GetLegId(), l.GetKind(), fromAmount(l.GetAmount()), l.GetProviderId()}
	}
	return out
}

func fromDetails(d *pb.Details) Details {
	var out Details
	if e := d.GetExtension(); e != nil {
		out.Extension = &Extension{Type: e.GetType(), JSON: e.GetJson()}
	}
	if m := d.GetMedical(); m != nil {
		out.Medical = &Medical{
			OrderType: m.GetOrderType(), SerialNo: m.GetSerialNo(), PayOrderID: m.GetPayOrderId(),
			PayAuthNo: m.GetPayAuthNo(), GeoLocation: m.GetGeoLocation(), CityID: m.GetCityId(),
			InstitutionName: m.GetInstitutionName(), InstitutionNo: m.GetInstitutionNo(),
			OrderedAt: fromTime(m.GetOrderedAt()),
			Gov:       m.GetGov(), Self: m.GetSelf(), Other: m.GetOther(), Cash: m.GetCash(),
			CashAdditions: fromChanges(m.GetCashAdditions()), CashReductions: fromChanges(m.GetCashReductions()),
			Person: fromPerson(m.GetPerson()), Passthrough: m.GetPassthrough(),
			ChannelNo: m.GetChannelNo(), BillNo: m.GetBillNo(),
		}
		if m.GetPayer() != nil {
			p := fromPerson(m.GetPayer())
			out.Medical.Payer = &p
		}
	}
	return out
}

func fromChanges(changes []*pb.MedicalCashChange) []CashChange {
	out := make([]CashChange, len(changes))
	for i, c := range changes {
		out[i] = CashChange{c.GetType(), c.GetMinor()}
	}
	return out
}

func fromPerson(p *pb.MedicalPerson) Person {
	return Person{p.GetName(), p.GetIdNumber(), p.GetCardType()}
}

func toOutcome(r Result) *pb.Outcome {
	return &pb.Outcome{
		Verdict: pb.Verdict(r.Verdict), Reason: pb.Reason(r.Reason), Code: words(r.Code, 128),
		Message: words(r.Message, 1<<10), RequestId: words(r.RequestID, 128), RetryAfter: toDuration(r.RetryAfter), Attention: pb.Attention(r.Attention),
		Remedy: words(r.Remedy, 512), ProviderTime: toTime(r.ProviderTime), AppAccessTokenRefused: r.TokenRefused,
	}
}

// words makes text for people fit for the contract: of n bytes at most, and UTF-8, without which gRPC would make an
// error of the whole answer, after the trade was made.
func words(s string, n int) string { return strings.ToValidUTF8(s[:min(len(s), n)], "") }

func toState(s *State) *pb.ProviderState {
	if s == nil {
		return nil
	}
	return &pb.ProviderState{Version: s.Version, Data: s.Data}
}

// toHandOff fails on parameters that are no JSON object: a bug of the plugin that must not reach a payer.
func toHandOff(h *HandOff) (*pb.HandOff, error) {
	if h == nil {
		return nil, nil
	}
	params, err := json.Marshal(h.Params)
	if err != nil {
		return nil, fmt.Errorf("hand-off %s: %w", h.Kind, err)
	}
	if len(params) == 0 || params[0] != '{' {
		return nil, fmt.Errorf("hand-off %s: its parameters are no JSON object", h.Kind)
	}
	return &pb.HandOff{Kind: h.Kind, Params: params, ValidUntil: toTime(h.ValidUntil)}, nil
}

func toPayment(f *PaymentFacts) *pb.PaymentFacts {
	if f == nil {
		return nil
	}
	out := &pb.PaymentFacts{
		State: pb.PaymentState(f.State), Number: f.Number, Mchid: f.MchID, SubMchid: f.SubMchID, AppId: f.AppID,
		Amount: toAmount(f.Amount), PayerAmount: toAmount(f.PayerAmount),
		Payer: &pb.PayerFacts{Openid: f.Payer.Openid, SpOpenid: f.Payer.SpOpenid, SubOpenid: f.Payer.SubOpenid,
			FundsSource: words(f.Payer.FundsSource, 128)},
		PaidAt: toTime(f.PaidAt), ProviderId: f.ProviderID, LegsOnly: f.LegsOnly, ProviderStateName: words(f.StateName, 128),
		Details: toFactDetails(f),
	}
	for _, l := range f.Legs {
		out.Legs = append(out.Legs, &pb.LegFacts{LegId: l.ID, Kind: l.Kind, Amount: toAmount(l.Amount),
			State: pb.PaymentState(l.State), ProviderId: l.ProviderID, PaidAt: toTime(l.PaidAt)})
	}
	return out
}

func toFactDetails(f *PaymentFacts) *pb.FactDetails {
	switch {
	case f.Medical != nil:
		m := f.Medical
		return &pb.FactDetails{Kind: &pb.FactDetails_Medical{Medical: &pb.MedicalFacts{
			MixStatus: m.MixStatus, CashStatus: m.CashStatus, InsuranceStatus: m.InsuranceStatus,
			FailReason: words(m.FailReason, 1<<10), Gov: m.Gov, Self: m.Self, Other: m.Other, Cash: m.Cash,
			PassthroughResponse: m.PassthroughResponse,
		}}}
	case f.Extension != nil:
		return &pb.FactDetails{Kind: &pb.FactDetails_Extension{
			Extension: &pb.ExtensionDetails{Type: f.Extension.Type, Json: f.Extension.JSON}}}
	}
	return nil
}

func toRefund(f *RefundFacts) *pb.RefundFacts {
	if f == nil {
		return nil
	}
	out := &pb.RefundFacts{
		State: pb.RefundState(f.State), Number: f.Number, PaymentNumber: f.PaymentNumber,
		ProviderId: f.ProviderID, ProviderPaymentId: f.ProviderPaymentID, Mchid: f.MchID, SubMchid: f.SubMchID,
		Amount: toAmount(f.Amount), PayerAmount: toAmount(f.PayerAmount), Total: toAmount(f.Total),
		CreatedAt: toTime(f.CreatedAt), SucceededAt: toTime(f.SucceededAt), ReceivedAccount: words(f.ReceivedAccount, 128),
		ProviderStateName: words(f.StateName, 128), Attention: pb.Attention(f.Attention),
	}
	for _, l := range f.Legs {
		out.Legs = append(out.Legs, &pb.RefundLegFacts{LegId: l.ID, Amount: toAmount(l.Amount),
			State: pb.RefundState(l.State), ProviderId: l.ProviderID})
	}
	return out
}

func fromNotification(r *pb.ParseNotificationRequest) Notification {
	h := http.Header{}
	for _, line := range r.GetHeaders() {
		h.Add(line.GetName(), string(line.GetValue()))
	}
	return Notification{Account: r.GetAccount(), Method: r.GetMethod(), Path: r.GetPath(), Header: h,
		Body: r.GetBody(), ReceivedAt: fromTime(r.GetReceivedAt())}
}

func toParsed(p Parsed) *pb.ParseNotificationResponse {
	out := &pb.ParseNotificationResponse{
		DedupeKey:    p.DedupeKey,
		Ack:          &pb.HTTPAnswer{ContentType: p.Ack.ContentType, Body: p.Ack.Body},
		Nack:         &pb.HTTPAnswer{ContentType: p.Nack.ContentType, Body: p.Nack.Body},
		ProviderTime: toTime(p.ProviderTime),
	}
	switch {
	case p.Payment != nil:
		out.Result = &pb.ParseNotificationResponse_Payment{Payment: toPayment(p.Payment)}
	case p.Refund != nil:
		out.Result = &pb.ParseNotificationResponse_Refund{Refund: toRefund(p.Refund)}
	case p.Notice != nil:
		n := p.Notice
		out.Result = &pb.ParseNotificationResponse_Notice{Notice: &pb.Notice{
			Kind: n.Kind, Id: n.ID, Body: n.Body, ContentType: n.ContentType, Mchid: n.MchID, SubMchid: n.SubMchID,
			OccurredAt: toTime(n.OccurredAt)}}
	default:
		out.Result = &pb.ParseNotificationResponse_Refused{
			Refused: &pb.Refused{Cause: pb.RefusedCause(p.Cause), Detail: words(p.Detail, 256)}}
	}
	return out
}

// toFieldErrors unfolds what Configure returned: errors of Field, joined or wrapped, and any other as one about the
// whole configuration.
func toFieldErrors(err error) []*pb.FieldError {
	if err == nil {
		return nil
	}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		var out []*pb.FieldError
		for _, e := range joined.Unwrap() {
			out = append(out, toFieldErrors(e)...)
		}
		return out
	}
	var field *FieldError
	if errors.As(err, &field) {
		return []*pb.FieldError{{Field: words(field.Pointer, 128), Message: words(field.Problem, 256)}}
	}
	return []*pb.FieldError{{Message: words(err.Error(), 256)}}
}
