#!/bin/sh
# run-under-wine.sh PROGRAM.exe [ARGUMENT...]: runs a Windows program under Wine, for CTest and by
# hand. Its output comes when it has ended, without carriage returns; its standard input is empty.
#
# - Wine's files are kept in the program's build directory (wine/), made at first use, or in
#   CEDE_WINEPREFIX. No display, no debugger.
# - The server and its services stay for a minute after the last program, so that the next one does
#   not wait for their start, and end by themselves. They are started with their output closed, and
#   the program's goes to a file: CTest waits until nobody holds its pipe any more.
# - With CEDE_WINE_TERMINAL set, standard input and output are what they are: a terminal becomes the
#   program's console.
# - Wine cuts exit codes to 8 bits, so that an exception may look like success: the conformance
#   runner must have come to its closing line.
set -eu
program=$1

# Hundreds of starts are made: what the shell can do itself is no program's.
case $program in
/*) dir=${program%/*} ;;
*) dir=$PWD/$program dir=${dir%/*} ;;
esac
while [ -n "$dir" ] && [ ! -e "$dir/CMakeCache.txt" ]; do
    dir=${dir%/*}
done
if [ -z "$dir" ]; then
    dir=${TMPDIR:-/tmp}/cede-wine-$(id -u)
fi
WINEPREFIX=${CEDE_WINEPREFIX:-$dir/wine}
WINEDEBUG=-all
WINEDLLOVERRIDES='mscoree=;mshtml=;winemenubuilder.exe=;winedbg.exe='
export WINEPREFIX WINEDEBUG WINEDLLOVERRIDES
unset DISPLAY WAYLAND_DISPLAY

# The program itself and not the distribution's wrapper, which has notices to give.
wine=${CEDE_WINE:-}
for candidate in /usr/lib/wine/wine64 /usr/lib/wine/wine wine64 wine; do
    [ -n "$wine" ] || wine=$(command -v "$candidate" || true)
done
if [ -z "$wine" ]; then
    echo "run-under-wine.sh: there is no Wine; Debian and Ubuntu: apt-get install wine" >&2
    exit 1
fi

if [ ! -e "$WINEPREFIX/ready" ]; then
    mkdir -p "$WINEPREFIX"
    (
        flock 9
        if [ ! -e "$WINEPREFIX/ready" ]; then
            wineserver -p60 9>&- || true
            "$wine" wineboot -i 9>&- && touch "$WINEPREFIX/ready"
        fi
    ) 9> "$WINEPREFIX/lock" < /dev/null > "$WINEPREFIX/log" 2>&1
fi
if [ ! -e "$WINEPREFIX/ready" ]; then
    echo "run-under-wine.sh: Wine could not set itself up in $WINEPREFIX:" >&2
    cat "$WINEPREFIX/log" >&2
    exit 1
fi
wineserver -p60 < /dev/null > /dev/null 2>&1 || true # there is one already

if [ -n "${CEDE_WINE_TERMINAL:-}" ]; then
    exec "$wine" "$@"
fi

output=$WINEPREFIX/output.$$
trap 'rm -f "$output"' EXIT
code=0
"$wine" "$@" < /dev/null > "$output" 2>&1 || code=$?
# Once in some 20,000 starts Wine 8 ends at once with nothing said (as it does with a child: see
# docs/facts-windows.md, 1359). What fails by itself says why.
if [ "$code" != 0 ] && [ ! -s "$output" ]; then
    echo "run-under-wine.sh: exit code $code and nothing said; started once more"
    code=0
    "$wine" "$@" < /dev/null > "$output" 2>&1 || code=$?
fi
tr -d '\r' < "$output"
case $code:${program##*/} in
0:*conformance*)
    # Not always in the last line: Wine may have had something to say about the end of a thread.
    if ! tail -n 5 "$output" | grep -qE '^# [0-9]+ passed, 0 failed|^    '; then
        echo "run-under-wine.sh: exit code 0, but not to the end"
        code=1
    fi
    ;;
esac
exit "$code"
