#!/usr/bin/env bash
# help.sh PROGRAM... [-- EMULATOR...]: each program tells how it is used when that is all it is asked
# for, on its standard output, and calls it a success.
set -eu
programs=()
while [ $# -gt 0 ] && [ "$1" != -- ]; do
    programs+=("$1")
    shift
done
[ $# = 0 ] || shift
for program in "${programs[@]}"; do
    name=$(basename "$program" .exe)
    code=0
    text=$("$@" "$program" --help) || code=$?
    if [ "$code" != 0 ] || [[ "$text" != "usage: $name "* ]]; then
        printf '%s --help ended with %s and said: %s\n' "$name" "$code" "$text"
        exit 1
    fi
done
