#!/usr/bin/env bash
# Runs test programs on a kernel of their own that has cgroup v2 with all controllers: user-mode Linux (Debian's package
# `user-mode-linux`), a kernel that is a process, on the files of this machine, which it cannot change.
#
# Usage: run.sh PROGRAM ARGUMENT...
set -euo pipefail

program=$(realpath "$1")
shift
# Tests write there, below the folder of what was built.
written=$(dirname "$(dirname "$(dirname "$program")")")/test-home
mkdir -p "$written"
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat >"$folder/init" <<INIT
#!/bin/bash
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/tmp
mount -t proc proc /proc && mount -t sysfs sys /sys && mount -t cgroup2 cgroup /sys/fs/cgroup &&
    mount -t tmpfs tmp /tmp && mount -t tmpfs tests "$written" && ip link set lo up &&
    cd /tmp && $(printf '%q ' "$program" "$@") && echo "tests of groups: passed"
sync
echo o >/proc/sysrq-trigger
sleep 60
INIT
chmod +x "$folder/init"
# The memory of this kernel is a file in TMPDIR.
timeout 900 linux.uml mem=1536M root=/dev/root rootfstype=hostfs rootflags=/ ro init="$folder/init" \
    con=null con0=null,fd:1 con1=null quiet </dev/null 2>&1 | tee "$folder/said"
grep -q '^tests of groups: passed' "$folder/said"
