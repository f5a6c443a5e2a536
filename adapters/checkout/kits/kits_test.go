package kits_test

import (
	"encoding/json"
	"io/fs"
	"os"
	"regexp"
	"strings"
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

// A team that has copied the pages can tell which version it has.
func TestTheMiniProgramPagesNameTheirVersion(t *testing.T) {
	t.Parallel()
	script, err := fs.ReadFile(kits.MiniProgram(), "pages/paybridge/pay.js")
	if err != nil {
		t.Fatal(err)
	}
	first, _, _ := strings.Cut(string(script), "\n")
	version := regexp.MustCompile(`^/\*! PayBridge mini-program pages (\d+\.\d+\.\d+) `).FindStringSubmatch(first)
	if version == nil {
		t.Fatalf("pay.js begins with %s", first)
	}
	for _, name := range []string{"miniprogram/README.md", "miniprogram/README.zh-CN.md"} {
		if text, err := os.ReadFile(name); err != nil || !strings.Contains(string(text), version[1]) {
			t.Errorf("%s does not name version %s: %v", name, version[1], err)
		}
	}
}
