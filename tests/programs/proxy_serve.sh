#!/usr/bin/env bash
# proxy_serve.sh CEDE_PROXY CEDE_SERVE [SEED]: real traffic through the proxy to the web server.
#
# curl fetches a tree, many files at a time, compared byte for byte; a large file goes through whole,
# several times, while other connections that fetch it are reset, each at a point that the seed says;
# then the server dies in the middle of an answer. At the end each of the two has the descriptors
# that it had before, and nothing was complained of.
set -eu
proxy=$1
serve=$2
RANDOM=${3:-1}
work=$(mktemp -d)
children=()
cleanup()
{
    for child in "${children[@]}"; do
        kill -9 "$child" 2> /dev/null || true
    done
    rm -rf "$work"
}
trap cleanup EXIT

fail()
{
    echo "proxy_serve.sh: $*"
    cat "$work"/errors.* 2> /dev/null || true
    exit 1
}

# start NAME COMMAND...: sets at, pid and said, where the rest of what it says is to be read
start()
{
    local name=$1 line
    shift
    mkfifo "$work/said.$name"
    "$@" > "$work/said.$name" 2> "$work/errors.$name" &
    pid=$!
    children+=("$pid")
    exec {said}< "$work/said.$name"
    read -r -t 30 line <&"$said" || fail "$name said nothing"
    at=${line#listening at }
}

count()
{
    find "/proc/$1/fd" -mindepth 1 | wc -l
}

# So many descriptors, soon. What is waited for is the kernel's and the program's work on the end
# of connections, of which a shell hears nothing.
descriptors()
{
    local i
    for ((i = 0; i < 600; i++)); do
        [ "$(count "$1")" != "$2" ] || return 0
        sleep 0.05
    done
    fail "$3 has $(count "$1") descriptors, and had $2"
}

# take BYTES: asks for the large file, takes so much of the answer, and leaves with the rest unread,
# which resets the connection
take()
{
    local peer
    exec {peer}<> "/dev/tcp/127.0.0.1/${through##*:}"
    printf 'GET /large HTTP/1.1\r\nHost: x\r\n\r\n' >&"$peer"
    head -c "$1" <&"$peer" > "$work/taken.$BASHPID"
    exec {peer}<&-
}

large_bytes=$((16 << 20))
mkdir "$work/tree"
head -c "$large_bytes" /dev/urandom > "$work/tree/large"
for size in 0 1 1000 65535 65536 65537 1000000; do
    head -c "$size" "$work/tree/large" > "$work/tree/of.$size"
done
for i in {1..40}; do
    printf 'number %d\n' "$i" > "$work/tree/small.$i"
done

start serve "$serve" --at 127.0.0.1:0 --stats "$work/tree"
serve_pid=$pid
serve_said=$said
to=$at
exec {peer}<> "/dev/tcp/127.0.0.1/${to##*:}" # it opens what it keeps with the first exchange
printf 'OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n' >&"$peer"
while read -r -t 30 line <&"$peer" && [ "$line" != $'\r' ]; do
    :
done
serve_before=$(($(count "$serve_pid") - 1))
exec {peer}<&-
start proxy "$proxy" 127.0.0.1:0 "$to"
proxy_pid=$pid
through=$at
proxy_before=$(count "$proxy_pid")

# ---- Many files ---------------------------------------------------------------------------------

mkdir "$work/got"
for file in "$work"/tree/*; do
    name=${file##*/}
    printf 'url = "http://%s/%s"\noutput = "%s/got/%s"\n' "$through" "$name" "$work" "$name"
done > "$work/fetch"
curl -s --fail --no-progress-meter --parallel --parallel-max 8 -K "$work/fetch" ||
    fail "curl --parallel: $?"
diff -r "$work/tree" "$work/got" || fail "the tree came through changed"
curl -s --fail -r 5000000-9999999 -o "$work/part" "http://$through/large" || fail "a range: $?"
cmp "$work/part" <(tail -c +5000001 "$work/tree/large" | head -c 5000000) || fail "not the range"
code=$(curl -s -o "$work/part" -w '%{http_code}' "http://$through/nothing.here")
[ "$code" = 404 ] || fail "what is not there was answered with $code"

# ---- Resets -------------------------------------------------------------------------------------

clients=()
for i in 1 2 3; do
    curl -s --fail -o "$work/whole.$i" "http://$through/large" &
    clients+=($!)
done
for i in {1..20}; do
    bytes=$(((RANDOM << 15 | RANDOM) % (large_bytes / 2)))
    take "$bytes" &
    clients+=($!)
done
for client in "${clients[@]}"; do
    wait "$client" || fail "a client ended with $?"
done
for i in 1 2 3; do
    cmp "$work/tree/large" "$work/whole.$i" || fail "transfer $i came through changed"
done
descriptors "$proxy_pid" "$proxy_before" "the proxy"
descriptors "$serve_pid" "$serve_before" "the server"

# ---- The other side dies ------------------------------------------------------------------------

start mortal "$serve" --at 127.0.0.1:0 "$work/tree"
mortal_pid=$pid
start second "$proxy" 127.0.0.1:0 "$at"
second_pid=$pid
second_before=$(count "$pid")
exec {peer}<> "/dev/tcp/127.0.0.1/${at##*:}"
printf 'GET /large HTTP/1.1\r\nHost: x\r\n\r\n' >&"$peer"
head -c 100000 <&"$peer" > "$work/part" # so it is in the middle
kill -9 "$mortal_pid"
wait "$mortal_pid" 2> /dev/null || true
timeout 30 cat <&"$peer" > "$work/part" 2> /dev/null || [ $? != 124 ] || fail "no end was told"
[ "$(stat -c %s "$work/part")" -lt "$large_bytes" ] || fail "all came of a server that died"
exec {peer}<&-
descriptors "$second_pid" "$second_before" "the second proxy"

for pid in "$proxy_pid" "$second_pid" "$serve_pid"; do
    kill -TERM "$pid"
    code=0
    wait "$pid" || code=$?
    [ "$code" = 0 ] || fail "one ended with $code"
done
line=$(cat <&"$serve_said")
[[ "$line" = *", 0 connections left" ]] || fail "the server said at its end: $line"
! cat "$work"/errors.* | grep . || fail "one complained"
