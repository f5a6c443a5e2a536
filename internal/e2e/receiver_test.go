package e2e

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

// receiver is an app's webhook endpoint: a server of its own, which verifies what comes and notes it. It fails a test
// as soon as an event comes before the one before it, of the same order, was taken (R46).
type receiver struct {
	t       *testing.T
	w       *world
	app     string
	address string
	secrets []string // one of them is the one that it knows

	mu        sync.Mutex
	server    *http.Server
	answer    func(e event) int // the status; it may take its time
	taken     map[string]int64  // by order: the last event that was answered by 2xx
	recovered bool              // sequences were counted on by 1000
	began     map[string]int64  // by order: the highest event that came
	came      []event           // every request, repeats as well
	bodies    strings.Builder
}

// event is what an app reads of one.
type event struct {
	ID       string    `json:"id"`
	Type     string    `json:"type"`
	Version  int       `json:"version"`
	Sequence int64     `json:"sequence"`
	At       time.Time `json:"timestamp"`
	Data     struct {
		Order struct{ Number, State, Reference string } `json:"order"`
	} `json:"data"`
}

func (e event) String() string {
	return fmt.Sprint(e.Data.Order.Reference, " ", e.Type, " ", e.Sequence)
}

// receive gives an app a webhook endpoint, which is not up yet, and lets the gateway go to this machine.
func (w *world) receive(app int) *receiver {
	w.t.Helper()
	r := w.receiver(w.setup.Apps[app]["name"].(string))
	var files []string
	for i := range r.secrets {
		file := fmt.Sprintf("webhook-%s-%d.txt", r.app, i)
		writeFile(w.t, filepath.Join(w.dir, file), r.secrets[i]+"\n")
		files = append(files, "file:"+file)
	}
	w.setup.Apps[app]["webhook"] = map[string]any{"url": r.url(), "secrets": files}
	return r
}

// receiver is an endpoint with its secrets for an app, which is not up yet and which the app does not know yet.
func (w *world) receiver(app string) *receiver {
	w.t.Helper()
	r := &receiver{t: w.t, w: w, app: app, address: freeAddress(w.t), taken: map[string]int64{}, began: map[string]int64{}}
	for _, letter := range []string{"n", "o"} {
		r.secrets = append(r.secrets, "whsec_"+base64.StdEncoding.EncodeToString([]byte(strings.Repeat(letter, 31)+app[:1])))
	}
	w.setup.Webhooks = map[string]any{"allow_networks": []string{"127.0.0.0/8"}}
	w.t.Cleanup(r.down)
	return r
}

func (r *receiver) url() string { return "http://" + r.address + "/events" }

// up begins to answer every event, by 204 unless the test says otherwise.
func (r *receiver) up() *receiver {
	r.t.Helper()
	listener, err := new(net.ListenConfig).Listen(r.t.Context(), "tcp", r.address)
	if err != nil {
		r.t.Fatal(err)
	}
	server := &http.Server{Handler: r, ReadHeaderTimeout: time.Minute}
	r.mu.Lock()
	r.server = server
	r.mu.Unlock()
	go func() { _ = server.Serve(listener) }() // until down
	return r
}

// down is a machine that was turned off.
func (r *receiver) down() {
	r.mu.Lock()
	server := r.server
	r.server = nil
	r.mu.Unlock()
	if server != nil {
		_ = server.Close()
	}
}

// answers changes what is answered from now on.
func (r *receiver) answers(f func(e event) int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answer = f
}

// afterRecovery lets sequences begin anew above 1000.
func (r *receiver) afterRecovery() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.recovered = true
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(io.LimitReader(req.Body, 1<<20))
	if err != nil {
		return // the gateway was killed while it sent
	}
	for i, secret := range r.secrets {
		known, err := standardwebhooks.NewWebhook(secret)
		if err == nil {
			err = known.Verify(body, req.Header)
		}
		if err != nil {
			r.t.Errorf("%s, secret %d: %v", r.app, i, err)
		}
	}
	var e event
	if err := json.Unmarshal(body, &e); err != nil || e.ID != req.Header.Get("webhook-id") || req.Method != http.MethodPost {
		r.t.Errorf("%s %s: %s: %v", req.Method, req.Header.Get("webhook-id"), body, err)
	}
	order := e.Data.Order.Number
	r.mu.Lock()
	if last := r.taken[order]; e.Sequence > last+1 && (!r.recovered || e.Sequence <= 1000) {
		r.t.Errorf("%s came when %d was the last that was taken", e, last)
	}
	r.came = append(r.came, e)
	r.began[order] = max(r.began[order], e.Sequence)
	r.bodies.Write(body)
	answer := r.answer
	r.mu.Unlock()
	status := http.StatusNoContent
	if answer != nil {
		status = answer(e)
	}
	if status/100 == 2 {
		r.mu.Lock()
		r.taken[order] = max(r.taken[order], e.Sequence)
		r.mu.Unlock()
	}
	w.WriteHeader(status)
}

// events are those that were taken, of an order in order, without the repeats; the text of them all.
func (r *receiver) events(order string) (types []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	seen := map[string]bool{}
	for _, e := range r.came {
		if e.Data.Order.Number == order && e.Sequence <= r.taken[order] && !seen[e.ID] {
			seen[e.ID] = true
			types = append(types, e.Type)
		}
	}
	return types
}

// times is how often an order's event of a type came.
func (r *receiver) times(order, kind string) (n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range r.came {
		if e.Data.Order.Number == order && e.Type == kind {
			n++
		}
	}
	return n
}

func (r *receiver) requests() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.came)
}

func (r *receiver) text() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.bodies.String()
}

// await waits until the app has taken exactly these of an order.
func (r *receiver) await(order string, want ...string) {
	r.t.Helper()
	await(r.t, r.app+" takes the events of "+order, func() error {
		if got := r.events(order); strings.Join(got, " ") != strings.Join(want, " ") {
			return fmt.Errorf("it has %v, want %v", got, want)
		}
		return nil
	})
}

// awaitRequests waits until so many requests have come.
func (r *receiver) awaitRequests(n int) {
	r.t.Helper()
	await(r.t, fmt.Sprintf("%s is sent %d events", r.app, n), func() error {
		if came := r.requests(); came < n {
			return fmt.Errorf("%d came", came)
		}
		return nil
	})
}

// serve is a server of some other party.
func serve(t *testing.T, handle http.HandlerFunc) (base string) {
	t.Helper()
	server := httptest.NewServer(handle)
	t.Cleanup(server.Close)
	return server.URL
}

// adminPost makes a call of the operator at gateway 0, which must work.
func (w *world) adminPost(path, body string) {
	w.t.Helper()
	req, err := http.NewRequestWithContext(w.t.Context(), http.MethodPost, "http://"+w.gateways[0].admin+path, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	resp, err := w.gateways[0].client.Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if text, err := io.ReadAll(resp.Body); err != nil || resp.StatusCode != http.StatusOK {
		w.t.Fatalf("POST %s: %d %s, %v", path, resp.StatusCode, text, err)
	}
}

// deliveriesDue makes everything that waits for an app due at once.
func (w *world) deliveriesDue(app string) {
	w.t.Helper()
	w.db.exec(w.t, "update deliveries set due = 1 where app = '"+app+"' and due is not null and claimed_until is null")
}
