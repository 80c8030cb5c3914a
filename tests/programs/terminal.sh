#!/usr/bin/env bash
# shellcheck disable=SC1091,SC2034,SC2154 # on_terminal.sh
# terminal.sh [EMULATOR...] PROGRAM: runs the terminal test on a pseudo-terminal of its own and types
# what it asks for: "@N KEYS;", with N from 1, once it is on the screen. Of what it writes, the screen
# must show some.
set -eu
emulator=("${@:1:$#-1}")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
. "$(dirname "$0")/on_terminal.sh"

begin test "${@: -1}"
next=1
while IFS= read -r line <&"$screen"; do
    printf '%s\n' "$line" >> "$work/seen"
    while [[ $line =~ @$next\ ([^;]*)\; ]]; do
        printf '%b' "${BASH_REMATCH[1]}" >&"$keys"
        next=$((next + 1))
    done
done
wait "$terminal" || true
code=$(ended test)
if [ "$code" != 0 ]; then
    cat "$work/test.errors"
    [ "$code" = 77 ] && exit 77
    echo "exit code $code; on the screen:"
    cat -v "$work/seen"
    exit 1
fi
for text in 'price: 7 € uro' 'grün' 'end of pages'; do
    grep -q "$text" "$work/seen" || { echo "not on the screen: $text"; cat -v "$work/seen"; exit 1; }
done
echo "$((next - 1)) times typed"
