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

// ErrNoMedicalPart says that an order with a bill cannot be paid on the checkout: its app has no prepare_url, where the medical part
// of a payment is asked for.
var ErrNoMedicalPart = errors.New("the app has no prepare_url, which would give the medical part of the payment")

// AtAppFirst is a page of the app's that a payer goes to before they can pay, and comes back from: where they let the insurance
// bureau give its authorization. It is one that the entry's return URLs allow.
type AtAppFirst struct{ URL string }

func (a *AtAppFirst) Error() string { return "the app has the payer come to a page of its own first" }

// prepareRequest is what an app is asked (docs/checkout.md). Its form is version 1 for ever; it may gain fields.
type prepareRequest struct {
	Type      string      `json:"type"`
	Timestamp time.Time   `json:"timestamp"`
	Data      prepareData `json:"data"`
}

type prepareData struct {
	Order       pay.EventOrder `json:"order"`
	Entry       string         `json:"entry"`
	CheckoutURL string         `json:"checkout_url"`
	Payer       *preparePayer  `json:"payer,omitempty"` // absent while it is not known who will pay
}

type preparePayer struct {
	AppID  string `json:"app_id"`
	OpenID string `json:"openid"`
}

// prepareAnswer is what it answers. Without allow and go_to it is no answer.
type prepareAnswer struct {
	Allow     *bool  `json:"allow"`
	Message   string `json:"message"` // Chinese, to the payer
	MessageEN string `json:"message_en"`
	// GoTo is a page of the app's to come back from; Medical the bureau's part of a payment. Both are for orders with a bill.
	GoTo    string          `json:"go_to"`
	Medical *prepareMedical `json:"medical"`
}

type prepareMedical struct {
	SerialNo    string    `json:"serial_no"`
	PayOrderID  string    `json:"pay_order_id"`
	PayAuthNo   string    `json:"pay_auth_no"`
	GeoLocation string    `json:"geo_location"`
	OrderedAt   time.Time `json:"ordered_at"`
}

// part is the medical part, in the lengths that the API takes it in.
func (m prepareMedical) part() (*pay.MedicalPart, error) {
	for _, f := range []struct {
		name, text string
		most       int
	}{{"serial_no", m.SerialNo, 20}, {"pay_order_id", m.PayOrderID, 64}, {"pay_auth_no", m.PayAuthNo, 40}, {"geo_location", m.GeoLocation, 40}} {
		if len(f.text) > f.most || !printable(f.text) {
			return nil, fmt.Errorf("medical.%s must have at most %d printable bytes", f.name, f.most)
		}
	}
	if m.SerialNo == "" {
		return nil, errors.New("medical.serial_no is missing")
	}
	return &pay.MedicalPart{SerialNo: m.SerialNo, PayOrderID: m.PayOrderID, PayAuthNo: m.PayAuthNo, GeoLocation: m.GeoLocation, OrderedAt: m.OrderedAt}, nil
}

// askApp asks the app of an order, where the entry wants that or the order has a bill, whether it may be paid now, and for the
// medical part of a bill's payment. who is who pays; its zero value: nobody knows yet. *RefusedByApp: it may not. *AtAppFirst: it
// may, later. ErrAppSilent, ErrNoMedicalPart.
func (g *Gateway) askApp(ctx context.Context, app, order, entry string, who identity.Name) (*pay.MedicalPart, error) {
	e, to, ok := g.settings.Load().prepare(app, entry)
	ok = ok && g.Events != nil
	if wanted := ok && e.Prepare != ""; !wanted && !g.insures(e) {
		return nil, nil
	}
	rows, err := g.Store.Rows(ctx, app, order) // an order read alone has no bill
	o := rows.Order
	switch {
	case err != nil || o.State != pay.OrderOpen: // what else is wrong with it is said without the app
		return nil, err
	case o.Bill != nil && !ok:
		return nil, ErrNoMedicalPart
	case o.Bill == nil && (!ok || e.Prepare == ""):
		return nil, nil
	}
	said, err := g.ask(ctx, o, e, to, who)
	var medical *pay.MedicalPart
	if err == nil && said.Medical != nil && o.Bill != nil {
		medical, err = said.Medical.part()
	}
	switch {
	case err == nil && said.GoTo != "":
		return nil, &AtAppFirst{said.GoTo}
	case err == nil && !*said.Allow:
		return nil, &RefusedByApp{plainWords(said.Message), plainWords(said.MessageEN)}
	case err == nil && medical == nil && o.Bill != nil:
		err = errors.New("its answer has no medical part, and the order has a bill")
	case err == nil:
		return medical, nil
	}
	if e.Prepare == ports.PrepareOptional && o.Bill == nil {
		g.Log.Warn("an app did not say whether an order may be paid; it is paid without", "app", app, "order", order, "error", err)
		return nil, nil
	}
	g.Log.Warn("an app did not say whether an order may be paid; its payer has to wait", "app", app, "order", order, "error", err)
	return nil, ErrAppSilent
}

// ask asks the question and reads the answer.
func (g *Gateway) ask(ctx context.Context, o pay.Order, e ports.Entry, to ports.Webhook, who identity.Name) (said prepareAnswer, err error) {
	now := g.Clock.Now().UTC()
	question := prepareData{Order: pay.OrderInEvent(o), Entry: e.Name, CheckoutURL: g.CheckoutURL(o)}
	if who.OpenID != "" {
		question.Payer = &preparePayer{who.AppID, who.OpenID}
	}
	body, err := json.Marshal(prepareRequest{"payment.prepare", now, question})
	if err != nil {
		return said, fmt.Errorf("write down a question: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, prepareTime)
	defer cancel()
	text, err := g.Events.Ask(ctx, to, ports.EventMessage{ID: "prepare_" + identity.NewToken(), At: now, Body: body})
	if err == nil {
		err = json.Unmarshal(text, &said)
	}
	switch {
	case err != nil:
	case said.GoTo != "" && o.Bill == nil:
		err = errors.New("its answer has a go_to, and the order has no bill")
	case said.GoTo != "" && !identity.Allowed(said.GoTo, e.ReturnURLs):
		err = fmt.Errorf("its go_to is none of the return_urls of entry %s", e.Name)
	case said.GoTo == "" && said.Allow == nil:
		err = errors.New("its answer does not say whether to allow it")
	}
	return said, err
}

// insures tells whether an entry is one of medical insurance.
func (g *Gateway) insures(e ports.Entry) bool {
	policy, err := g.Providers.Policy(e.Provider)
	return err == nil && policy.Insurance
}

// prepare is where the app of a payment through an entry can be asked first; ok is false where there is no such place.
func (s *settings) prepare(app, entry string) (e ports.Entry, to ports.Webhook, ok bool) {
	e = s.entries[entry]
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
