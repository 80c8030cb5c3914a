#!/usr/bin/env bash
# Reads all that is built on Windows in clang's way of being Microsoft's compiler, for x64 and arm64:
# no extension of gcc's, what _MSC_VER chooses, no imported address where a constant is wanted. Its
# own headers are not here, and mingw-w64's want a gcc: so the sources are copied, with the words by
# which they would know one, and with what only it has, made strange. How Microsoft's compiler and
# headers differ from clang and these, this cannot tell.
# Usage: msvc.sh ROOT DIRECTORY JOBS; the copy goes to DIRECTORY.
set -euo pipefail
root=$1 copy=$2 jobs=$3
headers=/usr/x86_64-w64-mingw32/include
if [ ! -e "$headers/windows.h" ]; then
    echo "skipped: no headers of Windows; Debian and Ubuntu: apt-get install mingw-w64-x86-64-dev"
    exit 0
fi

rm -rf "$copy"
mkdir -p "$copy"
cp -R "$root/include" "$root/src" "$root/tests" "$root/examples" "$copy"
cd "$copy"
strange='GNUC__|clang__|attribute__|builtin_|asm__|extension__|typeof|int128'
find . -name '*.[ch]' -exec perl -pi -e "s/\\b__($strange)/__no_\$1/g" {} +

# Not built on Windows: what names another system, what the list of unit tests has for others, and
# what that of regressions has.
others='_(posix|io_uring|linux)\.c'
leave_out()
{
    while read -r name; do
        [ ! -e "$1/$name.c" ] || others+="|$1/$name\\.c"
    done
}
leave_out tests/unit < <(sed -n '/^if(CMAKE_SYSTEM_NAME STREQUAL "Linux"/,/^endif/p' \
    tests/unit/CMakeLists.txt | grep -oE '[a-z][a-z0-9_]*' | LC_ALL=C sort -u)
leave_out tests/regress < <(sed -nE 's/^ROW\((POSIX|LINUX), ([a-z_]+)\)$/\2/p' \
    tests/regress/regressions.def)
files()
{
    find "$@" -name '*.c' ! -path '*/analyzer/*' | grep -vE "$others" | LC_ALL=C sort
}

failed=0
# read_as MACHINE DEFINITION: the files of standard input.
read_as()
{
    xargs -P "$jobs" -n 8 clang --target="$1-pc-windows-msvc" -fgnuc-version=12.0 -isystem "$headers" \
        -D_UCRT -D_WIN32_WINNT=0x0A00 -DWIN32_LEAN_AND_MEAN= -DNOMINMAX= "$2" \
        -Iinclude -Isrc -Isrc/core -Isrc/win32 -Itests/conformance \
        -std=c11 -fsyntax-only -Wall -Wextra -Wpedantic -Wgnu -Wvla -Werror || failed=1
}

for machine in x86_64 aarch64; do
    read_as "$machine" -DCEDE_BUILDING < <(files src/core src/pool src/sim src/win32 tests/unit)
    read_as "$machine" -DCEDE_SHARED < <(files examples tests/check tests/conformance tests/regress \
        tests/storm)
    read_as "$machine" -DFAULT_INSIDE < <(files tests/faults)
    read_as "$machine" -includetests/faults/fault.h < <(files examples)
done
exit "$failed"
