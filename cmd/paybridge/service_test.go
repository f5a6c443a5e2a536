package main

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/paybridge/paybridge/core/gateway"
)

func TestR39_ClockOfEachProvider(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC)
	seen := func(offset, ago time.Duration) gateway.ClockSeen {
		return gateway.ClockSeen{Offset: offset, At: now.Add(-ago)}
	}
	type want struct{ ok, blocks bool }
	for _, c := range []struct {
		name   string
		clocks map[string]gateway.ClockSeen
		want   map[string]want
	}{
		{"nobody has answered", nil, map[string]want{}},
		{"right", map[string]gateway.ClockSeen{"a": seen(239*time.Second, 0)}, map[string]want{"clock a": {true, false}}},
		{"R39 behind", map[string]gateway.ClockSeen{"a": seen(241*time.Second, 0)}, map[string]want{"clock a": {false, true}}},
		{"R39 ahead", map[string]gateway.ClockSeen{"a": seen(-241*time.Second, 0)}, map[string]want{"clock a": {false, true}}},
		{"R39 another provider says that it is right", map[string]gateway.ClockSeen{"a": seen(time.Hour, 0), "b": seen(0, 0)},
			map[string]want{"clock a": {false, false}, "clock b": {true, false}}},
		{"R39 all of them say that it is not", map[string]gateway.ClockSeen{"a": seen(time.Hour, 0), "b": seen(time.Hour, 0)},
			map[string]want{"clock a": {false, true}, "clock b": {false, true}}},
		{"R39 said long ago: a gateway without traffic would never hear that it was set right",
			map[string]gateway.ClockSeen{"a": seen(time.Hour, 10*time.Minute)}, map[string]want{"clock a": {false, false}}},
	} {
		got := map[string]want{}
		for _, check := range clockChecks(c.clocks, now) {
			got[check.Name] = want{check.OK, check.Blocks}
		}
		if len(got) != len(c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
		for name, w := range c.want {
			if got[name] != w {
				t.Errorf("%s: %s is %+v, want %+v", c.name, name, got[name], w)
			}
		}
	}
}

// Requests that hang and work that hangs share one deadline: a stop takes the grace, and not twice the grace.
func TestAShutdownHasOneDeadline(t *testing.T) {
	t.Parallel()
	hangs := func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
	for _, c := range []struct {
		name              string
		requests          func(context.Context) error
		work              time.Duration // after it was told to stop
		wantCut, wantLate bool
		want              time.Duration
	}{
		{"nothing in flight", func(context.Context) error { return nil }, 0, false, false, 0},
		{"requests end in time", func(context.Context) error { <-time.After(3 * time.Second); return nil }, 2 * time.Second, false, false, 5 * time.Second},
		{"requests hang", hangs, time.Hour, true, true, 9 * time.Second},
		{"requests take most of it, work hangs", func(context.Context) error { <-time.After(8 * time.Second); return nil }, time.Hour, true, false, 9 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ctx, stop := context.WithCancel(t.Context())
				var work sync.WaitGroup
				work.Go(func() { <-ctx.Done(); <-time.After(c.work) })
				began := time.Now()
				cut, err := shutDown(9*time.Second, c.requests, stop, &work)
				if took := time.Since(began); took != c.want || cut != c.wantCut || errors.Is(err, context.DeadlineExceeded) != c.wantLate {
					t.Errorf("took %s, cut %v, %v; want %s, %v", took, cut, err, c.want, c.wantCut)
				}
				work.Wait()
			})
		})
	}
}
