package sim

import (
	"container/heap"
	"context"
	"sync"
	"time"
)

// agenda runs what is due at a simulated time: one goroutine sleeps until the earliest entry and starts each
// in a goroutine of its own. It sleeps on a timer, and on the clock being moved.
type agenda struct {
	clock *clock

	mu      sync.Mutex
	entries entries
	added   uint64
	running int
	idle    chan struct{} // closed and replaced whenever something ends
	done    sync.WaitGroup
}

// entry is one thing to do at a time. Entries due together start in the order they were added.
type entry struct {
	due time.Time
	seq uint64
	run func(ctx context.Context, due time.Time)
}

type entries []entry

func (e entries) Len() int { return len(e) }
func (e entries) Less(i, j int) bool {
	if !e[i].due.Equal(e[j].due) {
		return e[i].due.Before(e[j].due)
	}
	return e[i].seq < e[j].seq
}
func (e entries) Swap(i, j int) { e[i], e[j] = e[j], e[i] }
func (e *entries) Push(x any)   { *e = append(*e, x.(entry)) }
func (e *entries) Pop() any {
	last := len(*e) - 1
	x := (*e)[last]
	(*e)[last] = entry{}
	*e = (*e)[:last]
	return x
}

func newAgenda(c *clock) *agenda { return &agenda{clock: c, idle: make(chan struct{})} }

func (a *agenda) at(due time.Time, run func(ctx context.Context, due time.Time)) {
	a.mu.Lock()
	a.added++
	heap.Push(&a.entries, entry{due, a.added, run})
	first := a.entries[0].seq == a.added
	a.mu.Unlock()
	if first {
		a.clock.wake()
	}
}

// clear forgets everything that has not begun.
func (a *agenda) clear() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.entries = nil
	a.ended()
}

// loop works until ctx ends, which also ends what it had started, and waits for that.
func (a *agenda) loop(ctx context.Context) {
	defer a.done.Wait()
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		wait, known := a.startDue(ctx)
		var expired <-chan time.Time
		if known {
			timer.Reset(wait)
			expired = timer.C
		}
		select {
		case <-ctx.Done():
			return
		case <-expired:
		case <-a.clock.moved:
		}
	}
}

// startDue starts what is due and says how long the machine's clock runs until the next entry.
func (a *agenda) startDue(ctx context.Context) (time.Duration, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for len(a.entries) > 0 {
		wait, known := a.clock.until(a.entries[0].due)
		if !known || wait > 0 {
			return wait, known
		}
		e := heap.Pop(&a.entries).(entry)
		a.running++
		a.done.Go(func() {
			defer func() {
				a.mu.Lock()
				defer a.mu.Unlock()
				a.running--
				a.ended()
			}()
			e.run(ctx, e.due)
		})
	}
	return 0, false
}

func (a *agenda) ended() {
	close(a.idle)
	a.idle = make(chan struct{})
}

// drain waits until nothing runs and nothing is due at the present simulated time.
func (a *agenda) drain(ctx context.Context) error {
	for {
		a.mu.Lock()
		busy := a.running > 0 || len(a.entries) > 0 && !a.entries[0].due.After(a.clock.now())
		idle := a.idle
		a.mu.Unlock()
		if !busy {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-idle:
		}
	}
}
