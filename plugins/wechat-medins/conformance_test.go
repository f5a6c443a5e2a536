package main

import (
	"testing"

	"github.com/paybridge/paybridge/plugins/sdk/conformance"
	"github.com/paybridge/paybridge/plugins/wechat/sim/simfixture"
)

func TestTheContract(t *testing.T) {
	t.Parallel()
	provider, err := simfixture.StartInsured(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := provider.Close(); err != nil {
			t.Error(err)
		}
	})
	conformance.Test(t, conformance.Options{Plugin: conformance.Build(t, "."), Provider: provider, Quick: testing.Short()})
}
