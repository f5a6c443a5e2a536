package main

import (
	"strings"
	"testing"

	"github.com/paybridge/paybridge/plugins/sdk/conformance"
)

func TestPluginTestSaysWhatIsBroken(t *testing.T) {
	t.Parallel()
	fixture := strings.Join(conformance.Build(t, "../../plugins/example/provider"), "") + " fixture"
	plugin := conformance.Build(t, "../../plugins/example")[0]
	for _, row := range []struct {
		name    string
		args    []string
		says    string // on standard output
		refused string // empty: exit code 0
	}{
		{"kept", []string{plugin, "--fixture", fixture, "--only", "describe,facts"}, "2 promises kept, 0 broken, 0 not played", ""},
		{"a program that is no plugin", []string{"--fixture", fixture, "--only", "describe", "--", "/bin/echo", "hello"}, "To do: ", "breaks the contract: describe"},
		{"a program that is not there", []string{"/no/such/plugin", "--fixture", fixture, "--only", "describe"}, "it does not start", "breaks the contract: describe"},
		{"a fixture that is none", []string{plugin, "--fixture", "/bin/echo hello"}, "", "did not say where it serves"},
		{"no fixture", []string{plugin}, "", "by --fixture the program that plays its provider"},
		{"no such promise", []string{plugin, "--fixture", fixture, "--only", "honesty"}, "", `there is no promise "honesty"`},
		{"the list", []string{"--list"}, "verify-before-parse", ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			var said strings.Builder
			cmd := root()
			cmd.SetArgs(append([]string{"plugin", "test"}, row.args...))
			cmd.SetOut(&said)
			err := cmd.ExecuteContext(t.Context())
			if !strings.Contains(said.String(), row.says) {
				t.Errorf("it says\n%s\nwant %q", said.String(), row.says)
			}
			if row.refused == "" && err != nil || row.refused != "" && (err == nil || !strings.Contains(err.Error(), row.refused)) {
				t.Errorf("error %v, want %q", err, row.refused)
			}
		})
	}
}
