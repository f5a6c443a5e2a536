package main

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/paybridge/paybridge/plugins/sdk"
)

// ParseNotification verifies with the keys of the account in the address, which proves nothing else: whose payment it
// is about stands in the facts.
func (p *plugin) ParseNotification(_ context.Context, n sdk.Notification) sdk.Parsed {
	return p.parse(n).Answer(sdk.JSONAnswer(`{"result":"ok"}`), sdk.JSONAnswer(`{"result":"again"}`))
}

func (p *plugin) parse(n sdk.Notification) sdk.Parsed {
	c, ok := p.accounts.Named(n.Account)
	if !ok {
		return sdk.Refuse(sdk.UnknownAccount, "account %s is not configured", n.Account)
	}
	payload, err := c.open(n.Body)
	switch {
	case errors.Is(err, errUnknown):
		return sdk.Refuse(sdk.UnknownSerial, "%v", err)
	case err != nil:
		return sdk.Refuse(sdk.BadSignature, "%v", err)
	}
	var told struct {
		ID     string  `json:"id"` // of the notification
		Trade  *trade  `json:"trade"`
		Refund *refund `json:"refund"`
	}
	if err := json.Unmarshal(payload, &told); err != nil || told.ID == "" || len(told.ID) > 128 {
		return sdk.Refuse(sdk.Malformed, "it is signed and not a notification")
	}
	switch {
	case told.Trade != nil:
		return sdk.Notified(told.Trade.facts(), told.ID)
	case told.Refund != nil:
		return sdk.NotifiedRefund(told.Refund.facts(), told.ID)
	}
	return sdk.Refuse(sdk.Malformed, "it is about neither a payment nor a refund")
}
