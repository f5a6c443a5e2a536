package pay

import (
	"time"

	"github.com/paybridge/paybridge/core/identity"
)

// Want is what a payer asks for: to pay an order through an entry, as somebody.
type Want struct {
	Entry  string
	AppID  string // the entry's: an openid is somebody's name there alone
	OpenID string
	// Payer is who that is, where it is known: under whatever other names the order's app knows them.
	Payer identity.Payer
	// Medical is the bureau's part of a payment of a bill; nil for any other order.
	Medical *MedicalPart
}

// Step is what has to be done before the payer can go and pay.
type Step int

// The steps.
const (
	MakeNew   Step = iota // no live payment: make one
	GiveAgain             // the pending payment's hand-off is still valid
	SendAgain             // the same number and content once more; ask first when its outcome is unclear (R03, R07)
	CloseIt               // close the live payment at the provider, then ask again (R07, R08)
	AskAgain              // it is being closed: see to that first
	WaitForIt             // it is being made: its call has the answer
)

// Attempt decides how a payer's wish meets the order's earlier payments. The payment is the live one that the step
// is about; with MakeNew there is none.
func Attempt(rows Rows, w Want, now time.Time) (Step, Payment, error) {
	o := rows.Order
	switch o.State {
	case OrderOpen:
	case OrderClosing:
		return 0, Payment{}, refuse(CodeOrderClosing, "order %s is being closed", o.Number)
	case OrderClosed:
		return 0, Payment{}, refuse(CodeOrderClosed, "order %s is closed; make a new order", o.Number)
	default:
		return 0, Payment{}, refuse(CodeOrderPaid, "order %s is paid by %s", o.Number, o.SettledBy)
	}
	if o.Payer == PayerNamed && o.PayerID != w.OpenID && !w.Payer.Answers(o.PayerID) {
		return 0, Payment{}, refuse(CodePayerNotAllowed, "order %s names another payer", o.Number)
	}
	var live *Payment
	for i, p := range rows.Payments {
		if p.Disputed != "" { // R12: it keeps the order's place
			return 0, Payment{}, &Refusal{CodePaymentDisputed, "payment " + p.Number + " contradicts what the provider says; it has to be resolved first", time.Minute}
		}
		if p.State.Live() && !p.Reclosing {
			live = &rows.Payments[i]
		}
		// Names of two app ids cannot be told apart or together, unless the payer is known: then whoever asks answers for it, an
		// app that vouches for its payer, or a page that shows an order only to those who may see it (MaySee).
		if o.Payer == PayerFirst && p.Content.OpenID != w.OpenID && p.Route.AppID == w.AppID && !w.Payer.Is(p.madeBy()) {
			return 0, Payment{}, refuse(CodePayerNotAllowed, "order %s belongs to the payer who came first", o.Number)
		}
	}
	if o.ExpiresAt.Sub(now) < LeastTimeToPay+CallTime {
		return 0, Payment{}, refuse(CodeOrderExpired, "order %s expires at %s; a payment needs %s", o.Number, o.ExpiresAt.Format(time.RFC3339), LeastTimeToPay)
	}
	switch {
	case live == nil:
		return MakeNew, Payment{}, nil
	case live.State == PaymentClosing:
		return AskAgain, *live, nil
	case live.Route.Entry != w.Entry || live.Content.OpenID != w.OpenID || !live.paidBy(w.Medical): // R08
		return CloseIt, *live, nil
	case live.State == PaymentCreated && live.Calling && !live.Route.Policy.Renewable:
		return WaitForIt, *live, nil
	case live.HandOff != nil && now.Before(live.HandOff.ValidUntil):
		return GiveAgain, *live, nil
	case renewableFor(*live, now):
		return SendAgain, *live, nil
	}
	return CloseIt, *live, nil
}
