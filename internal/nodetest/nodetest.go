// Package nodetest runs the JavaScript tests of the client kits and the pages from Go's tests, with node's own runner.
// scripts/node-tools.sh installs what they need; `make test` calls it. Where something is missing a test skips loudly, and
// under PAYBRIDGE_CI it fails, so that CI cannot pass by skipping.
package nodetest

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// Run runs test files under `node --test`, named from the test's own folder, with NAME=value pairs added to the
// environment. NODE_PATH leads to the packages of tools/node.
func Run(t *testing.T, env []string, files ...string) {
	t.Helper()
	node, err := exec.LookPath("node")
	if err != nil {
		missing(t, "node is not installed")
	}
	// The runner takes a folder or a pattern that matches nothing for a success: the files are named, and must be there.
	for _, f := range files {
		if _, err := os.Stat(f); err != nil {
			t.Fatal(err)
		}
	}
	if len(files) == 0 {
		t.Fatal("no test file is named")
	}
	args := append([]string{"--test", "--test-reporter=spec"}, files...)
	run := exec.CommandContext(t.Context(), node, args...) //nolint:gosec // the files are the test's own
	run.Env = append(append(os.Environ(), "NODE_PATH="+modules(t), "NODE_NO_WARNINGS=1"), env...)
	if out, err := run.CombinedOutput(); err != nil {
		t.Fatalf("node %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// Program is the command line of a program for node, by its path from the test's own folder; its packages must lie beside it.
func Program(t *testing.T, file string) []string {
	t.Helper()
	node, err := exec.LookPath("node")
	if err != nil {
		missing(t, "node is not installed")
	}
	file, err = filepath.Abs(file)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(filepath.Dir(file), "node_modules", ".package-lock.json")); err != nil {
		missing(t, "the npm packages of "+filepath.Dir(file)+" are not installed")
	}
	return []string{node, file}
}

// Chromium is a browser's path: PAYBRIDGE_CHROMIUM, or what is installed under a usual name.
func Chromium(t *testing.T) string {
	t.Helper()
	for _, name := range []string{os.Getenv("PAYBRIDGE_CHROMIUM"), "chromium", "chromium-browser", "google-chrome",
		"/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"} {
		if path, err := exec.LookPath(name); name != "" && err == nil {
			return path
		}
	}
	missing(t, "no Chromium is installed (PAYBRIDGE_CHROMIUM names one)")
	return ""
}

// modules is the folder of the npm packages that the tests use.
func modules(t *testing.T) string {
	t.Helper()
	_, file, _, ok := runtime.Caller(0)
	if !ok {
		t.Fatal("where the module lies is not known")
	}
	folder := filepath.Join(filepath.Dir(file), "../../tools/node/node_modules")
	if _, err := os.Stat(filepath.Join(folder, ".package-lock.json")); err != nil {
		missing(t, "the npm packages of tools/node are not installed")
	}
	return folder
}

func missing(t *testing.T, what string) {
	t.Helper()
	message := what + ": run scripts/node-tools.sh"
	if os.Getenv("PAYBRIDGE_CI") != "" {
		t.Fatal(message)
	}
	t.Skip("*** SKIPPED: " + message + " ***")
}
