#!/usr/bin/env bash
# terminal.sh COMMAND...: runs the terminal test on a pseudo-terminal of its own and types what it
# asks for: "@N KEYS;", with N from 1, once it is on the screen. Of what it writes, the screen must
# show some.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Wine's console takes the size and the character set from here. It is not the kernel that is to
# echo and to change what was typed before the console has begun, but the console.
mode=
[ $# = 1 ] || mode='-icanon -echo -icrnl min 1'
printf 'stty rows 25 cols 80 %s\nexec %q' "$mode" "$1" > "$work/run"
[ $# = 1 ] || printf ' %q' "${@:2}" >> "$work/run"
printf ' 2> errors\n' >> "$work/run"
printf '(. ./run)\necho $? > code\n' > "$work/start"
export LC_ALL=C.UTF-8 CEDE_WINE_TERMINAL=yes
cd "$work"
coproc TERMINAL { exec socat - EXEC:"bash start",pty,setsid,ctty,stderr 2> socat; }
exec 3<&"${TERMINAL[0]}" 4>&"${TERMINAL[1]}"

# Without what moves the cursor; Wine steps over a blank.
shopt -s extglob
next=1
while IFS= read -r line <&3; do
    line=${line//$'\e[1C'/ }
    line=${line//$'\e['*([0-9;?])[A-Za-z]/}
    line=${line//$'\r'/}
    printf '%s\n' "$line" >> screen
    while [[ $line =~ @$next\ ([^;]*)\; ]]; do
        printf '%b' "${BASH_REMATCH[1]}" >&4
        next=$((next + 1))
    done
done
code=$(cat code 2> /dev/null || echo "none: $(cat socat)")
if [ "$code" != 0 ]; then
    cat errors
    [ "$code" = 77 ] && exit 77
    echo "exit code $code; on the screen:"
    cat -v screen
    exit 1
fi
for text in 'price: 7 € uro' 'grün' 'end of pages'; do
    grep -q "$text" screen || { echo "not on the screen: $text"; cat -v screen; exit 1; }
done
echo "$((next - 1)) times typed"
