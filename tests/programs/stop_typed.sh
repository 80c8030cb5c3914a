#!/usr/bin/env bash
# shellcheck disable=SC1091,SC2034,SC2154 # on_terminal.sh
# stop_typed.sh ECHO PROXY CEDE_SERVE [EMULATOR...]: the servers, each on a terminal of its own, with
# clients that stay; then ctrl-C is typed. The clients see an end, cede-proxy's a reset, the servers
# end well, and cede-serve says what it did: on Linux by SIGINT, for Windows' programs by an event of
# Wine's console, in both lanes. ECHO and PROXY are cede-echo and cede-proxy that say when their main
# has returned.
set -eu
echo=$1 proxy=$2 serve=$3
shift 3
emulator=("$@")
lanes=('')
[ $# = 0 ] || lanes=(win32-iocp win32-apc)
work=$(mktemp -d)
terminals=()
cleanup()
{
    local pid
    for pid in "${terminals[@]}"; do
        kill "$pid" 2> /dev/null || true # with the terminal, its program
    done
    rm -rf "$work"
}
trap cleanup EXIT
. "$(dirname "$0")/on_terminal.sh"

fail()
{
    printf 'stop_typed.sh%s: %.500s\n' "${lane:+ ($lane)}" "$*"
    cat -v "$work"/*.seen "$work"/*.errors 2> /dev/null || true
    exit 1
}

# start NAME PROGRAM [ARGUMENT...]: sets at to where it listens
start()
{
    begin "$@"
    terminals+=("$terminal")
    at=
    while [ -z "$at" ]; do
        IFS= read -r -t 60 line <&"$screen" || fail "$1 does not say where it listens"
        printf '%s\n' "$line" >> "$work/$1.seen"
        [[ ! $line =~ listening\ at\ (127\.0\.0\.1:[0-9]+) ]] || at=${BASH_REMATCH[1]}
    done
}

# dial: sets peer to a connection to $at
dial()
{
    exec {peer}<> "/dev/tcp/127.0.0.1/${at##*:}"
}

# sees_end PEER HOW: nothing more comes, and that is told: by an end (HOW is 0), or by a reset (1)
sees_end()
{
    local peer=$1 code=0
    timeout 60 cat <&"$peer" > "$work/rest" 2> "$work/reset" || code=$?
    [ "$code" = "$2" ] && [ ! -s "$work/rest" ] ||
        fail "an end for a client: $code, $(cat "$work/rest" "$work/reset")"
    exec {peer}<&-
}

# ends NAME LINE: soon, well, without complaint, and with that line on the screen. Those of terminal,
# keys and screen are meant.
ends()
{
    local code=0
    while IFS= read -r -t 60 line <&"$screen" || code=$?; [ "$code" = 0 ]; do
        printf '%s\n' "$line" >> "$work/$1.seen"
    done
    [ "$code" -le 128 ] || fail "$1 goes on"
    wait "$terminal" || true
    [ "$(ended "$1")" = 0 ] || fail "$1 ended with $(ended "$1")"
    [ ! -s "$work/$1.errors" ] || fail "$1 has complained"
    grep -qE "$2 *\$" "$work/$1.seen" || fail "$1 has not said $2"
    exec {keys}>&- {screen}<&-
}

# says_back PEER TEXT
says_back()
{
    local got
    printf '%s\n' "$2" >&"$1"
    read -r -t 60 got <&"$1" || fail "no echo of $2"
    [ "$got" = "$2" ] || fail "the echo of $2 is $got"
}

# get PEER: a whole exchange with cede-serve, on a connection that is kept
get()
{
    local got
    printf 'OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n' >&"$1"
    while read -r -t 60 got <&"$1"; do
        [ "$got" != $'\r' ] || return 0
    done
    fail "no answer"
}

echo_and_proxy()
{
    start echo "$echo" 127.0.0.1:0
    local of_echo=("$terminal" "$keys" "$screen") direct through
    dial
    direct=$peer
    says_back "$direct" direct
    start proxy "$proxy" 127.0.0.1:0 "$at"
    dial
    through=$peer
    says_back "$through" through
    printf '\x03' >&"$keys"
    sees_end "$through" 1
    ends proxy 'main has returned 0'
    terminal=${of_echo[0]} keys=${of_echo[1]} screen=${of_echo[2]}
    says_back "$direct" 'still there'
    printf '\x03' >&"$keys"
    sees_end "$direct" 0
    ends echo 'main has returned 0'
}

# One who waits is sent away when ctrl-C comes first. One who does not take an answer is waited for, and
# cut off when it comes again.
served()
{
    local waits takes_none got
    start serve "$serve" --at 127.0.0.1:0 --threads 2 --stats --grace 600 --send 600 "$work/tree"
    dial
    waits=$peer
    get "$waits"
    dial
    takes_none=$peer
    printf 'GET /large HTTP/1.1\r\nHost: x\r\n\r\n' >&"$takes_none"
    read -r -t 60 got <&"$takes_none" || fail "no answer"
    printf '\x03' >&"$keys"
    sees_end "$waits" 0
    printf '\x03' >&"$keys"
    ends serve '2 connections, 1 requests, 0 of them refused, [0-9]+ bytes sent, 0 connections left'
    exec {takes_none}<&-
}

mkdir "$work/tree"
truncate -s 200M "$work/tree/large"
for lane in "${lanes[@]}"; do
    [ -z "$lane" ] || export CEDE_BACKEND=$lane
    echo_and_proxy
    served
    rm "$work"/*.* "$work/rest" "$work/reset"
done
