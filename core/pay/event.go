package pay

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// EventKind names what an app is told.
type EventKind string

// The kinds of event.
const (
	EventOrderPaid            EventKind = "order.paid"
	EventOrderClosed          EventKind = "order.closed"
	EventPaymentSucceeded     EventKind = "payment.succeeded"
	EventPaymentClosed        EventKind = "payment.closed"
	EventPaymentFailed        EventKind = "payment.failed"
	EventRefundSucceeded      EventKind = "refund.succeeded"
	EventRefundFailed         EventKind = "refund.failed"
	EventRefundClosed         EventKind = "refund.closed"
	EventRefundSettledOutside EventKind = "refund.settled_outside"
	// EventRefundBureauDue is a refund that nobody asked for, of whose sum the hospital has to have a part refunded at the
	// insurance bureau.
	EventRefundBureauDue EventKind = "refund.bureau_due"
)

// EventKinds lists them.
func EventKinds() []EventKind {
	return []EventKind{
		EventOrderPaid, EventOrderClosed, EventPaymentSucceeded, EventPaymentClosed, EventPaymentFailed,
		EventRefundSucceeded, EventRefundFailed, EventRefundClosed, EventRefundSettledOutside, EventRefundBureauDue,
	}
}

// Event is something that an app is told about one number. Its place in the order's gapless sequence is given by the
// store, under the order's lock.
type Event struct {
	Kind   EventKind
	Number string
	Data   EventData // filled in by Told
}

// EventData is what an event says: the order, and the payment or refund that it is about, as the decision left them.
// It is what is stored, and EventPayload gives it the form that an endpoint is pinned to. No person is in it: neither
// openid nor description nor the app's own metadata (R45).
type EventData struct {
	Order   EventOrder    `json:"order"`
	Payment *EventPayment `json:"payment,omitempty"`
	Refund  *EventRefund  `json:"refund,omitempty"`
}

// EventOrder is an order as an event tells it. Amounts are minor units.
type EventOrder struct {
	Number      string      `json:"number"`
	Reference   string      `json:"reference"`
	State       OrderState  `json:"state"`
	Amount      int64       `json:"amount"`
	Currency    string      `json:"currency"`
	CloseReason CloseReason `json:"close_reason,omitempty"`
	SettledBy   string      `json:"settled_by,omitempty"`
	PaidAt      *time.Time  `json:"paid_at,omitempty"`
}

// EventPayment is a payment as an event tells it.
type EventPayment struct {
	Number      string       `json:"number"`
	Entry       string       `json:"entry"`
	Provider    string       `json:"provider"`
	State       PaymentState `json:"state"`
	Amount      int64        `json:"amount"`
	Currency    string       `json:"currency"`
	ProviderID  string       `json:"provider_id,omitempty"`
	PayerTotal  int64        `json:"payer_total,omitempty"`
	SucceededAt *time.Time   `json:"succeeded_at,omitempty"`
}

// EventRefund is a refund as an event tells it. Amount is 0 where the provider has not told it; Insurance is the part of it
// that only the insurance bureau gives back.
type EventRefund struct {
	Number      string      `json:"number"`
	Payment     string      `json:"payment"`
	Reference   string      `json:"reference"`
	Origin      Origin      `json:"origin"`
	State       RefundState `json:"state"`
	Amount      int64       `json:"amount,omitempty"`
	Insurance   int64       `json:"insurance,omitempty"`
	Currency    string      `json:"currency"`
	ProviderID  string      `json:"provider_id,omitempty"`
	SucceededAt *time.Time  `json:"succeeded_at,omitempty"`
}

// Told is the decision with what each of its events says, taken from the rows as the decision leaves them.
func (d Decision) Told(after Rows) Decision {
	if len(d.Events) == 0 {
		return d
	}
	events := make([]Event, len(d.Events))
	for i, e := range d.Events {
		e.Data = tell(after, e.Number)
		events[i] = e
	}
	d.Events = events
	return d
}

// OrderInEvent is an order as apps are told of it.
func OrderInEvent(o Order) EventOrder {
	return EventOrder{
		Number: o.Number, Reference: o.Reference, State: o.State, Amount: o.Amount.Minor, Currency: o.Amount.Currency,
		CloseReason: o.CloseReason, SettledBy: o.SettledBy, PaidAt: known(o.PaidAt),
	}
}

// tell is the order, and of it the payment or refund that has the number; for the order itself the payment that paid it.
func tell(rows Rows, number string) EventData {
	o := rows.Order
	data := EventData{Order: OrderInEvent(o)}
	if number == o.Number {
		number = o.SettledBy
	}
	for _, r := range rows.Refunds {
		if r.Number == number {
			insurance, _ := r.Insurance()
			data.Refund = &EventRefund{
				Number: r.Number, Payment: r.Payment, Reference: r.Reference, Origin: r.Origin, State: r.State,
				Amount: r.Amount.Minor, Insurance: insurance.Amount.Minor, Currency: r.Amount.Currency, ProviderID: r.ProviderID, SucceededAt: known(r.SucceededAt),
			}
			number = r.Payment
		}
	}
	for _, p := range rows.Payments {
		if p.Number == number {
			data.Payment = &EventPayment{
				Number: p.Number, Entry: p.Route.Entry, Provider: p.Route.Provider, State: p.State,
				Amount: p.Total().Minor, Currency: p.Total().Currency,
				ProviderID: p.ProviderID, PayerTotal: p.PayerTotal, SucceededAt: known(p.SucceededAt),
			}
		}
	}
	return data
}

func known(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	utc := t.UTC().Truncate(time.Microsecond)
	return &utc
}

// EventVersion is the newest version of the payload's schema. An endpoint is pinned to one, and each stays as it is.
const EventVersion = 1

// ErrEventVersion says that there is no such version of the payload's schema.
var ErrEventVersion = errors.New("there is no such version of the event schema")

// StoredEvent is an event that was committed.
type StoredEvent struct {
	App    string
	Order  string
	Seq    int64 // from 1, without a gap in its order
	Cursor int64 // from 1, its place among its app's events; 0 until it was given one
	Event
	At time.Time
}

// ID names the event for ever; the same id is the same event again.
func (e StoredEvent) ID() string { return "evt_" + e.Order + "_" + strconv.FormatInt(e.Seq, 10) }

// ParseEventID is the opposite of ID.
func ParseEventID(id string) (order string, seq int64, ok bool) {
	rest, ok := strings.CutPrefix(id, "evt_")
	if !ok {
		return "", 0, false
	}
	order, place, ok := strings.Cut(rest, "_")
	if !ok || order == "" {
		return "", 0, false
	}
	seq, err := strconv.ParseInt(place, 10, 64)
	return order, seq, err == nil && seq > 0 && strconv.FormatInt(seq, 10) == place
}

// EventPayload is the JSON of an event, in the version of the schema that its endpoint is pinned to. openapi.yaml
// describes each version under webhooks.
func EventPayload(e StoredEvent, version int) ([]byte, error) {
	if version != EventVersion {
		return nil, fmt.Errorf("version %d: %w", version, ErrEventVersion)
	}
	return json.Marshal(struct {
		ID        string    `json:"id"`
		Type      EventKind `json:"type"`
		Version   int       `json:"version"`
		Timestamp time.Time `json:"timestamp"`
		Sequence  int64     `json:"sequence"`
		Data      EventData `json:"data"`
	}{e.ID(), e.Kind, version, e.At.UTC(), e.Seq, e.Data})
}

// eventRetries are how long after a failed try an event is sent again. The last one repeats until the endpoint is parked.
var eventRetries = []time.Duration{
	5 * time.Second, 30 * time.Second, 2 * time.Minute, 10 * time.Minute, 30 * time.Minute, time.Hour, 2 * time.Hour, 4 * time.Hour, 8 * time.Hour,
}

const (
	// parkEventsAfter is how long an endpoint may fail before its events are parked: tried once a day, with an alarm.
	parkEventsAfter = 72 * time.Hour
	// ParkedEventRetry is how often a parked event is tried.
	ParkedEventRetry = 24 * time.Hour
)

// RetryEvent decides when an event that failed so often since then is sent again. asked is the endpoint's own wish,
// which is heard up to a day.
func RetryEvent(attempts int, since, now time.Time, asked time.Duration) (due time.Time, parked bool) {
	if now.Sub(since) >= parkEventsAfter {
		return now.Add(ParkedEventRetry), true
	}
	wait := eventRetries[min(max(attempts-1, 0), len(eventRetries)-1)]
	return now.Add(min(max(wait, asked), ParkedEventRetry)), false
}
