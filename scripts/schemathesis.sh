#!/bin/sh
# Asks a node everything that its OpenAPI document allows, and what it does not, with Schemathesis (https://schemathesis.io).
#
#   scripts/schemathesis.sh [SECONDS]     the longest time of requests; 150 where it is not said
#
# The program has to be built, and python3 has to be there. Schemathesis is installed once, in target/schemathesis. Where it cannot be,
# this says so and ends well; with FLOWGATE_TEST_SERVERS=required, that is an error instead.
set -eu

version=4.32.5
seconds=${1:-150}
here=$(cd "$(dirname "$0")" && pwd)
target=${CARGO_TARGET_DIR:-$here/../target}
profile=${FLOWGATE_PROFILE:-release}
mkdir -p "$target/schemathesis"
home=$(cd "$target/schemathesis" && pwd)
flowgate=$(cd "$target/$profile" && pwd)/flowgate

lacks() {
    echo "schemathesis: $*" >&2
    if [ "${FLOWGATE_TEST_SERVERS:-}" = required ]; then exit 1; fi
    exit 0
}

if [ "$(cat "$home/ready" 2>/dev/null)" != "$version" ]; then
    command -v python3 >/dev/null 2>&1 || lacks "python3 is missing: the API is not tested"
    rm -rf "$home/python"
    if python3 -m venv "$home/python" \
        && "$home/python/bin/python" -m pip install -q --disable-pip-version-check "schemathesis==$version"; then
        echo "$version" >"$home/ready"
    else
        lacks "Schemathesis cannot be installed from PyPI: the API is not tested"
    fi
fi

# A node with a tenant that has a job and a secret. The token is the node's administrator's: it reaches everything.
work=$(mktemp -d)
node=
end() {
    if [ -n "$node" ]; then
        kill "$node" 2>/dev/null || true
        wait "$node" 2>/dev/null || true
    fi
    rm -rf "$work"
}
trap end EXIT
trap 'exit 1' INT TERM
FLOWGATE_HOME=$work/home "$flowgate" serve --data "$work/data" --listen 127.0.0.1:0 --stop-jobs 2>"$work/said" &
node=$!
tries=0
until grep -q 'the node serves at' "$work/said"; do
    tries=$((tries + 1))
    if [ "$tries" -gt 300 ]; then
        cat "$work/said" >&2
        exit 1
    fi
    sleep 0.1
done
address=$(sed -n 's/^the node serves at //p' "$work/said")
first=$(sed -n 's/.*shown this once: //p' "$work/said")

# ask TOKEN METHOD PATH BODY: prints the response.
ask() {
    "$home/python/bin/python" - "$address$3" "$@" <<'PYTHON'
import sys, urllib.request
url, token, method, _, body = sys.argv[1:]
headers = {"Authorization": "Bearer " + token, "Content-Type": "application/json"}
request = urllib.request.Request(url, body.encode(), headers, method=method)
print(urllib.request.urlopen(request).read().decode())
PYTHON
}
tenant='{"name":"acme","quotas":{"requests_per_s":100000,"compiles_per_min":100000,"tokens":100000,"secrets":100000}}'
ask "$first" POST /api/v1/tenants "$tenant" >/dev/null
job='job: web\nsources: { rows: { generator: { rate: 100, columns: { n: { sequence: {} } } } } }\nsinks: { out: { input: rows, blackhole: {} } }\n'
ask "$first" POST /api/v1/tenants/acme/jobs "{\"document\":\"$job\"}" >/dev/null
ask "$first" PUT /api/v1/tenants/acme/secrets/key '{"value":"of no use"}' >/dev/null

# Streams do not end, and are tested elsewhere.
cd "$work"
SCHEMATHESIS_HOOKS=$here/schemathesis_hooks.py "$home/python/bin/python" -m schemathesis.cli \
    --config-file "$here/schemathesis.toml" run "$address/openapi.json" -H "Authorization: Bearer $first" \
    --exclude-path-regex '/(events|tap|logs)$' --checks all --max-time "$seconds" --request-timeout 30 --no-color

# Whatever it has sent, the node is there.
kill -0 "$node"
if grep -E ' error: ' "$work/said"; then
    echo "schemathesis: the node has logged errors" >&2
    exit 1
fi
