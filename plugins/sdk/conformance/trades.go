package conformance

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	pb "github.com/paybridge/paybridge/plugins/proto/providerv1"
	"github.com/paybridge/paybridge/plugins/sdk/fixture"
)

// number is a fresh one of 32 digits, as the gateway's are.
func number() string {
	digits := make([]byte, 32)
	for i := range digits {
		digits[i] = '0' + byte(rand.IntN(10))
	}
	return string(digits)
}

// call is what every call of a route carries, as the gateway fills it.
func (p *probe) call(r fixture.Route) *pb.Call {
	a := p.account(r.Account)
	name, _ := p.names()
	sub := r.SubMchID
	if sub == "" {
		sub = a.SubMchID
	}
	return &pb.Call{Route: &pb.Route{
		Provider: name, Entry: "conformance", Account: r.Account, Mchid: a.MchID, SubMchid: sub,
		SpAppid: r.SpAppID, SubAppid: r.SubAppID, AppId: r.AppID, OpenidKind: openidKinds[r.OpenidKind],
		NotifyUrl: "https://pay.example.com/notify/" + name + "/" + r.Account, Options: r.Options,
	}}
}

var openidKinds = map[string]pb.OpenidKind{
	"direct": pb.OpenidKind_OPENID_KIND_DIRECT, "sp": pb.OpenidKind_OPENID_KIND_SP, "sub": pb.OpenidKind_OPENID_KIND_SUB,
}

// payment is a create of the route's, with a number and an amount of its own.
func (p *probe) payment(r fixture.Route) *pb.CreatePaymentRequest {
	n := number()
	amount := p.amount(1000 + rand.Int64N(9000))
	return &pb.CreatePaymentRequest{
		Call: p.call(r), Number: n, Amount: amount, Description: "Conformance " + n[:6], Payer: &pb.Payer{Openid: r.Openid},
		TimeExpire: timestamppb.New(time.Now().Add(30 * time.Minute).Truncate(time.Second)),
		Legs:       []*pb.Leg{{LegId: "self", Kind: "self", Amount: amount}},
		Details:    p.details(amount.GetMinor()),
	}
}

// details are what the fixture says that a payment needs beside its amount; nil: nothing.
func (p *probe) details(minor int64) *pb.Details {
	d, ok := p.fixture.(fixture.Detailed)
	if !ok {
		return nil
	}
	text, err := d.Details(p.ctx, minor)
	if errors.Is(err, fixture.ErrUnsupported) {
		return nil
	}
	p.played("details", err)
	details := new(pb.Details)
	if err := protojson.Unmarshal(text, details); err != nil {
		p.fatal("the fixture's details are no providerv1.Details: %v", err)
	}
	return details
}

func (p *probe) amount(minor int64) *pb.Amount {
	return &pb.Amount{Minor: minor, Currency: p.about.Currency}
}

func (p *probe) trade(r *pb.CreatePaymentRequest) fixture.Trade {
	return fixture.Trade{MchID: r.GetCall().GetRoute().GetMchid(), SubMchID: r.GetCall().GetRoute().GetSubMchid(), Number: r.GetNumber()}
}

// mostCheckpoints is how often one payment may answer CHECKPOINT.
const mostCheckpoints = 4

// create makes one attempt, checkpoints included; r keeps the last state, as the gateway would.
func (p *probe) create(ctx context.Context, one *process, r *pb.CreatePaymentRequest) (*pb.CreatePaymentResponse, error) {
	for range mostCheckpoints + 1 {
		a, err := one.provider.CreatePayment(ctx, r)
		if err != nil {
			return nil, err
		}
		p.keep(r, a.GetProviderState())
		if a.GetOutcome().GetVerdict() != pb.Verdict_VERDICT_CHECKPOINT {
			return a, nil
		}
		if a.GetProviderState() == nil {
			p.fatal("CreatePayment answers CHECKPOINT without a provider_state: nothing could be resumed")
		}
	}
	p.fatal("CreatePayment answers CHECKPOINT more than %d times for one payment", mostCheckpoints)
	return nil, nil
}

// maxState bounds a provider_state, in bytes.
const maxState = 8 << 10

// keep holds a new state as the gateway does.
func (p *probe) keep(r *pb.CreatePaymentRequest, s *pb.ProviderState) {
	if s == nil {
		return
	}
	old := r.GetCall().GetProviderState()
	switch {
	case s.GetVersion() <= old.GetVersion() && !bytes.Equal(s.GetData(), old.GetData()):
		p.fatal("a provider_state of version %d follows version %d: each state's version must be higher", s.GetVersion(), old.GetVersion())
	case len(s.GetData()) > maxState:
		p.fatal("a provider_state has %d bytes, %d are allowed", len(s.GetData()), maxState)
	}
	r.Call = proto.CloneOf(r.GetCall())
	r.Call.ProviderState = s
}

// created is a payment that the plugin must make.
func (p *probe) created(one *process, r *pb.CreatePaymentRequest) *pb.CreatePaymentResponse {
	a, err := p.create(p.ctx, one, r)
	if err != nil {
		p.fatal("CreatePayment: %v", err)
	}
	if v := a.GetOutcome().GetVerdict(); v != pb.Verdict_VERDICT_ACCEPTED {
		p.fatal("CreatePayment answers %s, and nothing stands in its way: %s", verdict(a.GetOutcome()), a.GetOutcome().GetMessage())
	}
	return a
}

// verdict is an outcome in a word or two.
func verdict(o *pb.Outcome) string {
	v := word(pb.Verdict_name, int32(o.GetVerdict()), "VERDICT_")
	if o.GetReason() != pb.Reason_REASON_UNSPECIFIED {
		v += " " + reasonName(o.GetReason())
	}
	return v
}

func reasonName(r pb.Reason) string { return word(pb.Reason_name, int32(r), "REASON_") }

// word is an enum's value without its prefix, or its number when this version does not know it.
func word(names map[int32]string, value int32, prefix string) string {
	if name, ok := names[value]; ok {
		return strings.TrimPrefix(name, prefix)
	}
	return strconv.Itoa(int(value))
}

func queryOf(r *pb.CreatePaymentRequest) *pb.QueryPaymentRequest {
	return &pb.QueryPaymentRequest{Call: r.GetCall(), Number: r.GetNumber(), Legs: r.GetLegs(), TimeExpire: r.GetTimeExpire()}
}

func closeOf(r *pb.CreatePaymentRequest) *pb.ClosePaymentRequest {
	return &pb.ClosePaymentRequest{Call: r.GetCall(), Number: r.GetNumber(), Legs: r.GetLegs()}
}

// queried is what the plugin must find of a payment.
func (p *probe) queried(one *process, r *pb.CreatePaymentRequest) *pb.PaymentFacts {
	a, err := one.provider.QueryPayment(p.ctx, queryOf(r))
	switch {
	case err != nil:
		p.fatal("QueryPayment: %v", err)
	case a.GetOutcome().GetVerdict() != pb.Verdict_VERDICT_ACCEPTED:
		p.fatal("QueryPayment answers %s of a trade that the provider has: %s", verdict(a.GetOutcome()), a.GetOutcome().GetMessage())
	case a.GetFacts() == nil:
		p.fatal("QueryPayment is ACCEPTED without facts")
	}
	return a.GetFacts()
}

// ledger is what the provider holds of a payment.
func (p *probe) ledger(r *pb.CreatePaymentRequest) fixture.Ledger {
	l, err := p.fixture.Ledger(p.ctx, p.trade(r))
	p.played("ledger", err)
	return l
}

// paid is a payment that is made, and paid by its payer.
func (p *probe) paid(one *process, route fixture.Route) *pb.CreatePaymentRequest {
	r := p.payment(route)
	p.created(one, r)
	p.played("pay", p.fixture.Pay(p.ctx, p.trade(r)))
	return r
}

// refundOf is a refund of a part of a paid payment.
func (p *probe) refundOf(r *pb.CreatePaymentRequest, minor int64) *pb.CreateRefundRequest {
	return &pb.CreateRefundRequest{
		Call: r.GetCall(), PaymentNumber: r.GetNumber(), Number: number(), LegId: "self", Amount: p.amount(minor),
		Total: r.GetAmount(), Reason: "conformance", NotifyUrl: r.GetCall().GetRoute().GetNotifyUrl(),
	}
}

// refunded is a refund that the plugin must make.
func (p *probe) refunded(one *process, r *pb.CreateRefundRequest) *pb.RefundFacts {
	a, err := one.provider.CreateRefund(p.ctx, r)
	switch {
	case err != nil:
		p.fatal("CreateRefund: %v", err)
	case a.GetOutcome().GetVerdict() != pb.Verdict_VERDICT_ACCEPTED:
		p.fatal("CreateRefund answers %s, and nothing stands in its way: %s", verdict(a.GetOutcome()), a.GetOutcome().GetMessage())
	case a.GetFacts() == nil:
		p.fatal("CreateRefund is ACCEPTED without facts")
	}
	return a.GetFacts()
}

func refundQueryOf(r *pb.CreateRefundRequest) *pb.QueryRefundRequest {
	return &pb.QueryRefundRequest{Call: r.GetCall(), PaymentNumber: r.GetPaymentNumber(), Number: r.GetNumber(), LegId: r.GetLegId()}
}

func refundAt(t fixture.Trade, number string) fixture.Refund {
	return fixture.Refund{MchID: t.MchID, SubMchID: t.SubMchID, Payment: t.Number, Number: number}
}

// refundNumbers are the refunds that the provider has under a number: one, if the plugin repeats as it should.
func refundNumbers(l fixture.Ledger, number string) (found []fixture.LedgerRefund) {
	for _, f := range l.Refunds {
		if f.Number == number {
			found = append(found, f)
		}
	}
	return found
}
