#!/usr/bin/env bash
# Each public header compiles alone, twice in a row, as C11 and as C++17, by each compiler that is
# here, without a warning. Usage: headers.sh ROOT
set -euo pipefail
root=$1
strict=(-fsyntax-only -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wundef -Werror)
failures=0
count=0

# compile LANGUAGE HEADER COMMAND...: reads the header from standard input, as a user's file would.
compile()
{
    local language=$1 header=$2
    shift 2
    command -v "$1" > /dev/null || return 0
    count=$((count + 1))
    printf '#include "cede/%s"\n#include "cede/%s"\n' "$header" "$header" |
        "$@" "${strict[@]}" -I "$root/include" -x "$language" - || {
        echo "include/cede/$header by $*"
        failures=1
    }
}

for path in "$root"/include/cede/*.h; do
    header=$(basename "$path")
    for compiler in gcc clang; do
        compile c "$header" "$compiler" -std=c11 -Wstrict-prototypes
    done
    for compiler in g++ clang++; do
        compile c++ "$header" "$compiler" -std=c++17
    done
done
[ "$count" -gt 0 ] || { echo "no compiler was found"; exit 1; }
echo "$count compilations"
exit "$failures"
