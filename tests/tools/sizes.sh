#!/usr/bin/env bash
# Holds the tree to its sizes: files of at most 600 lines (a word from 400 on), functions of at most
# 100 (a word from 70 on), lines of at most 100 columns.
# The tables of cases and of mutants may be wider and longer: each line is a row.
# A function is what opens with "{" in the first column and ends with "}" there. Generated files
# have no place in the tree. Usage: sizes.sh ROOT [--quiet]
set -euo pipefail
cd "$1"
quiet=${2:-}

mapfile -t files < <(find include src tests examples bench -type f \
    \( -name '*.c' -o -name '*.h' -o -name '*.cc' -o -name '*.def' \) | LC_ALL=C sort)
[ "${#files[@]}" -gt 0 ] || { echo "no source files in $1"; exit 1; }

awk -v quiet="$quiet" '
    function finish_file() {
        if (path == "")
            return
        if (lines > 600 && path !~ /(cases|mutants)\.def$/)
            bad(path ": " lines " lines, at most 600")
        else if (lines > 400 && quiet == "")
            print "note: " path ": " lines " lines, about 400 is the measure"
    }
    function bad(text) { print text; failures++ }
    FNR == 1 { finish_file(); path = FILENAME; inside = 0; head = "" }
    { lines = FNR }
    length($0) > 100 && FILENAME !~ /(cases|mutants)\.def$/ { bad(FILENAME ":" FNR ": " length($0) " columns, at most 100") }
    /^[A-Za-z_].*\(/ && !inside { head = $0 }
    /^\{/ { inside = 1; start = FNR }
    /^\}/ && inside {
        inside = 0
        size = FNR - start + 1
        name = head
        sub(/\(.*/, "", name)
        sub(/.*[ *]/, "", name)
        if (/^\}[^;]*$/ && size > 100)
            bad(FILENAME ":" start ": " name " has " size " lines, at most 100")
        else if (/^\}[^;]*$/ && size > 70 && quiet == "")
            print "note: " FILENAME ":" start ": " name " has " size " lines, about 70 is the measure"
    }
    END { finish_file(); exit failures > 0 }
' "${files[@]}"
