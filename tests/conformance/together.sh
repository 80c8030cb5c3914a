#!/bin/sh
# together.sh RUNNER...: for CTest, many cases in one process, where a start or an end of one is dear.
# What has to have a process of its own (the runner says "left") has it after them.
output=$(mktemp) || exit
trap 'rm -f "$output"' EXIT
"$@" --no-fork > "$output" 2>&1
code=$?
cat "$output"
left=$(sed -n 's/^left *[^ .]*\.\([a-z0-9_]*\) .*/\1/p' "$output" | paste -sd, -)
[ -n "$left" ] || exit "$code"
"$@" --case "$left"
apart=$?
case $code:$apart in # 77: nothing that could be run
0:77) exit 0 ;;
0:* | 77:*) exit "$apart" ;;
*) exit "$code" ;;
esac
