package conformance

import (
	"context"
	"sync"
	"sync/atomic"

	pb "github.com/paybridge/paybridge/plugins/proto/providerv1"
)

// rotation gives an account a second key while notifications of the first one come.
func rotation(p *probe) {
	one := p.start()
	paid := p.paid(one, p.about.Routes[0])
	name := paid.GetCall().GetRoute().GetAccount()
	old := p.genuine(paid, "")
	both, err := p.fixture.Rotate(p.ctx, name)
	p.played("rotate", err)
	for i, a := range p.about.Accounts {
		if a.Name == name {
			p.about.Accounts[i] = both // this promise runs alone; those after it meet the new key
		}
	}
	fresh := p.genuine(paid, "")

	ctx, cancel := context.WithCancel(p.ctx)
	defer cancel()
	var parsing sync.WaitGroup
	var lost atomic.Pointer[pb.ParseNotificationResponse]
	for range 4 {
		parsing.Go(func() {
			for ctx.Err() == nil {
				if a, err := one.provider.ParseNotification(ctx, old); err == nil && a.GetRefused() != nil {
					lost.Store(a)
				}
			}
		})
	}
	for generation := range int64(20) {
		p.configure(one, both, 2+generation)
	}
	cancel()
	parsing.Wait()
	if a := lost.Load(); a != nil {
		p.wrong("a notification by the old key was refused with %s while Configure brought the new one: replace an account whole, at once",
			causeName(a.GetRefused().GetCause()))
	}
	for what, n := range map[string]*pb.ParseNotificationRequest{"old": old, "new": fresh} {
		if a := p.parsed(one, n); a.GetRefused() != nil {
			p.wrong("a notification by the %s key is refused with %s, and both keys are configured", what, causeName(a.GetRefused().GetCause()))
		}
	}
	p.created(one, p.payment(p.about.Routes[0]))
}
