package arrows

import (
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/paybridge/paybridge/configs"
)

// channel is the plugin that proves it: it is in use (configs/dev.yaml), and no Go file outside of it knows.
const channel = "example"

// TestAChannelIsAddedWithoutTouchingAGoFile looks for the channel's name, and the names of its account and entry, in every
// string of every Go file that is built into a program outside of the channel's own folder.
func TestAChannelIsAddedWithoutTouchingAGoFile(t *testing.T) {
	t.Parallel()
	names := append(namesOf(t, channel), channel)
	named := regexp.MustCompile(`^(.*/)?(` + strings.Join(names, "|") + `)$`)
	for path, text := range stringsOfPrograms(t) {
		if strings.HasPrefix(path, "plugins/"+channel+"/") {
			continue
		}
		if at := slices.IndexFunc(text, named.MatchString); at >= 0 {
			t.Errorf("%s names %q: a channel is found by what there is (bin/plugins, bin/providers, the configuration), not by its name", path, text[at])
		}
	}
}

// namesOf are the account and entry names of a provider in dev.yaml: without them it would not be in use.
func namesOf(t *testing.T, provider string) (names []string) {
	t.Helper()
	type row struct{ Name, Provider string }
	var dev struct{ Entries, Accounts []row }
	if err := yaml.Unmarshal(configs.Dev, &dev); err != nil {
		t.Fatal(err)
	}
	for _, rows := range [][]row{dev.Entries, dev.Accounts} {
		before := len(names)
		for _, r := range rows {
			if r.Provider == provider {
				names = append(names, r.Name)
			}
		}
		if len(names) == before {
			t.Fatalf("configs/dev.yaml has no entry or no account of provider %s", provider)
		}
	}
	return names
}

// stringsOfPrograms are the strings in each Go file but the tests, by its path from the root.
func stringsOfPrograms(t *testing.T) map[string][]string {
	t.Helper()
	all := map[string][]string{}
	err := filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist): // another test's temporary folder
			return nil
		case err != nil:
			return err
		case d.IsDir() && slices.Contains([]string{".git", "bin", "data", "testdata", "node_modules"}, d.Name()):
			return filepath.SkipDir
		case !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go"):
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		name, err := filepath.Rel("../..", path)
		if err != nil {
			return err
		}
		name = filepath.ToSlash(name)
		all[name] = []string{}
		ast.Inspect(file, func(n ast.Node) bool {
			if text, ok := n.(*ast.BasicLit); ok && text.Kind == token.STRING {
				all[name] = append(all[name], strings.Trim(text.Value, "`\""))
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 100 {
		t.Fatalf("only %d files were found", len(all))
	}
	return all
}
