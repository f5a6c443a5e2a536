package store

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/uptrace/bun"

	"github.com/paybridge/paybridge/core/money"
	"github.com/paybridge/paybridge/core/pay"
)

// orderRow is an order as it is stored.
type orderRow struct {
	bun.BaseModel `bun:"table:orders,alias:o"`

	Number       string `bun:",pk"`
	App          string
	Reference    string
	Amount       int64
	Currency     string
	Description  string
	ProductType  string
	Payer        string
	PayerID      string
	ReturnURL    string
	Metadata     string
	Bill         string // sealed: personal data; empty without one
	PersonsAt    int64  `bun:",nullzero"`
	ExpiresAt    int64
	State        string
	CloseReason  string
	SettledBy    string
	CreatedAt    int64
	PaidAt       int64
	EventSeq     int64
	EventsRaised int64 // of EventSeq: numbers that no event has here, since their rows were lost
	Due          int64 `bun:",nullzero"`
	ClaimedUntil int64 `bun:",nullzero"`
}

// orderChanges are the columns that a decision may change; the rest is frozen.
var orderChanges = []string{"state", "close_reason", "settled_by", "paid_at", "due"}

func toOrderRow(o pay.Order) (orderRow, error) {
	metadata, err := toJSON(o.Metadata)
	return orderRow{
		Number: o.Number, App: o.App, Reference: o.Reference, Amount: o.Amount.Minor, Currency: o.Amount.Currency,
		Description: o.Description, ProductType: o.ProductType, Payer: string(o.Payer), PayerID: o.PayerID,
		ReturnURL: o.ReturnURL, Metadata: metadata, ExpiresAt: micros(o.ExpiresAt), State: string(o.State),
		CloseReason: string(o.CloseReason), SettledBy: o.SettledBy, CreatedAt: micros(o.CreatedAt),
		PaidAt: micros(o.PaidAt), Due: micros(o.Due),
	}, err
}

func (r orderRow) order() (pay.Order, error) {
	o := pay.Order{
		Number: r.Number, App: r.App, Reference: r.Reference, Amount: money.Amount{Minor: r.Amount, Currency: r.Currency},
		Description: r.Description, ProductType: r.ProductType, Payer: pay.PayerPolicy(r.Payer), PayerID: r.PayerID,
		ReturnURL: r.ReturnURL, ExpiresAt: fromMicros(r.ExpiresAt), State: pay.OrderState(r.State),
		CloseReason: pay.CloseReason(r.CloseReason), SettledBy: r.SettledBy, CreatedAt: fromMicros(r.CreatedAt),
		PaidAt: fromMicros(r.PaidAt), Due: fromMicros(r.Due),
	}
	return o, fromJSON("order "+r.Number, r.Metadata, &o.Metadata)
}

// openBill gives the order the bill that its row holds.
func (k *Keyring) openBill(r orderRow, o *pay.Order) error {
	text, err := k.open(r.Bill, "bill "+r.Number)
	if err != nil || len(text) == 0 {
		return err
	}
	o.Bill = &pay.Bill{}
	return fromJSON("the bill of order "+r.Number, string(text), o.Bill)
}

// paymentRow is a payment as it is stored.
type paymentRow struct {
	bun.BaseModel `bun:"table:payments,alias:p"`

	Number               string `bun:",pk"`
	OutTradeNo           string
	ProviderNumber       string
	OrderNumber          string
	App                  string
	Provider             string
	Account              string
	MchID                string `bun:"mchid"`
	SubMchID             string `bun:"sub_mchid"`
	Amount               int64
	Currency             string
	Route                string
	Content              string
	AppID                string
	OpenID               string `bun:"openid"`
	Details              string
	Legs                 string
	State                string
	Disputed             string
	Adopted              string
	Reclosing            bool
	Calling              bool
	Unclear              bool
	ProviderID           string
	PayerTotal           int64
	HandOff              string
	ProviderState        string
	ProviderStateVersion int64
	NotPayableAfter      int64
	Attempts             int64
	SentAt               int64
	CreatedAt            int64
	SucceededAt          int64
	RefundableUntil      int64
	Due                  int64 `bun:",nullzero"`
	ClaimedUntil         int64 `bun:",nullzero"`
}

// paymentChanges are the columns that a decision may change; the rest is frozen.
var paymentChanges = []string{
	"legs", "amount", "currency", "state", "disputed", "adopted", "reclosing", "calling", "unclear", "provider_id", "payer_total", "hand_off", "not_payable_after", "attempts", "sent_at",
	"succeeded_at", "refundable_until", "due",
}

func (k *Keyring) toPaymentRow(p pay.Payment) (r paymentRow, err error) {
	r = paymentRow{
		Number: p.Number, OutTradeNo: p.OutTradeNo(), ProviderNumber: p.ProviderNumber, OrderNumber: p.Order, App: p.App,
		Provider: p.Route.Provider, Account: p.Route.Account, AppID: p.Route.AppID, OpenID: p.Content.OpenID, MchID: p.Route.MchID, SubMchID: p.Route.SubMchID,
		Amount: p.Total().Minor, Currency: p.Total().Currency, State: string(p.State), Disputed: p.Disputed, Reclosing: p.Reclosing,
		Calling: p.Calling, Unclear: p.Unclear, ProviderID: p.ProviderID, PayerTotal: p.PayerTotal,
		ProviderStateVersion: p.ProviderState.Version, NotPayableAfter: micros(p.NotPayableAfter), Attempts: int64(p.Attempts), SentAt: micros(p.SentAt),
		CreatedAt: micros(p.CreatedAt), SucceededAt: micros(p.SucceededAt), Due: micros(p.Due),
	}
	if age := p.Route.Policy.RefundAge; age > 0 && !p.SucceededAt.IsZero() {
		r.RefundableUntil = micros(p.SucceededAt.Add(age))
	}
	if r.Route, err = toJSON(p.Route); err != nil {
		return r, err
	}
	if r.Content, err = toJSON(p.Content); err != nil {
		return r, err
	}
	if r.Legs, err = toJSON(p.Legs); err != nil {
		return r, err
	}
	if p.Adopted != nil {
		if r.Adopted, err = toJSON(p.Adopted); err != nil {
			return r, err
		}
	}
	if p.HandOff != nil {
		if r.HandOff, err = toJSON(p.HandOff); err != nil {
			return r, err
		}
	}
	if p.Content.Details != nil {
		text, err := toJSON(p.Content.Details)
		if err != nil {
			return r, err
		}
		if r.Details, err = k.seal([]byte(text), "details "+p.Number); err != nil {
			return r, err
		}
	}
	r.ProviderState, err = k.seal(p.ProviderState.Data, "provider_state "+p.Number)
	return r, err
}

func (k *Keyring) payment(r paymentRow) (pay.Payment, error) {
	p := pay.Payment{
		Number: r.Number, ProviderNumber: r.ProviderNumber, Order: r.OrderNumber, App: r.App, State: pay.PaymentState(r.State),
		Disputed: r.Disputed, Reclosing: r.Reclosing, Calling: r.Calling, Unclear: r.Unclear, ProviderID: r.ProviderID, PayerTotal: r.PayerTotal,
		ProviderState: pay.ProviderState{Version: r.ProviderStateVersion}, NotPayableAfter: fromMicros(r.NotPayableAfter), Attempts: int(r.Attempts),
		SentAt: fromMicros(r.SentAt), CreatedAt: fromMicros(r.CreatedAt), SucceededAt: fromMicros(r.SucceededAt),
		Due: fromMicros(r.Due),
	}
	about := "payment " + r.Number
	for _, part := range []struct {
		text string
		into any
	}{{r.Route, &p.Route}, {r.Content, &p.Content}, {r.Legs, &p.Legs}} {
		if err := fromJSON(about, part.text, part.into); err != nil {
			return p, err
		}
	}
	if r.Adopted != "" {
		p.Adopted = &pay.Adopted{}
		if err := fromJSON(about, r.Adopted, p.Adopted); err != nil {
			return p, err
		}
	}
	if r.HandOff != "" {
		p.HandOff = &pay.HandOff{}
		if err := fromJSON(about, r.HandOff, p.HandOff); err != nil {
			return p, err
		}
	}
	details, err := k.open(r.Details, "details "+r.Number)
	if err != nil {
		return p, err
	}
	if len(details) > 0 {
		p.Content.Details = &pay.Details{}
		if err := fromJSON(about, string(details), p.Content.Details); err != nil {
			return p, err
		}
	}
	p.ProviderState.Data, err = k.open(r.ProviderState, "provider_state "+r.Number)
	return p, err
}

// refundRow is a refund as it is stored.
type refundRow struct {
	bun.BaseModel `bun:"table:refunds,alias:r"`

	Number          string `bun:",pk"`
	OutRefundNo     string
	ProviderNumber  string
	Payment         string
	OrderNumber     string
	App             string
	Account         string
	Reference       string
	Amount          int64
	Currency        string
	AmountUnknown   bool
	Legs            string
	Reason          string
	NotifyURL       string
	Origin          string
	State           string
	NeedsAttention  string
	Hold            bool
	Calling         bool
	Unclear         bool
	Absent          bool
	ProviderID      string
	ProviderError   string
	ReceivedAccount string
	Attempts        int64
	SentAt          int64
	CreatedAt       int64
	SucceededAt     int64
	Due             int64 `bun:",nullzero"`
	ClaimedUntil    int64 `bun:",nullzero"`
}

// refundChanges are the columns that a decision may change; the rest is frozen.
var refundChanges = []string{
	"reference", "origin", "out_refund_no", "provider_number", "amount", "amount_unknown", "legs", "state", "needs_attention", "hold", "calling", "unclear", "absent", "provider_id", "provider_error",
	"received_account", "attempts", "sent_at", "succeeded_at", "due",
}

// toRefundRow leaves the account out: the insert takes it from the payment, since a refund has no route of its own (R27).
func toRefundRow(r pay.Refund) (refundRow, error) {
	legs, err := toJSON(r.Legs)
	return refundRow{
		Number: r.Number, OutRefundNo: r.OutRefundNo(), ProviderNumber: r.ProviderNumber, Payment: r.Payment,
		OrderNumber: r.Order, App: r.App, Reference: r.Reference, Amount: r.Amount.Minor,
		Currency: r.Amount.Currency, AmountUnknown: r.AmountUnknown, Legs: legs, Reason: r.Reason, NotifyURL: r.NotifyURL,
		Origin: string(r.Origin), State: string(r.State), NeedsAttention: r.NeedsAttention, Hold: r.Hold, Calling: r.Calling,
		Unclear: r.Unclear, Absent: r.Absent, ProviderID: r.ProviderID, ProviderError: r.ProviderError,
		ReceivedAccount: r.Account, Attempts: int64(r.Attempts), SentAt: micros(r.SentAt), CreatedAt: micros(r.CreatedAt),
		SucceededAt: micros(r.SucceededAt), Due: micros(r.Due),
	}, err
}

func (r refundRow) refund() (pay.Refund, error) {
	f := pay.Refund{
		Number: r.Number, ProviderNumber: r.ProviderNumber, Payment: r.Payment, Order: r.OrderNumber, App: r.App,
		Reference: r.Reference, Amount: money.Amount{Minor: r.Amount, Currency: r.Currency}, AmountUnknown: r.AmountUnknown,
		Reason: r.Reason, NotifyURL: r.NotifyURL, Origin: pay.Origin(r.Origin), State: pay.RefundState(r.State),
		NeedsAttention: r.NeedsAttention, Hold: r.Hold, Calling: r.Calling, Unclear: r.Unclear, Absent: r.Absent,
		ProviderID: r.ProviderID, ProviderError: r.ProviderError, Account: r.ReceivedAccount, Attempts: int(r.Attempts),
		SentAt: fromMicros(r.SentAt), CreatedAt: fromMicros(r.CreatedAt), SucceededAt: fromMicros(r.SucceededAt),
		Due: fromMicros(r.Due),
	}
	return f, fromJSON("refund "+r.Number, r.Legs, &f.Legs)
}

// fulfilmentRow is a fulfilment as it is stored. Its number is its payment's.
type fulfilmentRow struct {
	bun.BaseModel `bun:"table:fulfilments,alias:f"`

	Number         string `bun:",pk"`
	OrderNumber    string
	App            string
	Account        string
	State          string
	Method         string
	Description    string
	Carrier        string
	TrackingNumber string
	ReceiverPhone  string
	FulfilledAt    int64
	Reports        int64
	Sent           bool
	Attempts       int64
	Refusal        string
	Deadline       int64
	CreatedAt      int64
	ReportedAt     int64
	Due            int64 `bun:",nullzero"`
	ClaimedUntil   int64 `bun:",nullzero"`
}

// fulfilmentChanges are the columns that a decision may change; the rest is frozen.
var fulfilmentChanges = []string{
	"state", "method", "description", "carrier", "tracking_number", "receiver_phone", "fulfilled_at", "reports", "sent", "attempts", "refusal", "reported_at", "due",
}

func toFulfilmentRow(f pay.Fulfilment) fulfilmentRow {
	return fulfilmentRow{
		Number: f.Number, OrderNumber: f.Order, App: f.App, Account: f.Account, State: string(f.State), Method: string(f.Content.Method),
		Description: f.Content.Description, Carrier: f.Content.Carrier, TrackingNumber: f.Content.TrackingNumber, ReceiverPhone: f.Content.ReceiverPhone,
		FulfilledAt: micros(f.FulfilledAt), Reports: int64(f.Reports), Sent: f.Sent, Attempts: int64(f.Attempts), Refusal: f.Refusal,
		Deadline: micros(f.Deadline), CreatedAt: micros(f.CreatedAt), ReportedAt: micros(f.ReportedAt), Due: micros(f.Due),
	}
}

func (r fulfilmentRow) fulfilment() pay.Fulfilment {
	return pay.Fulfilment{
		Number: r.Number, Order: r.OrderNumber, App: r.App, Account: r.Account, State: pay.FulfilmentState(r.State),
		Content: pay.FulfilmentContent{
			Method: pay.FulfilmentMethod(r.Method), Description: r.Description, Carrier: r.Carrier, TrackingNumber: r.TrackingNumber, ReceiverPhone: r.ReceiverPhone,
		},
		FulfilledAt: fromMicros(r.FulfilledAt), Reports: int(r.Reports), Sent: r.Sent, Attempts: int(r.Attempts), Refusal: r.Refusal,
		Deadline: fromMicros(r.Deadline), CreatedAt: fromMicros(r.CreatedAt), ReportedAt: fromMicros(r.ReportedAt), Due: fromMicros(r.Due),
	}
}

// auditRow is one transition.
type auditRow struct {
	bun.BaseModel `bun:"table:audit,alias:a"`

	OrderNumber string
	Payment     string
	Kind        string
	Number      string
	Old         string
	New         string
	Cause       string
	RequestID   string
	At          int64
}

func toJSON(v any) (string, error) {
	text, err := json.Marshal(v)
	if err != nil {
		return "", fmt.Errorf("write down %T: %w", v, err)
	}
	return string(text), nil
}

func fromJSON(about, text string, into any) error {
	if err := json.Unmarshal([]byte(text), into); err != nil {
		return fmt.Errorf("read %s: %w", about, err)
	}
	return nil
}

// dueOrNull is a due time as a statement's value.
func dueOrNull(due time.Time) any {
	if due.IsZero() {
		return nil
	}
	return due.UnixMicro()
}
