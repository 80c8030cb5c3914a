#!/usr/bin/env bash
# serve.sh CEDE_SERVE: the server with clients that nobody here wrote, friendly and hostile ones.
#
# A generated tree is fetched in parallel and compared byte for byte, names of all kinds by the links
# of their list; ranges, conditions, errors, pipelining; clients that say half, too much or nothing,
# read nothing, or leave in the middle of an answer; a limit of connections; a stop with an answer in
# progress. At the end no descriptor is left of any of them, nothing was complained of, and all
# statuses are 0.
set -eu
export LC_ALL=C # names are bytes
trap '' PIPE # to write to one who is gone is an error here
serve=$1
work=$(mktemp -d)
children=()
cleanup()
{
    for child in "${children[@]}"; do
        kill -9 "$child" 2> /dev/null || true
    done
    rm -rf "$work"
}
trap cleanup EXIT
. "${BASH_SOURCE%/*}/serve_hostile.bash"

fail()
{
    printf "serve.sh: %.500s\n" "$*"
    cat "$work"/errors.* 2> /dev/null || true
    exit 1
}

# start NAME OPTION...: sets at and pid
start()
{
    local name=$1 line
    shift
    mkfifo "$work/said.$name"
    "$serve" --at 127.0.0.1:0 --stats "$@" "$work/tree" > "$work/said.$name" \
        2> "$work/errors.$name" &
    pid=$!
    children+=("$pid")
    exec {said}< "$work/said.$name"
    read -r -t 30 line <&"$said" || fail "$name said nothing"
    at=${line#listening at }
    [[ "$at" =~ ^127\.0\.0\.1:[0-9]+$ ]] || fail "$name said: $line"
}

# Asks the server that was started last to stop, and judges its end.
stop()
{
    local code=0 line
    kill -TERM "$pid"
    ended
}

ended()
{
    local code=0 line
    wait "$pid" || code=$?
    [ "$code" = 0 ] || fail "it ended with $code"
    line=$(cat <&"$said")
    [[ "$line" = *", 0 connections left" ]] || fail "it said at its end: $line"
    exec {said}<&-
    ! cat "$work"/errors.* | grep . || fail "it complained"
}

# get PEER: a whole exchange, on a connection that is kept
get()
{
    local line
    printf 'OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n' >&"$1" # opens no file
    while read -r -t 30 line <&"$1"; do
        [ "$line" != $'\r' ] || return 0
    done
    fail "no answer"
}

# Sets before to the descriptors that the server has without clients.
count_before()
{
    local peer
    exec {peer}<> "/dev/tcp/127.0.0.1/${at##*:}"
    get "$peer"
    before=$(($(find "/proc/$pid/fd" -mindepth 1 | wc -l) - 1))
    exec {peer}<&-
}

# So many descriptors, soon. What is waited for is the kernel's and the program's work on the end
# of connections, of which a shell hears nothing.
descriptors()
{
    local i
    for ((i = 0; i < 600; i++)); do
        [ "$(find "/proc/$pid/fd" -mindepth 1 | wc -l)" != "$1" ] || return 0
        sleep 0.05
    done
    fail "it has $(find "/proc/$pid/fd" -mindepth 1 | wc -l) descriptors, and had $1 ($2)"
}

# ask STATUS CURL-ARGUMENT...: the answer is in $work/head and $work/body
ask()
{
    local expected=$1 got
    : > "$work/body"
    shift
    got=$(curl -s -D "$work/head" -o "$work/body" -w '%{http_code}' --path-as-is "$@") ||
        fail "curl $* ended with $?"
    [ "$got" = "$expected" ] || fail "$* was answered with $got, not $expected"
}

# has FIELD VALUE: of the last answer
has()
{
    tr -d '\r' < "$work/head" | grep -qix -e "$1: $2" || fail "no $1: $2 in $(cat "$work/head")"
}

# body_is FILE [FROM BYTES]
body_is()
{
    if [ $# = 1 ]; then
        cmp "$1" "$work/body" || fail "the body is not $1"
    else
        cmp <(dd if="$1" bs=64k iflag=skip_bytes,count_bytes skip="$2" count="$3" status=none) \
            "$work/body" || fail "not $* of the file"
    fi
}

# ---- The tree -----------------------------------------------------------------------------------

tree=$work/tree
mkdir -p "$tree/sizes" "$tree/many/a/b" "$tree/names/dir with & <b>" "$tree/index" "$tree/.git"
for bytes in 0 1 4095 4096 32500 32767 32768 32769 65536 1048575 8388608; do
    head -c "$bytes" /dev/urandom > "$tree/sizes/$bytes.bin"
done
for ((i = 0; i < 300; i++)); do
    head -c $((i * 97)) "$tree/sizes/65536.bin" > "$tree/many/a/b/$i.txt"
done
for name in ' ' 'two  words' 'a&b' '<script>' 'quote"' "it's" '100%' '%41' 'q?x=1' 'h#1' 'semi;colon' \
    'colon:x' 'ünïcödé' $'tab\t' $'line\nbreak' $'not\xffutf8' '+plus' 'back\slash' '{x}' '...'; do
    printf 'in %s' "$name" > "$tree/names/$name"
done
echo inside > "$tree/names/dir with & <b>/inside"
echo '<p>index</p>' > "$tree/index/index.html"
echo secret > "$tree/.git/config"
echo outside > "$work/outside"
ln -s ../outside "$tree/out"
ln -s / "$tree/root"
ln -s sizes/1.bin "$tree/in"
mkfifo "$tree/pipe"
truncate -s 200M "$tree/large"

# ---- Friendly clients ---------------------------------------------------------------------------

start friendly --threads 2
url=http://$at
count_before

# All at once, and byte for byte.
(cd "$tree" && find sizes many -type f) > "$work/files"
while read -r name; do
    mkdir -p "$work/got/${name%/*}"
    printf 'url = "%s/%s"\noutput = "%s/got/%s"\n' "$url" "$name" "$work" "$name"
done < "$work/files" > "$work/fetch"
curl -s --fail --no-progress-meter --parallel --parallel-max 30 -K "$work/fetch" || fail "curl --parallel: $?"
diff -r "$tree/sizes" "$work/got/sizes" && diff -r "$tree/many" "$work/got/many" || fail "differs"

# Every name that the list has links to; together they are what is there.
ask 200 "$url/names/"
has Content-Type 'text/html; charset=utf-8'
! grep -qaE '<script>|<b>' "$work/body" || fail "a name is HTML in the list"
: > "$work/contents"
while read -r link; do
    [ "$link" != ../ ] || continue
    curl -s --fail --path-as-is "$url/names/$link" >> "$work/contents" || fail "no $link"
    echo >> "$work/contents"
done < <(sed -n 's/.*<a href="\([^"]*\)".*/\1/p' "$work/body" | grep -v '/$')
(cd "$tree/names" && for name in *; do
    [ ! -f "$name" ] || { cat "./$name" && echo; }
done) > "$work/expected"
cmp <(sort "$work/expected") <(sort "$work/contents") || fail "names are lost"
ask 200 "$url/names/dir%20with%20%26%20%3Cb%3E/"
grep -q 'href="inside"' "$work/body" || fail "no list of the directory with a difficult name"
ask 301 "$url/names/dir%20with%20%26%20%3Cb%3E"
has Location '/names/dir%20with%20%26%20%3Cb%3E/'
ask 301 "$url//index"
has Location '/index/'
ask 200 "$url/index/"
body_is "$tree/index/index.html"
has Content-Type 'text/html; charset=utf-8'

# Ranges.
file=$tree/sizes/1048575.bin url_file=$url/sizes/1048575.bin
ask 206 -r 0-0 "$url_file" && body_is "$file" 0 1
has Content-Range 'bytes 0-0/1048575'
ask 206 -r 1000-40000 "$url_file" && body_is "$file" 1000 39001
ask 206 -r 1000000- "$url_file" && body_is "$file" 1000000 48575
ask 206 -r 1000000-9999999 "$url_file" && body_is "$file" 1000000 48575
has Content-Range 'bytes 1000000-1048574/1048575'
ask 206 -r -10 "$url_file" && body_is "$file" 1048565 10
ask 206 -r -9999999 "$url_file" && body_is "$file"
ask 200 -r 0-1,5-6 "$url_file" && body_is "$file" # several: all is an answer
ask 200 -H 'Range: bytes=5-1' "$url_file"
ask 200 -H 'Range: lines=1-5' "$url_file"
ask 416 -r 1048575- "$url_file"
has Content-Range 'bytes \*/1048575'
ask 416 -H 'Range: bytes=-0' "$url_file"
ask 416 -r 0- "$url/sizes/0.bin"
ask 200 -I -r 0-5 "$url_file"
has Content-Length 1048575

# Conditions.
tag=$(tr -d '\r' < "$work/head" | sed -n 's/^ETag: //p')
modified=$(tr -d '\r' < "$work/head" | sed -n 's/^Last-Modified: //p')
[ "$(date -d "$modified" +%s)" = "$(stat -c %Y "$file")" ] || fail "modified at $modified"
ask 304 -H "If-None-Match: \"x\", W/$tag" "$url_file"
[ ! -s "$work/body" ] || fail "304 with a body"
ask 304 -H 'If-None-Match: *' "$url_file"
ask 200 -H 'If-None-Match: "x"' -H "If-Modified-Since: $modified" "$url_file"
ask 304 -H "If-Modified-Since: $modified" "$url_file"
ask 304 -H "If-Modified-Since: $(date -ud "$modified + 1 day" '+%A, %d-%b-%y %T GMT')" "$url_file"
ask 304 -H "If-Modified-Since: $(date -ud "$modified + 1 day" '+%a %b %e %T %Y')" "$url_file"
ask 200 -H "If-Modified-Since: $(date -ud "$modified - 1 sec" '+%a, %d %b %Y %T GMT')" "$url_file"
ask 200 -H 'If-Modified-Since: yesterday' "$url_file"
ask 412 -H 'If-Match: "x"' "$url_file"
ask 412 -H "If-Match: W/$tag" "$url_file"
ask 200 -H "If-Match: $tag" "$url_file"
ask 412 -H "If-Unmodified-Since: $(date -ud "$modified - 1 sec" '+%a, %d %b %Y %T GMT')" "$url_file"
ask 206 -r 0-9 -H "If-Range: $tag" "$url_file"
ask 200 -r 0-9 -H "If-Range: W/$tag" "$url_file"
ask 206 -r 0-9 -H "If-Range: $modified" "$url_file"
ask 200 -r 0-9 -H 'If-Range: "x"' "$url_file"

# Other methods, and what is not there.
ask 204 -X OPTIONS "$url/"
has Allow 'GET, HEAD, OPTIONS'
ask 204 -X OPTIONS --request-target '*' "$url"
ask 405 -X DELETE "$url_file"
has Allow 'GET, HEAD, OPTIONS'
ask 405 --data-binary @"$tree/sizes/4096.bin" "$url/"
ask 405 -H 'Transfer-Encoding: chunked' --data-binary @"$tree/sizes/65536.bin" "$url/"
ask 413 -H 'Expect:' --data-binary @"$tree/sizes/1048575.bin" "$url/"
ask 405 -H 'Expect: 100-continue' --data-binary @"$file" "$url/"
ask 501 -X BREW "$url/"
ask 400 -X '{}' "$url/"
for path in nothing sizes/1.bin/ sizes/1.bin/x .git/config .git/ sizes%2f1.bin out root/etc/passwd; do
    ask 404 "$url/$path"
done
ask 403 "$url/pipe"
for path in ../outside %2e%2e/outside sizes/../../outside names/%2E./x %00 a%zz 'a%4'; do
    ask 400 "$url/$path"
done
ask 200 "$url/in" && body_is "$tree/sizes/1.bin"
ask 200 "$url/./sizes//1.bin?query=/../x" && body_is "$tree/sizes/1.bin"
ask 200 --request-target "http://example.org/sizes/1.bin" "$url/" && body_is "$tree/sizes/1.bin"
ask 414 "$url/$(printf 'x%.0s' {1..5000})"
ask 431 -H "X: $(printf 'x%.0s' {1..9000})" "$url/"
ask 200 --http1.0 "$url/index/"
has Connection close

# Three requests in one piece, the last of them in the old way; answers in their order.
say 'GET /index/ HTTP/1.1\r\nHost: x\r\n\r\nPOST / HTTP/1.1\r\nhost: x\r\nContent-Length: 4\r\n\r\nGET \r\nHEAD /index/ HTTP/1.1\r\nHost: x\r\n\r\nGET /index/ HTTP/1.0\r\n\r\n'
statuses=$(printf '%s\n' "$got" | sed -n 's/.*HTTP\/1\.1 \([0-9]*\) .*/\1/p' | tr '\n' ' ')
[ "$statuses" = '200 405 200 200 ' ] || fail "pipelined: $statuses in $got"
[ "$(printf '%s\n' "$got" | grep -c '^<p>index</p>$')" = 2 ] || fail "pipelined: $got"

# What is no HTTP, or another one.
while IFS='|' read -r expected text; do
    say "$text"
    [[ "$got" = "HTTP/1.1 $expected "* ]] || fail "$text was answered with $got"
done << 'END'
400|GET / HTTP/1.1\r\n\r\n
400|GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n
400|GET /\r\n
400|GET / HTTP/1.1\nHost: a\n\n
400|GET  / HTTP/1.1\r\nHost: a\r\n\r\n
400|GET / HTTP/1.1\r\nHost: a\r\nX : y\r\n\r\n
400|GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n
400|GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\n
400|GET / HTTP/1.1\r\nHost: a\r\nContent-Length: -3\r\n\r\n
400|GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n
400|\026\003\001\002
400|GET * HTTP/1.1\r\nHost: a\r\n\r\n
417|GET / HTTP/1.1\r\nHost: a\r\nExpect: miracles\r\n\r\n
501|GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n
505|GET / HTTP/2.0\r\nHost: a\r\n\r\n
505|PRI * HTTP/2.0\r\n\r\n
END

# One who is refused and goes on sending reads the refusal, and then the end: not that it was cut off.
exec {peer}<> "/dev/tcp/127.0.0.1/${at##*:}"
{
    printf 'No HTTP\r\n'
    cat "$tree/sizes/1048575.bin"
} >&"$peer" || fail "it does not take what follows a refused request"
timeout 30 cat <&"$peer" > "$work/heard" || fail "cut off in a refusal: $?"
[[ "$(head -n 1 "$work/heard")" = 'HTTP/1.1 400 '* ]] || fail "refused with $(cat "$work/heard")"
exec {peer}<&-

wrk -t1 -c16 -d1s "$url/sizes/4096.bin" > "$work/wrk" || fail "wrk: $?"
! grep -E 'Socket errors|Non-2xx' "$work/wrk" || fail "requests failed under load"
grep -qE '[1-9][0-9]* requests in' "$work/wrk" || fail "wrk: $(cat "$work/wrk")"
descriptors "$before" "after friendly clients"
stop

# ---- Hostile clients ----------------------------------------------------------------------------

start hostile --threads 2 --hand-over --head 0.3 --send 0.3
count_before
hostile_clients
descriptors "$before" "after hostile clients"
hostile_clients_go
stop

start silent --idle 0.1
say ''
[ "$got" = '' ] || fail "to one who says nothing it says $got"
stop

# ---- So many and no more; and the end of answers in progress ------------------------------------

start few --connections 2 --grace 60
exec {first}<> "/dev/tcp/127.0.0.1/${at##*:}"
exec {second}<> "/dev/tcp/127.0.0.1/${at##*:}"
get "$first"
get "$second"
before=$(find "/proc/$pid/fd" -mindepth 1 | wc -l)
exec {third}<> "/dev/tcp/127.0.0.1/${at##*:}"
get "$first"
get "$second"
[ "$(find "/proc/$pid/fd" -mindepth 1 | wc -l)" -le "$before" ] || fail "three at a time"
exec {first}<&-
get "$third" # room for it now

# An answer that is in progress is completed, and a request that came behind it answered with the word
# that it is the last; one who waits for nothing is sent away.
printf 'GET /sizes/8388608.bin HTTP/1.1\r\nHost: x\r\n\r\nGET /index/ HTTP/1.1\r\nHost: x\r\n\r\n' >&"$third"
while read -r -t 30 line <&"$third" && [ "$line" != $'\r' ]; do
    :
done
kill -TERM "$pid"
! read -r -t 30 line <&"$second" || fail "one who waits was told $line"
head -c 8388608 <&"$third" | cmp - "$tree/sizes/8388608.bin" || fail "the last answer but one"
timeout 30 cat <&"$third" | tr -d '\r' > "$work/heard"
grep -qx 'Connection: close' "$work/heard" && grep -qx '<p>index</p>' "$work/heard" ||
    fail "the last answer: $(cat "$work/heard")"
ended

# One who does not take an answer is waited for until the grace is over, or the server is asked again.
for grace in 0.1 600; do
    start "grace-$grace" --grace "$grace" --send 600 --threads 2
    exec {first}<> "/dev/tcp/127.0.0.1/${at##*:}"
    get "$first"
    exec {second}<> "/dev/tcp/127.0.0.1/${at##*:}"
    printf 'GET /large HTTP/1.1\r\nHost: x\r\n\r\n' >&"$second"
    read -r -t 30 line <&"$second" || fail "no answer"
    kill -TERM "$pid"
    ! read -r -t 30 line <&"$first" || fail "one who waits was told $line" # it has heard it
    [ "$grace" != 600 ] || kill -TERM "$pid"
    ended
    exec {first}<&- {second}<&-
done
