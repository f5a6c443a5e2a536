package pluginhost

import (
	"context"
	"sync"
)

// slots bounds the calls under way to one plugin. One account may hold an eighth of them, so that some accounts whose
// calls all hang leave the others room (R36), and at least leastShare, so that a small bound serves one account well, but
// never the last place.
type slots struct {
	all       chan struct{}
	mu        *sync.Mutex
	byAccount map[string]chan struct{}
}

const leastShare = 4

func newSlots(n int) slots {
	return slots{all: make(chan struct{}, n), mu: &sync.Mutex{}, byAccount: map[string]chan struct{}{}}
}

// take waits for a place until ctx ends. release gives it back.
func (s slots) take(ctx context.Context, account string) (release func(), err error) {
	own := s.of(account)
	select {
	case own <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	select {
	case s.all <- struct{}{}:
	case <-ctx.Done():
		<-own
		return nil, ctx.Err()
	}
	return func() { <-s.all; <-own }, nil
}

func (s slots) of(account string) chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	own, ok := s.byAccount[account]
	if !ok {
		own = make(chan struct{}, max(1, min(max(leastShare, cap(s.all)/8), cap(s.all)-1)))
		s.byAccount[account] = own
	}
	return own
}
