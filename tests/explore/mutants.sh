#!/usr/bin/env bash
# Which broken cores random programs kill: a table, in Markdown. Usage: mutants.sh FOLDER COUNT, where
# the programs explore-broken-FAULT are, and how many seeds are tried on each.
set -euo pipefail
folder=$1
count=$2
echo "| fault | seeds until it was killed | actions of the shortest program | by |"
echo "|---|---|---|---|"
for program in "$folder"/explore-broken-*; do
    fault=${program##*/explore-broken-}
    line=$("$program" --kill --count "$count" 2> /dev/null | tail -n 1) || true
    if [[ $line =~ ^([0-9]+)\ seeds,\ ([0-9]+)\ actions:\ (.*)$ ]]; then
        echo "| $fault | ${BASH_REMATCH[1]} | ${BASH_REMATCH[2]} | ${BASH_REMATCH[3]} |"
    else
        echo "| $fault | survives $count | | |"
    fi
done
