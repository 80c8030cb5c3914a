#!/usr/bin/env bash
# Runs clang's static analyzer on one program: it must report the lines that are marked BAD, and no
# other. Usage: analyze.sh CLANG INCLUDE-DIRECTORY PROGRAM.c
set -euo pipefail
clang=$1 include=$2 program=$3

reports=$("$clang" --analyze -Xclang -analyzer-output=text -std=c11 -Wall -Wextra -Werror \
    -I"$include" "$program" 2>&1) || { printf '%s\n' "$reports"; exit 1; }
reported=$(printf '%s\n' "$reports" | sed -nE 's/^[^:]*:([0-9]+):[0-9]+: warning: .*/\1/p' | sort -un)
marked=$(grep -nF '/* BAD */' "$program" | cut -d: -f1 | sort -un || true)

case $(basename "$program") in
good_*) [ -z "$marked" ] || { echo "a good program with a mark"; exit 1; } ;;
bad_*) [ -n "$marked" ] || { echo "a bad program without a mark"; exit 1; } ;;
*) echo "$program is neither good nor bad"; exit 1 ;;
esac
if [ "$reported" != "$marked" ]; then
    echo "reported lines: ${reported:-none}; marked: ${marked:-none}"
    printf '%s\n' "$reports"
    exit 1
fi
