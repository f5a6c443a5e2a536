package conformance

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	pb "github.com/paybridge/paybridge/plugins/proto/providerv1"
	"github.com/paybridge/paybridge/plugins/sdk/fixture"
)

// asking is a call of the contract that asks the provider once about a number of its own.
type asking struct {
	call    fixture.Call
	name    string // the contract's word for it
	moves   bool   // it changes something at the provider
	prepare func(*probe, *process) (payment *pb.CreatePaymentRequest, number string, ask func(context.Context) (*pb.Outcome, error))
}

var askings = []asking{
	{fixture.Create, "CreatePayment", true, func(p *probe, one *process) (*pb.CreatePaymentRequest, string, func(context.Context) (*pb.Outcome, error)) {
		r := p.payment(p.about.Routes[0])
		return r, r.GetNumber(), func(ctx context.Context) (*pb.Outcome, error) {
			a, err := p.create(ctx, one, r)
			return a.GetOutcome(), err
		}
	}},
	{fixture.Query, "QueryPayment", false, func(p *probe, one *process) (*pb.CreatePaymentRequest, string, func(context.Context) (*pb.Outcome, error)) {
		r := p.payment(p.about.Routes[0])
		p.created(one, r)
		return r, r.GetNumber(), func(ctx context.Context) (*pb.Outcome, error) {
			a, err := one.provider.QueryPayment(ctx, queryOf(r))
			return a.GetOutcome(), err
		}
	}},
	{fixture.Close, "ClosePayment", true, func(p *probe, one *process) (*pb.CreatePaymentRequest, string, func(context.Context) (*pb.Outcome, error)) {
		r := p.payment(p.about.Routes[0])
		p.created(one, r)
		return r, r.GetNumber(), func(ctx context.Context) (*pb.Outcome, error) {
			a, err := one.provider.ClosePayment(ctx, closeOf(r))
			return a.GetOutcome(), err
		}
	}},
	{fixture.RefundCall, "CreateRefund", true, func(p *probe, one *process) (*pb.CreatePaymentRequest, string, func(context.Context) (*pb.Outcome, error)) {
		paid := p.paid(one, p.about.Routes[0])
		r := p.refundOf(paid, 100)
		return paid, r.GetNumber(), func(ctx context.Context) (*pb.Outcome, error) {
			a, err := one.provider.CreateRefund(ctx, r)
			return a.GetOutcome(), err
		}
	}},
	{fixture.QueryRefund, "QueryRefund", false, func(p *probe, one *process) (*pb.CreatePaymentRequest, string, func(context.Context) (*pb.Outcome, error)) {
		paid := p.paid(one, p.about.Routes[0])
		r := p.refundOf(paid, 100)
		p.refunded(one, r)
		return paid, r.GetNumber(), func(ctx context.Context) (*pb.Outcome, error) {
			a, err := one.provider.QueryRefund(ctx, refundQueryOf(r))
			return a.GetOutcome(), err
		}
	}},
}

// fault sets what becomes of the next request, and says whether the provider can play that.
func (p *probe) fault(n fixture.Next) bool {
	err := p.fixture.Next(p.ctx, n)
	if err != nil && !errors.Is(err, fixture.ErrUnsupported) {
		p.fatal("the fixture failed: next: %v", err)
	}
	return err == nil
}

func reasons(p *probe) {
	one := p.start()
	unheard := []string{}
	for _, value := range slices.Sorted(maps.Keys(pb.Reason_name)) {
		reason := pb.Reason(value)
		if reason == pb.Reason_REASON_UNSPECIFIED {
			continue
		}
		heard := false
		for _, a := range askings {
			payment, number, ask := a.prepare(p, one)
			if !p.fault(fixture.Next{Call: a.call, Number: number, Behaviour: fixture.Reject, Reason: reasonName(reason)}) {
				continue
			}
			heard = true
			o, err := ask(p.ctx)
			if err != nil || o.GetVerdict() != pb.Verdict_VERDICT_REJECTED || o.GetReason() != reason {
				p.wrong("%s that the provider refuses for the reason %s answers %s: REJECTED with %[2]s is right", a.name, reasonName(reason), p.told(o, err))
			}
			if a.call == fixture.Create && p.ledger(payment).Found {
				p.fatal("the fixture failed: it refused a create and made the trade all the same")
			}
		}
		if !heard {
			unheard = append(unheard, reasonName(reason))
		}
	}
	if len(unheard) > 0 {
		p.note("the fixture plays no refusal for %v", unheard)
	}
	if len(unheard) == len(pb.Reason_name)-1 {
		p.skip("the fixture refuses nothing")
	}
}

func brokenConnection(p *probe) {
	one, any := p.start(), false
	for _, behaviour := range []fixture.Behaviour{fixture.Break, fixture.BreakBefore, fixture.Garble} {
		for _, a := range askings {
			payment, number, ask := a.prepare(p, one)
			if !p.fault(fixture.Next{Call: a.call, Number: number, Behaviour: behaviour}) {
				continue
			}
			any = true
			o, err := ask(p.ctx)
			// A question that only asks may be asked again by itself, as HTTP clients do on a connection that broke.
			again := !a.moves && behaviour != fixture.Garble && o.GetVerdict() == pb.Verdict_VERDICT_ACCEPTED
			if err != nil || o.GetVerdict() != pb.Verdict_VERDICT_INDETERMINATE && !again {
				p.wrong("%s answers %s when %s: INDETERMINATE is right", a.name, p.told(o, err), brokenText[behaviour])
			}
			if a.moves {
				p.unharmed(a, payment, ask)
			}
		}
	}
	if !any {
		p.skip("the fixture breaks no connection")
	}
}

var brokenText = map[fixture.Behaviour]string{
	fixture.Break:       "the provider did it and the connection broke before its answer",
	fixture.BreakBefore: "the connection broke before an answer",
	fixture.Garble:      "the answer cannot be read or believed",
}

// unharmed repeats a call whose answer was lost.
func (p *probe) unharmed(a asking, payment *pb.CreatePaymentRequest, ask func(context.Context) (*pb.Outcome, error)) {
	o, err := ask(p.ctx)
	if err != nil || o.GetVerdict() != pb.Verdict_VERDICT_ACCEPTED && o.GetReason() != pb.Reason_REASON_CONFLICT {
		p.wrong("%s, repeated after its answer was lost, answers %s: ACCEPTED, or REJECTED with CONFLICT, is right", a.name, p.told(o, err))
	}
	if l := p.ledger(payment); !l.Found || len(l.Refunds) > 1 {
		p.wrong("%s, repeated after its answer was lost, left the provider with %+v", a.name, l)
	}
}

// longest is more than the gateway gives any call (10 s): a plugin's own limit is reached before it, if it has one.
const longest = 12 * time.Second

func timeOut(p *probe) {
	one := p.start()
	var waiting sync.WaitGroup
	for _, a := range askings {
		_, number, ask := a.prepare(p, one)
		if !p.fault(fixture.Next{Call: a.call, Number: number, Behaviour: fixture.Hang}) {
			p.skip("the fixture never hangs")
		}
		waiting.Go(func() {
			ctx, cancel := context.WithTimeout(p.ctx, longest)
			defer cancel()
			o, err := ask(ctx)
			// Without a limit of its own it is the caller's that passes, and the gateway reads that as INDETERMINATE.
			if status.Code(err) != codes.DeadlineExceeded && (err != nil || o.GetVerdict() != pb.Verdict_VERDICT_INDETERMINATE) {
				p.wrong("%s answers %s when the provider never answers: INDETERMINATE is right", a.name, p.told(o, err))
			}
		})
	}
	waiting.Wait()
}

// soon is how long a plugin may take to let go of its provider: fifty times what the contract gives it.
const soon = 5 * time.Second

func cancelled(p *probe) {
	one := p.start()
	p.letsGo(one, "its caller has cancelled it", func() (context.Context, context.CancelFunc) {
		return context.WithCancel(p.ctx)
	}, func(_ context.Context, cancel context.CancelFunc) { cancel() })
	p.letsGo(one, "its deadline has passed", func() (context.Context, context.CancelFunc) {
		return context.WithTimeout(p.ctx, time.Second)
	}, func(ctx context.Context, _ context.CancelFunc) { <-ctx.Done() })
	p.created(one, p.payment(p.about.Routes[0]))
}

// letsGo ends a call that the provider never answers, and looks for the plugin's request there.
func (p *probe) letsGo(
	one *process, what string, begin func() (context.Context, context.CancelFunc), end func(context.Context, context.CancelFunc),
) {
	r := p.payment(p.about.Routes[0])
	if !p.fault(fixture.Next{Call: fixture.Create, Number: r.GetNumber(), Behaviour: fixture.Hang}) {
		p.skip("the fixture never hangs")
	}
	ctx, cancel := begin()
	defer cancel()
	answered, asked := make(chan struct{}), proto.CloneOf(r)
	go func() {
		defer close(answered)
		_, _ = p.create(ctx, one, asked) // what becomes of it is not asked here
	}()
	p.await("CreatePayment asks the provider", func() bool { return p.ledger(r).Hanging > 0 || ctx.Err() != nil })
	end(ctx, cancel)
	since := time.Now()
	for p.ledger(r).Hanging > 0 {
		if time.Since(since) > soon {
			p.fatal("CreatePayment still waits for the provider %s after %s: pass the call's context on to the request", soon, what)
		}
		select {
		case <-p.ctx.Done():
		case <-time.After(5 * time.Millisecond):
		}
	}
	p.note("let go of the provider %d ms after %s", time.Since(since).Milliseconds(), what)
	<-answered
}

// isolation sends what a careless plugin falls over, beside a call that waits for the provider.
func isolation(p *probe) {
	one := p.start()
	waiting := p.payment(p.about.Routes[0])
	hangs := p.fault(fixture.Next{Call: fixture.Create, Number: waiting.GetNumber(), Behaviour: fixture.Hang})
	ctx, cancel := context.WithCancel(p.ctx)
	defer cancel()
	ended := make(chan error, 1)
	if hangs {
		asked := proto.CloneOf(waiting)
		go func() {
			_, err := p.create(ctx, one, asked)
			ended <- err
		}()
		p.await("CreatePayment asks the provider", func() bool { return p.ledger(waiting).Hanging > 0 || one.exited() })
	}
	route := p.call(p.about.Routes[0])
	for what, ask := range map[string]func() error{
		"an empty CreatePayment": func() error { _, err := one.provider.CreatePayment(p.ctx, &pb.CreatePaymentRequest{}); return err },
		"a CreatePayment with its route alone": func() error {
			_, err := one.provider.CreatePayment(p.ctx, &pb.CreatePaymentRequest{Call: route})
			return err
		},
		"an empty QueryPayment": func() error { _, err := one.provider.QueryPayment(p.ctx, &pb.QueryPaymentRequest{}); return err },
		"an empty ClosePayment": func() error { _, err := one.provider.ClosePayment(p.ctx, &pb.ClosePaymentRequest{}); return err },
		"an empty CreateRefund": func() error { _, err := one.provider.CreateRefund(p.ctx, &pb.CreateRefundRequest{}); return err },
		"a CreateRefund with its route alone": func() error {
			_, err := one.provider.CreateRefund(p.ctx, &pb.CreateRefundRequest{Call: route})
			return err
		},
		"an empty QueryRefund": func() error { _, err := one.provider.QueryRefund(p.ctx, &pb.QueryRefundRequest{}); return err },
		"an empty ParseNotification": func() error {
			_, err := one.provider.ParseNotification(p.ctx, &pb.ParseNotificationRequest{})
			return err
		},
		"a notification with its account alone": func() error {
			_, err := one.provider.ParseNotification(p.ctx, &pb.ParseNotificationRequest{Account: p.about.Accounts[0].Name})
			return err
		},
		"a Configure that is empty": func() error { _, err := one.provider.Configure(p.ctx, &pb.ConfigureRequest{}); return err },
		"a Configure whose configuration is null": func() error {
			_, err := one.provider.Configure(p.ctx, &pb.ConfigureRequest{Account: "null", Config: []byte("null")})
			return err
		},
	} {
		err := ask()
		if one.exited() || status.Code(err) == codes.Unavailable {
			p.fatal("the process ended at %s", what)
		}
		if err != nil {
			p.note("%s is answered by a gRPC error, which the gateway reads as a bug of the plugin: %v", what, err)
		}
	}
	if hangs {
		select {
		case err := <-ended:
			p.wrong("a call that waited for the provider ended when another one went wrong: %v", err)
		default:
		}
	}
	p.created(one, p.payment(p.about.Routes[0]))
}
