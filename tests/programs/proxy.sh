#!/usr/bin/env bash
# proxy.sh CEDE_PROXY CEDE_ECHO: clients that nobody here wrote, through the proxy to the echo server.
#
# Large transfers with half closes; clients that are killed half way; one that reads late; a target
# that is not there; a silent client, which the idle deadline ends; a stop. What is not an end is a
# reset for the client, through two proxies, too. At the end no descriptor is left of any of them.
# (What a proxy does in time, and with peers that do not read, is proxy_sim.c's.)
set -eu
proxy=$1
echo=$2
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
    echo "proxy.sh: $*"
    cat "$work"/errors.* 2> /dev/null || true
    exit 1
}

# start NAME COMMAND...: sets at and pid
start()
{
    local name=$1 line
    shift
    mkfifo "$work/said.$name"
    "$@" > "$work/said.$name" 2> "$work/errors.$name" &
    pid=$!
    children+=("$pid")
    read -r -t 30 line < "$work/said.$name" || fail "$name said nothing"
    at=${line#listening at }
}

# So many descriptors, soon. What is waited for is the kernel's and the program's work on the end
# of connections, of which a shell hears nothing.
descriptors()
{
    local i
    for ((i = 0; i < 300; i++)); do
        [ "$(find "/proc/$1/fd" -mindepth 1 | wc -l)" != "$2" ] || return 0
        sleep 0.05
    done
    fail "it has $(find "/proc/$1/fd" -mindepth 1 | wc -l) descriptors, and had $2"
}

start echo "$echo" 127.0.0.1:0
echo_pid=$pid
to=$at
start proxy "$proxy" 127.0.0.1:0 "$to"
proxy_pid=$pid
through=$at
before=$(find "/proc/$proxy_pid/fd" -mindepth 1 | wc -l)
head -c 8388608 /dev/urandom > "$work/sent"

clients=()
for i in 1 2 3 4; do
    socat -t 60 - "TCP:$through" < "$work/sent" > "$work/got.$i" &
    clients+=($!)
done
for i in 1 2 3 4 5 6 7 8; do # killed, each at another time
    socat -t 60 - "TCP:$through" < "$work/sent" > "$work/dead.$i" 2> /dev/null &
    victim=$!
    children+=("$victim")
    while [ "$(stat -c %s "$work/dead.$i" 2> /dev/null || echo 0)" -lt $((i * 200000)) ] &&
        kill -0 "$victim" 2> /dev/null; do
        :
    done
    kill -9 "$victim" 2> /dev/null || true
done
for client in "${clients[@]}"; do
    wait "$client" || fail "a client ended with $?"
done
for i in 1 2 3 4; do
    cmp "$work/sent" "$work/got.$i" || fail "client $i got something else"
done
descriptors "$proxy_pid" "$before"

# A client that reads late, when all has been said and the proxy has closed: what the system still
# had to send is not taken back.
head -c 300000 "$work/sent" > "$work/some"
mkfifo "$work/slow"
socat -t 60 - "TCP:$through" < "$work/some" > "$work/slow" &
client=$!
exec 6< "$work/slow"
head -c 1 <&6 > "$work/got.late"
descriptors "$proxy_pid" "$before"
cat <&6 >> "$work/got.late"
exec 6<&-
wait "$client" || fail "the late client ended with $?"
cmp "$work/some" "$work/got.late" || fail "the late client got something else"

# reset_comes ADDRESS [PID]: a client, who hears nothing, and then a reset, and not an end; with PID,
# he is served, until that is stopped.
reset_comes()
{
    local peer line
    exec {peer}<> "/dev/tcp/127.0.0.1/${1##*:}"
    if [ $# = 2 ]; then
        echo hello >&"$peer"
        read -r -t 30 line <&"$peer" || fail "no echo"
        kill -TERM "$2"
    fi
    if LC_ALL=C timeout 60 cat <&"$peer" > "$work/heard" 2> "$work/ended"; then
        fail "what was cut off looks like an end"
    fi
    grep -q 'reset by peer' "$work/ended" || fail "no reset: $(cat "$work/ended")"
    [ ! -s "$work/heard" ] || fail "a silent client heard $(cat "$work/heard")"
    exec {peer}>&-
}

start silent "$proxy" 127.0.0.1:0 "$to" --idle 0.2
silent_at=$at
reset_comes "$silent_at"
start second "$proxy" 127.0.0.1:0 "$silent_at"
reset_comes "$at"
start refused "$proxy" 127.0.0.1:0 127.0.0.1:1
reset_comes "$at"
start stopped "$proxy" 127.0.0.1:0 "$to"
reset_comes "$at" "$pid"
wait "$pid" || fail "the stopped one ended with $?"

for pid in "$proxy_pid" "$echo_pid"; do
    kill -TERM "$pid"
    code=0
    wait "$pid" || code=$?
    [ "$code" = 0 ] || fail "one ended with $code"
done
