#!/usr/bin/env bash
# serve_once.sh COMMAND...: cede-serve answers fifteen connections of clients that nobody here wrote, and
# ends; then it gets along with hostile ones, and ends. Asks nothing of it but its address and its end,
# so that it may be a program for another system.
set -eu
work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server" 2> /dev/null || true; rm -rf "$work"' EXIT

fail()
{
    printf 'serve_once.sh: %.500s\n' "$*"
    cat "$work/said"
    exit 1
}

mkdir -p "$work/tree/a b" "$work/tree/index"
head -c 3000000 /dev/urandom > "$work/tree/large.bin"
head -c 30000 "$work/tree/large.bin" > "$work/tree/a b/small.txt"
echo '<p>index</p>' > "$work/tree/index/index.html"
echo secret > "$work/outside"
truncate -s 200M "$work/tree/large"
. "${BASH_SOURCE%/*}/serve_hostile.bash"

# ask STATUS CURL-ARGUMENT...: a connection, each; the answer is in $work/head and $work/body
ask()
{
    local expected=$1 got
    shift
    : > "$work/body"
    got=$(curl -s -D "$work/head" -o "$work/body" -w '%{http_code}' --path-as-is "$@") ||
        fail "curl $* ended with $?"
    [ "$got" = "$expected" ] || fail "$* was answered with $got, not $expected"
}

# serve CLIENTS OPTION... -- COMMAND...: sets at and url, and server; whoever knocked first is served.
serve()
{
    local clients=$1 options=() try port
    shift
    while [ "$1" != -- ]; do
        options+=("$1")
        shift
    done
    shift
    for try in 1 2 3 4 5; do
        port=$((20000 + RANDOM % 10000))
        at=127.0.0.1:$port url=http://127.0.0.1:$port
        "$@" --at "$at" --threads 2 --clients "$clients" --stats "${options[@]}" "$work/tree" \
            > "$work/said" 2>&1 &
        server=$!
        # It is knocked at until somebody is there.
        until curl -s -o "$work/body" "$url/a%20b/small.txt"; do
            kill -0 "$server" 2> /dev/null || break
            sleep 0.1
        done
        ! kill -0 "$server" 2> /dev/null || return 0
        grep -q 'in use' "$work/said" || fail "it has ended"
    done
    fail "no port was free in $try tries"
}

# ended STATISTICS: it ends well, and says this of it
ended()
{
    local code=0
    wait "$server" || code=$?
    server=
    [ "$code" = 0 ] || fail "it ended with $code"
    grep -q "^$1 0 connections left\$" "$work/said" || fail "it has counted otherwise"
}

serve 15 -- "$@"
cmp "$work/tree/a b/small.txt" "$work/body" || fail "the first file"
ask 200 "$url/large.bin"
cmp "$work/tree/large.bin" "$work/body" || fail "the large file"
ask 206 -r 1000000-1999999 "$url/large.bin"
cmp <(tail -c +1000001 "$work/tree/large.bin" | head -c 1000000) "$work/body" || fail "a range"
ask 200 "$url/index/"
cmp "$work/tree/index/index.html" "$work/body" || fail "index.html"
ask 200 "$url/"
grep -q '<a href="a%20b/">a b/</a>' "$work/body" || fail "the list: $(cat "$work/body")"
ask 301 "$url/a%20b"
ask 200 -I "$url/large.bin"
tag=$(tr -d '\r' < "$work/head" | sed -n 's/^ETag: //p')
ask 304 -H "If-None-Match: $tag" "$url/large.bin"
for path in nothing large.bin/ 'large.bin::$DATA' '..%5coutside' 'index%5cindex.html'; do
    ask 404 "$url/$path"
done
# Two requests in one piece, the second in the old way, which ends with the answer.
exec 5<> "/dev/tcp/127.0.0.1/${at##*:}"
printf 'GET /index/ HTTP/1.1\r\nHost: x\r\n\r\nGET /index/ HTTP/1.0\r\n\r\n' >&5
[ "$(timeout 60 cat <&5 | grep -c '^<p>index</p>')" = 2 ] || fail "two requests in one piece"
exec 5>&-
ask 400 "$url/%2e%2e/outside" # the fifteenth
ended '15 connections, 16 requests, 0 of them refused, .*'

# One who is too much is told so. The ends of the others are the server's: theirs keep, until it ends.
serve $((so_many_hostile + 3)) --head 0.3 --send 0.3 -- "$@"
hostile_clients
ask 431 -H "X: $(printf 'x%.0s' {1..9000})" "$url/"
ask 414 "$url/$(printf 'x%.0s' {1..5000})"
ended "$((so_many_hostile + 3)) connections, .*"
