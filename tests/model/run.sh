#!/usr/bin/env bash
# Runs the models, and sees what they must find. Usage, by CTest (README.md):
#   run.sh spin PAN SOURCES MOVES             each configuration holds; what it moved goes to MOVES
#   run.sh lively PAN SOURCES                 the configurations where nobody closes the loop
#   run.sh order PAN SOURCES MOVES            the same of the order on a handle
#   run.sh spin-mutants PAN LIVELY ORDER SOURCES    each mutant of the models is found
#   run.sh memory-mutants PROGRAM SOURCES     each weakened memory order is found
#   run.sh memory-fault PROGRAM TRIAL         the fault that was built into the program is found
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# value NAME FILE: what a file of the model defines it as.
value()
{
    sed -n "s/^#define $1  *\([0-9][0-9]*\).*/\1/p" "$2"
}

# search PAN CONFIGURATION MUTANT OPTION...: spin's run; its output is in $work/out. A search that
# was not complete is a failure of its own.
search()
{
    local pan=$1 config=$2 mutant=$3
    shift 3
    (cd "$work" && CONFIG=$config MUTANT=$mutant "$pan" -m200000 -w22 "$@" > out 2>&1) || true
    if ! grep -q 'errors: ' "$work/out" || grep -q 'max search depth too small' "$work/out"; then
        cat "$work/out"
        exit 1
    fi
}

# holds NAME PAN OPTION...
holds()
{
    local name=$1 pan=$2
    shift 2
    search "$pan" "$(value "$name" "$sources/configs.pml")" 0 "$@"
    printf '%s: %s\n' "$name" "$(sed -n 's/^ *\([0-9e+.]* states, stored\).*/\1/p' "$work/out")"
    grep -q 'errors: 0$' "$work/out" || {
        cat "$work/out"
        exit 1
    }
}

# finds PROGRAM OPTION...: whether a run under relacy finds something; that it broke down is nothing.
finds()
{
    local code=0
    "$@" --quiet --times 200000 > "$work/out" || code=$?
    tail -n 1 "$work/out"
    [ "$code" = 1 ]
}

rows()
{
    sed -n "s/^$1(\(.*\), \(.*\))\$/\1 \2/p" "$2"
}

kind=$1 program=$2
case $kind in
spin | order)
    sources=$3 names=(ALONE WOKEN STREAM MEMBERS REMOTE WAIT WAIT_END TAKEN)
    [ "$kind" = spin ] || names=(SENDS WITHHELD)
    : > "$4"
    for name in "${names[@]}"; do
        holds "$name" "$program"
        grep '^moves ' "$work/out" >> "$4"
    done
    ;;
lively)
    sources=$3
    for name in HEARD SENT REUSED PARKED; do
        holds "$name" "$program" -a -f
    done
    ;;
spin-mutants)
    lively=$3 order=$4 sources=$5 found=0
    while read -r mutant name; do
        number=$(value "$mutant" "$sources/mutants.pml")
        config=$(value "$name" "$sources/configs.pml")
        case $name in
        HEARD | SENT | REUSED | PARKED) search "$lively" "$config" "$number" -a -f ;;
        SENDS | WITHHELD) search "$order" "$config" "$number" ;;
        *) search "$program" "$config" "$number" ;;
        esac
        if grep -q 'errors: 0$' "$work/out"; then
            printf '%s is not found in %s\n' "$mutant" "$name"
            exit 1
        fi
        printf '%s: %s\n' "$mutant" "$(sed -n 's/^pan:1: //p' "$work/out")"
        found=$((found + 1))
    done < <(rows MUTANT "$sources/mutants.def")
    # Each that the model has is in the table.
    [ "$found" = "$(grep -c '^#define [A-Z_]*  *[0-9]* */\* .* \*/$' "$sources/mutants.pml")" ] || {
        printf '%s of mutants.pml are in mutants.def\n' "$found"
        exit 1
    }
    ;;
memory-mutants)
    sources=$3
    while read -r weak trial; do
        printf '%s: ' "$weak"
        finds "$program" --weaken "$weak" "$trial" || exit 1
    done < <(rows WEAK "$sources/weakened.def")
    ;;
memory-fault)
    finds "$program" "$3"
    ;;
*)
    exit 2
    ;;
esac
