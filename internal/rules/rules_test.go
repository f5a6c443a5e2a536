// Package rules proves that docs/rules.md tells the truth: each rule that is ticked there as built has a test that
// bears its id and runs. It holds only tests.
package rules

import (
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const root = "../.."

func TestEveryBuiltRuleHasATest(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join(root, "docs", "rules.md"))
	if err != nil {
		t.Fatal(err)
	}
	built, all := ticked(string(text))
	if len(all) == 0 {
		t.Fatal("docs/rules.md lists no rule")
	}
	tests := found{}
	walk(t, func(path string) {
		source, err := os.ReadFile(path) //nolint:gosec // a file of this module
		if err != nil {
			t.Fatal(err)
		}
		tests.read(t, path, source)
	})
	for _, line := range judge(built, all, tests) {
		t.Error(line)
	}
}

var namedTest = regexp.MustCompile("`((?:Test|Fuzz)[A-Z]\\w*)`")

// What documents name as a proof is there, and runs.
func TestEveryNamedTestExists(t *testing.T) {
	t.Parallel()
	there := named{}
	walk(t, func(path string) {
		source, err := os.ReadFile(path) //nolint:gosec // a file of this module
		if err != nil {
			t.Fatal(err)
		}
		there.read(t, path, source)
	})
	names := 0
	walkFiles(t, ".md", func(path string) {
		text, err := os.ReadFile(path) //nolint:gosec // a file of this module
		if err != nil {
			t.Fatal(err)
		}
		names += len(namedTest.FindAllString(string(text), -1))
		for _, line := range there.judge(string(text)) {
			t.Errorf("%s names %s", path, line)
		}
	})
	if names < 50 {
		t.Errorf("documents name %d tests: they are not read", names)
	}
}

// named is each test function there is, and whether one of that name runs.
type named map[string]bool

// read adds a test file's functions. A name that two packages have runs when one of them runs.
func (n named) read(t *testing.T, path string, source []byte) {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), path, source, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range file.Decls {
		if fn, isFunc := d.(*ast.FuncDecl); isFunc && fn.Recv == nil && fn.Body != nil {
			n[fn.Name.Name] = n[fn.Name.Name] || !skips(fn.Body.List)
		}
	}
}

// judge says what is wrong with the tests that a document names, a line each.
func (n named) judge(markdown string) (wrong []string) {
	for _, m := range namedTest.FindAllStringSubmatch(markdown, -1) {
		switch runs, there := n[m[1]]; {
		case !there:
			wrong = append(wrong, "the test "+m[1]+", which is not there")
		case !runs:
			wrong = append(wrong, "the test "+m[1]+", which is skipped whatever happens")
		}
	}
	return wrong
}

func TestNamedTestsThatProveNothingAreFound(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name, markdown, source string
		want                   string // what is wrong, if anything
	}{
		{"it runs", "`TestPay`", `func TestPay(t *testing.T) { t.Log() }`, ""},
		{"skipped on a condition", "`TestPay`", `func TestPay(t *testing.T) { if testing.Short() { t.Skip() } }`, ""},
		{"only a subtest is skipped", "`TestPay`", `func TestPay(t *testing.T) { t.Run("a", func(t *testing.T) { t.Skip() }) }`, ""},
		{"a skipped test that nobody names", "`TestPay`", "func TestPay(t *testing.T) {}\nfunc TestTap(t *testing.T) { t.Skip() }", ""},
		{"a name that is no proof", "TestPay", ``, ""},

		{"it is not there", "`TestPay`", `func TestTap(t *testing.T) {}`, "the test TestPay, which is not there"},
		{"a method", "`TestPay`", `func (s suite) TestPay(t *testing.T) {}`, "the test TestPay, which is not there"},
		{"skipped", "`TestPay`", `func TestPay(t *testing.T) { t.Skip("later") }`, "the test TestPay, which is skipped whatever happens"},
		{"skipped after a step", "`TestPay`", `func TestPay(t *testing.T) { t.Parallel(); t.SkipNow() }`, "the test TestPay, which is skipped whatever happens"},
		{"a skipped fuzz test", "`FuzzPay`", `func FuzzPay(f *testing.F) { f.Skipf("%d", 1) }`, "the test FuzzPay, which is skipped whatever happens"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			there := named{}
			there.read(t, "a_test.go", []byte("package a\n"+row.source))
			if got := strings.Join(there.judge(row.markdown), "\n"); got != row.want {
				t.Errorf("found %q, want %q", got, row.want)
			}
		})
	}
}

// walk calls f for each test file of the module but those of this package, whose rules are made up.
func walk(t *testing.T, f func(path string)) {
	t.Helper()
	walkFiles(t, "_test.go", f)
}

func walkFiles(t *testing.T, suffix string, f func(path string)) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist): // another test's temporary folder
			return nil
		case err != nil:
			return err
		case d.IsDir() && slices.Contains([]string{".git", "bin", "data", "testdata", "node_modules"}, d.Name()),
			path == filepath.Join(root, "internal", "rules"):
			return filepath.SkipDir
		case strings.HasSuffix(path, suffix):
			f(path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

var (
	item   = regexp.MustCompile(`(?m)^- \[([ x])\] \*\*(R\d\d)\*\*`)
	inFunc = regexp.MustCompile(`^Test(R\d\d)+_`)
	inName = regexp.MustCompile(`\bR\d\d `)
	id     = regexp.MustCompile(`R\d\d`)
)

// ticked reads the list of rules: those with a tick, and all.
func ticked(markdown string) (built, all []string) {
	for _, m := range item.FindAllStringSubmatch(markdown, -1) {
		all = append(all, m[2])
		if m[1] == "x" {
			built = append(built, m[2])
		}
	}
	return built, all
}

// found is where each rule is tested, and where a test of it is skipped.
type found map[string]places

type places struct{ runs, skips []string }

// read adds a test file's tests: functions named for a rule, and rows of tables, or arguments of Run, whose name
// holds "RNN ".
func (f found) read(t *testing.T, path string, source []byte) {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), path, source, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range file.Decls {
		fn, isFunc := d.(*ast.FuncDecl)
		if !isFunc {
			f.add(d, path, false) // a table may stand outside of its test
			continue
		}
		skipped := fn.Body != nil && skips(fn.Body.List)
		f.note(id.FindAllString(inFunc.FindString(fn.Name.Name), -1), path, skipped)
		f.add(d, path, skipped)
	}
}

// add notes the names of rows and subtests below n.
func (f found) add(n ast.Node, path string, skipped bool) {
	ast.Inspect(n, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.CallExpr:
			sel, method := n.Fun.(*ast.SelectorExpr)
			if method && sel.Sel.Name == "Run" && len(n.Args) == 2 {
				body, isFunc := n.Args[1].(*ast.FuncLit)
				f.name(n.Args[0], path, skipped || isFunc && skips(body.Body.List))
			}
		case *ast.CompositeLit:
			for _, e := range n.Elts {
				if kv, keyed := e.(*ast.KeyValueExpr); keyed {
					f.name(kv.Key, path, skipped) // map[string]row{"R07 …": …}
					e = kv.Value
				}
				f.name(e, path, skipped)
			}
		}
		return true
	})
}

func (f found) name(e ast.Expr, path string, skipped bool) {
	if lit, isLit := e.(*ast.BasicLit); isLit && lit.Kind == token.STRING {
		if s, err := strconv.Unquote(lit.Value); err == nil {
			f.note(inName.FindAllString(s, -1), path, skipped)
		}
	}
}

func (f found) note(rules []string, path string, skipped bool) {
	for _, r := range rules {
		p := f[strings.TrimSpace(r)]
		if skipped {
			p.skips = append(p.skips, path)
		} else {
			p.runs = append(p.runs, path)
		}
		f[strings.TrimSpace(r)] = p
	}
}

// skips says whether a test skips itself whatever happens: a Skip under a condition (-short, no PostgreSQL) is
// none.
func skips(body []ast.Stmt) bool {
	return slices.ContainsFunc(body, func(s ast.Stmt) bool {
		e, isExpr := s.(*ast.ExprStmt)
		if !isExpr {
			return false
		}
		call, isCall := e.X.(*ast.CallExpr)
		if !isCall {
			return false
		}
		sel, method := call.Fun.(*ast.SelectorExpr)
		return method && slices.Contains([]string{"Skip", "Skipf", "SkipNow"}, sel.Sel.Name)
	})
}

// judge says what is wrong, a line each.
func judge(built, all []string, tests found) (wrong []string) {
	for _, r := range built {
		switch p := tests[r]; {
		case len(p.runs) > 0:
		case len(p.skips) > 0:
			wrong = append(wrong, r+" is ticked in docs/rules.md, but its test is skipped in "+strings.Join(p.skips, ", "))
		default:
			wrong = append(wrong, r+" is ticked in docs/rules.md, but no test bears its id: name one Test"+r+"_… or a row \""+r+" …\"")
		}
	}
	for r := range tests {
		if !slices.Contains(all, r) {
			wrong = append(wrong, r+" is not a rule of docs/rules.md, but a test bears its id")
		}
	}
	slices.Sort(wrong)
	return wrong
}

func TestUntestedRulesAreFound(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name, rules, source string
		want                string // the rule that is wrong, if any
	}{
		{"a function", "- [x] **R07**", `func TestR07_TapsAgain(t *testing.T) {}`, ""},
		{"one function for two rules", "- [x] **R07**\n- [x] **R08**", `func TestR07R08_Taps(t *testing.T) {}`, ""},
		{"a row of a table", "- [x] **R07**", `func TestPay(t *testing.T) { _ = []row{{name: "R07 taps again"}} }`, ""},
		{"a row by position", "- [x] **R07**", `func TestPay(t *testing.T) { _ = []row{{"R07 taps again", 1}} }`, ""},
		{"a row of a map", "- [x] **R07**", `func TestPay(t *testing.T) { _ = map[string]row{"R07 taps again": {}} }`, ""},
		{"a table outside of its test", "- [x] **R07**", `var rows = []row{{name: "R07 taps again"}}`, ""},
		{"a subtest", "- [x] **R07**", `func TestPay(t *testing.T) { t.Run("R07 taps again", func(t *testing.T) {}) }`, ""},
		{"not built yet", "- [ ] **R07**", ``, ""},
		{"skipped on a condition", "- [x] **R07**", `func TestR07_Taps(t *testing.T) { if testing.Short() { t.Skip() } }`, ""},

		{"no test", "- [x] **R07**", `func TestPay(t *testing.T) {}`, "R07"},
		{"only another rule's", "- [x] **R07**\n- [ ] **R08**", `func TestR08_Taps(t *testing.T) {}`, "R07"},
		{"only a comment", "- [x] **R07**", `func TestPay(t *testing.T) { /* R07 taps again */ }`, "R07"},
		{"only a message", "- [x] **R07**", `func TestPay(t *testing.T) { t.Error("R07 broke") }`, "R07"},
		{"skipped", "- [x] **R07**", `func TestR07_Taps(t *testing.T) { t.Skip("later") }`, "R07"},
		{"a subtest is skipped", "- [x] **R07**", `func TestPay(t *testing.T) { t.Run("R07 taps", func(t *testing.T) { t.Skip() }) }`, "R07"},
		{"no such rule", "- [ ] **R07**", `func TestR99_Taps(t *testing.T) {}`, "R99"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			tests := found{}
			tests.read(t, "a_test.go", []byte("package a\n"+row.source))
			built, all := ticked(row.rules)
			got := strings.Join(judge(built, all, tests), "\n")
			if !strings.HasPrefix(got, row.want) || (row.want == "") != (got == "") || strings.Contains(got, "\n") {
				t.Errorf("found %q, want one about %q", got, row.want)
			}
		})
	}
}
