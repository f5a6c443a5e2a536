package pay

import (
	"fmt"
	"slices"
	"time"
)

// Rows is what a decision reads: an order with all its payments, all their refunds and fulfilments, under the order's lock.
type Rows struct {
	Order       Order
	Payments    []Payment
	Refunds     []Refund
	Fulfilments []Fulfilment
}

// Payment finds a payment of the rows by its number.
func (r Rows) Payment(number string) (Payment, error) {
	for _, p := range r.Payments {
		if p.Number == number {
			return p, nil
		}
	}
	return Payment{}, fmt.Errorf("payment %s is not of order %s", number, r.Order.Number)
}

// Trade finds a payment of the rows by what its provider calls it (R13).
func (r Rows) Trade(mchID, subMchID, outTradeNo string) (Payment, error) {
	for _, p := range r.Payments {
		if p.Route.MchID == mchID && p.Route.SubMchID == subMchID && p.OutTradeNo() == outTradeNo {
			return p, nil
		}
	}
	return Payment{}, fmt.Errorf("payment %s of merchant %s is not of order %s", outTradeNo, mchID, r.Order.Number)
}

// Refund finds a refund of the rows by its number.
func (r Rows) Refund(number string) (Refund, error) {
	for _, f := range r.Refunds {
		if f.Number == number {
			return f.OfCash(), nil
		}
	}
	return Refund{}, fmt.Errorf("refund %s is not of order %s", number, r.Order.Number)
}

// Decision is all that one step changes. ports.Tx.Apply writes it whole or not at all: the rows by compare-and-set
// on the state they were read in, one audit row a move that has a cause, the events, the alarms. There is no other
// way to write a state, so none moves without its audit and its next due time.
type Decision struct {
	Orders     []Move[Order, OrderState] // none or one
	Payments   []Move[Payment, PaymentState]
	Refunds    []Move[Refund, RefundState]
	NewRefunds []Refund // inserted as they are
	Events     []Event
	Alarms     []Alarm

	// RequestID is the provider's own name for the answer that this decides about; empty: it is about none. By is the operator who
	// decides; empty: none does. Both are for the audit.
	RequestID string
	By        string

	Fulfilments    []Move[Fulfilment, FulfilmentState]
	NewFulfilments []Fulfilment // inserted as they are
}

// Move is one row as it is to be, and the state in which it was read. From may be the row's state, when only a flag,
// a learned fact or the due time changes.
type Move[R any, S ~string] struct {
	From  S
	Row   R
	Cause string // for the audit; empty where nothing happened that a person would want to read
}

// The tables are the whole life of an order, a payment and a refund (design section 4). A state may always stay.
var (
	orderMoves = map[OrderState][]OrderState{
		OrderOpen:              {OrderPaid, OrderClosing, OrderClosed},
		OrderClosing:           {OrderClosed, OrderPaid},
		OrderClosed:            {OrderPaid}, // late money, where the entry accepts it
		OrderPaid:              {OrderPartiallyRefunded, OrderRefunded},
		OrderPartiallyRefunded: {OrderRefunded},
	}
	// Money moves late, so every state without it can still succeed.
	paymentMoves = map[PaymentState][]PaymentState{
		PaymentCreated: {PaymentPending, PaymentClosing, PaymentClosed, PaymentFailed, PaymentSucceeded},
		PaymentPending: {PaymentClosing, PaymentClosed, PaymentFailed, PaymentSucceeded},
		PaymentClosing: {PaymentClosed, PaymentFailed, PaymentSucceeded},
		PaymentClosed:  {PaymentClosing, PaymentSucceeded}, // closing again: a late create got through
		PaymentFailed:  {PaymentSucceeded},
	}
	refundMoves = map[RefundState][]RefundState{
		RefundCreated:    {RefundProcessing, RefundClosed},
		RefundProcessing: {RefundSucceeded, RefundFailed, RefundClosed, RefundSettledOutside},
		RefundFailed:     {RefundProcessing, RefundSucceeded, RefundSettledOutside},
		RefundClosed:     {RefundSucceeded},
	}
)

// allowed is nil when the table has the move. Anything else is a bug of ours, not a log line.
func allowed[S ~string](what, number string, table map[S][]S, from, to S) error {
	if from == to || slices.Contains(table[from], to) {
		return nil
	}
	return fmt.Errorf("%s %s cannot move from %s to %s", what, number, from, to)
}

// putOrder adds the order's move, checked against the table.
func (d Decision) putOrder(from OrderState, o Order, cause string) (Decision, error) {
	d.Orders = append(d.Orders, Move[Order, OrderState]{from, o, cause})
	return d, allowed("order", o.Number, orderMoves, from, o.State)
}

// putPayment adds a payment's move, checked against the table. A hand-off lives only as long as its payment is pending
// (R05), and the one leg of an ordinary payment is where the payment is.
func (d Decision) putPayment(from PaymentState, p Payment, cause string) (Decision, error) {
	if p.State != PaymentPending {
		p.HandOff = nil
	}
	if len(p.Legs) == 1 {
		p.Legs = slices.Clone(p.Legs)
		p.Legs[0].State = p.State
	}
	d.Payments = append(d.Payments, Move[Payment, PaymentState]{from, p, cause})
	return d, allowed("payment", p.Number, paymentMoves, from, p.State)
}

// putRefund adds a refund's move, checked against the table. Its due time is that of its cash.
func (d Decision) putRefund(from RefundState, r Refund, cause string) (Decision, error) {
	r = r.scheduled()
	d.Refunds = append(d.Refunds, Move[Refund, RefundState]{from, r, cause})
	return d, allowed("refund", r.Number, refundMoves, from, r.State)
}

func (d *Decision) event(kind EventKind, number string) {
	d.Events = append(d.Events, Event{Kind: kind, Number: number})
}

func (d *Decision) alarm(kind, number, what string) {
	d.Alarms = append(d.Alarms, Alarm{kind, number, what})
}

// Empty tells whether there is nothing to write.
func (d Decision) Empty() bool {
	return len(d.Orders)+len(d.Payments)+len(d.Refunds)+len(d.NewRefunds)+len(d.Events)+len(d.Alarms)+
		len(d.Fulfilments)+len(d.NewFulfilments) == 0
}

// After is the rows as the decision leaves them.
func (d Decision) After(r Rows) Rows {
	for _, m := range d.Orders {
		r.Order = m.Row
	}
	r.Payments, r.Refunds = slices.Clone(r.Payments), slices.Clone(r.Refunds)
	for _, m := range d.Payments {
		for i := range r.Payments {
			if r.Payments[i].Number == m.Row.Number {
				r.Payments[i] = m.Row
			}
		}
	}
	for _, m := range d.Refunds {
		for i := range r.Refunds {
			if r.Refunds[i].Number == m.Row.Number {
				r.Refunds[i] = m.Row
			}
		}
	}
	r.Refunds = append(r.Refunds, d.NewRefunds...)
	r.Fulfilments = slices.Clone(r.Fulfilments)
	for _, m := range d.Fulfilments {
		for i := range r.Fulfilments {
			if r.Fulfilments[i].Number == m.Row.Number {
				r.Fulfilments[i] = m.Row
			}
		}
	}
	r.Fulfilments = append(r.Fulfilments, d.NewFulfilments...)
	return r
}

// intervals are how long after an answer that decided nothing a provider is asked again. The last one repeats: no
// work on money ends because attempts ran out.
var intervals = []time.Duration{
	10 * time.Second, 30 * time.Second, time.Minute, 5 * time.Minute, 10 * time.Minute, 30 * time.Minute, time.Hour,
}

// LongestInterval is the most that lies between two looks at something unfinished.
const LongestInterval = time.Hour

func again(attempts int, now time.Time) time.Time {
	return now.Add(intervals[min(attempts, len(intervals)-1)])
}

// later is again, but not before the provider said that it wants to be asked.
func later(attempts int, o Outcome, now time.Time) time.Time {
	due := again(attempts, now)
	if asked := now.Add(o.RetryAfter); asked.After(due) {
		return asked
	}
	return due
}
