#!/usr/bin/env bash
# echo.sh COMMAND...: cede-echo with clients that nobody here wrote. Each sends four MiB and shuts down
# its side; back comes the same, then the end. One sends for ever and never reads, which holds up
# nobody else; one leaves without a word. At the end the server is asked to stop with all of them there. What it printed last is nothing, its status 0.
set -eu
work=$(mktemp -d)
server=
flood=
cleanup()
{
    [ -z "$flood" ] || kill -9 "$flood" 2> /dev/null || true
    [ -z "$server" ] || kill -9 "$server" 2> /dev/null || true
    rm -rf "$work"
}
trap cleanup EXIT

fail()
{
    echo "echo.sh: $*"
    exit 1
}

mkfifo "$work/said"
"$@" 127.0.0.1:0 > "$work/said" 2> "$work/errors" &
server=$!
exec 4< "$work/said"
read -r -t 30 line <&4 || fail "it said nothing: $(cat "$work/errors")"
at=${line#listening at }
[[ "$at" =~ ^127\.0\.0\.1:[0-9]+$ ]] || fail "it said: $line"

head -c 4194304 /dev/urandom > "$work/sent"
exec 5<> "/dev/tcp/127.0.0.1/${at##*:}" # never reads
cat /dev/zero >&5 2> /dev/null &
flood=$!
exec 6<> "/dev/tcp/127.0.0.1/${at##*:}"
printf 'gone' >&6
exec 6>&- # with what came back unread: a reset

clients=()
for i in 1 2 3 4 5 6 7 8; do
    socat -t 60 - "TCP:$at" < "$work/sent" > "$work/got.$i" &
    clients+=($!)
done
for client in "${clients[@]}"; do
    wait "$client" || fail "a client ended with $?"
done
for i in 1 2 3 4 5 6 7 8; do
    cmp "$work/sent" "$work/got.$i" || fail "client $i got something else"
done

kill -TERM "$server"
code=0
wait "$server" || code=$?
server=
[ "$code" = 0 ] || fail "it ended with $code: $(cat "$work/errors")"
[ ! -s "$work/errors" ] || fail "it complained: $(cat "$work/errors")"
