#!/usr/bin/env bash
# race_fates.sh RACE_FATES COMMAND...: cede-race in the true network of this machine, where some
# addresses never answer. Its losers pend in the kernel when another wins, and come back cancelled.
# RACE_FATES is a program of this machine; the command may be for another system.
set -eu
fates=$1
shift
command=("$@")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# race FATE...: what it said goes to $work/got, with families for addresses and without the times. The
# lines are sorted: on a machine that is busy a refusal may be heard later than the next step is due.
race()
{
    local code=0
    "$fates" "${command[@]}" "$@" > "$work/said" 2>&1 || code=$?
    if [ "$code" = 77 ]; then
        echo "there is no IPv6 here"
        exit 77
    fi
    {
        echo "$*"
        sed -E 's/^ *[0-9]+ ms  //; s/127\.0\.0\.1:[0-9]+$/IPv4/; s/\[::1\]:[0-9]+$/IPv6/' "$work/said" |
            LC_ALL=C sort
        [ "$code" = 0 ] || echo "exit status $code"
    } >> "$work/got"
}

race lost4 there4
race refused4 lost4 there4
diff -u - "$work/got" << 'END'
lost4 there4
1  cancelled
1  to IPv4
2  connected
2  to IPv4
the connection is ours
refused4 lost4 there4
1  failed: nobody listens there
1  to IPv4
2  cancelled
2  to IPv4
3  connected
3  to IPv4
the connection is ours
END

: > "$work/got"
race lost6 there4
race lost6 there6 lost4
race lost6 there6 refused4
diff -u - "$work/got" << 'END'
lost6 there4
1  cancelled
1  to IPv6
2  connected
2  to IPv4
the connection is ours
lost6 there6 lost4
1  cancelled
1  to IPv6
2  cancelled
2  to IPv4
3  connected
3  to IPv6
the connection is ours
lost6 there6 refused4
1  cancelled
1  to IPv6
2  failed: nobody listens there
2  to IPv4
3  connected
3  to IPv6
the connection is ours
END
