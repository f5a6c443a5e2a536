package conformance

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"time"

	pb "github.com/paybridge/paybridge/plugins/proto/providerv1"
	"github.com/paybridge/paybridge/plugins/sdk/fixture"
)

// probe looks at one promise. Its calls end the looking when it cannot go on, as a test's Fatal does; they belong to the
// goroutine of the promise, unless they say otherwise.
type probe struct {
	*world
	ctx context.Context

	mu        sync.Mutex
	seen      []string
	broken    bool
	notPlayed bool
	plugins   []*process
}

// wrong says what breaks the promise, and goes on. Any goroutine may call it.
func (p *probe) wrong(format string, a ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.broken = true
	p.seen = append(p.seen, fmt.Sprintf(format, a...))
}

// note says something worth knowing.
func (p *probe) note(format string, a ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if text := fmt.Sprintf(format, a...); !slices.Contains(p.seen, text) {
		p.seen = append(p.seen, text)
	}
}

// fatal says what breaks the promise, and ends the looking.
func (p *probe) fatal(format string, a ...any) {
	p.wrong(format, a...)
	runtime.Goexit()
}

// skip says why the promise cannot be looked at, and ends the looking.
func (p *probe) skip(format string, a ...any) {
	p.note(format, a...)
	p.mu.Lock()
	p.notPlayed = true
	p.mu.Unlock()
	runtime.Goexit()
}

// played ends the looking when the provider could not do something: it has no such thing, or the fixture is at fault.
func (p *probe) played(what string, err error) {
	switch {
	case errors.Is(err, fixture.ErrUnsupported):
		p.skip("%s: %v", what, err)
	case err != nil:
		p.fatal("the fixture failed: %s: %v", what, err)
	}
}

func (p *probe) finding(promise Promise) Finding {
	f := Finding{Promise: promise, Verdict: Kept, Seen: p.seen}
	switch {
	case p.broken:
		f.Verdict = Broken
	case p.notPlayed:
		f.Verdict = NotPlayed
	}
	return f
}

// end stops the plugins of this probe.
func (p *probe) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, one := range p.plugins {
		one.stop()
	}
}

// startBare starts a plugin and asks who it is, nothing more.
func (p *probe) startBare() *process {
	one, err := start(p.ctx, p.command, p.said, p.answers)
	if err != nil {
		p.fatal("%v", err)
	}
	p.mu.Lock()
	p.plugins = append(p.plugins, one)
	p.mu.Unlock()
	d, err := one.provider.Describe(p.ctx, &pb.DescribeRequest{})
	if err != nil {
		p.fatal("Describe: %v", err)
	}
	p.world.mu.Lock()
	p.describe = d
	p.world.mu.Unlock()
	return one
}

// start starts a plugin with all accounts of the fixture.
func (p *probe) start() *process {
	one := p.startBare()
	for _, a := range p.about.Accounts {
		p.configure(one, a, 1)
	}
	return one
}

// configure gives a plugin an account that it must take.
func (p *probe) configure(one *process, a fixture.Account, generation int64) {
	r, err := one.provider.Configure(p.ctx, p.configuration(a, generation))
	switch {
	case err != nil:
		p.fatal("Configure of account %s: %v", a.Name, err)
	case len(r.GetErrors()) > 0:
		p.fatal("Configure refuses account %s of the fixture: %v", a.Name, r)
	case r.GetGeneration() != generation:
		p.fatal("Configure of account %s says generation %d is in use, it was given %d", a.Name, r.GetGeneration(), generation)
	case r.GetMchid() != a.MchID || r.GetSubMchid() != a.SubMchID:
		p.fatal("Configure of account %s says that it signs for merchant %q and sub merchant %q, the fixture says %q and %q",
			a.Name, r.GetMchid(), r.GetSubMchid(), a.MchID, a.SubMchID)
	}
}

func (p *probe) configuration(a fixture.Account, generation int64) *pb.ConfigureRequest {
	return &pb.ConfigureRequest{Account: a.Name, Generation: generation, Config: a.Config, Mode: &pb.Mode{BaseUrl: p.about.BaseURL}}
}

// told is an answer for people: what became of the call, and in whose words.
func (p *probe) told(o *pb.Outcome, err error) string {
	switch {
	case err != nil:
		return fmt.Sprintf("a gRPC error (%v), which is a bug of the plugin's", err)
	case o.GetMessage() == "":
		return verdict(o)
	}
	return fmt.Sprintf("%s (%q)", verdict(o), o.GetMessage())
}

// await waits for a condition, which is asked again and again, until the patience of the promise ends.
func (p *probe) await(what string, there func() bool) {
	for pause := time.Millisecond; !there(); pause = min(2*pause, 100*time.Millisecond) {
		select {
		case <-p.ctx.Done():
			p.fatal("%s: it did not come to that", what)
		case <-time.After(pause):
		}
	}
}
