package sdk

import (
	"encoding/json"
	"time"
)

// Details is what only some payments need to be made; both fields nil for an ordinary payment.
type Details struct {
	Medical   *Medical
	Extension *Extension
}

// Extension is a channel's own data, valid under Description.DetailsSchema.
type Extension struct {
	Type string // names the shape, for example "fleet-card/v1"
	JSON json.RawMessage
}

// Medical is a medical insurance payment, uploaded to the bureau and pre-settled there. Sums are minor units of the
// payment's currency. It holds personal data in clear: never log it.
type Medical struct {
	OrderType       string // the provider's word, for example "REG_PAY"
	SerialNo        string // the hospital's fee upload number
	PayOrderID      string // the bureau's order; empty without an insurance part
	PayAuthNo       string // the bureau's one-time authorization; lives minutes
	GeoLocation     string // "lng,lat"
	CityID          string // the provider's city code
	InstitutionName string
	InstitutionNo   string
	OrderedAt       time.Time // when the bureau made its order
	Gov             int64     // paid by the fund
	Self            int64     // paid from the personal insurance account
	Other           int64     // paid by other insurance
	Cash            int64     // the cash part by the bureau's reckoning, before additions and reductions
	CashAdditions   []CashChange
	CashReductions  []CashChange
	Person          Person  // who the treatment is for
	Payer           *Person // who pays for a relative; nil when the person pays
	Passthrough     []byte  // JSON that the hospital passes through to the bureau
	ChannelNo       string
	BillNo          string // the hospital's bill number (1.0), or empty
}

// CashChange raises or lowers the cash part.
type CashChange struct {
	Type  string // the provider's word, for example "FREIGHT"
	Minor int64
}

// Person is one person as the bureau knows them, in clear; the plugin digests and encrypts.
type Person struct {
	Name     string
	IDNumber string
	CardType string // the provider's word, for example "ID_CARD"
}

// MedicalFacts is what the provider says of a medical insurance payment beside its legs. Sums in minor units.
type MedicalFacts struct {
	MixStatus           string
	CashStatus          string
	InsuranceStatus     string
	FailReason          string // why the insurance part failed, for people
	Gov                 int64
	Self                int64
	Other               int64
	Cash                int64
	PassthroughResponse []byte
}
