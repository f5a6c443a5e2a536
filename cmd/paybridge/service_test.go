package main

import (
	"testing"
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
