#!/usr/bin/env bash
# proxy_once.sh CEDE_PROXY CEDE_ECHO [COMMAND...]: three clients that nobody here wrote, one of them
# large, go through the proxy to the echo server, which it looks up, each with a half close, and three
# others that are killed half way, which is a reset; then both end. COMMAND runs the programs, which
# may be for another system.
set -eu
proxy=$1
echo=$2
shift 2
work=$(mktemp -d)
children=()
cleanup()
{
    for child in "${children[@]}"; do
        kill "$child" 2> /dev/null || true
    done
    rm -rf "$work"
}
trap cleanup EXIT

# Each ended well, and said where it was. "in use" is nobody's fault.
ended()
{
    local pid=$1 name=$2 port=$3 code=0
    wait "$pid" || code=$?
    if [ "$code" = 0 ] && [ "$(cat "$work/$name")" = "listening at 127.0.0.1:$port" ]; then
        return 0
    fi
    grep -q 'in use' "$work/$name" && return 1
    echo "$name ended with $code and said:"
    cat "$work/$name"
    exit 1
}

# killed_at BYTES: a client that goes when so much has come back, with more under way
killed_at()
{
    local victim
    : > "$work/dead"
    socat -t 60 - "TCP:127.0.0.1:$port,retry=300,interval=0.1" < "$work/huge" > "$work/dead" \
        2> "$work/why" &
    victim=$!
    children+=("$victim")
    disown "$victim" # whose end is no news
    while [ "$(stat -c %s "$work/dead")" -lt "$1" ]; do
        kill -0 "$victim" 2> /dev/null || return 1
    done
    kill -9 "$victim"
}

head -c 1048576 /dev/urandom > "$work/large"
head -c 67108864 /dev/zero > "$work/huge"
printf 'hello' > "$work/small"
: > "$work/nothing"
for try in 1 2 3 4 5; do
    to=$((20000 + RANDOM % 5000))
    port=$((25000 + RANDOM % 5000))
    "$@" "$echo" "127.0.0.1:$to" 7 > "$work/echo" 2>&1 &
    echo_pid=$!
    # It knocks until somebody is there: the first of the seven, and gone again.
    socat -u -t 60 /dev/null "TCP:127.0.0.1:$to,retry=300,interval=0.1" || true
    "$@" "$proxy" "127.0.0.1:$port" "localhost:$to" --clients 6 > "$work/proxy" 2>&1 &
    proxy_pid=$!
    children=("$echo_pid" "$proxy_pid")
    for size in small nothing large; do
        socat -t 60 - "TCP:127.0.0.1:$port,retry=300,interval=0.1" < "$work/$size" > "$work/got" ||
            break
        cmp "$work/$size" "$work/got" || { echo "$size came back changed"; exit 1; }
        killed_at $((${#size} * 70000)) || break
    done
    if ended "$proxy_pid" proxy "$port" && ended "$echo_pid" echo "$to"; then
        exit 0
    fi
    for child in "${children[@]}"; do
        kill "$child" 2> /dev/null || true
    done
done
echo "no port was free in $try tries"
exit 1
