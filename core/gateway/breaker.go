package gateway

import (
	"sync"
	"time"

	"github.com/paybridge/paybridge/core/pay"
)

// breakers keep work from calling for an account that does not answer: its rows' due times move instead, and the
// workers serve the others (R36). What payers and apps ask for is always tried.
type breakers struct {
	mu sync.Mutex
	of map[string]*breaker // by account
}

type breaker struct {
	failures int       // in a row
	until    time.Time // no work before that
}

const (
	breakAfter   = 5
	breakLongest = time.Minute
)

// pause is how long a breaker stays open after so many failures in a row.
func pause(failures int) time.Duration {
	return min(time.Second<<min(failures-breakAfter, 10), breakLongest)
}

// report counts an outcome, and tells whether it opened or closed the breaker. Any answer of the provider closes it;
// refused credentials are one that nothing but a person mends.
func (b *breakers) report(account string, o pay.Outcome, now time.Time) (opened, closed bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.of == nil {
		b.of = map[string]*breaker{}
	}
	s := b.of[account]
	if s == nil {
		s = &breaker{}
		b.of[account] = s
	}
	if away := o.Verdict == pay.Indeterminate || o.Away(); !away {
		closed = s.failures >= breakAfter
		*s = breaker{}
		return false, closed
	}
	if s.failures++; s.failures >= breakAfter {
		s.until = now.Add(pause(s.failures))
	}
	return s.failures == breakAfter, false
}

// openUntil is when work may call for the account again; a time not after now: at once.
func (b *breakers) openUntil(account string) time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	if s := b.of[account]; s != nil {
		return s.until
	}
	return time.Time{}
}
