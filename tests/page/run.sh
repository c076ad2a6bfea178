#!/bin/sh
# Runs the tests of the page with a program and its plugins; skips them where scripts/setup-browser.sh has found something missing.
#
#   tests/page/run.sh FLOWGATE PLUGINS
set -eu

here=$(cd "$(dirname "$0")" && pwd)
if [ ! -e "$here/node_modules/.ready" ]; then
    echo "page: the packages of tests/page are missing, so the tests of the page are skipped: make setup" >&2
    if [ "${CI:-}" = true ]; then exit 1; fi
    exit 0
fi
flowgate=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
plugins=$(cd "$2" && pwd)
cd "$here"
node --test layout.test.js
FLOWGATE=$flowgate FLOWGATE_PLUGINS=$plugins exec node run.js
