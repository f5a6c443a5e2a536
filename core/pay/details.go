package pay

import (
	"encoding/json"
	"time"
)

// Details is what only some payments need to be made. It holds personal data: it is encrypted at rest, and stands in no
// log, event or audit row (R45). One of its fields is set.
type Details struct {
	Medical   *Medical   `json:"medical,omitempty"`
	Extension *Extension `json:"extension,omitempty"`
}

// Extension is a channel's own data, by the schema of its plugin.
type Extension struct {
	Type string          `json:"type"` // names the shape, for example "fleet-card/v1"
	JSON json.RawMessage `json:"json"` // an object of at most 16 KiB
}

// Medical is a medical insurance payment: fees uploaded to the bureau and pre-settled there. Sums are fen.
type Medical struct {
	OrderType       string          `json:"order_type"`            // the provider's word, for example "REG_PAY"
	SerialNo        string          `json:"serial_no"`             // the hospital's fee upload number
	PayOrderID      string          `json:"pay_order_id"`          // the bureau's order; empty without an insurance part
	PayAuthNo       string          `json:"pay_auth_no"`           // the bureau's one-time authorization; lives minutes
	GeoLocation     string          `json:"geo_location"`          // "lng,lat"
	CityID          string          `json:"city_id"`               // the provider's city code
	InstitutionName string          `json:"institution_name"`      //
	InstitutionNo   string          `json:"institution_no"`        //
	OrderedAt       time.Time       `json:"ordered_at"`            // when the bureau made its order
	Gov             int64           `json:"gov"`                   // paid by the fund
	Self            int64           `json:"self"`                  // paid from the personal insurance account
	Other           int64           `json:"other"`                 // paid by other insurance
	Cash            int64           `json:"cash"`                  // by the bureau's reckoning, before additions and reductions
	CashAdditions   []CashChange    `json:"cash_additions"`        //
	CashReductions  []CashChange    `json:"cash_reductions"`       //
	Person          MedicalPerson   `json:"person"`                // who the treatment is for
	Payer           *MedicalPerson  `json:"payer,omitempty"`       // who pays for a relative; nil when the person pays
	Passthrough     json.RawMessage `json:"passthrough,omitempty"` // to the bureau, as the hospital wrote it
	ChannelNo       string          `json:"channel_no,omitempty"`  //
	BillNo          string          `json:"bill_no,omitempty"`     // the hospital's (1.0)
}

// CashChange raises or lowers the cash part.
type CashChange struct {
	Type string `json:"type"` // the provider's word, for example "FREIGHT"
	Fen  int64  `json:"fen"`  // at least 1
}

// MedicalPerson is one person as the bureau knows them.
type MedicalPerson struct {
	Name     string `json:"name"`
	IDNumber string `json:"id_number"`
	CardType string `json:"card_type"` // the provider's word, for example "ID_CARD"
}

// MedicalFacts is what a provider says of a medical insurance payment beside its legs. Sums are fen.
type MedicalFacts struct {
	MixStatus       string          `json:"mix_status"` // the provider's own words
	CashStatus      string          `json:"cash_status"`
	InsuranceStatus string          `json:"insurance_status"`
	FailReason      string          `json:"fail_reason,omitempty"` // why the insurance part failed, for people
	Gov             int64           `json:"gov"`
	Self            int64           `json:"self"`
	Other           int64           `json:"other"`
	Cash            int64           `json:"cash"`
	Passthrough     json.RawMessage `json:"passthrough,omitempty"` // what the bureau answered, for the hospital
}
