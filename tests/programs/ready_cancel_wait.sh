#!/bin/sh
# ready_cancel_wait.sh COMMAND...: its output, line by line. Each expected line is an extended regular
# expression, because whether the second cancel is still seen by the kernel is a race.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cat >"$work/expected" <<'END'
-- the cancel comes in time
prepared  a read; it is still ours, nothing has begun
ceded     request and buffer are the library's, until the callback
pending   in the kernel, waiting for data
cancelled that is: wished; cede_cancel has returned
          the library has it: read, (INFLIGHT|CANCELLING), with a wish that it end
tempted   but to free it now would be to free what is not ours
wait      for it!
done      CEDE_ECANCELED \(cancelled; nothing was consumed or changed\), 0 bytes, because of the cancel
freed     by the callback, which alone knows that nobody writes into it any more
waited    CEDE_OK: its callback has returned
stale     another cancel does nothing: the ticket names what is over
-- the cancel comes too late
prepared  a read; it is still ours, nothing has begun
ceded     request and buffer are the library's, until the callback
pending   in the kernel, waiting for data
written   5 bytes into the pipe: the read is ready
cancelled that is: wished; cede_cancel has returned
          the library has it: read, (INFLIGHT|CANCELLING|READY)(, with a wish that it end)?
tempted   but to free it now would be to free what is not ours
wait      for it!
done      CEDE_OK \(success\), 5 bytes
          what came before the cancel is here: "hello"
freed     by the callback, which alone knows that nobody writes into it any more
waited    CEDE_OK: its callback has returned
stale     another cancel does nothing: the ticket names what is over
closed    CEDE_OK: nothing of the program's memory is in anybody's hands
END

"$@" >"$work/got" || { echo "exit status $?"; cat "$work/got"; exit 1; }
[ "$(wc -l <"$work/got")" = "$(wc -l <"$work/expected")" ] || {
    echo "not the expected number of lines:"
    cat "$work/got"
    exit 1
}
exec 3<"$work/expected" 4<"$work/got"
while IFS= read -r expected <&3 && IFS= read -r got <&4; do
    printf '%s\n' "$got" | grep -Eqx -e "$expected" || {
        printf 'expected: %s\ngot:      %s\n' "$expected" "$got"
        exit 1
    }
done
echo "$(wc -l <"$work/got") lines as expected"
