package httpapi

import (
	"context"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
)

func document(t *testing.T) *openapi3.T {
	t.Helper()
	spec, err := GetSpec()
	if err != nil {
		t.Fatal(err)
	}
	return spec
}

func TestTheDocumentIsValidWithItsExamples(t *testing.T) {
	t.Parallel()
	if err := document(t).Validate(context.Background(), openapi3.EnableExamplesValidation()); err != nil {
		t.Fatal(err)
	}
}

// TestScopes is the table of who may call what. A new call must be added here.
func TestScopes(t *testing.T) {
	t.Parallel()
	want := map[string]string{
		"POST /v1/orders":                   "pay",
		"GET /v1/orders":                    "read",
		"GET /v1/orders/{number}":           "read",
		"POST /v1/orders/{number}/close":    "pay",
		"POST /v1/orders/{number}/payments": "pay",
		"POST /v1/orders/{number}/tickets":  "pay",
		"POST /v1/page-signatures":          "pay",

		"GET /v1/orders/{number}/fulfilment":  "read",
		"POST /v1/orders/{number}/fulfilment": "pay",

		"GET /v1/payments/{number}":          "read",
		"GET /v1/payments/{number}/timeline": "read",
		"POST /v1/payments/{number}/sync":    "read",
		"POST /v1/payments/{number}/close":   "pay",
		"POST /v1/payments/{number}/refunds": "refund",
		"GET /v1/refunds/{number}":           "read",
		"POST /v1/refunds/{number}/retry":    "refund",

		"POST /v1/refunds/{number}/legs/insurance":        "refund",
		"POST /v1/refunds/{number}/legs/insurance/cancel": "refund",
		"GET /v1/events":             "read",
		"POST /v1/identities/bind":   "identity",
		"POST /v1/identities/lookup": "identity",
	}
	calls, err := readContract()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for call, op := range calls {
		got[call] = op.scope
	}
	if !maps.Equal(got, want) {
		t.Errorf("scopes are\n%v\nwant\n%v", got, want)
	}
}

// TestEveryCodeIsDescribed holds the table of problems against openapi.yaml and against the codes that core refuses
// with, so that none can come out that nobody has described.
func TestEveryCodeIsDescribed(t *testing.T) {
	t.Parallel()
	schema := document(t).Components.Schemas["ProblemCode"].Value
	var described []string
	for _, code := range schema.Enum {
		described = append(described, code.(string))
	}
	slices.Sort(described)
	if answered := slices.Sorted(maps.Keys(problems)); !slices.Equal(answered, described) {
		t.Errorf("answered %v\ndescribed %v", answered, described)
	}
	for code, p := range problems {
		if row := fmt.Sprintf("| `%s` | %d |", code, p.status); !strings.Contains(schema.Description, row) {
			t.Errorf("the description's table lacks %s", row)
		}
	}
	for _, code := range refusalCodes(t) {
		if _, ok := problems[code]; !ok {
			t.Errorf("core refuses with %s, which is no problem of this API", code)
		}
	}
}

// refusalCodes reads the codes from core's source: constants named Code…, and literals in pay.Refusal values.
func refusalCodes(t *testing.T) (codes []string) {
	t.Helper()
	for _, dir := range []string{"../../core/pay", "../../core/gateway"} {
		files, err := filepath.Glob(dir + "/*.go")
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range files {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			ast.Inspect(file, func(n ast.Node) bool {
				if code, ok := refusalCode(n); ok {
					codes = append(codes, code)
				}
				return true
			})
		}
	}
	if len(codes) < 15 {
		t.Fatalf("found only %d codes in core: its source looks different now", len(codes))
	}
	return codes
}

func refusalCode(n ast.Node) (code string, ok bool) {
	var value ast.Expr
	switch n := n.(type) {
	case *ast.ValueSpec:
		if len(n.Values) == 1 && strings.HasPrefix(n.Names[0].Name, "Code") {
			value = n.Values[0]
		}
	case *ast.KeyValueExpr:
		if key, named := n.Key.(*ast.Ident); named && key.Name == "Code" {
			value = n.Value
		}
	}
	literal, ok := value.(*ast.BasicLit)
	if !ok || literal.Kind != token.STRING {
		return "", false
	}
	code, err := strconv.Unquote(literal.Value)
	return code, err == nil
}
