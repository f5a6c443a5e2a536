package sim

import (
	"errors"
	"fmt"
	"sync"
	"time"
)

// shanghai is WeChat's time zone. It has had no daylight saving since 1991, so no zone data is needed.
var shanghai = time.FixedZone("CST", 8*60*60)

// wireTime is how WeChat writes a time: RFC 3339, whole seconds, +08:00.
const wireTime = "2006-01-02T15:04:05-07:00"

func onWire(t time.Time) string { return t.In(shanghai).Format(wireTime) }

// ErrForeignClock says that the simulated time is read from the caller's clock (Config.Now), so only the caller
// can move it; it calls Wake afterwards.
var ErrForeignClock = errors.New("the simulated time follows the clock given in Config.Now: move that clock, then call Wake")

// clock is the simulated time: a point that moves speed times as fast as the machine's clock. With foreign set
// it is the caller's clock instead.
type clock struct {
	foreign func() time.Time
	wall    func() time.Time

	mu    sync.Mutex
	at    time.Time // simulated time when wallAt was read
	since time.Time // machine time of that moment
	speed float64

	moved chan struct{} // told when waiting for an instant must be computed anew
}

func newClock(start time.Time, speed float64, foreign, wall func() time.Time) *clock {
	now := wall()
	if start.IsZero() {
		start = now
	}
	return &clock{foreign: foreign, wall: wall, at: start, since: now, speed: speed, moved: make(chan struct{}, 1)}
}

func (c *clock) now() time.Time {
	if c.foreign != nil {
		return c.foreign()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.nowLocked()
}

func (c *clock) nowLocked() time.Time {
	return c.at.Add(time.Duration(float64(c.wall().Sub(c.since)) * c.speed))
}

// advance moves the time forward by d, which may not be negative: nothing here could undo what was due.
func (c *clock) advance(d time.Duration) error {
	switch {
	case c.foreign != nil:
		return ErrForeignClock
	case d < 0:
		return fmt.Errorf("the simulated time moves forward only, not by %s", d)
	}
	c.mu.Lock()
	c.at = c.at.Add(d)
	c.mu.Unlock()
	c.wake()
	return nil
}

// set moves the time forward to t.
func (c *clock) set(t time.Time) error {
	if c.foreign != nil {
		return ErrForeignClock
	}
	c.mu.Lock()
	now := c.nowLocked()
	if t.Before(now) {
		c.mu.Unlock()
		return fmt.Errorf("the simulated time moves forward only: it is %s, later than %s", onWire(now), onWire(t))
	}
	c.at, c.since = t, c.wall()
	c.mu.Unlock()
	c.wake()
	return nil
}

// setSpeed makes the time run so many times as fast as the machine's; 0 stops it.
func (c *clock) setSpeed(speed float64) error {
	switch {
	case c.foreign != nil:
		return ErrForeignClock
	case speed < 0 || speed > maxSpeed:
		return fmt.Errorf("the speed must be between 0 (stopped) and %d, not %v", maxSpeed, speed)
	}
	c.mu.Lock()
	c.at, c.since, c.speed = c.nowLocked(), c.wall(), speed
	c.mu.Unlock()
	c.wake()
	return nil
}

// maxSpeed plays a day in a second and leaves room; far beyond it durations overflow.
const maxSpeed = 1_000_000

func (c *clock) currentSpeed() float64 {
	if c.foreign != nil {
		return 0
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.speed
}

// until is how long the machine's clock runs until the simulated time t. False: nobody knows, since the time
// stands still or is the caller's.
func (c *clock) until(t time.Time) (time.Duration, bool) {
	left := t.Sub(c.now())
	if left <= 0 {
		return 0, true
	}
	speed := c.currentSpeed()
	if speed == 0 {
		return 0, false
	}
	return time.Duration(float64(left)/speed) + time.Millisecond, true
}

// deadline reads a time that a client named. Clients live on the machine's clock, so what counts is how far
// ahead it lies there; on a clock that the caller shares with its client it is taken as it stands.
func (c *clock) deadline(t time.Time) time.Time {
	if c.foreign != nil {
		return t
	}
	return c.now().Add(t.Sub(c.wall()))
}

func (c *clock) wake() {
	select {
	case c.moved <- struct{}{}:
	default:
	}
}
