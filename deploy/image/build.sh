#!/bin/sh
# Builds the program for x86_64-unknown-linux-musl, linked statically, and an image FROM scratch with it. Says what is missing.
#
#   deploy/image/build.sh TARGET_DIR PROFILE
#
# IMAGE is the name of the image (flowgate), BUILDER the program that builds it (docker, or podman where there is none).
set -eu

target_dir=$1
profile=$2
target=x86_64-unknown-linux-musl
image=${IMAGE:-flowgate}
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/../.."

say() { printf 'image: %s\n' "$*"; }
die() { printf 'image: %s\n' "$*" >&2; exit 1; }
have() { command -v "$1" >/dev/null 2>&1; }

[ -e "$(rustc --print sysroot)/lib/rustlib/$target" ] || die "Rust has no $target: rustup target add $target"
have musl-gcc || die "there is no C compiler for $target: install musl-gcc (Debian's package musl-tools)"

say "1 of 2: the program"
CARGO_TARGET_DIR=$target_dir cargo build --profile "$profile" --target "$target" -p flowgate-cli
folder=$profile
[ "$profile" = dev ] && folder=debug
program=$target_dir/$target/$folder/flowgate
# A program that needs a loader would not start in an empty image.
if have file && file "$program" | grep -q 'dynamically linked'; then die "$program is not linked statically"; fi
say "the program: $program"

builder=${BUILDER:-}
for candidate in docker podman; do
    if [ -z "$builder" ] && have "$candidate"; then builder=$candidate; fi
done
[ -n "$builder" ] || die "the program is built; for the image, docker or podman is needed"
"$builder" info >/dev/null 2>&1 || die "the program is built; $builder does not answer: is its service running?"

say "2 of 2: the image $image, by $builder"
context=$(mktemp -d)
trap 'rm -rf "$context"' EXIT
cp "$here/Dockerfile" "$program" "$context"
mkdir -m 700 "$context/data"
"$builder" build -t "$image" "$context"
say "built: $builder run --rm $image --help"
