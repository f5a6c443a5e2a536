package arrows

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const module = "github.com/paybridge/paybridge"

// TestArrows holds every rule against the module as it is. Test files may import more: only what is built into
// the programs counts.
func TestArrows(t *testing.T) {
	t.Parallel()
	g := listed(t)
	if len(g) == 0 {
		t.Fatal("go list found no package")
	}
	for _, broken := range check(g, rules) {
		t.Error(broken)
	}
}

// listed asks the go command for this module's packages and all that they import.
func listed(t *testing.T) graph {
	t.Helper()
	watch(t)
	// -e: that another package does not compile is its own failure, not an arrow.
	list := exec.CommandContext(t.Context(), "go", "list", "-e", "-deps", "-json=ImportPath,Imports,ImportMap,Standard",
		module+"/...")
	var problems bytes.Buffer
	list.Stderr = &problems
	out, err := list.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, problems.String())
	}
	g := graph{}
	for packages := json.NewDecoder(bytes.NewReader(out)); ; {
		var p struct {
			ImportPath string
			Imports    []string
			ImportMap  map[string]string // what the standard library's vendored packages are really called
			Standard   bool
		}
		if err := packages.Decode(&p); errors.Is(err, io.EOF) {
			return g
		} else if err != nil {
			t.Fatalf("go list's answer: %v", err)
		}
		n := node{standard: p.Standard, ours: strings.HasPrefix(p.ImportPath, module+"/")}
		for _, to := range p.Imports {
			if vendored, mapped := p.ImportMap[to]; mapped {
				to = vendored
			}
			n.imports = append(n.imports, inside(to))
		}
		g[inside(p.ImportPath)] = n
	}
}

// watch opens every folder of the module, so that the go command knows that this test's cached result depends on
// them: it does not see what go list reads.
func watch(t *testing.T) {
	t.Helper()
	err := filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && (d.Name() == ".git" || d.Name() == "bin" || d.Name() == "data") {
			return filepath.SkipDir
		}
		if errors.Is(err, fs.ErrNotExist) { // another test's temporary folder
			return nil
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// inside is a package's name in the rules: our own without the module's path.
func inside(path string) string { return strings.TrimPrefix(path, module+"/") }

func TestWrongArrowsAreFound(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name string
		g    map[string]string // package → what it imports
		want []string
	}{
		{"the house as it should be", map[string]string{
			"cmd/paybridge":             "adapters/store adapters/pluginhost core/gateway plugins/sdk/conformance",
			"adapters/store":            "core/gateway ports core/pay database/sql github.com/uptrace/bun",
			"adapters/store/sqlite":     "adapters/store",
			"adapters/pluginhost":       "plugins/proto/providerv1 ports",
			"core/gateway":              "ports core/pay context",
			"ports":                     "core/pay context",
			"core/pay":                  "core/money fmt",
			"core/money":                "errors",
			"plugins/wechat-jsapi":      "plugins/sdk plugins/wechat",
			"plugins/wechat":            "net/http",
			"plugins/wechat/sim":        "net/http",
			"plugins/sdk":               "plugins/proto/providerv1",
			"plugins/proto/providerv1":  "google.golang.org/grpc",
			"plugins/sdk/conformance":   "plugins/sdk",
			"github.com/uptrace/bun":    "database/sql",
			"google.golang.org/grpc":    "net",
			"database/sql":              "",
			"internal/of/the/std/lib":   "",
			"docs/examples/clinic/shop": "net/http",
		}, nil},
		{"core does I/O", map[string]string{"core/pay": "net/http"}, []string{
			"core must not do I/O: core/pay imports net/http",
		}},
		{"core does I/O through another core package", map[string]string{"core/pay": "core/money", "core/money": "os"}, []string{
			"core must not do I/O: core/money imports os",
			"core must not do I/O: core/pay imports core/money imports os",
		}},
		{"core may print, though fmt uses os", map[string]string{"core/pay": "fmt", "fmt": "os"}, nil},
		{"core imports a library", map[string]string{"core/tradeno": "golang.org/x/text"}, []string{
			"core/* imports only the standard library and core; only core/gateway imports ports: " +
				"core/tradeno imports golang.org/x/text",
		}},
		{"a decision asks a port", map[string]string{"core/pay": "ports"}, []string{
			"core/* imports only the standard library and core; only core/gateway imports ports: core/pay imports ports",
		}},
		{"the use cases know an adapter", map[string]string{"core/gateway": "adapters/store"}, []string{
			"core/gateway imports only the standard library, core and ports: core/gateway imports adapters/store",
		}},
		{"a port speaks gRPC", map[string]string{"ports": "google.golang.org/grpc/codes"}, []string{
			"ports speak in core's types: only the standard library and core: ports imports google.golang.org/grpc/codes",
			"ports know no gRPC, no SQL, no HTTP, and no use case: ports imports google.golang.org/grpc/codes",
		}},
		{"a port speaks SQL", map[string]string{"ports": "database/sql"}, []string{
			"ports know no gRPC, no SQL, no HTTP, and no use case: ports imports database/sql",
		}},
		{"adapters import each other", map[string]string{"adapters/httpapi": "adapters/config"}, []string{
			"adapters never import each other: adapters/httpapi imports adapters/config",
		}},
		{"adapters import each other by way of a third", map[string]string{
			"adapters/httpapi": "internal/between", "internal/between": "adapters/config",
		}, []string{
			"adapters never import each other: adapters/httpapi imports internal/between imports adapters/config",
		}},
		{"an adapter imports a plugin", map[string]string{"adapters/pluginhost": "plugins/wechat"}, []string{
			"adapters never import a plugin: what they know of one is the contract, and only pluginhost knows it: " +
				"adapters/pluginhost imports plugins/wechat",
		}},
		{"a plugin reaches into the gateway", map[string]string{
			"plugins/wechat-jsapi": "plugins/sdk", "plugins/sdk": "core/gateway",
		}, []string{
			"plugins import the sdk, never core/gateway, ports or adapters: plugins/sdk imports core/gateway",
			"plugins import the sdk, never core/gateway, ports or adapters: " +
				"plugins/wechat-jsapi imports plugins/sdk imports core/gateway",
		}},
		{"a plugin speaks protobuf", map[string]string{"plugins/wechat": "plugins/proto/providerv1", "plugins/proto/providerv1": ""},
			[]string{"plugins/proto is imported by plugins/sdk and adapters/pluginhost only: " +
				"plugins/wechat imports plugins/proto/providerv1"}},
		{"the simulator uses what it checks", map[string]string{"plugins/wechat/sim": "plugins/wechat"}, []string{
			"plugins/wechat/sim never imports plugins/wechat: it checks it: plugins/wechat/sim imports plugins/wechat",
		}},
		{"somebody composes beside cmd", map[string]string{"adapters/httpapi": "cmd/paybridge"}, []string{
			"only cmd composes: nothing imports cmd: adapters/httpapi imports cmd/paybridge",
		}},
		{"an adapter ships the conformance kit", map[string]string{"adapters/pluginhost": "plugins/sdk/conformance"}, []string{
			"adapters never import a plugin: what they know of one is the contract, and only pluginhost knows it: " +
				"adapters/pluginhost imports plugins/sdk/conformance",
			"only cmd may use the conformance kit: adapters/pluginhost imports plugins/sdk/conformance",
		}},
		{"a test's server is built in", map[string]string{"adapters/store": "internal/pgtest", "internal/pgtest": ""}, []string{
			"internal/pgtest is for tests: adapters/store imports internal/pgtest",
		}},
		{"a folder that the house does not have", map[string]string{"pkg/util": ""}, []string{
			"every package has its place in the house: pkg/util has none",
		}},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			got, want := strings.Join(check(drawn(row.g), rules), "\n"), strings.Join(row.want, "\n")
			if got != want {
				t.Errorf("found\n%s\nwant\n%s", got, want)
			}
		})
	}
}

// drawn is a graph from a table's row. A path is ours when it begins with a folder of the house, foreign when it
// begins with a host, else standard.
func drawn(imports map[string]string) graph {
	g := graph{}
	add := func(path string) {
		if _, there := g[path]; there {
			return
		}
		first, _, _ := strings.Cut(path, "/")
		house := strings.Contains(" core ports adapters plugins cmd configs docs pkg ", " "+first+" ") ||
			path == "internal/pgtest" || path == "internal/between"
		g[path] = node{ours: house, standard: !house && !strings.Contains(first, ".")}
	}
	for path, to := range imports {
		add(path)
		for _, other := range strings.Fields(to) {
			add(other)
		}
		n := g[path]
		n.imports = strings.Fields(to)
		g[path] = n
	}
	return g
}
