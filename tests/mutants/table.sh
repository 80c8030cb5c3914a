#!/usr/bin/env bash
# The table of the mutants, in Markdown, from what CTest has said of their tests: table.sh LOG BACKENDS.
# A fault may have a killer on each system: BACKENDS is a pattern of those that were tested.
set -euo pipefail
here=$(dirname "${BASH_SOURCE[0]}")
echo "| mutant | it is broken so | backend | killed by | within |"
echo "|---|---|---|---|---|"
awk -v backends="^($2)\$" -v faults="$here/../../src/mutants.h" '
    BEGIN {
        while ((getline line < faults) > 0) # CEDI_NAME, /* text */
            if (match(line, /CEDI_[A-Z_]+,/)) {
                name = substr(line, RSTART + 5, RLENGTH - 6)
                sub(/.*\/\* /, "", line)
                sub(/ *\*\/.*/, "", line)
                what[name] = line
            }
    }
    FNR == NR && match($0, /mutant\.[A-Z_]+ /) && / sec/ {
        name = substr($0, RSTART + 7, RLENGTH - 8)
        seconds[name] = / Passed / ? $(NF - 1) " s" : "**survives**"
    }
    FNR != NR && /^MUTANT\(/ {
        split($0, part, /[(), ]+/)
        if (part[2] in seconds && part[4] ~ backends)
            printf "| %s | %s | %s | %s | %s |\n", part[2], what[part[2]], part[4], part[5], seconds[part[2]]
    }' "$1" "$here/mutants.def"
