package ports

import (
	"context"
	"errors"
	"time"

	"github.com/paybridge/paybridge/core/pay"
)

// Events keeps what apps are told, and how far each endpoint has taken it. The events of an order are a gapless
// sequence, which goes out lowest first; nothing of it is dropped.
type Events interface {
	// PublishEvents gives up to limit committed events their place in their app's list, which never changes, and makes
	// what endpoints are owed due at now. Only one replica does it at a time for an app; a second one does nothing. owed
	// says which apps have an endpoint. It returns how many events got their place.
	PublishEvents(ctx context.Context, limit int, owed func(app string) bool, now time.Time) (published int, err error)
	// AppEvents lists an app's published events behind a cursor, in order.
	AppEvents(ctx context.Context, app string, after int64, limit int) ([]pay.StoredEvent, error)
	// OrderEvents lists an order's events, lowest first, without their data, and tells up to which one its app's endpoint has taken them; 0:
	// none, or it has no endpoint.
	OrderEvents(ctx context.Context, order string) (all []pay.StoredEvent, taken int64, err error)

	// Delivery reads how far the endpoint of an order's app has taken its events, and the next one. ErrNotFound: there
	// is none, or nothing is owed.
	Delivery(ctx context.Context, order string) (Delivery, error)
	// Delivered notes that the endpoint took the event of this place, releases the claim when it was the last one and
	// tells whether more is owed. ErrMoved: the claim is not ours any more, or this event or an earlier one is to be sent again.
	Delivered(ctx context.Context, c Claim, seq int64) (more bool, err error)
	// Undelivered notes a failed try and gives the claim back.
	Undelivered(ctx context.Context, c Claim, t FailedTry) error
	// HoldDeliveries lets everything that waits for an app's endpoint, and that nobody works on, wait until then at least.
	HoldDeliveries(ctx context.Context, app string, until time.Time) error
	// WakeDeliveries makes it due now: the endpoint is back.
	WakeDeliveries(ctx context.Context, app string, now time.Time) error
	// Resend makes an order's events due again from this one on, delivered or not. ErrNotFound.
	Resend(ctx context.Context, order string, seq int64, now time.Time) error
	// ResendApp does the same for every order of an app that has an event behind the cursor, from its first such event
	// on, and tells how many orders that are.
	ResendApp(ctx context.Context, app string, after int64, now time.Time) (orders int, err error)
	// Endpoints tells how the delivery goes to each app that something waits for.
	Endpoints(ctx context.Context) ([]EndpointStatus, error)
}

// EndpointStatus is how the delivery to one app goes. It counts orders.
type EndpointStatus struct {
	App          string
	Waiting      int // with an event that the endpoint has not taken
	Failing      int // of them, whose next event failed at least once
	Parked       int // of them, tried once a day
	FailingSince time.Time
}

// Delivery is how far an endpoint has taken the events of one order.
type Delivery struct {
	App          string
	Next         pay.StoredEvent
	Attempts     int       // that Next has failed
	FailingSince time.Time // when it failed first; zero: it has not been tried
}

// FailedTry is what is noted of an event that an endpoint did not take.
type FailedTry struct {
	Attempts     int
	FailingSince time.Time
	Parked       bool
	Error        string // for people: no secret, no URL
	Due          time.Time
}

// EventSink takes messages to those who wait for them. It keeps no state: what was not taken is sent again by whoever
// called. An error is for people; it names neither a secret nor the whole URL.
type EventSink interface {
	// SendEvent posts one message to an app's endpoint, signed with each of its secrets. nil: it was taken.
	SendEvent(ctx context.Context, to Webhook, m EventMessage) error
	// Ask posts a question to an app's PrepareURL, signed as events are, and gives the beginning of what a good answer says.
	Ask(ctx context.Context, to Webhook, m EventMessage) ([]byte, error)
	// SendAlarm tells the operator. ErrNoOperator: nobody is configured to be told.
	SendAlarm(ctx context.Context, a AlarmRow) error
}

// EventMessage is one event on its way.
type EventMessage struct {
	ID   string // the same for the same event, for ever
	At   time.Time
	Body []byte
}

var (
	// ErrAddressRefused says that an endpoint's address is one that events may not go to (R44).
	ErrAddressRefused = errors.New("the address is not allowed")
	// ErrNoOperator says that no operator's webhook is configured.
	ErrNoOperator = errors.New("no operator's webhook is configured")
)

// RetryAfter is an endpoint's own wish when to be asked again.
type RetryAfter struct {
	Err  error
	Wait time.Duration
}

func (r *RetryAfter) Error() string { return r.Err.Error() }

func (r *RetryAfter) Unwrap() error { return r.Err }
