#!/usr/bin/env bash
# race.sh EXPECTED COMMAND...: cede-race in made-up networks, whose times are virtual: what it prints
# is the same everywhere, to the last character.
set -eu
expected=$1
shift
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

race()
{
    local code=0
    echo "$*" >> "$work/got"
    "${command[@]}" --sim "$@" >> "$work/got" 2>&1 || code=$?
    echo "exit status $code" >> "$work/got"
}

command=("$@")
# The first is lost, the third refuses; the second wins while the fourth is under way.
race '2001:db8::1=lost' '2001:db8::2=refused@20' 198.51.100.1=300 198.51.100.2=120
# Two at the same moment: the one is won, the other cancelled too late.
race '2001:db8::1=300' 198.51.100.1=50
# IPv6 is looked up late, but not too late; then too late.
race --aaaa 30 --a 10 '2001:db8::1=5' 198.51.100.1=1
race --aaaa 90 --a 10 '2001:db8::1=5' 198.51.100.1=100
# It comes when the other family has been tried in vain, and its turn is long due.
race --a 400 '2001:db8::1=lost' 198.51.100.1=10
# IPv4 has no address, and its look-up never matters; all refuse; nobody answers.
race --a 60000 '2001:db8::1=0'
race 198.51.100.1=refused@5 '2001:db8::1=refused@0'
race 198.51.100.1=lost '2001:db8::1=lost'
diff -u "$expected" "$work/got"
