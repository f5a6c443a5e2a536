#!/usr/bin/env bash
# Runs the README's commands as a reader would: every line of its ```sh blocks, in order, in one shell, at the root of
# the project. `make run` is left running in the background, once its page answers, for the lines after it, and stopped
# at the end. The Chinese README must have the same commands.
#
# PAYBRIDGE_README_DONE holds a line that has just been run by somebody else (.ci/run) and need not run again.
set -euo pipefail
cd "$(dirname "$0")/.."

page=http://127.0.0.1:8080/
patience=180 # seconds for make run to build and answer

# commands prints a README's shell lines; a line that ends in a backslash goes on in the next.
commands() {
	awk '/^```sh$/ {inside = 1; next} /^```$/ {inside = 0} inside && !/^[ \t]*(#|$)/' "$1"
}

if ! diff <(commands README.md) <(commands README.zh-CN.md) >&2; then
	echo 'readme-check: README.md and README.zh-CN.md have different commands' >&2
	exit 1
fi
[ -n "$(commands README.md)" ] || { echo 'readme-check: README.md has no commands' >&2; exit 1; }

log=$(mktemp)
running=
current=
stop() {
	status=$?
	trap - EXIT
	if [ -n "$running" ]; then
		kill -TERM -- "-$running" 2>/dev/null || true
		wait "$running" 2>/dev/null || true
	fi
	if [ "$status" != 0 ]; then
		printf 'readme-check: failed at: %s\n' "$current" >&2
		[ -z "$running" ] || { echo 'What make run wrote last:' >&2; tail -n 40 "$log" >&2; }
	fi
	rm -f "$log"
	exit "$status"
}
trap stop EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

start() { # start LINE
	if curl -s -o /dev/null "$page"; then
		echo "something else answers at $page; stop it first" >&2
		return 1
	fi
	set -m # a process group of its own, so that all of it can be stopped
	eval "$1" >"$log" 2>&1 &
	running=$!
	set +m
	local waited=0
	until curl -s -f -o /dev/null "$page"; do
		kill -0 "$running" 2>/dev/null || { echo "it ended before $page answered" >&2; return 1; }
		[ "$waited" -lt "$patience" ] || { echo "$page did not answer in $patience s" >&2; return 1; }
		sleep 1
		waited=$((waited + 1))
	done
}

while IFS= read -r -u 3 line; do
	while [ "${line%\\}" != "$line" ] && IFS= read -r -u 3 more; do
		line="${line%\\}$more"
	done
	current=$line
	printf '\n$ %s\n' "$line"
	case $line in
	'make run') start "$line" ;;
	"${PAYBRIDGE_README_DONE:-}") echo '(has just been run)' ;;
	*) eval "$line" </dev/null ;;
	esac
done 3< <(commands README.md)
