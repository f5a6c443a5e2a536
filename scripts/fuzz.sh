#!/usr/bin/env bash
# Fuzzes each fuzz test in turn, for FUZZTIME each (default 10s). A find is written to the package's
# testdata/fuzz; commit it with the fix, it is a test from then on.
set -euo pipefail
cd "$(dirname "$0")/.."

packages=$(go list -f '{{if or .TestGoFiles .XTestGoFiles}}{{.ImportPath}}{{end}}' ./...)
for package in $packages; do
	for target in $(go test -list '^Fuzz' "$package" | grep '^Fuzz' || true); do
		printf '== %s %s\n' "$package" "$target"
		go test -run '^$' -fuzz "^$target\$" -fuzztime "${FUZZTIME:-10s}" -fuzzminimizetime 1s "$package"
	done
done
