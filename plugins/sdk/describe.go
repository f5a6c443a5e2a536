package sdk

import (
	"context"
	"time"
)

// Plugin is what Serve serves: a description, configuration, and the three capabilities that no channel lacks.
type Plugin interface {
	// Describe is pure: the same before and after Configure, without network.
	Describe() Description
	// Configure takes one account into use: parse keys once, then Accounts.Set. It does not fail because the provider
	// is away. A wrong field is an error made by Field, several joined by errors.Join; nothing is replaced then.
	Configure(ctx context.Context, a Account) (Merchant, error)
	Payments
	Refunds
	Notifications
}

// Description is a plugin's description of itself and of its provider. The optional capabilities are added by Serve.
type Description struct {
	Name                string // as config and addresses use it: a-z, 0-9 and "-", at most 40
	Version             string // semantic version without a leading v
	Summary             string // one sentence for people
	HandOffKinds        []string
	AccountSchema       []byte // JSON Schema 2020-12 of an account; secrets carry "writeOnly": true
	EntrySchema         []byte // of an entry's channel settings; nil: there are none
	DetailsSchema       []byte // of Extension.JSON; nil: there are none
	Renewable           bool   // CreatePayment, repeated for a live trade, gives a fresh hand-off
	NotificationAuth    NotificationAuth
	RefundLimits        RefundLimits
	CloseSupport        CloseSupport
	Expiry              Expiry
	NeedsAppAccessToken bool
	AppAccessTokenMode  string        // with NeedsAppAccessToken: only calls of entries with this "mode" in their settings; empty: all
	LegKinds            []string      // nil: one leg, "self"
	NotPayableAfter     time.Duration // with CloseNever: since the trade was made; zero: Create.TimeExpire says
}

// NotificationAuth says where a notification carries its signature.
type NotificationAuth int32

// Where a notification's signature is.
const (
	AuthInHeader NotificationAuth = 1 // with a time stamp: old ones are refused
	AuthInBody   NotificationAuth = 2 // without a time: only the dedupe key protects from replay
)

// CloseSupport says whether the provider can close a trade.
type CloseSupport int32

// Whether trades can be closed.
const (
	CloseAtOnce CloseSupport = 1 // ClosePayment makes the trade unpayable at once
	CloseNever  CloseSupport = 2 // there is none for some part: NotPayableAfter and a query decide
)

// Expiry says what Create.TimeExpire does at the provider.
type Expiry int32

// What happens at the end of a trade's time.
const (
	ExpiryEnforced    Expiry = 1 // the provider refuses the payer by itself
	ExpiryUntilClosed Expiry = 2 // payable, or said to be unpaid, until it is closed
)

// RefundLimits is what the provider allows of the refunds of one payment. Zero values: no limit known.
type RefundLimits struct {
	Count       int           // most refunds of one payment
	Age         time.Duration // longest time from payment to refund
	MinInterval time.Duration // least time between two refunds of one payment
}
