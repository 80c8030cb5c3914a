#!/usr/bin/env bash
# echo_once.sh COMMAND...: cede-echo takes three clients that nobody here wrote, one of them large, and
# ends. Asks nothing of it but its address and its end, so that it may be a program for another system.
set -eu
work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server" 2> /dev/null || true; rm -rf "$work"' EXIT

head -c 1048576 /dev/urandom > "$work/large"
printf 'hello' > "$work/small"
: > "$work/nothing"
for try in 1 2 3 4 5; do
    port=$((20000 + RANDOM % 10000))
    "$@" "127.0.0.1:$port" 3 > "$work/said" 2>&1 &
    server=$!
    for size in small nothing large; do
        # It knocks until somebody is there.
        socat -t 60 - "TCP:127.0.0.1:$port,retry=300,interval=0.1" < "$work/$size" > "$work/got" ||
            break
        cmp "$work/$size" "$work/got" || { echo "$size came back changed"; exit 1; }
    done
    code=0
    wait "$server" || code=$?
    server=
    if [ "$code" = 0 ]; then
        [ "$(cat "$work/said")" = "listening at 127.0.0.1:$port" ] && exit 0
        echo "it said something else:"
        cat "$work/said"
        exit 1
    fi
    grep -q 'in use' "$work/said" || { cat "$work/said"; exit 1; }
done
echo "no port was free in $try tries"
exit 1
