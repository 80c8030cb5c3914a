#!/bin/bash
# cp_cases.sh CEDE_CP WORK: the corners of cede-cp, one after another: what its arguments mean, what
# it reports, and what it leaves when something fails.
set -uo pipefail
cp=$(realpath "$1") work=$2
. "$(dirname "$0")/compare.sh"

remove "$work"
mkdir -p "$work" && cd "$work" || exit 1
work=$PWD
trap '[ ! -e full ] || umount full 2>/dev/null; cd / && remove "$work"' EXIT

# expect STATUS COMMAND...: runs it; its messages are in $work/messages.
expect()
{
    local status=$1 got=0
    shift
    "$@" >out 2>messages || got=$?
    [ "$got" = "$status" ] || { cat out messages; fail "$*: exit status $got, not $status"; }
}

# said TEXT: a message contains it.
said()
{
    grep -aqF -e "$1" messages || { cat messages; fail "no message says: $1"; }
}

no_temporaries()
{
    ! find . -name '.cede-cp-*' | grep . || fail "temporary files are left"
}

expect 2 "$cp"
expect 2 "$cp" one
expect 2 "$cp" --limit 0 a b
expect 2 "$cp" --limit
expect 2 "$cp" --unknown a b
expect 0 "$cp" --help
grep -q '^usage: cede-cp' out || fail "--help has no usage line"

# One file: to a new name, into a directory, over a file, over a link to a file.
echo one >a
expect 0 "$cp" a b
cmp a b || fail "a to b"
mkdir dir
expect 0 "$cp" a b dir
cmp a dir/a && cmp b dir/b || fail "two files into a directory"
echo two >c && echo precious >target && ln -s target link
expect 0 "$cp" c link
[ "$(cat link target)" = $'two\nprecious' ] && [ ! -L link ] ||
    fail "a file copied over a link takes its name, and leaves what it pointed to"
expect 0 "$cp" -q -- a -b
cmp a ./-b || fail "a name that begins with a dash"

# Trees: to a new name, into a directory, with slashes, as the contents of a directory.
mkdir -p tree/sub && echo in >tree/sub/file
expect 0 "$cp" tree/ new
expect 0 "$cp" tree/// dir/
expect 0 "$cp" tree/. contents
for copy in new dir/tree contents; do
    same tree "$copy" || fail "tree to $copy"
done

# What cannot be: several to no directory, to itself, into itself, directory against file.
expect 1 "$cp" a b nowhere
said 'nowhere: is no directory'
expect 1 "$cp" a a
said 'a: source and destination are the same'
expect 1 "$cp" tree .
said 'tree: source and destination are the same'
expect 1 "$cp" tree tree/sub
said 'tree/sub/tree: a directory is not copied into itself'
rm -r tree/sub/tree
expect 1 "$cp" missing a dir
said 'missing: no such file or directory'
mkdir -p over/a over/tree
expect 1 "$cp" a over
said 'over/a: is a directory'
rm -r over/tree && echo file >over/tree
expect 1 "$cp" tree over
said 'over/tree: not a directory'
[ "$(cat over/tree)" = file ] || fail "a file was replaced by a directory"
no_temporaries

# A name too long for any system, made of links that are not too long.
expect 1 "$cp" a "$(printf 'x%.0s' {1..300})"
said 'the name is too long'
expect 1 "$cp" a "$(printf 'x/%.0s' {1..3000})y"
said 'the name is too long'

# Special files are named and left out, the others are copied.
mkdir special && mkfifo special/fifo && echo x >special/x
expect 1 "$cp" special special-copy
said 'special/fifo: pipe, socket or device: left out'
cmp special/x special-copy/x && [ ! -e special-copy/fifo ] || fail "special files"

# One failure stops nothing else, but with --fail-fast everything.
mkdir many && for i in {1..500}; do echo "$i" >"many/$i"; done
mkdir -p half/many/250
expect 1 "$cp" many half
said 'half/many/250: is a directory'
[ "$(find half -type f | wc -l)" = 499 ] || fail "one failure stopped others"
mkdir -p fast/many/{1..500}
expect 1 "$cp" --fail-fast --limit 1 many fast
[ "$(grep -c 'is a directory' messages)" = 1 ] || fail "--fail-fast goes on"
no_temporaries

# Descriptors for a few files only: the others have to wait, and none may give up.
expect 0 bash -c 'ulimit -n 12 && exec "$@"' few "$cp" --verify many few
same many few || fail "the copy with few descriptors"

# What may not be read or written; root may, so somebody else has to try.
as=()
if [ "$(id -u)" = 0 ]; then
    as=(setpriv --reuid=65534 --regid=65534 --clear-groups --inh-caps=-all)
fi
mkdir private && echo secret >private/unreadable && echo open >private/readable
mkdir private/closed && echo x >private/closed/x
chmod 000 private/unreadable private/closed
mkdir own closed && chmod 777 own && chmod 755 . closed
if "${as[@]}" test -x "$work" && "${as[@]}" test -x "$cp"; then
    expect 1 "${as[@]}" "$cp" private own
    said 'private/unreadable: permission denied'
    said 'private/closed: permission denied'
    [ "$(cat own/private/readable)" = open ] || fail "what may be read is copied"
    [ -z "$(find own/private -name unreadable -o -name closed)" ] || fail "unreadable: half copies"
    [ "$(id -u)" != 0 ] || { expect 1 "${as[@]}" "$cp" a closed && said 'permission denied'; }
    # A copy of a read-only directory can be copied over again by its owner.
    mkdir locked && echo x >locked/x && chmod 555 locked
    expect 0 "${as[@]}" "$cp" locked own
    expect 0 "${as[@]}" "$cp" locked own
    same locked own/locked || fail "a read-only directory, twice"
    # Set-user-id is not given to somebody else's copy.
    if [ "$(id -u)" = 0 ]; then
        echo suid >suid && chmod 4755 suid
        expect 0 "${as[@]}" "$cp" suid own
        [ "$(stat -c %a own/suid)" = 755 ] || fail "a set-user-id file changed hands"
    fi
else
    echo "skipped: an ordinary user cannot reach $work and $cp"
fi

# The destination is full: the half copy goes, what was there before stays.
mkdir full
if mount -t tmpfs -o size=1m tmpfs full 2>/dev/null; then
    head -c 3000000 /dev/urandom >large
    echo before >full/large
    expect 1 "$cp" large full
    said 'full/large: no space left on the device'
    expect 0 "$cp" a full # there is room again
    [ "$(cat full/large full/a)" = $'before\none' ] || fail "the full disk: what is there is wrong"
    no_temporaries
    umount full
else
    echo "skipped: no right to mount a small file system"
fi
rmdir full

# A gate holds the program at its first line of --verbose, where the first copy has its name and
# nothing more happens: its standard output is a pipe that is full.
gated() # ARGUMENTS..., of a run with --verbose
{
    mkfifo gate
    exec 3<>gate
    dd if=/dev/zero of=gate bs=4096 oflag=nonblock status=none 2>/dev/null
    "$cp" --verbose "$@" >gate 2>messages 3>&- &
    gated=$!
}

open_gate() # STATUS that the program should end with
{
    local got=0
    exec 4<gate 3>&-
    cat <&4 >/dev/null &
    exec 4<&-
    wait "$gated" || got=$?
    wait
    rm gate
    [ "$got" = "$1" ] || { cat messages; fail "behind the gate: exit status $got, not $1"; }
}

wait_for_file_in() # DIRECTORY; the first file with its final name
{
    until [ -n "$(find "$1" -type f ! -name '.cede-cp-*' -print -quit 2>/dev/null)" ]; do
        kill -0 "$gated" || fail "the program ended behind the gate"
        sleep 0.01
    done
}

# A source that goes while it is copied: no wrong copy, and only messages about what is gone.
mkdir vanishing && for i in {1..3000}; do echo "$i" >"vanishing/$i"; done
gated --limit 4 vanishing vanished
wait_for_file_in vanished
rm -r vanishing
open_gate 1
! grep -v 'no such file or directory' messages || fail "vanishing: a strange message"
for file in vanished/*; do
    [ "$(cat "$file")" = "${file#*/}" ] || fail "$file is wrong"
done
no_temporaries

# --verify finds a difference: the copy is made to differ before it is compared.
head -c 3000000 /dev/urandom >plain
mkdir verified
gated --verify plain verified
wait_for_file_in verified
printf 'other' | dd of=verified/plain bs=1 seek=2999995 conv=notrunc status=none
open_gate 1
said 'verified/plain: differs from its source'

# An interrupt, twice for the impatient: one file of many is whole, the others are not there.
mkdir -p many interrupted
gated --limit 16 many interrupted
wait_for_file_in interrupted
kill -TERM "$gated"
kill -TERM "$gated"
open_gate 130
said 'cede-cp: interrupted: '
[ "$(find interrupted -type f | wc -l)" -lt 500 ] || fail "an interrupt that changed nothing"
partial many interrupted/many || fail "the interrupted copy"

# The bar, on a terminal only, and not with --quiet.
if command -v script >/dev/null; then
    script -qec "'$cp' plain bar" typescript </dev/null >/dev/null || fail "on a terminal"
    tr '\r' '\n' <typescript | grep -q '% .* of .*iB, .*/s, .* left' ||
        { cat -v typescript; fail "no bar"; }
    script -qec "'$cp' --quiet plain bar" typescript </dev/null >/dev/null || fail "on a terminal"
    ! grep -q 'left' typescript || fail "a bar in spite of --quiet"
fi
echo "all corners as they should be"
