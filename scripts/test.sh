#!/usr/bin/env bash
# Runs all tests with the race detector. `make test` calls it through with-postgres.sh.
set -euo pipefail
cd "$(dirname "$0")/.."

# On Linux the race detector needs a C compiler with its headers; for everything else Go alone is enough.
c_compiler_works() {
	local program
	program=$(mktemp)
	echo '#include <stdlib.h>' | ${CC:-cc} -x c -c -o "$program" - 2>/dev/null
	local status=$?
	rm -f "$program"
	return "$status"
}

# Go's own limit of ten minutes a package is too short for the end-to-end tests on a slow machine.
limit=-timeout=20m

race=-race
if [ "$(go env GOOS)" != darwin ] && ! c_compiler_works; then
	if [ -n "${PAYBRIDGE_CI:-}" ]; then
		echo 'no C compiler, so no race detector, and PAYBRIDGE_CI is set: install gcc and libc6-dev' >&2
		exit 1
	fi
	printf '\n*** No C compiler: the race detector is OFF. Install gcc and libc6-dev to turn it on. ***\n\n' >&2
	race=
fi

scripts/node-tools.sh

gotestsum() { go tool -modfile=tools/go.mod gotestsum "$@"; }

# run_tests TESTFLAGS… runs the tests of the packages in $packages.
run_tests() {
	# shellcheck disable=SC2086 # no word at all when the detector is off; one word a package
	if gotestsum --version >/dev/null 2>&1; then
		gotestsum --format pkgname-and-test-fails --format-hide-empty-pkg -- $race $limit "$@" $packages
	else
		go test $race $limit "$@" $packages
	fi
}

# The end-to-end tests go last and alone: they start many processes, and on two processors whoever ran beside them would only wait.
e2e=github.com/paybridge/paybridge/internal/e2e
packages=$(go list ./... | grep -v "^$e2e\$")
run_tests "$@"
packages=$e2e
run_tests "$@"
