package pay

import (
	"strings"

	"github.com/paybridge/paybridge/core/tradeno"
)

// Attached is what the provider carries along with a payment and shows in its statement: whose the payment is, so that an order whose row
// was lost can be made anew (`paybridge recover`).
type Attached struct {
	Order     string
	App       string
	Reference string // empty: it does not fit, or is of letters that a statement may change
}

// mostAttached is what WeChat takes, in bytes.
const mostAttached = 128

// Attach is what is sent along with each payment of the order.
func (o Order) Attach() string {
	text := o.Number + " " + o.App
	if whole := text + " " + o.Reference; len(whole) <= mostAttached && strings.Trim(o.Reference, attachable) == "" {
		return whole
	}
	return text
}

// attachable are the letters that stand in a statement as they were sent.
const attachable = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.:/#"

// ReadAttached reads what Attach made; ok is false where the text is another's.
func ReadAttached(text string) (a Attached, ok bool) {
	fields := strings.Split(text, " ")
	if len(fields) < 2 || len(fields) > 3 {
		return a, false
	}
	parts, err := tradeno.Parse(fields[0])
	if err != nil || parts.Kind != tradeno.Order || fields[1] == "" {
		return a, false
	}
	a = Attached{Order: fields[0], App: fields[1]}
	if len(fields) == 3 {
		a.Reference = fields[2]
	}
	return a, true
}
