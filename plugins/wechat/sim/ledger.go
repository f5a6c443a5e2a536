package sim

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"
)

// Ledger is a copy of all that WeChat knows, for a test to hold against what its client believes.
type Ledger struct {
	Trades    []Trade        `json:"trades"`
	Refunds   []Refund       `json:"refunds"`
	MedIns    []MedIns       `json:"med_ins,omitempty"`
	Insurance []Insurance10  `json:"insurance_10,omitempty"` // medical insurance 1.0
	Bureau    []BureauRefund `json:"bureau_refunds,omitempty"`
	Callbacks []Callback     `json:"callbacks"`
	Sent      []Sent         `json:"sent"`
	Requests  []Request      `json:"requests"` // the last Config.KeepRequests
	Faults    map[string]int `json:"faults_fired"`
}

// Sent is a number with every content it was sent with. More than one content means that a client used a
// number twice: WeChat refuses it, and a correct client never does it.
type Sent struct {
	Kind     string   `json:"kind"` // trade or refund
	MchID    string   `json:"mchid"`
	Number   string   `json:"number"`
	Contents []string `json:"contents"` // distinct, keys sorted, in the order first seen
	Times    int      `json:"times"`
}

type sentKey struct{ kind, mchID, number string }

// Conflicts are the numbers that were sent with two contents, executed or not, told to the client or not.
func (l Ledger) Conflicts() []Sent {
	var found []Sent
	for _, s := range l.Sent {
		if len(s.Contents) > 1 {
			found = append(found, s)
		}
	}
	return found
}

// Trade finds a trade by its number.
func (l Ledger) Trade(outTradeNo string) (Trade, bool) {
	i := slices.IndexFunc(l.Trades, func(t Trade) bool { return t.OutTradeNo == outTradeNo })
	if i < 0 {
		return Trade{}, false
	}
	return l.Trades[i], true
}

// Refund finds a refund by its number.
func (l Ledger) Refund(outRefundNo string) (Refund, bool) {
	i := slices.IndexFunc(l.Refunds, func(r Refund) bool { return r.OutRefundNo == outRefundNo })
	if i < 0 {
		return Refund{}, false
	}
	return l.Refunds[i], true
}

// Request is one HTTP request that reached WeChat, whatever became of it.
type Request struct {
	Seq     int       `json:"seq"` // 1 is the first
	At      time.Time `json:"at"`  // simulated
	Method  string    `json:"method"`
	Path    string    `json:"path"` // with its query
	MchID   string    `json:"mchid,omitempty"`
	Serial  string    `json:"serial,omitempty"`
	Number  string    `json:"number,omitempty"` // out_trade_no or out_refund_no
	Body    string    `json:"body,omitempty"`
	Status  int       `json:"status,omitempty"` // 0: not answered
	Code    string    `json:"code,omitempty"`   // WeChat's, when it was refused
	Outcome Outcome   `json:"outcome"`
	Fault   FaultKind `json:"fault,omitempty"`
}

// Outcome says what became of a request.
type Outcome string

// A request is under way, or was answered by what came of it; or the client could not see that it was executed
// (no answer, or one that says nothing about it); or it had no effect, whatever the client was told.
const (
	UnderWay            Outcome = "under_way"
	Answered            Outcome = "answered"
	ExecutedNotAnswered Outcome = "executed_not_answered"
	NotExecuted         Outcome = "not_executed"
)

// requestLog keeps the last requests; the counting goes on when old ones are dropped.
type requestLog struct {
	keep    int
	first   int // index in all of entries[0]
	entries []*Request
}

func (l *requestLog) add(r *Request) {
	l.entries = append(l.entries, r)
	r.Seq = l.first + len(l.entries)
	if len(l.entries) > 2*l.keep {
		drop := len(l.entries) - l.keep
		l.entries = slices.Clone(l.entries[drop:])
		l.first += drop
	}
}

func (l *requestLog) forget() { l.entries, l.first = nil, 0 }

// Callback is one message to a notify URL with its attempts. ID, envelope and content stay the same from one
// attempt to the next; time, nonce and signature are new.
type Callback struct {
	ID          string      `json:"id"`
	EventType   string      `json:"event_type"`
	MchID       string      `json:"mchid"`
	OutTradeNo  string      `json:"out_trade_no"`
	OutRefundNo string      `json:"out_refund_no,omitempty"`
	URL         string      `json:"url"`
	CreatedAt   time.Time   `json:"created_at"`
	Plaintext   string      `json:"plaintext"`
	Envelope    string      `json:"envelope"` // the body that is sent
	Attempts    []Attempt   `json:"attempts"`
	Tried       int         `json:"tried"`            // entries of the schedule that are behind us
	NextAt      time.Time   `json:"next_at,omitzero"` // of the next attempt; zero: delivered, or given up
	Delivered   bool        `json:"delivered"`
	LastHeader  http.Header `json:"last_header,omitempty"` // of the last attempt that was sent
}

// Attempt is one sending of a callback.
type Attempt struct {
	At     time.Time `json:"at"`               // simulated
	Status int       `json:"status,omitempty"` // 0: not sent, or not answered
	Error  string    `json:"error,omitempty"`
	Fault  FaultKind `json:"fault,omitempty"`
}

// Ledger copies what WeChat knows at this moment.
func (s *Simulator) Ledger() Ledger {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := Ledger{Trades: []Trade{}, Refunds: []Refund{}, Callbacks: []Callback{}, Sent: []Sent{}, Faults: map[string]int{}}
	for _, t := range s.world.order {
		l.Trades = append(l.Trades, t.copy())
	}
	for _, r := range s.world.refunded {
		l.Refunds = append(l.Refunds, *r)
	}
	for _, m := range s.world.mixed {
		seen := *m
		seen.Reports = slices.Clone(m.Reports)
		l.MedIns = append(l.MedIns, seen)
	}
	for _, i := range s.world.insurance {
		l.Insurance = append(l.Insurance, i.copy())
	}
	l.Bureau = slices.Clone(s.world.bureau.refunds)
	for _, c := range s.world.callbacks {
		l.Callbacks = append(l.Callbacks, c.copy())
	}
	for _, n := range s.world.sent {
		c := *n
		c.Contents = slices.Clone(n.Contents)
		l.Sent = append(l.Sent, c)
	}
	l.Requests = s.requestsLocked()
	for kind, n := range s.faults.fired {
		l.Faults[string(kind)] = n
	}
	return l
}

// Requests are the last requests, oldest first.
func (s *Simulator) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.requestsLocked()
}

// AwaitRequest waits until a request is there, or becomes, as match wants it, and returns it.
func (s *Simulator) AwaitRequest(ctx context.Context, match func(Request) bool) (Request, error) {
	for {
		s.mu.Lock()
		for _, r := range s.requestsLocked() {
			if match(r) {
				s.mu.Unlock()
				return r, nil
			}
		}
		if s.watched == nil {
			s.watched = make(chan struct{})
		}
		changed := s.watched
		s.mu.Unlock()
		select {
		case <-ctx.Done():
			return Request{}, fmt.Errorf("wait for a request: %w", ctx.Err())
		case <-changed:
		}
	}
}

// tellWatchers wakes AwaitRequest; s.mu is held.
func (s *Simulator) tellWatchers() {
	if s.watched != nil {
		close(s.watched)
		s.watched = nil
	}
}

func (s *Simulator) requestsLocked() []Request {
	entries := s.world.requests.entries
	if n := len(entries) - s.world.requests.keep; n > 0 {
		entries = entries[n:]
	}
	all := make([]Request, 0, len(entries))
	for _, r := range entries {
		all = append(all, *r)
	}
	return all
}

// Trade is one trade by its merchant and number.
func (s *Simulator) Trade(mchID, outTradeNo string) (Trade, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, ok := s.world.trades[tradeKey{mchID, outTradeNo}]
	if !ok {
		return Trade{}, fmt.Errorf("merchant %s has no trade %s", mchID, outTradeNo)
	}
	return t.copy(), nil
}

func (t *Trade) copy() Trade {
	c := *t
	c.Prepays = slices.Clone(t.Prepays)
	return c
}

func (c *Callback) copy() Callback {
	d := *c
	d.Attempts = slices.Clone(c.Attempts)
	d.LastHeader = c.LastHeader.Clone()
	return d
}

// noteSent keeps what a number was sent with.
func (w *world) noteSent(kind, mchID, number, content string) {
	key := sentKey{kind, mchID, number}
	n := w.numbers[key]
	if n == nil {
		n = &Sent{Kind: kind, MchID: mchID, Number: number}
		w.numbers[key] = n
		w.sent = append(w.sent, n)
	}
	n.Times++
	if !slices.Contains(n.Contents, content) {
		n.Contents = append(n.Contents, content)
	}
}
