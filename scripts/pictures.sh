#!/usr/bin/env bash
# Makes the pictures of the README and the docs anew, in docs/images: `paybridge dev`, its first page and the simulated phone, in
# Chromium. Look at them before they are committed.
set -euo pipefail
cd "$(dirname "$0")/.."

if ! command -v fc-list >/dev/null || [ -z "$(fc-list :lang=zh)" ]; then
	echo 'no font here has Chinese characters, and the pictures would show boxes: install fonts-noto-cjk' >&2
	exit 1
fi
scripts/node-tools.sh
PICTURES="$PWD/docs/images" go test ./internal/e2e -count=1 -run 'TestDevInChromium'
