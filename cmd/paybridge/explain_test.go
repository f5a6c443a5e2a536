package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// Every cause that the code writes into the audit is told in Chinese too.
func TestEveryCauseIsToldInChinese(t *testing.T) {
	t.Parallel()
	var causes []string
	for _, dir := range []string{"core/pay", "core/gateway", "adapters/store"} {
		files, err := filepath.Glob(filepath.Join("..", "..", dir, "*.go"))
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %d files, %v", dir, len(files), err)
		}
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			causes = append(causes, causesIn(parsed)...)
		}
	}
	slices.Sort(causes)
	causes = slices.Compact(causes)
	if len(causes) < 40 {
		t.Errorf("only %d causes were found: %q", len(causes), causes)
	}
	for _, cause := range causes {
		if told := (teller{chinese: true}).cause(cause); told == cause || told == "" {
			t.Errorf("the cause %q has no Chinese in explain_words.go", cause)
		}
	}
}

// causesIn are the beginnings of all texts that become causes.
func causesIn(file *ast.File) (all []string) {
	add := func(e ast.Expr) {
		if text := beginning(e); text != "" {
			all = append(all, text)
		}
	}
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.CallExpr:
			name := ""
			switch f := n.Fun.(type) {
			case *ast.SelectorExpr:
				name = f.Sel.Name
			case *ast.Ident:
				name = f.Name
			}
			switch name {
			case "putPayment", "putOrder", "putRefund", "putFulfilment", "closeNow":
				add(n.Args[len(n.Args)-1])
			case "audit":
				add(n.Args[0])
			}
		case *ast.AssignStmt:
			for i, to := range n.Lhs {
				named, ok := to.(*ast.Ident)
				field, isField := to.(*ast.SelectorExpr)
				if i < len(n.Rhs) && (ok && named.Name == "cause" || isField && field.Sel.Name == "Cause") {
					add(n.Rhs[i])
				}
			}
		case *ast.KeyValueExpr:
			if key, ok := n.Key.(*ast.Ident); ok && key.Name == "Cause" {
				add(n.Value)
			}
		}
		return true
	})
	return all
}

// beginning is the constant text that an expression begins with.
func beginning(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.BasicLit:
		text, _ := strconv.Unquote(e.Value) // no text: a number
		return text
	case *ast.BinaryExpr:
		return beginning(e.X)
	case *ast.CallExpr:
		if f, ok := e.Fun.(*ast.SelectorExpr); ok && f.Sel.Name == "Sprintf" {
			text := beginning(e.Args[0])
			if at := strings.IndexByte(text, '%'); at > 0 {
				text = text[:at]
			}
			return text
		}
	}
	return ""
}

func TestYuanAreReadExactly(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int64{"0.01": 1, "12.50": 1250, "12.5": 1250, "7": 700, "100000.00": 10000000} {
		if got, err := inFen(text); err != nil || got != want {
			t.Errorf("%s: %d, %v; want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", ".5", "1.", "1.234", "-1", "1e3", "1,00", "1.2.3", "１", "99999999999999999", " 1"} {
		if got, err := inFen(text); err == nil {
			t.Errorf("%q was read as %d", text, got)
		}
	}
}
