package ports

import "time"

// Clock tells the time that due times, expiry and windows go by. Tests and the simulator move it; claims do not use
// it (they go by the database's clock).
type Clock interface{ Now() time.Time }

// ClockFunc makes a function a Clock.
type ClockFunc func() time.Time

// Now calls the function.
func (f ClockFunc) Now() time.Time { return f() }
