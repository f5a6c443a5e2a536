package pluginhost

import (
	"encoding/json"
	"time"

	pb "github.com/paybridge/paybridge/plugins/proto/providerv1"
	"github.com/paybridge/paybridge/ports"
)

// Description is what a plugin says of itself and of its provider, for people. Texts are cleaned and bounded.
type Description struct {
	Name                string          `json:"name"`
	Version             string          `json:"version"`
	Summary             string          `json:"summary,omitempty"`
	HandOffKinds        []string        `json:"hand_off_kinds"`
	Services            []ports.Service `json:"services"`
	LegKinds            []string        `json:"leg_kinds"`
	Renewable           bool            `json:"renewable"`
	Closes              bool            `json:"closes"` // trades can be closed at once
	PaidUntilClosed     bool            `json:"paid_until_closed"`
	NotificationAuth    string          `json:"notification_auth"` // header, body, or empty
	NotPayableAfter     Duration        `json:"not_payable_after,omitempty"`
	RefundCount         int             `json:"refund_count"` // 0: no limit known
	RefundAge           Duration        `json:"refund_age"`
	RefundInterval      Duration        `json:"refund_interval"`
	NeedsAppAccessToken bool            `json:"needs_app_access_token"`
	AccountSchema       json.RawMessage `json:"account_schema,omitempty"`
	EntrySchema         json.RawMessage `json:"entry_schema,omitempty"`
	DetailsSchema       json.RawMessage `json:"details_schema,omitempty"`
}

// Duration is written as in "8760h0m0s".
type Duration time.Duration

// MarshalText is the duration's text.
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// Describe tells what a plugin said of itself when it ran here last. An error wraps ports.ErrUnavailable: it has never run
// here.
func (h *Host) Describe(provider string) (Description, error) {
	about, err := h.about(provider)
	if err != nil {
		return Description{}, err
	}
	limits := about.GetRefundLimits()
	d := Description{
		Name: clean(about.GetName(), maxID), Version: clean(about.GetVersion(), maxID), Summary: clean(about.GetDescription(), maxMessage),
		HandOffKinds: words(about.GetHandOffKinds()), Services: offered(about), LegKinds: words(about.GetLegKinds()), Renewable: about.GetRenewable(),
		Closes:          about.GetCloseSupport() == pb.CloseSupport_CLOSE_SUPPORT_FULL,
		PaidUntilClosed: about.GetExpiry() == pb.Expiry_EXPIRY_UNTIL_CLOSED,
		NotPayableAfter: Duration(about.GetNotPayableAfter().AsDuration()), RefundCount: int(max(0, limits.GetCount())),
		RefundAge: Duration(max(0, limits.GetAge().AsDuration())), RefundInterval: Duration(max(0, limits.GetMinInterval().AsDuration())),
		NeedsAppAccessToken: about.GetNeedsAppAccessToken(),
		AccountSchema:       schemaText(about.GetAccountSchema()), EntrySchema: schemaText(about.GetEntrySchema()),
		DetailsSchema: schemaText(about.GetDetailsSchema()),
	}
	if len(d.LegKinds) == 0 {
		d.LegKinds = []string{"self"}
	}
	switch about.GetNotificationAuth() {
	case pb.NotificationAuth_NOTIFICATION_AUTH_HEADER:
		d.NotificationAuth = "header"
	case pb.NotificationAuth_NOTIFICATION_AUTH_BODY:
		d.NotificationAuth = "body"
	}
	return d, nil
}

// words are short texts of a plugin, cleaned.
func words(all []string) []string {
	out := []string{}
	for _, w := range all[:min(len(all), 32)] {
		out = append(out, clean(w, maxID))
	}
	return out
}

// schemaText is a schema as it is shown; one that is no JSON as the word for it.
func schemaText(schema []byte) json.RawMessage {
	switch {
	case len(schema) == 0:
		return nil
	case !json.Valid(schema):
		return json.RawMessage(`"not JSON"`)
	}
	return schema
}
