#!/usr/bin/env bash
# Builds a test and prints the path of its program. Arguments are those of `cargo test`.
set -euo pipefail
cargo test --no-run "$@" 2>&1 | tee /dev/stderr | sed -n 's/^ *Executable .* (\(.*\))$/\1/p'
