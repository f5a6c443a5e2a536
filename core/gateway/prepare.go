package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"

	"github.com/paybridge/paybridge/core/identity"
	"github.com/paybridge/paybridge/core/pay"
	"github.com/paybridge/paybridge/ports"
)

// prepareTime is how long an app may take to say whether an order may be paid: a payer is waiting.
const prepareTime = 5 * time.Second

// longestMessage bounds what an app says to its payers, in characters.
const longestMessage = 200

// RefusedByApp is an app that does not want an order to be paid now. Its words are for the payer; either may be empty.
type RefusedByApp struct{ Chinese, English string }

func (r *RefusedByApp) Error() string { return "the app refuses the payment" }

// ErrAppSilent says that an app did not say whether an order may be paid, and that its entry does not go on without.
var ErrAppSilent = errors.New("the app does not say whether the order may be paid")

// prepareRequest is what an app is asked (docs/checkout.md). Its form is version 1 for ever; it may gain fields.
type prepareRequest struct {
	Type      string      `json:"type"`
	Timestamp time.Time   `json:"timestamp"`
	Data      prepareData `json:"data"`
}

type prepareData struct {
	Order pay.EventOrder `json:"order"`
	Entry string         `json:"entry"`
}

// prepareAnswer is what it answers. Without allow it is no answer.
type prepareAnswer struct {
	Allow     *bool  `json:"allow"`
	Message   string `json:"message"` // Chinese, to the payer
	MessageEN string `json:"message_en"`
}

// askApp asks the app of an order, where the entry wants that, whether it may be paid now. *RefusedByApp: it may not.
// ErrAppSilent.
func (g *Gateway) askApp(ctx context.Context, app, order, entry string) error {
	e, to, ok := g.settings.Load().prepare(app, entry)
	if !ok || g.Events == nil {
		return nil
	}
	o, err := g.Store.Order(ctx, app, order)
	if err != nil || o.State != pay.OrderOpen { // what else is wrong with it is said without the app
		return err
	}
	now := g.Clock.Now().UTC()
	body, err := json.Marshal(prepareRequest{"payment.prepare", now, prepareData{pay.OrderInEvent(o), entry}})
	if err != nil {
		return fmt.Errorf("write down a question: %w", err)
	}
	asking, cancel := context.WithTimeout(ctx, prepareTime)
	defer cancel()
	text, err := g.Events.Ask(asking, to, ports.EventMessage{ID: "prepare_" + identity.NewToken(), At: now, Body: body})
	var said prepareAnswer
	if err == nil {
		if err = json.Unmarshal(text, &said); err == nil && said.Allow == nil {
			err = errors.New("its answer does not say whether to allow it")
		}
	}
	switch {
	case err == nil && *said.Allow:
		return nil
	case err == nil:
		return &RefusedByApp{plainWords(said.Message), plainWords(said.MessageEN)}
	case e.Prepare == ports.PrepareOptional:
		g.Log.Warn("an app did not say whether an order may be paid; it is paid without", "app", app, "order", order, "error", err)
		return nil
	}
	g.Log.Warn("an app did not say whether an order may be paid; its payer has to wait", "app", app, "order", order, "error", err)
	return ErrAppSilent
}

// prepare is where the app of a payment through an entry is asked first; ok is false where it is not.
func (s *settings) prepare(app, entry string) (e ports.Entry, to ports.Webhook, ok bool) {
	e = s.entries[entry]
	if e.Prepare == "" {
		return e, to, false
	}
	for _, a := range s.apps {
		if a.Name == app && a.Webhook != nil && a.Webhook.PrepareURL != "" {
			return e, *a.Webhook, true
		}
	}
	return e, to, false
}

// plainWords is what may be shown of an app's words: one line of text.
func plainWords(text string) string {
	text = strings.TrimSpace(strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case !unicode.IsPrint(r):
			return -1
		}
		return r
	}, text))
	return firstOf(text, longestMessage)
}
