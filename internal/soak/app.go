package soak

import (
	"encoding/base64"
	"encoding/json"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

// app is the endpoint to which the gateways tell their events. It is not always well itself.
type app struct {
	w      *world
	secret string
	verify *standardwebhooks.Webhook

	mu    sync.Mutex
	taken map[string]int64         // by order: the last event that was answered by 2xx
	next  map[string]chan struct{} // by order: closed at its next event
	came  int
}

func newApp(w *world) (*app, error) {
	a := &app{w: w, taken: map[string]int64{}, next: map[string]chan struct{}{}, secret: "whsec_" + base64.StdEncoding.EncodeToString([]byte(strings.Repeat("s", 32)))}
	var err error
	a.verify, err = standardwebhooks.NewWebhook(a.secret)
	return a, err
}

func (a *app) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	if err != nil {
		return // the gateway was killed while it sent
	}
	if err := a.verify.Verify(body, r.Header); err != nil {
		a.w.surprise("an event does not verify: %v", err)
		rw.WriteHeader(http.StatusUnauthorized)
		return
	}
	var e struct {
		Sequence int64 `json:"sequence"`
		Data     struct {
			Order struct{ Number string } `json:"order"`
		} `json:"data"`
	}
	if err := json.Unmarshal(body, &e); err != nil {
		a.w.surprise("an event is no JSON: %v", err)
	}
	if rand.IntN(100) == 0 { // it is slow now and then
		time.Sleep(time.Second)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.came++
	last := a.taken[e.Data.Order.Number]
	if e.Sequence > last+1 {
		a.w.surprise("order %s: event %d came before event %d was taken", e.Data.Order.Number, e.Sequence, last+1)
	}
	if rand.IntN(50) == 0 { // or out of order
		rw.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	a.taken[e.Data.Order.Number] = max(last, e.Sequence)
	if waiting, ok := a.next[e.Data.Order.Number]; ok {
		close(waiting)
		delete(a.next, e.Data.Order.Number)
	}
	rw.WriteHeader(http.StatusNoContent)
}

// events is how many came.
func (a *app) events() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.came
}

// nextOf is closed when the app is told of the order the next time.
func (a *app) nextOf(order string) <-chan struct{} {
	a.mu.Lock()
	defer a.mu.Unlock()
	waiting, ok := a.next[order]
	if !ok {
		waiting = make(chan struct{})
		a.next[order] = waiting
	}
	return waiting
}
