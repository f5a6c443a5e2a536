package gateway

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/paybridge/paybridge/core/pay"
)

const (
	// clockAlarm is how far our clock may be off a provider's before a person is told (R39). WeChat refuses us at 300 s.
	clockAlarm = 60 * time.Second
	// clockAlarmEvery is how often the alarm is raised while it stays so: it is one row as long as nobody acknowledged it.
	clockAlarmEvery = time.Hour
)

// ClockSeen is a provider's clock minus ours, at its last answer.
type ClockSeen struct {
	Offset time.Duration
	At     time.Time // ours
}

// clocks are the providers' clocks, by provider.
type clocks struct {
	mu      sync.Mutex
	seen    map[string]ClockSeen
	alarmed map[string]time.Time
}

// Clocks is what the providers' answers said of our clock, by provider. One that has not answered is not in it.
func (g *Gateway) Clocks() map[string]ClockSeen {
	g.clocks.mu.Lock()
	defer g.clocks.mu.Unlock()
	all := make(map[string]ClockSeen, len(g.clocks.seen))
	for provider, seen := range g.clocks.seen {
		all[provider] = seen
	}
	return all
}

// note takes down what a provider's clock said at now, and tells whether it is time for an alarm.
func (c *clocks) note(provider string, offset time.Duration, now time.Time) (alarm bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.seen == nil {
		c.seen, c.alarmed = map[string]ClockSeen{}, map[string]time.Time{}
	}
	c.seen[provider] = ClockSeen{offset, now}
	if offset.Abs() <= clockAlarm {
		delete(c.alarmed, provider)
		return false
	}
	if last, ok := c.alarmed[provider]; ok && now.Sub(last) < clockAlarmEvery {
		return false
	}
	c.alarmed[provider] = now
	return true
}

// tellTime compares a provider's clock with ours (R39).
func (g *Gateway) tellTime(ctx context.Context, provider string, theirs, now time.Time) {
	offset := theirs.Sub(now)
	if g.Observe.ProviderTime != nil {
		g.Observe.ProviderTime(provider, offset)
	}
	if !g.clocks.note(provider, offset, now) {
		return
	}
	side := "behind"
	if offset < 0 {
		side = "ahead of"
	}
	ctx, cancel := detached(ctx, commitTime)
	defer cancel()
	g.raise(ctx, pay.Alarm{Kind: pay.AlarmClockOff, Number: provider,
		What: fmt.Sprintf("our clock is %s %s that of %s", offset.Abs().Round(time.Second), side, provider)})
}
