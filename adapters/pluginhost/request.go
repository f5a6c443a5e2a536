package pluginhost

import (
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/paybridge/paybridge/core/money"
	"github.com/paybridge/paybridge/core/pay"
	pb "github.com/paybridge/paybridge/plugins/proto/providerv1"
)

// What core knows, as the contract says it.

func callOf(p pay.Payment) *pb.Call {
	r := p.Route
	c := &pb.Call{Route: &pb.Route{
		Provider: r.Provider, Entry: r.Entry, Account: r.Account, Mchid: r.MchID, SubMchid: r.SubMchID,
		SpAppid: r.SpAppID, SubAppid: r.SubAppID, AppId: r.AppID, OpenidKind: openidKind(r.OpenIDKind),
		NotifyUrl: r.NotifyURL(), Options: r.Options,
	}}
	if p.ProviderState.Version > 0 {
		c.ProviderState = &pb.ProviderState{Version: p.ProviderState.Version, Data: p.ProviderState.Data}
	}
	return c
}

func openidKind(k pay.OpenIDKind) pb.OpenidKind {
	switch k {
	case pay.OpenIDDirect:
		return pb.OpenidKind_OPENID_KIND_DIRECT
	case pay.OpenIDSp:
		return pb.OpenidKind_OPENID_KIND_SP
	case pay.OpenIDSub:
		return pb.OpenidKind_OPENID_KIND_SUB
	}
	return pb.OpenidKind_OPENID_KIND_UNSPECIFIED
}

func amount(a money.Amount) *pb.Amount { return &pb.Amount{Minor: a.Minor, Currency: a.Currency} }

func instant(t time.Time) *timestamppb.Timestamp {
	if t.IsZero() {
		return nil
	}
	return timestamppb.New(t)
}

func legs(p pay.Payment) []*pb.Leg {
	out := make([]*pb.Leg, len(p.Legs))
	for i, l := range p.Legs {
		out[i] = &pb.Leg{LegId: l.ID, Kind: string(l.Kind), Amount: amount(l.Amount), ProviderId: l.ProviderID}
	}
	return out
}

func createPayment(p pay.Payment) *pb.CreatePaymentRequest {
	c := p.Content
	return &pb.CreatePaymentRequest{
		Call: callOf(p), Number: p.OutTradeNo(), Amount: amount(c.Amount), Description: c.Description,
		Payer:      &pb.Payer{Openid: c.OpenID, ClientIp: c.ClientIP},
		TimeExpire: instant(c.TimeExpire), Legs: legs(p), Attach: c.Attach, Details: details(c.Details),
	}
}

func queryPayment(p pay.Payment) *pb.QueryPaymentRequest {
	return &pb.QueryPaymentRequest{Call: callOf(p), Number: p.OutTradeNo(), ProviderId: p.ProviderID, Legs: legs(p),
		TimeExpire: instant(p.Content.TimeExpire)}
}

func closePayment(p pay.Payment) *pb.ClosePaymentRequest {
	return &pb.ClosePaymentRequest{Call: callOf(p), Number: p.OutTradeNo(), ProviderId: p.ProviderID, Legs: legs(p)}
}

func createRefund(p pay.Payment, r pay.Refund) *pb.CreateRefundRequest {
	leg, back := refundedLeg(p, r), r.Amount
	if cash, ok := r.Cash(); ok && len(r.Legs) > 1 {
		back = cash.Amount
	}
	return &pb.CreateRefundRequest{
		Call: callOf(p), PaymentNumber: p.OutTradeNo(), ProviderPaymentId: leg.ProviderID,
		Number: r.OutRefundNo(), LegId: leg.ID, Amount: amount(back), Total: amount(leg.Amount),
		Reason: r.Reason, NotifyUrl: r.NotifyURL,
	}
}

func queryRefund(p pay.Payment, r pay.Refund) *pb.QueryRefundRequest {
	return &pb.QueryRefundRequest{Call: callOf(p), PaymentNumber: p.OutTradeNo(), Number: r.OutRefundNo(),
		ProviderId: r.ProviderID, LegId: refundedLeg(p, r).ID}
}

// refundedLeg is the leg that a refund gives back from through the provider: never the insurance leg, which is the bureau's. Of a
// refund without legs it is the whole payment, without a leg's name.
func refundedLeg(p pay.Payment, r pay.Refund) pay.Leg {
	whole := pay.Leg{Amount: p.Total(), ProviderID: p.ProviderID}
	cash, ok := r.Cash()
	if !ok || cash.LegID == "" {
		return whole
	}
	for _, l := range p.Legs {
		if l.ID == cash.LegID {
			if l.ProviderID == "" {
				l.ProviderID = p.ProviderID
			}
			return l
		}
	}
	return whole
}
