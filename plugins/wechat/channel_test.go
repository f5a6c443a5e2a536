package wechat

import (
	"testing"
	"time"

	"github.com/paybridge/paybridge/plugins/sdk"
)

func TestAHandOffEndsWithThePrepayIDOrTheTrade(t *testing.T) {
	t.Parallel()
	asked := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	for _, test := range []struct{ expire, want time.Duration }{
		{time.Hour, time.Hour},
		{24 * time.Hour, 115 * time.Minute},
	} {
		if got := validUntil(asked, asked.Add(test.expire)); !got.Equal(asked.Add(test.want)) {
			t.Errorf("the trade ends after %s: valid for %s, want %s", test.expire, got.Sub(asked), test.want)
		}
	}
}

// Asked for as one sum, the payer would pay the insurance's part out of their own pocket.
func TestOnlyCashIsTakenAsOneSum(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		create sdk.Create
		taken  bool
	}{
		"an ordinary payment":   {sdk.Create{}, true},
		"its one leg is cash":   {sdk.Create{Legs: []sdk.Leg{{ID: "self", Kind: "self"}}}, true},
		"a leg of insurance":    {sdk.Create{Legs: []sdk.Leg{{ID: "self", Kind: "self"}, {ID: "ins", Kind: "insurance"}}}, false},
		"a medical payment":     {sdk.Create{Details: sdk.Details{Medical: &sdk.Medical{}}}, false},
		"details of an unknown": {sdk.Create{Details: sdk.Details{Extension: &sdk.Extension{Type: "fleet-card/v1"}}}, false},
	} {
		if err := plain(row.create); (err == nil) != row.taken {
			t.Errorf("%s: %v", name, err)
		}
	}
}
