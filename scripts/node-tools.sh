#!/usr/bin/env bash
# Installs what the tests of the client kits, the simulated phone and the pages need: node and Chromium from Debian where
# there is apt and root, and the npm packages of tools/node and plugins/example-node by their lock files. `make test` calls it. What it cannot
# install it names; the tests that need it then skip, and fail where PAYBRIDGE_CI is set.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf 'node-tools: %s\n' "$*" >&2; }

has_chromium() {
	[ -n "${PAYBRIDGE_CHROMIUM:-}" ] || command -v chromium >/dev/null || command -v chromium-browser >/dev/null ||
		command -v google-chrome >/dev/null || [ -x '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome' ]
}

wanted=()
command -v node >/dev/null || wanted+=(nodejs)
command -v npm >/dev/null || wanted+=(npm)
has_chromium || wanted+=(chromium)
if [ ${#wanted[@]} -gt 0 ]; then
	if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
		say "installing Debian's ${wanted[*]}"
		export DEBIAN_FRONTEND=noninteractive
		{ apt-get update -q && apt-get install -q -y --no-install-recommends "${wanted[@]}"; } >&2 || true
	fi
	for program in node npm; do
		command -v "$program" >/dev/null || say "*** $program is missing: install Node.js 20 or later. ***"
	done
	has_chromium || say "*** Chromium is missing: install it, or name one in PAYBRIDGE_CHROMIUM. ***"
fi

command -v npm >/dev/null || exit 0
# npm writes the stamp last, so a cut-off installation is done again. Nothing of the packages runs while it is installed.
for folder in tools/node plugins/example-node; do
	stamp=$folder/node_modules/.package-lock.json
	if [ ! -f "$stamp" ] || [ "$folder/package-lock.json" -nt "$stamp" ]; then
		(cd "$folder" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >&2) ||
			say "*** The npm packages of $folder could not be installed. ***"
		[ ! -f "$stamp" ] || touch "$stamp"
	fi
done
