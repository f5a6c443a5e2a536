package telemetry

import (
	"testing"
	"time"
)

func TestClockOffsetIsTheWorst(t *testing.T) {
	t.Parallel()
	m := New("1")
	if provider, offset := m.ClockOffset(); provider != "" || offset != 0 {
		t.Errorf("%s is off by %s before anybody answered", provider, offset)
	}
	m.ProviderTime("a", 20*time.Second)
	m.ProviderTime("b", -90*time.Second)
	m.ProviderTime("c", 0)
	if provider, offset := m.ClockOffset(); provider != "b" || offset != -90*time.Second {
		t.Errorf("%s is off by %s", provider, offset)
	}
	m.ProviderTime("b", time.Second)
	if provider, offset := m.ClockOffset(); provider != "a" || offset != 20*time.Second {
		t.Errorf("%s is off by %s after b was set right", provider, offset)
	}
}
