package conformance_test

import (
	"testing"

	"github.com/paybridge/paybridge/internal/nodetest"
	"github.com/paybridge/paybridge/plugins/sdk/conformance"
)

// TestAPluginInAnotherLanguageKeepsTheContract holds the JavaScript of plugins/example-node against the same promises.
func TestAPluginInAnotherLanguageKeepsTheContract(t *testing.T) {
	t.Parallel()
	conformance.Test(t, conformance.Options{
		Plugin:  nodetest.Program(t, "../../example-node/main.mjs"),
		Fixture: append(conformance.Build(t, "../../example/provider"), "fixture"),
		Quick:   testing.Short(),
	})
}
