#!/usr/bin/env bash
# with-postgres.sh COMMAND… runs COMMAND with PAYBRIDGE_TEST_POSTGRES_DSN naming a PostgreSQL server.
#
# A server that the variable names already is used as it is. Else a throw-away one is started from the
# installed binaries, in a temporary folder, as an ordinary user, on a free loopback port, and removed again
# however COMMAND ends. Where there are no binaries but apt and root, Debian's package is installed, without
# the cluster that it would start. Where that is impossible too, COMMAND runs without a server and its tests
# skip loudly; with PAYBRIDGE_CI=1 that is a failure.
#
# fsync is off: the server is thrown away, so a power failure has nothing to lose, and the tests check what
# a killed process leaves, which fsync does not change. PAYBRIDGE_TEST_POSTGRES_FSYNC=on turns it on; the
# benchmark does.
set -euo pipefail

say() { printf 'with-postgres: %s\n' "$*" >&2; }

[ $# -gt 0 ] || { say "usage: with-postgres.sh COMMAND…"; exit 2; }
[ -z "${PAYBRIDGE_TEST_POSTGRES_DSN:-}" ] || exec "$@"

# find_binaries prints the folder that holds initdb and postgres: PATH first, then the newest that Debian,
# Red Hat or Homebrew installed.
find_binaries() {
	local folder number best='' highest=0
	if command -v initdb >/dev/null && command -v postgres >/dev/null; then
		dirname "$(command -v initdb)"
		return
	fi
	for folder in /usr/lib/postgresql/*/bin /usr/pgsql-*/bin /opt/homebrew/opt/postgresql*/bin \
		/usr/local/opt/postgresql*/bin /Applications/Postgres.app/Contents/Versions/latest/bin; do
		[ -x "$folder/initdb" ] && [ -x "$folder/postgres" ] || continue
		number=$("$folder/postgres" --version | sed 's/[^0-9]*\([0-9]*\).*/\1/')
		if [ "$number" -gt "$highest" ]; then
			highest=$number best=$folder
		fi
	done
	[ -n "$best" ] && printf '%s\n' "$best"
}

install_binaries() {
	[ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || return 1
	say "PostgreSQL is not installed: installing Debian's package, without a running cluster"
	export DEBIAN_FRONTEND=noninteractive
	{
		apt-get update -q
		apt-get install -q -y --no-install-recommends postgresql-common
		echo 'create_main_cluster = false' >>/etc/postgresql-common/createcluster.conf
		apt-get install -q -y --no-install-recommends postgresql
	} >&2
}

binaries=$(find_binaries) || { install_binaries && binaries=$(find_binaries); } || binaries=
if [ -z "$binaries" ]; then
	if [ -n "${PAYBRIDGE_CI:-}" ]; then
		say "no PostgreSQL, and PAYBRIDGE_CI is set: install it, or name a server in PAYBRIDGE_TEST_POSTGRES_DSN"
		exit 1
	fi
	say "*** No PostgreSQL found: everything that needs it is SKIPPED. ***"
	say "*** Install it, or name a server in PAYBRIDGE_TEST_POSTGRES_DSN. ***"
	exec "$@"
fi

# PostgreSQL refuses to run as root, so root lends the server to a user that owns nothing.
as_server() { "$@"; }
server_user=
if [ "$(id -u)" = 0 ]; then
	server_user=nobody
	id postgres >/dev/null 2>&1 && server_user=postgres
	if command -v setpriv >/dev/null; then
		as_server() { setpriv --reuid "$server_user" --regid "$(id -g "$server_user")" --clear-groups "$@"; }
	elif command -v runuser >/dev/null; then
		as_server() { runuser -u "$server_user" -- "$@"; }
	else
		# shellcheck disable=SC2016 # the inner shell expands it
		as_server() { su -s /bin/sh "$server_user" -c 'exec "$0" "$@"' -- "$@"; }
	fi
fi

# Directly under /tmp: the socket's path must stay below 103 bytes, and macOS's TMPDIR is long.
folder=$(mktemp -d /tmp/paybridge-pg.XXXXXX)
child=
cleanup() {
	trap - EXIT INT TERM HUP
	if [ -n "$child" ] && kill -0 "$child" 2>/dev/null; then
		kill -TERM -- "-$child" 2>/dev/null || true
		wait "$child" 2>/dev/null || true
	fi
	if [ -f "$folder/data/postmaster.pid" ]; then
		as_server "$binaries/pg_ctl" -D "$folder/data" -m immediate -w stop >/dev/null 2>&1 || true
	fi
	rm -rf "$folder"
}
trap cleanup EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

password=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
printf '%s\n' "$password" >"$folder/password"
chmod 600 "$folder/password"
[ -z "$server_user" ] || chown -R "$server_user" "$folder"
cd_back=$PWD
cd "$folder" # the server's user may not be allowed to stand where we do

as_server "$binaries/initdb" -D "$folder/data" -U paybridge -A scram-sha-256 --pwfile "$folder/password" \
	-E UTF8 --locale=C --no-sync >"$folder/initdb.log" 2>&1 || {
	cat "$folder/initdb.log" >&2
	exit 1
}

# A port is only known to be free once the server has it, so a taken one is answered by another draw.
started=
for _ in 1 2 3 4 5 6 7 8 9 10; do
	port=$((20000 + RANDOM % 40000))
	if as_server "$binaries/pg_ctl" -D "$folder/data" -l "$folder/data/server.log" -w -t 60 -o "-p $port -k $folder \
		-c listen_addresses=127.0.0.1 -c max_connections=600 -c fsync=${PAYBRIDGE_TEST_POSTGRES_FSYNC:-off}" \
		start >/dev/null 2>&1; then
		started=1
		break
	fi
	grep -q 'Address already in use' "$folder/data/server.log" || break
done
if [ -z "$started" ]; then
	say "PostgreSQL did not start:"
	cat "$folder/data/server.log" >&2
	exit 1
fi
cd "$cd_back"

export PAYBRIDGE_TEST_POSTGRES_DSN="postgres://paybridge:$password@127.0.0.1:$port/postgres?sslmode=disable"

# In a process group of its own, so that a signal reaches COMMAND and all that it started, and the server is
# still there while they end.
set -m
"$@" &
child=$!
set +m
status=0
wait "$child" || status=$?
child=
exit "$status"
