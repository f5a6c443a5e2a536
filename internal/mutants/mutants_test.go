package mutants_test

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/paybridge/paybridge/internal/mutants"
)

// Each mutant still fits the code, compiles, and names a test that there is. Whether that test catches it, `make mutants` shows.
func TestMutantsFitTheCode(t *testing.T) {
	t.Parallel()
	all, err := mutants.All()
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 12 {
		t.Errorf("there are %d mutants, want 12 or more", len(all))
	}
	for _, m := range all {
		t.Run(m.Name, func(t *testing.T) {
			t.Parallel()
			overlay, err := m.Overlay(t.Context(), "../..", t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			build := exec.CommandContext(t.Context(), "go", append([]string{"build", "-overlay=" + overlay}, m.Packages()...)...)
			build.Dir = "../.."
			if said, err := build.CombinedOutput(); err != nil {
				t.Errorf("it does not compile: %v\n%s", err, said)
			}
			name, _, _ := strings.Cut(m.Test, "/")
			if !declares("../../"+m.In, name) {
				t.Errorf("there is no test %s in %s", name, m.In)
			}
		})
	}
}

func declares(dir, test string) bool {
	files, _ := os.ReadDir(dir)
	for _, f := range files {
		text, _ := os.ReadFile(dir + "/" + f.Name()) //nolint:gosec // our own
		if strings.HasSuffix(f.Name(), "_test.go") && strings.Contains(string(text), fmt.Sprintf("func %s(", test)) {
			return true
		}
	}
	return false
}
