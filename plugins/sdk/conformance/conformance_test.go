package conformance_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/paybridge/paybridge/plugins/sdk/conformance"
	"github.com/paybridge/paybridge/plugins/wechat/sim/simfixture"
)

// variant is a plugin of ours, changed: the example, or wechat-jsapi.
type variant struct {
	does    string
	changes []change
	breaks  []string // the promises that the kit must name
	wechat  bool
	slow    bool // it shows at the plugin's own time limit
}

// change puts one text in the place of another that stands once in a file below plugins/.
type change struct{ file, old, new string }

func TestTheKitNamesThePromiseThatIsBroken(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("builds and runs a plugin for each promise")
	}
	run(t, brokenPlugins)
}

func TestTheKitFindsNothingWhereNothingIsBroken(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("builds and runs plugins")
	}
	run(t, soundPlugins)
}

func TestEachPromiseCanBeBroken(t *testing.T) {
	t.Parallel()
	broken := map[string]bool{"services": true} // by no Go plugin: the SDK names what it serves
	for _, v := range brokenPlugins {
		for _, name := range v.breaks {
			broken[name] = true
		}
	}
	for _, p := range conformance.Promises() {
		if !broken[p.Name] {
			t.Errorf("no plugin of this test breaks %s: nobody knows whether the kit would see it", p.Name)
		}
	}
}

func run(t *testing.T, variants []variant) {
	slots := make(chan struct{}, 2) // each is six plugin processes and a build
	fixture := append(conformance.Build(t, "../../example/provider"), "fixture")
	for _, v := range variants {
		t.Run(v.does, func(t *testing.T) {
			t.Parallel()
			slots <- struct{}{}
			defer func() { <-slots }()
			// A broken plugin is held against what it breaks; that the kit does not cry wolf, the sound ones show.
			o := conformance.Options{Plugin: v.build(t), Fixture: fixture, Only: v.breaks, Quick: !v.slow}
			if v.wechat {
				o.Fixture, o.Provider = nil, weChat(t)
			}
			report, err := conformance.Run(t.Context(), o)
			if err != nil {
				t.Fatal(err)
			}
			if broken := report.Broken(); !slices.Equal(broken, v.breaks) {
				var all strings.Builder
				_ = report.Write(&all) // a builder takes everything
				t.Errorf("the kit says that it breaks %v, want %v\n%s", broken, v.breaks, all.String())
			}
		})
	}
}

func weChat(t *testing.T) *simfixture.Provider {
	t.Helper()
	p, err := simfixture.Start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

// build builds the changed plugin; the files themselves stay as they are.
func (v variant) build(t *testing.T) []string {
	t.Helper()
	dir, changed := t.TempDir(), map[string]string{}
	for _, c := range v.changes {
		file, err := filepath.Abs(filepath.Join("../..", c.file))
		if err != nil {
			t.Fatal(err)
		}
		from := file
		if changed[file] != "" {
			from = changed[file]
		}
		text, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(string(text), c.old); n != 1 {
			t.Fatalf("%s has this %d times, it must be once:\n%s", c.file, n, c.old)
		}
		changed[file] = filepath.Join(dir, strings.ReplaceAll(c.file, "/", "_"))
		if err := os.WriteFile(changed[file], []byte(strings.Replace(string(text), c.old, c.new, 1)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	overlay, err := json.Marshal(map[string]any{"Replace": changed})
	if err != nil {
		t.Fatal(err)
	}
	overlayFile, program := filepath.Join(dir, "overlay.json"), filepath.Join(dir, "program")
	if err := os.WriteFile(overlayFile, overlay, 0o600); err != nil {
		t.Fatal(err)
	}
	pkg := "../../example"
	if v.wechat {
		pkg = "../../wechat-jsapi"
	}
	said, err := exec.CommandContext(t.Context(), "go", "build", "-overlay", overlayFile, "-o", program, pkg).CombinedOutput()
	if err != nil {
		t.Fatalf("go build: %v\n%s", err, said)
	}
	return []string{program}
}
