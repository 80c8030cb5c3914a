#!/bin/sh
# result-of.sh RESULT PROGRAM COMMAND...: for CTest, a test that PROGRAM may have run already, together
# with others in one process, and left what came of it in the file RESULT: an exit code in the first line,
# and what is to be said. That counts once, and if the program is not newer; else the command is run.
result=$1
program=$2
shift 2
# shellcheck disable=SC3013 # -nt: dash, busybox and bash have it
if [ -s "$result" ] && [ "$result" -nt "$program" ]; then
    {
        IFS= read -r code
        while IFS= read -r line; do
            printf '%s\n' "$line"
        done
    } < "$result"
    : > "$result"
    exit "$code"
fi
exec "$@"
