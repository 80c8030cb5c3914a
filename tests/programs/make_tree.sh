#!/bin/bash
# make_tree.sh DIRECTORY SMALL_FILES BIG_FILES: makes a tree of every kind of thing that cede-cp has
# to copy, and beside these SMALL_FILES files of some hundred bytes and BIG_FILES files of 64 MiB.
set -euo pipefail
top=$1 small=$2 big=$3

mkdir "$top"
cd "$top"

mkdir sizes
: >sizes/empty
for bytes in 1 4095 4096 4097 65535 65536 65537 8388607 8388608 8388609 20000000; do
    head -c "$bytes" /dev/urandom >"sizes/$bytes"
done

mkdir sparse
truncate -s 40M sparse/all-hole
truncate -s 10M sparse/hole-then-data
printf 'the end' >>sparse/hole-then-data
printf 'the beginning' >sparse/data-then-hole
truncate -s 10000001 sparse/data-then-hole
truncate -s 30M sparse/islands
for at in 0 1048575 8388600 20000000; do
    printf 'island at %s' "$at" | dd of=sparse/islands bs=1 seek="$at" conv=notrunc status=none
done

name=$(printf 'd%.0s' {1..120})
deep=deep
for _ in {1..25}; do
    deep=$deep/$name
done
mkdir -p "$deep"
echo deepest >"$deep/file"
long=$(printf 'n%.0s' {1..255})
mkdir names
echo long >"names/$long"
mkdir "names/${long/n/D}"
echo inside >"names/${long/n/D}/${long/n/x}"
for name in ' ' '  two  spaces ' $'new\nline' $'tab\t' "quote'\"" 'back\slash' '*' '?' '[a]' \
    '$HOME' '-rf' '--' '.hidden' '...' 'ünïcödé' $'not\xffutf8' '%s%n' '~' '#' 'a;b' '|' '&'; do
    echo "in $name" >"names/$name"
done
mkdir 'names/ dir ' 'names/-d' $'names/dir\nline'
echo x >$'names/dir\nline/x'

mkdir links
echo target >links/target
ln -s target links/to-file
ln -s ../sizes links/to-directory
ln -s nowhere links/dangling
ln -s /etc/passwd links/absolute
ln -s self links/self
ln -s "$(printf 'y%.0s' {1..3000})" links/long-text
ln links/target links/hard

mkdir -p empty-directory empty/of/directories
mkdir modes
for mode in 0400 0600 0644 0755 0777 2755 4755 1644; do
    echo "$mode" >"modes/$mode"
    chmod "$mode" "modes/$mode"
done
mkdir -p locked/inner/more
echo a >locked/a
echo b >locked/inner/b
echo c >locked/inner/more/c
mkdir modes/sticky && chmod 1777 modes/sticky

for ((i = 0; i < small; i++)); do
    ((i % 100)) || mkdir -p "many/$((i / 1000))/$((i / 100))"
    printf '%*d\n' $((i % 700 + 1)) "$i" >"many/$((i / 1000))/$((i / 100))/$i"
done
mkdir big
for ((i = 0; i < big; i++)); do
    head -c 64M /dev/urandom >"big/$i"
done

touch -d '1971-02-03 04:05:06.789012345 UTC' sizes/1 links modes
touch -d '2040-01-02 03:04:05.000000001 UTC' sizes/4096 empty
touch -d '2001-09-09 01:46:40.5 UTC' locked/inner/more locked/inner deep names
chmod 0555 locked/inner/more locked/inner locked
chmod 0500 empty-directory
