package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/paybridge/paybridge/plugins/sdk/conformance"
)

// TestANewChannelPassesTheKit writes a channel as an author does, in a module of the author's own, and runs its test.
func TestANewChannelPassesTheKit(t *testing.T) {
	t.Parallel()
	module := authorsModule(t)
	dir := filepath.Join(module, "acme-pay")
	var said strings.Builder
	cmd := root()
	cmd.SetArgs([]string{"plugin", "new", "acme-pay", "--dir", dir})
	cmd.SetOut(&said)
	if err := cmd.ExecuteContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	goTest := exec.CommandContext(t.Context(), "go", "test", "-mod=mod", "-short", "./acme-pay/...")
	goTest.Dir = module
	if out, err := goTest.CombinedOutput(); err != nil {
		t.Fatalf("its own test: %v\n%s", err, out)
	}
	plugin, provider := filepath.Join(module, "plugin"), filepath.Join(module, "provider")
	for program, pkg := range map[string]string{plugin: "./acme-pay", provider: "./acme-pay/provider"} {
		build := exec.CommandContext(t.Context(), "go", "build", "-mod=mod", "-o", program, pkg)
		build.Dir = module
		if out, err := build.CombinedOutput(); err != nil {
			t.Fatalf("build: %v\n%s", err, out)
		}
	}
	report, err := conformance.Run(t.Context(), conformance.Options{Plugin: []string{plugin}, Fixture: []string{provider, "fixture"}, Only: []string{"describe", "facts"}})
	if err != nil || len(report.Broken()) > 0 || report.Plugin != "acme-pay" {
		t.Errorf("%+v, %v: want a plugin that calls itself acme-pay", report, err)
	}

	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if name := filepath.Base(file); !strings.HasSuffix(name, "_test.go") && name != "main.go" && !strings.Contains(said.String(), name) {
			t.Errorf("nobody tells the author what to do with %s", name)
		}
		if info, err := os.Stat(file); err != nil || info.IsDir() {
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), `"example"`) || strings.Contains(string(text), "Command example") {
			t.Errorf("%s still calls itself example", filepath.Base(file))
		}
	}
	if err := writeChannel(dir, "acme-pay"); err == nil || !strings.Contains(err.Error(), "there already") {
		t.Errorf("over what is there: %v", err)
	}
}

func TestNamesOfChannels(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"", "Acme", "acme_pay", "-acme", "acme-", "9acme", "../acme", strings.Repeat("a", 41)} {
		if err := writeChannel(filepath.Join(t.TempDir(), "x"), name); err == nil {
			t.Errorf("%q was taken for a name", name)
		}
	}
}

// authorsModule is a module outside of this one that requires it as it stands here.
func authorsModule(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	here, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	mod, err := os.ReadFile(filepath.Join(here, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	const us = "github.com/paybridge/paybridge"
	text := strings.Replace(string(mod), "module "+us, "module acme.example/pay", 1) +
		"\nrequire " + us + " v0.0.0\n\nreplace " + us + " => " + here + "\n"
	sum, err := os.ReadFile(filepath.Join(here, "go.sum"))
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{"go.mod": []byte(text), "go.sum": sum} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// TestAWholeChannelIsUnder300Lines counts what an author writes of a channel that keeps every promise: imports, comments and empty
// lines are not written by anybody.
func TestAWholeChannelIsUnder300Lines(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../../plugins/example/*.go")
	if err != nil || len(files) < 5 {
		t.Fatal(files, err)
	}
	lines := 0
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		set := token.NewFileSet()
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		parsed, err := parser.ParseFile(set, file, text, 0)
		if err != nil {
			t.Fatal(err)
		}
		begins := set.Position(parsed.Name.End()).Line
		for _, d := range parsed.Decls {
			if g, ok := d.(*ast.GenDecl); ok && g.Tok == token.IMPORT {
				begins = set.Position(g.End()).Line
			}
		}
		for n, line := range strings.Split(string(text), "\n") {
			if line = strings.TrimSpace(line); n >= begins && line != "" && !strings.HasPrefix(line, "//") {
				lines++
			}
		}
	}
	if lines < 150 || lines >= 300 {
		t.Errorf("the example channel has %d lines", lines)
	}
}
