#!/bin/sh
# Makes this machine able to run the tests of the page: Chromium, and the packages of tests/page. Run it as often as you like.
#
#   scripts/setup-browser.sh
#
# Chromium is Debian's package; it is installed where this is root and it is missing. Node 20 or newer has to be there. Where
# something is missing, this says what to install, and the tests skip themselves; with CI=true that is an error.
set -eu

page=$(cd "$(dirname "$0")/../tests/page" && pwd)

have() { command -v "$1" >/dev/null 2>&1; }
say() { printf 'setup: %s\n' "$*"; }

lacks() {
    say "$*" >&2
    if [ "${CI:-}" = true ]; then exit 1; fi
    exit 0
}

has_browser() { [ -x "${CHROMIUM:-/usr/bin/chromium}" ] || have chromium-browser || have google-chrome; }

install_browser() {
    have apt-get && [ "$(id -u)" = 0 ] || return 1
    say "apt-get install chromium"
    DEBIAN_FRONTEND=noninteractive apt-get update -q >/dev/null 2>&1 || true
    DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends -o DPkg::Lock::Timeout=120 chromium </dev/null >/dev/null 2>&1
}

has_browser || install_browser || lacks "Chromium is missing, so the tests of the page are skipped. Debian: apt-get install chromium; or set CHROMIUM to its path"
{ have node && have npm; } || lacks "Node and npm are missing, so the tests of the page are skipped. Debian: apt-get install nodejs npm (version 20 or newer)"
if ! cmp -s "$page/package-lock.json" "$page/node_modules/.ready"; then
    say "npm ci in tests/page"
    (cd "$page" && npm ci --silent --ignore-scripts) || lacks "the packages of tests/page cannot be installed, so the tests of the page are skipped"
    cp "$page/package-lock.json" "$page/node_modules/.ready"
fi
