package conformance

import (
	"sync"

	pb "github.com/paybridge/paybridge/plugins/proto/providerv1"
)

// callsAtOnce are made on two routes by turns.
const callsAtOnce = 64

func appIDs(p *probe) {
	one := p.start()
	requests := make([]*pb.CreatePaymentRequest, callsAtOnce)
	for i := range requests {
		requests[i] = p.payment(p.about.Routes[i%2])
	}
	var calling sync.WaitGroup
	for _, r := range requests {
		calling.Go(func() {
			a, err := p.create(p.ctx, one, r)
			if err != nil || a.GetOutcome().GetVerdict() != pb.Verdict_VERDICT_ACCEPTED {
				p.wrong("CreatePayment, one of %d at once, answers %s", callsAtOnce, p.told(a.GetOutcome(), err))
				return
			}
			q, err := one.provider.QueryPayment(p.ctx, queryOf(r))
			if err != nil || q.GetOutcome().GetVerdict() != pb.Verdict_VERDICT_ACCEPTED {
				p.wrong("QueryPayment, one of %d at once, answers %s", callsAtOnce, p.told(q.GetOutcome(), err))
				return
			}
			p.consistent("QueryPayment at once with others", r, q.GetFacts(), pb.PaymentState_PAYMENT_STATE_PENDING)
		})
	}
	calling.Wait()
	for _, r := range requests {
		route := r.GetCall().GetRoute()
		if l := p.ledger(r); l.Found && (l.AppID != route.GetAppId() || l.Amount != r.GetAmount().GetMinor()) {
			p.wrong("a trade of app id %s over %d was made with app id %s over %d: read app ids and amounts in the call alone",
				route.GetAppId(), r.GetAmount().GetMinor(), l.AppID, l.Amount)
		} else if !l.Found {
			p.wrong("a trade of app id %s is not at the provider's merchant %s", route.GetAppId(), route.GetMchid())
		}
	}
}
