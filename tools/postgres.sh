#!/bin/sh
# PostgreSQL's server programs for the tests, which start a private server of their own. Installs them where it may, else names the commands and exits 2.
set -eu
if command -v initdb >/dev/null 2>&1 || ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1; then exit 0; fi
commands="apt-get update && apt-get install -y --no-install-recommends postgresql"
if ! command -v apt-get >/dev/null 2>&1; then
    echo "The tests on PostgreSQL need its server programs (initdb, pg_ctl) on the path. Install them with this system's package manager, then run make test again." >&2
    exit 2
fi
if [ "$(id -u)" = 0 ]; then
    echo "installing postgresql"
    sh -c "$commands" >/dev/null
elif command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then
    echo "installing postgresql"
    sudo -n sh -c "$commands" >/dev/null
else
    echo "The tests need the server programs of Debian's PostgreSQL. As root, run:" >&2
    echo "    $commands" >&2
    exit 2
fi
