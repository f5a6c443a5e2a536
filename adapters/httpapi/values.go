package httpapi

import "time"

// What JSON leaves out is a nil pointer in the generated types and the zero value in core's.

// given is what was sent, or the zero value.
func given[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}

// unlessZero is a value to answer, or nothing.
func unlessZero[T comparable](v T) *T {
	var zero T
	if v == zero {
		return nil
	}
	return &v
}

// unlessEmpty is the app's remarks, or nothing.
func unlessEmpty(m Metadata) *Metadata {
	if len(m) == 0 {
		return nil
	}
	return &m
}

// moment is a time as it is answered: what a database keeps of it, so that the first answer is the same as the next.
func moment(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }
