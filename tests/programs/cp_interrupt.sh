#!/bin/bash
# cp_interrupt.sh CEDE_CP INTERRUPT_AFTER WORK ROUNDS SEED SMALL_FILES BIG_FILES: interrupts a copy
# ROUNDS times, each time after a random number of copied files and a random moment more, and looks
# each time at what is left: nothing wrong, nothing half, nothing temporary. Every third round goes
# on in the directory that the one before left. At last a copy is let through and compared.
set -euo pipefail
cp=$1 interrupt_after=$2 work=$3 rounds=$4 seed=$5 small=$6 big=$7
. "$(dirname "$0")/compare.sh"

remove "$work"
mkdir -p "$work"
trap 'remove "$work"' EXIT
RANDOM=$seed
random() # below $1
{
    echo $(((RANDOM * 32768 + RANDOM) % $1))
}

bash "$(dirname "$0")/make_tree.sh" "$work/source" "$small" "$big"
files=$(find "$work/source" ! -type d -printf x | wc -c)
bytes=$(du -sb "$work/source" | cut -f1)
echo "tree: $files files, $bytes bytes; $rounds interrupts; seed $seed"

interrupted=0 completed=0 removed=0 longest=0
for ((round = 1; round <= rounds; round++)); do
    ((round % 3 == 0)) || remove "$work/copy"
    lines=$((1 + $(random "$files")))
    # Half of the time early, where everything begins at once.
    ((RANDOM % 2)) || lines=$((lines % 50 + 1))
    delay=$(random 8000)
    signal=$((RANDOM % 4 ? 2 : 15))
    limit=$((1 << $(random 8)))
    verify=$((RANDOM % 3 ? 0 : 1))
    options=(--verbose --limit "$limit")
    ((!verify)) || options+=(--verify)
    what="round $round (seed $seed): signal $signal after $lines lines and $delay us, ${options[*]}"

    "$interrupt_after" "$signal" "$lines" "$delay" "$cp" "${options[@]}" "$work/source/." \
        "$work/copy" >"$work/outcome" 2>"$work/messages" || {
        cat "$work/messages"
        fail "$what: interrupt_after failed"
    }
    read -r how code time _ <"$work/outcome"
    case "$how $code" in
    'exit 130')
        interrupted=$((interrupted + 1))
        longest=$((time > longest ? time : longest))
        grep -q 'cede-cp: interrupted: ' "$work/messages" || fail "$what: it did not say so"
        ;;
    'exit 0') completed=$((completed + 1)) ;;
    *)
        head -20 "$work/messages"
        fail "$what: $how $code"
        ;;
    esac
    removed=$((removed + $(grep -ac 'half-written, removed' "$work/messages" || true)))
    # The two in the middle: the first lines of names of two lines.
    if grep -av -e 'half-written, removed' -e '/names/new$' -e '/names/dir$' \
        -e 'cede-cp: interrupted: ' "$work/messages"; then
        fail "$what: it complained"
    fi
    partial "$work/source" "$work/copy" || fail "$what"
done

"$cp" --quiet --verify "$work/source/." "$work/copy" || fail "the copy that was let through"
same "$work/source" "$work/copy" || fail "the copy that was let through"
echo "$interrupted interrupted, $completed were done before; $removed half-written files removed;" \
    "longest time from signal to end $((longest / 1000)) ms; at the end the trees are equal"
((interrupted * 2 > rounds)) || fail "too few rounds were interrupted"
