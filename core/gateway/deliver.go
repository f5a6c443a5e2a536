package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/paybridge/paybridge/core/pay"
	"github.com/paybridge/paybridge/ports"
)

const (
	// sendTime is how long one message to an app or to the operator may take.
	sendTime = 15 * time.Second
	// sendWindow is how long one claim begins to send the events of an order: the last one that it begins ends, and is
	// noted, before another replica may take the claim for dead. So no two of them send events of one order.
	sendWindow = hold - sendTime - 5*time.Second
	// publishBatch is how many events get their place in one go.
	publishBatch = 500
	// publishPause lets events gather while many are written.
	publishPause = 50 * time.Millisecond
)

// publish gives committed events their place in their app's list, until the context ends. It runs on every replica; the
// store lets one at a time do it for an app.
func (g *Gateway) publish(ctx context.Context) {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for ctx.Err() == nil {
		if g.publishOnce(ctx) {
			continue
		}
		select {
		case <-ctx.Done():
		case <-ticker.C:
		case <-g.happened:
			select {
			case <-ctx.Done():
			case <-time.After(publishPause):
			}
		}
	}
}

// publishOnce tells whether there may be more.
func (g *Gateway) publishOnce(ctx context.Context) (more bool) {
	limited, cancel := context.WithTimeout(ctx, claimTime)
	defer cancel()
	owed := func(app string) bool { _, ok := g.webhook(app); return ok }
	n, err := g.Store.PublishEvents(limited, publishBatch, owed, g.Clock.Now())
	if err != nil {
		if ctx.Err() == nil {
			g.Log.Warn("new events could not be published; tried again in a second", "error", err)
		}
		return false
	}
	if n > 0 {
		crashPoint(crashAfterPublish)
		g.nudge(ports.KindDelivery)
	}
	return n == publishBatch
}

// webhook is where an app's events go today; false: the app polls.
func (g *Gateway) webhook(app string) (ports.Webhook, bool) {
	apps := g.settings.Load().apps
	i := slices.IndexFunc(apps, func(a ports.App) bool { return a.Name == app })
	if i < 0 || apps[i].Webhook == nil {
		return ports.Webhook{}, false
	}
	return *apps[i].Webhook, true
}

// deliver sends what an app's endpoint is owed of one order's events, lowest first, as long as its claim is good. An
// event is noted as delivered before the next one goes out, so a death in between repeats one and skips none (R46).
func (g *Gateway) deliver(ctx context.Context, claim ports.Claim) error {
	sending, cancel := context.WithTimeout(ctx, sendWindow)
	defer cancel()
	for {
		d, err := g.Store.Delivery(ctx, claim.Number)
		if errors.Is(err, ports.ErrNotFound) {
			return g.Store.Unclaim(ctx, claim, time.Time{}) // everything was taken
		} else if err != nil {
			return err
		}
		to, ok := g.webhook(d.App)
		if !ok { // it has no endpoint any more, and may get one again
			return g.Store.Unclaim(ctx, claim, g.Clock.Now().Add(pay.ParkedEventRetry))
		}
		switch until, down := g.endpoints.enter(d.App, g.Clock.Now()); {
		case down: // what waits for it would be claimed again and again
			if err := g.Store.HoldDeliveries(ctx, d.App, until); err != nil {
				return err
			}
			fallthrough
		case !until.IsZero():
			return g.Store.Unclaim(ctx, claim, until)
		}
		err = g.sendEvent(ctx, to, d.Next)
		newest, ok := g.webhook(d.App)
		changed := ok && !newest.Equal(to) // while it was sent: it says nothing of the endpoint as it is now
		back := g.endpoints.leave(d.App, err == nil || changed, g.Clock.Now())
		crashPoint(crashAfterEvent)
		if err != nil && changed {
			return g.Store.Unclaim(ctx, claim, g.Clock.Now())
		}
		if err != nil {
			return g.undelivered(ctx, claim, d, err)
		}
		more, err := g.Store.Delivered(ctx, claim, d.Next.Seq)
		switch {
		case errors.Is(err, ports.ErrMoved):
			return g.Store.Unclaim(ctx, claim, g.Clock.Now())
		case err != nil:
			return err
		}
		crashPoint(crashAfterDelivered)
		if back || d.Attempts > 0 {
			if err := g.Store.WakeDeliveries(ctx, d.App, g.Clock.Now()); err != nil {
				g.Log.Warn("an endpoint is back, and what waits for it was not brought forward", "app", d.App, "error", err)
			}
			g.nudge(ports.KindDelivery)
		}
		if !more {
			return nil
		}
		if sending.Err() != nil || g.stops() {
			return g.Store.Unclaim(ctx, claim, g.Clock.Now())
		}
	}
}

func (g *Gateway) sendEvent(ctx context.Context, to ports.Webhook, e pay.StoredEvent) error {
	body, err := pay.EventPayload(e, to.Version)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, sendTime)
	defer cancel()
	ctx, end := g.span(ctx, "event send", e.ID())
	err = g.Events.SendEvent(ctx, to, ports.EventMessage{ID: e.ID(), At: g.Clock.Now(), Body: body})
	end(err)
	if g.Observe.Event != nil {
		g.Observe.Event(e.App, err == nil)
	}
	return err
}

// undelivered notes a failed try. One endpoint's failure is that endpoint's alone: no order of another app waits for it.
func (g *Gateway) undelivered(ctx context.Context, claim ports.Claim, d ports.Delivery, cause error) error {
	now := g.Clock.Now()
	t := ports.FailedTry{Attempts: d.Attempts + 1, FailingSince: d.FailingSince, Error: cause.Error()}
	if t.FailingSince.IsZero() {
		t.FailingSince = now
	}
	var asked time.Duration
	if wish := (*ports.RetryAfter)(nil); errors.As(cause, &wish) {
		asked = wish.Wait
	}
	t.Due, t.Parked = pay.RetryEvent(t.Attempts, t.FailingSince, now, asked)
	if err := g.Store.Undelivered(ctx, claim, t); err != nil {
		return err
	}
	g.Log.Warn("an event was not delivered; it is sent again", "app", d.App, "event", d.Next.ID(), "attempts", t.Attempts, "due", t.Due, "error", cause)
	switch {
	case errors.Is(cause, ports.ErrAddressRefused):
		g.raise(ctx, pay.Alarm{Kind: pay.AlarmEndpointRefused, Number: d.App, What: cause.Error()})
	case t.Parked:
		what := fmt.Sprintf("the endpoint of %s has taken nothing of order %s since %s: %v", d.App, claim.Number, t.FailingSince.Format(time.RFC3339), cause)
		g.raise(ctx, pay.Alarm{Kind: pay.AlarmEndpointDead, Number: d.App, What: what})
	}
	return nil
}

// endpoints keep one app's endpoint that fails or hangs from taking the workers of the others: while it fails, one
// message at a time is tried, at growing intervals; and at no time does it have all workers.
type endpoints struct {
	most int // messages on their way to one endpoint
	mu   sync.Mutex
	of   map[string]*endpoint // by app
}

type endpoint struct {
	taken    bool // something, since this process began
	failures int  // in a row
	sending  int
	until    time.Time // nothing is sent before that
}

// enter asks to send to an app's endpoint. The zero time: go on, and leave afterwards. Else: not before then. down tells
// whether it is because the endpoint fails, or only because it has enough to do.
func (e *endpoints) enter(app string, now time.Time) (until time.Time, down bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.of == nil {
		e.of = map[string]*endpoint{}
	}
	s := e.of[app]
	if s == nil {
		s = &endpoint{}
		e.of[app] = s
	}
	switch {
	case s.until.After(now):
		return s.until, true
	case s.failures >= breakAfter && s.sending > 0:
		return now.Add(sendTime), true
	case s.sending >= e.most:
		return now.Add(time.Second), false
	}
	s.sending++
	return time.Time{}, false
}

// leave says how it went. back tells whether the endpoint has come back by it, or may have: nobody knows of the time before
// this process began.
func (e *endpoints) leave(app string, taken bool, now time.Time) (back bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	s := e.of[app]
	s.sending--
	if taken {
		back = !s.taken || s.failures >= breakAfter
		s.taken, s.failures, s.until = true, 0, time.Time{}
		return back
	}
	if s.failures++; s.failures >= breakAfter {
		s.until = now.Add(pause(s.failures))
	}
	return false
}

// ListEvents lists an app's events behind a cursor, in order, as JSON in the version of the schema that its endpoint is
// pinned to; without an endpoint in the newest. next is the cursor for the next call.
func (g *Gateway) ListEvents(ctx context.Context, app string, after int64, limit int) (events []json.RawMessage, next int64, err error) {
	version := pay.EventVersion
	if to, ok := g.webhook(app); ok {
		version = to.Version
	}
	found, err := g.Store.AppEvents(ctx, app, after, limit)
	if err != nil {
		return nil, after, err
	}
	events, next = make([]json.RawMessage, len(found)), after
	for i, e := range found {
		if events[i], err = pay.EventPayload(e, version); err != nil {
			return nil, after, fmt.Errorf("event %s: %w", e.ID(), err)
		}
		next = e.Cursor
	}
	return events, next, nil
}

// ResendEvent sends an event again, and what came after it in its order, in order. ErrNotFound; *Invalid: its app has no
// endpoint.
func (g *Gateway) ResendEvent(ctx context.Context, id string) error {
	order, seq, ok := pay.ParseEventID(id)
	if !ok {
		return &Invalid{"event", "the id of an event, as in evt_ORDER_1"}
	}
	o, err := g.Store.Order(ctx, "", order)
	if err != nil {
		return err
	}
	if err := g.hasEndpoint("event", o.App); err != nil {
		return err
	}
	if err := g.Store.Resend(ctx, order, seq, g.Clock.Now()); err != nil {
		return err
	}
	g.nudge(ports.KindDelivery)
	return nil
}

// ResendEvents sends again what an app's list has behind a cursor, each order from its first such event on, and tells
// how many orders that are.
func (g *Gateway) ResendEvents(ctx context.Context, app string, after int64) (orders int, err error) {
	if err := g.hasEndpoint("app", app); err != nil {
		return 0, err
	}
	orders, err = g.Store.ResendApp(ctx, app, after, g.Clock.Now())
	g.nudge(ports.KindDelivery)
	return orders, err
}

// RetryEvents brings forward what waits for an app's endpoint: somebody has mended it.
func (g *Gateway) RetryEvents(ctx context.Context, app string) error {
	if err := g.hasEndpoint("app", app); err != nil {
		return err
	}
	g.endpoints.forget(app)
	err := g.Store.WakeDeliveries(ctx, app, g.Clock.Now())
	g.nudge(ports.KindDelivery)
	return err
}

func (g *Gateway) hasEndpoint(field, app string) error {
	if _, ok := g.webhook(app); !ok {
		return &Invalid{field, fmt.Sprintf("app %q has no webhook to send to: it polls GET /v1/events, or give it one", app)}
	}
	return nil
}

// forget lets the next message try at once.
func (e *endpoints) forget(app string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if s := e.of[app]; s != nil {
		s.failures, s.until = 0, time.Time{}
	}
}
