#!/bin/sh
# Writes ../access.log anew: runs nginx on loopback under visitors (load.py) and takes the log that it wrote, as it is.
#
#   ./make-log.sh [SECONDS]        default: 300
#
# Needs nginx and python3 (Debian: apt-get install nginx-light python3). No test runs this: the log is in the repository.
set -eu

seconds=${1:-300}
here=$(cd "$(dirname "$0")" && pwd)
port=18080 backend_port=18081 dead_port=18082

work=$(mktemp -d)
nginx_pid=
finish() {
    if [ -n "$nginx_pid" ]; then
        kill "$nginx_pid" 2>/dev/null || true
        wait "$nginx_pid" 2>/dev/null || true
    fi
    rm -rf "$work"
}
trap finish EXIT
trap 'exit 1' HUP INT TERM

mkdir "$work/site" "$work/tmp"
python3 "$here/load.py" site "$work/site"
printf '%s\n' 'ada:{PLAIN}lovelace' 'grace:{PLAIN}hopper' 'alan.t:{PLAIN}turing' >"$work/users"
sed -e "s/@PORT@/$port/" -e "s/@BACKEND_PORT@/$backend_port/" -e "s/@DEAD_PORT@/$dead_port/" \
    "$here/nginx.conf" >"$work/nginx.conf"
chmod -R a+rX "$work"

# Its workers give up root; what they write is the log, which the first process opens.
nginx -p "$work" -c nginx.conf -e error.log &
nginx_pid=$!
sleep 1
kill -0 "$nginx_pid"

echo "visiting for $seconds s ..."
python3 "$here/load.py" visit "$port" "$backend_port" "$seconds"

kill -QUIT "$nginx_pid"
wait "$nginx_pid" || true
nginx_pid=
cp "$work/access.log" "$here/../access.log"
wc -l "$here/../access.log"
