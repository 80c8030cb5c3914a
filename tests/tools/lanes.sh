#!/usr/bin/env bash
# Holds the suite to one measure on every system: each Windows lane has at least as many cases as
# io_uring, by the rows of cases.def, of which CTest makes its tests (a skip needs a row of
# deviations.def besides, else it fails). Usage: lanes.sh ROOT
set -euo pipefail
cd "$1"

# "name backends", a row each.
rows=$(awk '
    { text = text " " $0 }
    END {
        while (match(text, /CONFORMANCE_CASE\([a-z0-9_]+, *"[^"]*", *"([^"\\]|\\.)*", *[a-zA-Z0-9_]+/)) {
            row = substr(text, RSTART, RLENGTH)
            text = substr(text, RSTART + RLENGTH)
            backends = row
            sub(/.*, */, "", backends)
            sub(/CONFORMANCE_CASE\(/, "", row)
            sub(/,.*/, "", row)
            print row, backends
        }
    }' tests/conformance/cases.def)

written=$(grep -c '^CONFORMANCE_CASE(' tests/conformance/cases.def)
read_=$(wc -l <<< "$rows")
[ "$written" = "$read_" ] || { echo "cases.def has $written rows, of which $read_ were read"; exit 1; }

count()
{
    grep -cE " ($1)$" <<< "$rows"
}

linux=$(count 'BOTH|REAL|io_uring')
windows=$(count 'BOTH|REAL|WIN32')
echo "io_uring $linux, each Windows lane $windows, sim $(count 'BOTH|sim')"
if [ "$linux" -lt 100 ] || [ "$windows" -lt "$linux" ]; then
    echo "a Windows lane has fewer cases than io_uring"
    exit 1
fi
strange=$(grep -vE ' (BOTH|REAL|WIN32|sim|io_uring)$' <<< "$rows" || true)
[ -z "$strange" ] || { echo "on which backends? $strange"; exit 1; }
