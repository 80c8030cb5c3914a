# shellcheck shell=bash disable=SC2154 # the caller sets work
# compare.sh, to be sourced: what a copy is compared with.

# Names, kinds, permissions, times and link texts below a directory; a symbolic link's times and
# permissions are not its own business.
listing()
{
    (cd "$1" && find . \( -type l -printf '%P\tl\t%l\0' \) -o -printf '%P\t%y\t%m\t%T@\0') |
        LC_ALL=C sort -z
}

# same SOURCE COPY: both are the same tree, to the nanosecond and the last bit.
same()
{
    diff -r --no-dereference "$1" "$2" || { echo "the contents of $2 differ"; return 1; }
    listing "$1" >"$work/listing.source"
    listing "$2" >"$work/listing.copy"
    cmp "$work/listing.source" "$work/listing.copy" || {
        diff -a <(tr '\0' '\n' <"$work/listing.source") <(tr '\0' '\n' <"$work/listing.copy") |
            head -20
        return 1
    }
}

# partial SOURCE COPY: what an interrupted copy may leave. Each file and link is whole, with its
# mode and times, or absent; nothing else is there.
partial()
{
    [ -e "$2" ] || return 0
    diff -rq --no-dereference "$1" "$2" >"$work/differences" || true
    # "Only in SOURCE..." is what was not copied. A newline in a name makes a line of its own, but
    # one that begins otherwise and therefore counts as a difference only if "Only in COPY" does.
    if grep -a -e '^Only in '"$2" -e ' differ$' -e '^File ' "$work/differences"; then
        echo "$2 has what it should not have"
        return 1
    fi
    if find "$2" -name '.cede-cp-*' | grep .; then
        echo "temporary files are left in $2"
        return 1
    fi
    listing "$1" | grep -zav $'\td\t' >"$work/listing.source" || true
    listing "$2" | grep -zav $'\td\t' >"$work/listing.copy" || true
    [ -z "$(LC_ALL=C comm -z -13 "$work/listing.source" "$work/listing.copy" | tr '\0' '\n')" ] || {
        echo "names, modes or times that the source has not:"
        LC_ALL=C comm -z -13 "$work/listing.source" "$work/listing.copy" | tr '\0' '\n'
        return 1
    }
}

# Removes a tree in which directories may be read-only.
remove()
{
    [ ! -e "$1" ] || { chmod -R u+rwX "$1" 2>/dev/null || true; rm -rf "$1"; }
}

fail()
{
    echo "FAILED: $*"
    exit 1
}
