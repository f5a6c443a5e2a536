package telemetry

import (
	"sync"
	"time"
)

// offsets are the providers' clocks minus ours, as of their last answers.
type offsets struct {
	mu sync.Mutex
	of map[string]time.Duration // by provider
}

// ProviderTime notes the provider's clock minus ours.
func (m *Metrics) ProviderTime(provider string, offset time.Duration) {
	m.clock.WithLabelValues(provider).Set(offset.Seconds())
	m.offsets.mu.Lock()
	defer m.offsets.mu.Unlock()
	m.offsets.of[provider] = offset
}

// ClockOffset is the provider's clock minus ours that is furthest from zero, and whose it is; no provider while none
// has answered yet. WeChat refuses calls from more than 5 minutes, so readiness ends before that (R39).
func (m *Metrics) ClockOffset() (provider string, offset time.Duration) {
	m.offsets.mu.Lock()
	defer m.offsets.mu.Unlock()
	for name, at := range m.offsets.of {
		if provider == "" || at.Abs() > offset.Abs() {
			provider, offset = name, at
		}
	}
	return provider, offset
}
