package sdk

import (
	"errors"
	"net"
)

// Unanswered says what an error of http.Client.Do means, or any other after which there is no answer to read: NotSent
// when no connection could be made at all, else Indeterminate.
func Unanswered(err error) Result {
	var op *net.OpError
	var dns *net.DNSError
	if errors.As(err, &op) && op.Op == "dial" || errors.As(err, &dns) {
		return NotSent(err)
	}
	return Indeterminate(err)
}
