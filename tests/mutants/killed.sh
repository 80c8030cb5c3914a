#!/usr/bin/env bash
# killed.sh RUNNER BACKEND CASE: succeeds if the case fails on this broken runner, by its own checks,
# by an invariant of the library, by its watchdog, or by a crash. That the case exists and passes on
# the sound runner is what its own CTest test shows.
set -u
runner=$1 backend=$2 case=$3
if ! "$runner" --list | grep -qw -- "$case"; then
    echo "there is no case $case"
    exit 1
fi
# The limit is for one run: a mutant that hangs is a dead one, too, and should not take long to die.
output=$(timeout 100 "$runner" --backend "$backend" --case "$case" --limit 6 2>&1)
code=$?
printf '%s\n' "$output" | tail -n 12
case $code in
0 | 77)
    echo "survived: $case does not notice"
    exit 1
    ;;
124) echo "killed: by hanging" ;;
*) echo "killed: exit code $code" ;;
esac
