package sdk

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/paybridge/paybridge/core/money"
)

// Amount is money in minor units (fen for CNY) of an ISO 4217 currency. Its Add says when a sum does not fit.
type Amount = money.Amount

// Call is what every call about money carries beside its own content.
type Call struct {
	Route          Route
	State          State          // as this plugin gave it last for this payment; the zero value when it never did
	AppAccessToken AppAccessToken // only where Description.NeedsAppAccessToken
}

// Route is what a payment was made with, frozen for ever. Merchant numbers and app ids come from here and nowhere
// else: an app id must never live in a client object.
type Route struct {
	Provider   string          // Description.Name
	Entry      string          // the entry the payer came in by
	Account    string          // whose credentials sign; see Accounts.For
	MchID      string          // the signer's merchant number (WeChat: mchid, sp_mchid)
	SubMchID   string          // the sub merchant in partner mode, else empty
	SpAppID    string          // the partner's app id in partner mode, else empty
	SubAppID   string          // the sub merchant's app id in partner mode, or empty
	AppID      string          // the app id whose page calls pay; it signs the client's parameters
	OpenidKind OpenidKind      // whose openid Payer.Openid is
	NotifyURL  string          // where the provider tells of the payment
	Options    json.RawMessage // the entry's channel settings, a JSON object, or empty
}

// DecodeOptions reads the entry's channel settings into v, a pointer to a struct; without settings v stays as it is.
func (r Route) DecodeOptions(v any) error {
	if len(r.Options) == 0 {
		return nil
	}
	if err := json.Unmarshal(r.Options, v); err != nil {
		return fmt.Errorf("options of entry %s: %w", r.Entry, err)
	}
	return nil
}

// OpenidKind says to which app id an openid belongs. Values that this version does not know are kept as they are.
type OpenidKind int32

// The kinds of openid.
const (
	OpenidNone   OpenidKind = 0 // the channel knows no openid
	OpenidDirect OpenidKind = 1 // of the direct merchant's app id
	OpenidSp     OpenidKind = 2 // of Route.SpAppID
	OpenidSub    OpenidKind = 3 // of Route.SubAppID
)

// State is a plugin's own memory of one payment: opaque to the host, which stores it encrypted and hands it back on
// every call of that payment. At most 8 KiB. The host never overwrites a higher Version by a lower one.
type State struct {
	Version int64 // from 1, growing; 0 means that there is none
	Data    []byte
}

// Next is the state that follows s.
func (s State) Next(data []byte) State { return State{Version: s.Version + 1, Data: data} }

func (s State) addTo(r *Result) { r.State = &s }

// AppAccessToken is an application token of api.weixin.qq.com. The host keeps it for all replicas.
type AppAccessToken struct {
	AppID     string
	Token     string // a secret
	ExpiresAt time.Time
}

// Payer is who pays, as far as the host knows.
type Payer struct {
	Openid   string // under the app id that Route.OpenidKind names; empty for channels without
	ClientIP string // as the app or the checkout saw it, or empty
}

// Leg is a part of a payment that moves by itself. An ordinary payment has one, "self", of the whole amount.
type Leg struct {
	ID         string
	Kind       string // "self" (cash) or "insurance"; open set
	Amount     Amount
	ProviderID string // the provider's id of this leg's own trade, when known
}
