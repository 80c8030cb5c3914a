#!/bin/sh
# result-of.sh RESULT COMMAND...: for CTest, a test that may have been run already, together with others in
# one process, which left what came of it in the file RESULT: an exit code in the first line, and what is to
# be said. That counts once; if there is nothing, the command is run.
result=$1
shift
if [ -s "$result" ]; then
    echo "as it came of the run together with others:"
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
