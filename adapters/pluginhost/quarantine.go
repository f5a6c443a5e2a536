package pluginhost

import "time"

// A plugin that has ended maxExits times within exitWindow is not started any more: whatever is wrong with it, another
// start does not mend it, and each one may leave calls in flight with an unknown outcome.
const (
	maxExits   = 5
	exitWindow = 10 * time.Minute
)

// exits are the last times that a plugin ended, at its start or later, oldest first.
type exits []time.Time

// tooMany notes one more and tells whether there are too many in the window before it.
func (e *exits) tooMany(now time.Time) bool {
	*e = append(*e, now)
	if len(*e) > maxExits {
		*e = (*e)[len(*e)-maxExits:]
	}
	return len(*e) == maxExits && now.Sub((*e)[0]) <= exitWindow
}
