#!/bin/bash
# cp_tree.sh CEDE_CP WORK [SMALL_FILES BIG_FILES]: a tree with every kind of file is copied and
# compared: contents, kinds, permissions, times, holes; alone, on top of an earlier copy, and with
# few descriptors and jobs.
set -euo pipefail
cp=$1 work=$2 small=${3:-3000} big=${4:-1}
. "$(dirname "$0")/compare.sh"

remove "$work"
mkdir -p "$work"
trap 'remove "$work"' EXIT

bash "$(dirname "$0")/make_tree.sh" "$work/source" "$small" "$big"
files=$(find "$work/source" ! -type d -printf x | wc -c)
directories=$(find "$work/source" -type d -printf x | wc -c)

"$cp" --verify "$work/source" "$work/copy" >"$work/out" 2>"$work/messages" || fail "exit status $?"
[ ! -s "$work/messages" ] || {
    head "$work/messages"
    fail "it complained, or drew a bar in a file"
}
grep -q "^$files files, $directories directories, .*, verified$" "$work/out" || {
    cat "$work/out"
    fail "the last line should count $files files and $directories directories"
}
same "$work/source" "$work/copy" || fail "the copy"
cat "$work/out"

for file in all-hole hole-then-data data-then-hole islands; do
    blocks=$(stat -c %b "$work/copy/sparse/$file")
    ((blocks <= $(stat -c %b "$work/source/sparse/$file") + 1024)) ||
        fail "sparse/$file takes $blocks blocks: its holes were filled"
done

# On top of itself, while the source has changed: what is there is replaced, other files stay.
echo changed >"$work/source/sizes/1"
ln -sf elsewhere "$work/source/links/dangling"
echo mine >"$work/copy/mine"
"$cp" --quiet --verify --sync "$work/source/." "$work/copy" ||
    fail "the second copy: exit status $?"
[ "$(cat "$work/copy/mine")" = mine ] || fail "a file that was not in the source is gone"
rm "$work/copy/mine"
touch -r "$work/source" "$work/copy"
same "$work/source" "$work/copy" || fail "the second copy"

# Few descriptors: a leak of one a file would run out of them, and so would sixty-four jobs.
remove "$work/copy"
(ulimit -n 40 && exec "$cp" --quiet --verify "$work/source" "$work/copy") ||
    fail "with 40 descriptors: exit status $?"
same "$work/source" "$work/copy" || fail "the copy with 40 descriptors"

# One at a time.
remove "$work/copy"
"$cp" --quiet --limit 1 "$work/source" "$work/copy" || fail "--limit 1: exit status $?"
same "$work/source" "$work/copy" || fail "the copy with --limit 1"
echo "four copies, all equal to their source"
