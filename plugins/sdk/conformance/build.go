package conformance

import (
	"os/exec"
	"path/filepath"
)

// Build builds the program of a package, named as `go build` takes it, into a temporary folder of the test.
func Build(t TB, pkg string) (command []string) {
	t.Helper()
	program := filepath.Join(t.TempDir(), "program")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", program, pkg)
	if said, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build %s: %v\n%s", pkg, err, said)
	}
	return []string{program}
}
