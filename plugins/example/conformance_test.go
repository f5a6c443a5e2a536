package main

import (
	"testing"

	"github.com/paybridge/paybridge/plugins/sdk/conformance"
)

func TestTheContract(t *testing.T) {
	t.Parallel()
	conformance.Test(t, conformance.Options{
		Plugin:  conformance.Build(t, "."),
		Fixture: append(conformance.Build(t, "./provider"), "fixture"),
		Quick:   testing.Short(),
	})
}
