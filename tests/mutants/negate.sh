#!/usr/bin/env bash
# Makes a tree in which each condition of the library's sources can be negated when a program runs:
# negate.sh ROOT TREE. TREE/conditions.tsv has their numbers; negated.h must be included by each source,
# and TREE/negated.o linked into each program. Without Windows' sources, and without
# those that only checked builds have.
set -euo pipefail
root=$1 tree=$2
here=$root/tests/mutants
rm -rf "$tree"
mkdir -p "$tree"
cd "$root"
find CMakeLists.txt cmake include src tests bench examples docs -type f -print0 |
    tar -c --null -T - | tar -x -C "$tree"
find src -name '*.c' -not -path 'src/win32/*' \
    -not -name 'check*' -not -name guard.c -not -name pages.c | LC_ALL=C sort |
    xargs perl "$here/negate.pl" "$root" "$tree" "$tree/conditions.tsv"
"${CC:-gcc}" -O2 -fPIC -c "$here/negated.c" -o "$tree/negated.o"
