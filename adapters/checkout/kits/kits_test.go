package kits_test

import (
	"encoding/json"
	"io/fs"
	"testing"

	"github.com/paybridge/paybridge/adapters/checkout/kits"
	"github.com/paybridge/paybridge/internal/nodetest"
)

// TestTheKitsUnderNode plays paybridge.js in a window of a few lines, and the mini program's pages in the simulated phone's
// runtime and in WeChat's own component framework.
func TestTheKitsUnderNode(t *testing.T) {
	t.Parallel()
	nodetest.Run(t, nil, "test/h5.test.js", "test/miniprogram.test.js", "test/oracle.test.js")
}

func TestWhatIsEmbeddedIsWhole(t *testing.T) {
	t.Parallel()
	if len(kits.Script()) == 0 {
		t.Error("paybridge.js is empty")
	}
	text, err := fs.ReadFile(kits.MiniProgram(), "app.json")
	if err != nil {
		t.Fatal(err)
	}
	var app struct {
		Pages []string `json:"pages"`
	}
	if err := json.Unmarshal(text, &app); err != nil {
		t.Fatal(err)
	}
	for _, page := range app.Pages {
		for _, ending := range []string{".js", ".json", ".wxml", ".wxss"} {
			if _, err := fs.Stat(kits.MiniProgram(), page+ending); err != nil {
				t.Error(err)
			}
		}
	}
}
