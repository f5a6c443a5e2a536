#!/usr/bin/env bash
# Runs the commands of docs/adding-a-channel.md as a reader would: every ```sh block, in order, in one shell, on a copy of
# the project, so that the channel which the walk makes stays out of this one. The Chinese page must have the same blocks.
set -euo pipefail
cd "$(dirname "$0")/.."

blocks() { awk '/^```(sh|yaml)$/ {inside = 1; next} /^```$/ {inside = 0} inside' "$1"; }
commands() { awk '/^```sh$/ {inside = 1; next} /^```$/ {inside = 0} inside' "$1"; }

if ! diff <(blocks docs/adding-a-channel.md) <(blocks docs/adding-a-channel.zh-CN.md) >&2; then
	echo 'walk-check: docs/adding-a-channel.md and its Chinese page have different commands' >&2
	exit 1
fi
[ -n "$(commands docs/adding-a-channel.md)" ] || { echo 'walk-check: the walk has no commands' >&2; exit 1; }

copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
git ls-files -z --cached --others --exclude-standard | tar --null -T - -cf - | tar -xf - -C "$copy"
# A line that must fail begins with "!", which alone would not stop a shell.
commands docs/adding-a-channel.md | sed 's/^! \(.*\)$/if \1; then echo "walk-check: this must fail" >\&2; exit 1; fi/' >"$copy/walk.sh"
cd "$copy"
bash -euxo pipefail walk.sh </dev/null

# What the walk has promised: the channel is there, and pinned.
grep -q '"name": "acme-pay"' bin/plugins/plugins.lock
