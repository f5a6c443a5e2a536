package main

import (
	"context"

	"github.com/paybridge/paybridge/plugins/sdk"
)

// Configure parses the account's keys and puts them in use. It makes no call: the account is not proven by it.
func (p *plugin) Configure(_ context.Context, a sdk.Account) (sdk.Merchant, error) {
	client, merchant, err := p.signers.Account(a, p.options)
	if err != nil {
		return sdk.Merchant{}, err
	}
	p.accounts.Set(a, merchant, client)
	return merchant, nil
}
