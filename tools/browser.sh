#!/bin/sh
# Chromium for the browser tests. Installs it where it may, else names the commands and exits 2.
set -eu
if command -v chromium >/dev/null 2>&1; then exit 0; fi
commands="apt-get update && apt-get install -y --no-install-recommends chromium fonts-dejavu-core"
if ! command -v apt-get >/dev/null 2>&1; then
    echo "The browser tests need Chromium on the path as 'chromium'. Install it with this system's package manager, then run make test again." >&2
    exit 2
fi
if [ "$(id -u)" = 0 ]; then
    echo "installing chromium"
    sh -c "$commands" >/dev/null
elif command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then
    echo "installing chromium"
    sudo -n sh -c "$commands" >/dev/null
else
    echo "The browser tests need Debian's Chromium. As root, run:" >&2
    echo "    $commands" >&2
    exit 2
fi
