#!/bin/sh
# Makes this machine able to build plugins: Rust for the target wasm32-unknown-unknown. Run it as often as you like.
#
#   scripts/setup.sh             make it so, and say how
#   scripts/setup.sh --quiet     say nothing where there is nothing to do
#
# Three ways, in this order; the first that is open is taken:
#
#   1. The compiler in use has the target already.
#   2. `rustup target add`, where rustup manages the compiler and its server can be reached.
#   3. A standard library for the target, built once (about a minute) from the sources that come with a compiler:
#      rustup's component rust-src, or the packages rustc-web and rust-web-src of Debian and Ubuntu, which are
#      installed if need be. The result is kept in $FLOWGATE_HOME/wasm-toolchain, outside of the repository:
#
#        bin/rustc    the compiler that the sources belong to, told to use the library below
#        lib/         its library for wasm32-unknown-unknown, and a link to the one for this machine
#        env          what `flowgate plugin build` reads: format, id, rustc, linker, compiler, version
#
# FLOWGATE_HOME is ${XDG_CACHE_HOME:-~/.cache}/flowgate where it is not set.
set -eu

target=wasm32-unknown-unknown
format=1                 # of the folder; raise it when a folder made by an older script must be made again
probe_seconds=10         # to find out whether a download server answers
download_seconds=600     # for a download from a server that does
blind_seconds=20         # for one that could not be asked

home=${FLOWGATE_HOME:-${XDG_CACHE_HOME:-${HOME:?HOME is not set}/.cache}/flowgate}
toolchain=$home/wasm-toolchain
quiet=${1:-}
tried=

say() { printf 'setup: %s\n' "$*"; }
idle() { [ "$quiet" = --quiet ] || say "$*"; }
have() { command -v "$1" >/dev/null 2>&1; }

# Remembers a way that was not open, for the message at the end.
note() {
    say "$*"
    tried="$tried
  - $*"
}

die() {
    printf '\nsetup: %s\n' "$*" >&2
    exit 1
}

# within SECONDS COMMAND...: runs it for at most SECONDS, where the system can do that.
within() {
    seconds=$1
    shift
    if have timeout; then timeout "$seconds" "$@" </dev/null; else "$@" </dev/null; fi
}

# Whether the library of $1 (a sysroot) holds the standard library of the target.
has_target() {
    for library in "$1/lib/rustlib/$target/lib"/libstd-*.rlib; do
        if [ -e "$library" ]; then return 0; fi
    done
    return 1
}

# The compiler's version on one line: what the library must have been built by.
version_of() { "$1" -vV | tr '\n' ' '; }

field() { printf '%s' "$1" | sed -n "s/.*$2: \([^ ]*\) .*/\1/p"; }

require_tools() {
    if ! have cargo || ! have rustc; then die "Rust is missing (cargo and rustc).
  With rustup:      https://rustup.rs
  Debian, Ubuntu:   apt-get install rustc-web cargo-web"; fi
    have cc || have gcc || have clang || die "a C compiler is missing (Debian, Ubuntu: apt-get install gcc libc6-dev)"
}

# ---- 1: it is there already ------------------------------------------------------------------------------------------

in_use() {
    has_target "$(rustc --print sysroot)"
}

built_before() {
    [ -f "$toolchain/env" ] || return 1
    compiler=$(sed -n 's/^compiler=//p' "$toolchain/env")
    linker=$(sed -n 's/^linker=//p' "$toolchain/env")
    [ -x "$compiler" ] && [ -x "$linker" ] && has_target "$toolchain" \
        && grep -qx "format=$format" "$toolchain/env" \
        && [ "$(version_of "$compiler")" = "$(sed -n 's/^version=//p' "$toolchain/env")" ]
}

# ---- 2: rustup -------------------------------------------------------------------------------------------------------

# Whether rustup's server answers: 0 yes, 1 no, 2 there is nothing to ask it with.
server_answers() {
    url=${RUSTUP_DIST_SERVER:-https://static.rust-lang.org}/dist/channel-rust-stable.toml.sha256
    if have curl; then
        curl -fsSL --max-time "$probe_seconds" -o /dev/null "$url" 2>/dev/null || return 1
    elif have wget; then
        wget -q --tries=1 --timeout="$probe_seconds" -O /dev/null "$url" 2>/dev/null || return 1
    else
        return 2
    fi
}

from_rustup() {
    have rustup || { note "rustup: not installed"; return 1; }
    case $(rustup which rustc 2>/dev/null || true) in
        "") note "rustup: it does not manage the compiler in use"; return 1 ;;
    esac
    limit=$download_seconds
    answer=0
    server_answers || answer=$?
    if [ "$answer" = 1 ]; then
        # The probe is not rustup, so it may be wrong (another proxy, other certificates): ask rustup too, but briefly.
        limit=$blind_seconds
        say "rustup's download server does not answer; trying for $limit s all the same"
    elif [ "$answer" = 2 ]; then
        limit=$blind_seconds
    fi
    say "rustup target add $target"
    if RUST_BACKTRACE=0 within "$limit" rustup target add "$target" && in_use; then return 0; fi
    note "rustup target add $target: failed, or took longer than $limit s"
    return 1
}

# ---- 3: a standard library of our own --------------------------------------------------------------------------------

has_sources() { [ -e "$1/lib/rustlib/src/rust/library/std/Cargo.toml" ]; }

# Prints a compiler that has the sources of its standard library. Debian's lies at /usr/bin, behind rustup's in the path.
compiler_with_sources() {
    for compiler in rustc /usr/bin/rustc; do
        have "$compiler" || continue
        sysroot=$("$compiler" --print sysroot) || continue
        if has_sources "$sysroot"; then
            # The compiler itself, not rustup's stand-in: which toolchain that means depends on the folder it runs in.
            if [ -x "$sysroot/bin/rustc" ]; then echo "$sysroot/bin/rustc"; else command -v "$compiler"; fi
            return 0
        fi
    done
    return 1
}

# Prints a linker for WebAssembly: the compiler's own, that of LLVM, or that of a compiler which rustup installed.
wasm_linker() {
    host=$(field "$(version_of "$1")" host)
    llvm=$(field "$(version_of "$1")" 'LLVM version' | cut -d. -f1)
    for linker in "$("$1" --print sysroot)/lib/rustlib/$host/bin/rust-lld" "wasm-ld-$llvm" \
        "$(rustc --print sysroot)/lib/rustlib/$host/bin/rust-lld" wasm-ld; do
        if have "$linker"; then
            command -v "$linker"
            return 0
        fi
    done
    return 1
}

as_root() {
    if [ "$(id -u)" = 0 ]; then
        env DEBIAN_FRONTEND=noninteractive "$@"
    elif [ -t 0 ]; then
        sudo env DEBIAN_FRONTEND=noninteractive "$@"
    else
        sudo -n env DEBIAN_FRONTEND=noninteractive "$@"
    fi
}

# Installs packages; asks for fresh lists only where the ones at hand do not do. Never removes a package for it.
apt_install() {
    say "apt-get install $*"
    set -- install -y -q --no-install-recommends --no-remove -o DPkg::Lock::Timeout=120 "$@"
    as_root apt-get "$@" </dev/null >"$log" 2>&1 && return 0
    say "apt-get update, and again"
    as_root apt-get update -q </dev/null >>"$log" 2>&1 || true
    as_root apt-get "$@" </dev/null >>"$log" 2>&1 && return 0
    tail -n 3 "$log" >&2
    return 1
}

# Installs what is missing for a build from sources.
from_packages() {
    have apt-get || { note "Debian's packages: this system has no apt-get"; return 1; }
    [ "$(id -u)" = 0 ] || have sudo || { note "Debian's packages: neither root nor sudo"; return 1; }
    if ! compiler_with_sources >/dev/null; then
        apt_install rustc-web rust-web-src || { note "apt-get install rustc-web rust-web-src: failed"; return 1; }
    fi
    compiler=$(compiler_with_sources) || { note "rust-web-src: holds no sources of /usr/bin/rustc"; return 1; }
    if ! wasm_linker "$compiler" >/dev/null; then
        llvm=$(field "$(version_of "$compiler")" 'LLVM version' | cut -d. -f1)
        apt_install "lld-$llvm" || apt_install lld || { note "apt-get install lld: failed"; return 1; }
    fi
}

# Builds the library of compiler $1 into folder $2, which is complete only when this succeeds.
build_library() {
    say "building the standard library of $target with $1 (once, about a minute)"
    mkdir -p "$2/package/src" "$2/lib/rustlib/$target/lib" "$2/bin"
    : >"$2/package/src/lib.rs"
    printf '[package]\nname = "library"\nedition = "2021"\n[workspace]\n' >"$2/package/Cargo.toml"
    # -Zbuild-std is not stable, and a stable compiler has to be told that we know. What a user's environment says of
    # other builds has no say here.
    (
        cd "$2/package"
        unset CARGO_BUILD_TARGET RUSTC_WRAPPER RUSTC_WORKSPACE_WRAPPER CARGO_ENCODED_RUSTFLAGS CARGO_BUILD_RUSTFLAGS
        RUSTC=$1 RUSTC_BOOTSTRAP=1 RUSTFLAGS=-Cembed-bitcode=yes CARGO_TARGET_DIR=$2/target \
            cargo build -q --release -Zbuild-std=std,panic_abort --target "$target"
    ) </dev/null || return 1
    for library in "$2/target/$target/release/deps"/*.rlib; do
        case $library in
            */liblibrary-*) ;;
            *) cp "$library" "$2/lib/rustlib/$target/lib/" ;;
        esac
    done
    rm -rf "$2/package" "$2/target"
}

from_sources() {
    compiler=$(compiler_with_sources) || return 1
    linker=$(wasm_linker "$compiler") || { note "no linker for WebAssembly (wasm-ld, rust-lld)"; return 1; }
    mkdir -p "$home"
    new=$(mktemp -d "$toolchain.XXXXXX")
    build_library "$compiler" "$new" || { note "building the standard library with $compiler: failed"; return 1; }
    host=$(field "$(version_of "$compiler")" host)
    # Build scripts and procedural macros run on this machine, with the compiler's own library.
    ln -s "$("$compiler" --print sysroot)/lib/rustlib/$host" "$new/lib/rustlib/$host"
    printf '#!/bin/sh\nexec "%s" --sysroot "%s" "$@"\n' "$compiler" "$toolchain" >"$new/bin/rustc"
    chmod a+x "$new/bin/rustc"
    cat >"$new/env" <<END
format=$format
id=$(date +%Y%m%d-%H%M%S)-$$
rustc=$toolchain/bin/rustc
linker=$linker
compiler=$compiler
version=$(version_of "$compiler")
END
    chmod 755 "$new"
    # What was compiled with another library of the same version cannot be used with this one.
    rm -rf "$home/target"
    # Nobody sees half a toolchain: it appears under its name when it is whole.
    if [ -e "$toolchain" ]; then
        old=$(mktemp -d "$toolchain.old.XXXXXX")
        mv "$toolchain" "$old/"
        mv "$new" "$toolchain"
        rm -rf "$old"
    else
        mv "$new" "$toolchain"
    fi
    new=
}

# ----------------------------------------------------------------------------------------------------------------------

require_tools

if in_use; then
    idle "the compiler in use has $target; nothing to do"
    exit 0
fi
if built_before; then
    idle "$toolchain is up to date; nothing to do"
    exit 0
fi

# One at a time; the second finds the work of the first.
mkdir -p "$home"
if have flock; then
    exec 9>"$home/setup.lock"
    flock -n 9 || { say "waiting for another setup to end"; flock 9; }
    if in_use || built_before; then
        say "done by another setup"
        exit 0
    fi
fi

new=
log=$(mktemp)
# shellcheck disable=SC2154  # old is set where it is used
trap 'rm -rf "$log" ${new:+"$new"}' EXIT
trap 'exit 1' HUP INT TERM

say "the compiler in use ($(rustc -V)) has no $target"
if from_rustup; then
    say "rustup has installed $target"
    exit 0
fi
compiler_with_sources >/dev/null && compiler=$(compiler_with_sources) && wasm_linker "$compiler" >/dev/null \
    || from_packages || true
if from_sources; then
    say "$toolchain is ready"
    exit 0
fi

die "there is no way to compile for $target here. What was tried:$tried

Any one of these will do, then run this again:
  - rustup target add $target                   (needs access to ${RUSTUP_DIST_SERVER:-https://static.rust-lang.org})
  - rustup component add rust-src, and lld      (the standard library is then built here)
  - apt-get install rustc-web rust-web-src lld  (Debian 12; the same)"
