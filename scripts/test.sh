#!/usr/bin/env bash
# Runs all tests with the race detector. `make test` calls it through with-postgres.sh.
set -euo pipefail
cd "$(dirname "$0")/.."

race=-race
if ! echo 'int main(void){return 0;}' | ${CC:-cc} -x c -o /dev/null - 2>/dev/null; then
	# On Linux the race detector needs a C compiler; Go alone is enough for everything else.
	if [ "$(go env GOOS)" != darwin ]; then
		if [ -n "${PAYBRIDGE_CI:-}" ]; then
			echo 'no C compiler: the race detector cannot run. Install gcc.' >&2
			exit 1
		fi
		printf '\n*** No C compiler: the race detector is OFF. Install gcc to turn it on. ***\n\n' >&2
		race=
	fi
fi

gotestsum() { go tool -modfile=tools/go.mod gotestsum "$@"; }

# shellcheck disable=SC2086 # no word at all when the detector is off
if gotestsum --version >/dev/null 2>&1; then
	gotestsum --format pkgname-and-test-fails --format-hide-empty-pkg -- $race "$@" ./...
else
	go test $race "$@" ./...
fi
