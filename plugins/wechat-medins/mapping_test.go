package main

import (
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/paybridge/paybridge/plugins/sdk"
)

// MAPPING.md says of each status of 1.0 what it becomes.
func TestTheStatesOfTheMapping(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("MAPPING.md")
	if err != nil {
		t.Fatal(err)
	}
	table := func(heading string) map[string]string {
		_, rest, found := strings.Cut(string(text), "\n| "+heading)
		if !found {
			t.Fatalf("there is no table of %s", heading)
		}
		all := map[string]string{}
		for i, line := range strings.Split(rest, "\n") {
			if i > 0 && !strings.HasPrefix(line, "|") {
				break
			}
			if cells := strings.Split(line, "|"); i > 1 {
				for status := range strings.SplitSeq(strings.TrimSpace(cells[1]), ", ") {
					all[strings.Trim(status, "`")], _, _ = strings.Cut(strings.TrimSpace(cells[2]), ",")
				}
			}
		}
		delete(all, "any other")
		return all
	}
	payments := map[sdk.PaymentState]string{
		sdk.PaymentPending: "PENDING", sdk.PaymentSucceeded: "SUCCEEDED", sdk.PaymentRefunded: "REFUNDED", sdk.PaymentClosed: "CLOSED",
	}
	refunds := map[sdk.RefundState]string{
		sdk.RefundProcessing: "PROCESSING", sdk.RefundSucceeded: "SUCCEEDED", sdk.RefundClosed: "CLOSED", sdk.RefundAbnormal: "ABNORMAL",
	}
	legs, back := map[string]string{}, map[string]string{}
	for status, state := range legs10 {
		legs[status] = payments[state]
	}
	for status, state := range refunds10 {
		back[status] = refunds[state]
	}
	for heading, want := range map[string]map[string]string{"`cash_trade_status`, `insurance_trade_status` |": legs, "`cash_refund_status` |": back} {
		if got := table(heading); !maps.Equal(got, want) {
			t.Errorf("%s says %v, the plugin does %v", heading, slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(want)))
		}
	}
}
