package main

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"time"
)

// event is the payload of a notification: of a trade that was paid, or a refund that has arrived.
type event struct {
	ID     string  `json:"id"`
	Trade  *trade  `json:"trade,omitempty"`
	Refund *refund `json:"refund,omitempty"`
}

// notification is a signed body on its way.
type notification struct {
	url  string
	body []byte
}

// tell puts a notification on its way; p.mu is held.
func (p *provider) tell(url string, e event) {
	e.ID = "n" + randomHex(16)
	select {
	case p.outbox <- notification{url, marshal(p.keys.sign(marshal(e)))}:
	default: // too many wait: the merchant asks
	}
}

// attempts is how often a notification is sent, a second later each time, until it is answered by 200.
const attempts = 10

// notifyAll sends what is to be told until ctx ends.
func (p *provider) notifyAll(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case n := <-p.outbox:
			go n.send(ctx)
		}
	}
}

func (n notification) send(ctx context.Context) {
	for i := range attempts {
		if n.post(ctx) {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(time.Duration(i+1) * time.Second):
		}
	}
}

func (n notification) post(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, n.url, bytes.NewReader(n.body))
	if err != nil {
		return false
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return false
	}
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, maxBody)) // its words change nothing
	_ = res.Body.Close()
	return res.StatusCode == http.StatusOK
}
