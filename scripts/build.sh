#!/usr/bin/env bash
# Builds every program of cmd/ into bin/ (or the folder given) and every plugin into bin/plugins/, then pins the plugins.
# A plugin is a folder plugins/NAME whose package is main: a new one needs no edit here. A program in its folder
# provider/ plays its provider for dev and demo, which find it as bin/providers/NAME.
set -euo pipefail
cd "$(dirname "$0")/.."
bin=${1:-bin}

version=$(cat VERSION)
module=$(go list -m)

programs=$(go list -f '{{if eq .Name "main"}}{{.ImportPath}}{{end}}' ./cmd/...)
plugins=
providers=
for path in $(go list -f '{{if eq .Name "main"}}{{.ImportPath}}{{end}}' ./plugins/...); do
	case ${path#"$module"/plugins/} in
	*/provider) providers="$providers $path" ;;
	*/*) ;; # another program inside a plugin's folder is not a plugin
	*) plugins="$plugins $path" ;;
	esac
done

build() { # build FOLDER PACKAGE…
	local folder=$1
	shift
	mkdir -p "$folder"
	# Without cgo the programs are static: one file runs on any machine of its kind.
	CGO_ENABLED=0 go build -trimpath -ldflags "-X main.version=$version" -o "$folder/" "$@"
}

# A plugin whose folder is gone must not be pinned again.
for old in "$bin"/plugins/*; do
	case " $plugins " in
	*"/plugins/$(basename "$old") "*) ;;
	*) rm -f "$old" ;;
	esac
done

# shellcheck disable=SC2086 # the lists are split on purpose
build "$bin" $programs
# shellcheck disable=SC2086
[ -z "$plugins" ] || build "$bin/plugins" $plugins

build "$bin/examples" ./docs/examples/clinic # dev's simulated phone opens it

rm -rf "$bin/providers"
for path in $providers; do
	name=$(basename "$(dirname "$path")")
	build "$bin/providers" "$path"
	mv "$bin/providers/provider" "$bin/providers/$name"
done

# The example channel in JavaScript is a plugin like any other, where node and its packages are (scripts/node-tools.sh); the program
# that the lock pins starts it.
if command -v node >/dev/null && [ -f plugins/example-node/node_modules/.package-lock.json ]; then
	printf '#!/bin/sh\nexec "%s" "%s/plugins/example-node/main.mjs" "$@"\n' "$(command -v node)" "$PWD" >"$bin/plugins/example-node"
	chmod +x "$bin/plugins/example-node"
	cp "$bin/providers/example" "$bin/providers/example-node"
fi

"$bin/paybridge" plugin lock "$bin/plugins"
