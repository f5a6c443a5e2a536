// Package mutants holds builds of the gateway that are broken on purpose, as patches in patches/, each with the rule or the invariant that must
// catch it. One that nothing catches would say that the tests prove less than they claim. `make mutants` runs them.
package mutants

import (
	"bytes"
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

//go:embed patches/*.patch
var patches embed.FS

// Mutant is one broken build.
type Mutant struct {
	Name   string // of its file, without the ending
	Breaks string // what it does wrong
	Rule   string // R01 to R47 of docs/rules.md, or I01 to I12 of internal/invariants
	Test   string // that must fail: its name, with the subtest's where one is enough
	In     string // the test's package, relative to the module

	patch []byte
}

// header is a line above the diff: "Breaks: …", "Caught by: R29 TestName ./folder".
var header = regexp.MustCompile(`(?m)^Breaks: (.+)\nCaught by: ([RI][0-9]{2}) (\S+) (\./\S+)\n`)

// All are the mutants, by their names.
func All() (all []Mutant, err error) {
	files, err := patches.ReadDir("patches")
	if err != nil {
		return nil, err
	}
	for _, f := range files {
		text, err := patches.ReadFile("patches/" + f.Name())
		if err != nil {
			return nil, err
		}
		said := header.FindSubmatch(text)
		if said == nil {
			return nil, fmt.Errorf("%s does not say what it breaks and what catches it, as in:\nBreaks: a refund is sent twice\nCaught by: R28 TestName ./core/pay", f.Name())
		}
		all = append(all, Mutant{
			Name: strings.TrimSuffix(f.Name(), ".patch"), Breaks: string(said[1]), Rule: string(said[2]), Test: string(said[3]), In: string(said[4]), patch: text,
		})
	}
	slices.SortFunc(all, func(a, b Mutant) int { return strings.Compare(a.Name, b.Name) })
	return all, nil
}

var changedFile = regexp.MustCompile(`(?m)^\+\+\+ b/(\S+)$`)

// Packages are those that it changes, relative to the module.
func (m Mutant) Packages() (all []string) {
	for _, found := range changedFile.FindAllSubmatch(m.patch, -1) {
		all = append(all, "./"+path.Dir(string(found[1])))
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// Overlay makes the changed files in dir, from those of the module at root, and the file that tells `go build -overlay` of them. The module
// itself stays as it is.
func (m Mutant) Overlay(ctx context.Context, root, dir string) (overlay string, err error) {
	root, err = filepath.Abs(root)
	if err != nil {
		return "", err
	}
	replace := map[string]string{}
	for _, found := range changedFile.FindAllSubmatch(m.patch, -1) {
		name := string(found[1])
		text, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(name)))
		if err != nil {
			return "", err
		}
		to := filepath.Join(dir, filepath.FromSlash(name))
		if err := errors.Join(os.MkdirAll(filepath.Dir(to), 0o700), os.WriteFile(to, text, 0o600)); err != nil {
			return "", err
		}
		replace[filepath.Join(root, filepath.FromSlash(name))] = to
	}
	if len(replace) == 0 {
		return "", fmt.Errorf("%s changes no file", m.Name)
	}
	apply := exec.CommandContext(ctx, "git", "apply", "-")
	apply.Dir, apply.Stdin = dir, bytes.NewReader(m.patch)
	apply.Env = append(os.Environ(), "GIT_CEILING_DIRECTORIES="+filepath.Dir(dir)) // it is no part of a repository around it
	if said, err := apply.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%s does not fit the code any more: make it anew\n%s", m.Name, said)
	}
	text, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	overlay = filepath.Join(dir, "overlay.json")
	return overlay, os.WriteFile(overlay, text, 0o600)
}

// Caught runs the test that must fail, against the broken build. The error says that it did not, or that nothing can be said: the build itself fails,
// or the test fails for another reason than its rule.
func (m Mutant) Caught(ctx context.Context, root, overlay string) error {
	parts := strings.Split(m.Test, "/")
	for i, part := range parts {
		parts[i] = "^" + regexp.QuoteMeta(part) + "$"
	}
	run := exec.CommandContext(ctx, "go", "test", "-count=1", "-timeout=5m", "-run", strings.Join(parts, "/"), "./"+path.Clean(m.In))
	run.Dir = root
	// Whatever a test builds is broken alike.
	run.Env = append(os.Environ(), "GOFLAGS="+strings.TrimSpace(os.Getenv("GOFLAGS")+" -overlay="+overlay))
	said, err := run.CombinedOutput()
	end := said[max(0, len(said)-3000):]
	switch {
	case err == nil && bytes.Contains(said, []byte("no tests to run")):
		return fmt.Errorf("there is no test %s in %s", m.Test, m.In)
	case err == nil:
		return fmt.Errorf("SURVIVED: %s passes", m.Test)
	case !bytes.Contains(said, []byte("--- FAIL: "+m.Test)):
		return fmt.Errorf("%s could not tell:\n%s", m.Test, end)
	case !strings.Contains(m.Test, m.Rule) && !bytes.Contains(said, []byte(m.Rule+" ")):
		return fmt.Errorf("%s fails, and not for %s:\n%s", m.Test, m.Rule, end)
	}
	return nil
}
