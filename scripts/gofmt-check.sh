#!/usr/bin/env bash
# Fails with the names of the Go files that gofmt would change.
set -euo pipefail
cd "$(dirname "$0")/.."

changed=$(gofmt -l adapters cmd configs core internal plugins ports)
if [ -n "$changed" ]; then
	printf 'not formatted; run gofmt -w on:\n%s\n' "$changed" >&2
	exit 1
fi
