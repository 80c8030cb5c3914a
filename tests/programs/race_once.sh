#!/usr/bin/env bash
# race_once.sh CEDE_RACE CEDE_ECHO [EMULATOR...]: cede-race in the true network of this machine, with
# nobody at the first address and cede-echo at the second; then to cede-echo by a name.
set -eu
race=$1
echo=$2
shift 2
work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server" 2> /dev/null || true; rm -rf "$work"' EXIT

fail()
{
    echo "race_once.sh: $*"
    cat "$work/said" "$work/got"
    exit 1
}

for try in 1 2 3 4 5; do
    port=$((20000 + RANDOM % 10000))
    "$@" "$echo" "127.0.0.1:$port" 2 > "$work/said" 2>&1 &
    server=$!
    # It runs until somebody is there.
    until "$@" "$race" 127.0.0.1:1 "127.0.0.1:$port" > "$work/got" 2>&1; do
        kill -0 "$server" 2> /dev/null || break
        grep -qx ' *[0-9]* ms  no connection: nobody listens there' "$work/got" || fail "it has failed"
    done
    "$@" "$race" "localhost:$port" > "$work/by_name" 2>&1 || true
    code=0
    wait "$server" || code=$?
    server=
    if [ "$code" = 0 ]; then
        # Sorted: the refusal may be heard later than the next step is due.
        sed 's/^ *[0-9]* ms  //' "$work/got" | LC_ALL=C sort > "$work/steps"
        diff - "$work/steps" << END || fail "other steps"
1  failed: nobody listens there
1  to 127.0.0.1:1
2  connected
2  to 127.0.0.1:$port
the connection is ours
END
        grep -q 'IPv4: [1-9][0-9]* address' "$work/by_name" &&
            grep -q 'the connection is ours' "$work/by_name" ||
            fail "by name: $(cat "$work/by_name")"
        exit 0
    fi
    grep -q 'in use' "$work/said" || fail "the server has ended with $code"
done
echo "no port was free in $try tries"
exit 1
