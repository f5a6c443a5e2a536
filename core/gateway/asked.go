package gateway

import (
	"sync"
	"time"
)

const (
	// askedAgain is the least time between two questions about one payment that payers' pages bring about: a page asks every
	// second or two, and may be open many times.
	askedAgain = time.Second
	// mostAsked bounds how many payments are remembered.
	mostAsked = 10_000
)

// asked remembers which payments a provider was just asked about because a payer looked, and whether it said how they stand.
type asked struct {
	mu  sync.Mutex
	was map[string]question
}

type question struct {
	at   time.Time
	told bool
}

// lately is what came of a question about the payment that was asked a moment ago.
func (a *asked) lately(number string, now time.Time) (told, ok bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	q, ok := a.was[number]
	return q.told, ok && now.Sub(q.at) < askedAgain
}

func (a *asked) remember(number string, now time.Time, told bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.was == nil || len(a.was) >= mostAsked { // what is forgotten costs one question more
		a.was = map[string]question{}
	}
	a.was[number] = question{now, told}
}
