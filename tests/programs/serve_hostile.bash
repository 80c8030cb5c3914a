# Clients of cede-serve that say half, too much or nothing, read nothing, or leave in the middle: for
# the scripts that have the server's address in $at, and a directory for what they need in $work. What
# is served has a file "large" of 200 MiB; the server was started with --head 0.3 --send 0.3. Whoever
# sources it has a fail that ends the test.

# say TEXT: connects, says this (with printf's escapes), and sets got to all that comes until the end
say()
{
    local peer
    exec {peer}<> "/dev/tcp/127.0.0.1/${at##*:}"
    printf "$@" 1>&"$peer" 2> /dev/null || true
    timeout 30 cat <&"$peer" > "$work/heard" 2> /dev/null || [ $? != 124 ] || fail "no end after $*"
    got=$(tr -d '\r\0' < "$work/heard")
    exec {peer}<&-
}

# drip FIRST MORE: says FIRST, and then MORE again and again, each well in time if it counted by itself,
# until it is told, with 408, that all of it was to come in time.
drip()
{
    local peer reader i
    exec {peer}<> "/dev/tcp/127.0.0.1/${at##*:}"
    : > "$work/heard"
    timeout 60 cat <&"$peer" > "$work/heard" 2> /dev/null & # what is said is heard at once
    reader=$!
    printf "$1" >&"$peer"
    for ((i = 0; i < 2000; i++)); do
        [ ! -s "$work/heard" ] && printf "$2" 1>&"$peer" 2> /dev/null || break
        sleep 0.02 # the pace
    done
    wait "$reader" || true
    exec {peer}<&-
    [[ "$(head -n 1 "$work/heard")" = "HTTP/1.1 408 "* ]] ||
        fail "dripping $2: $(head -n 1 "$work/heard") after $i drops"
}

# so_many_hostile: how many connections hostile_clients makes
so_many_hostile=10
# Some of them are left open, in hostile_peers: their descriptors.
hostile_clients()
{
    local i peer
    hostile_peers=()
    say 'GET / HTTP/1.1\r\nHost: sl'
    [[ "$got" = "HTTP/1.1 408 "* ]] || fail "half a request: $got"
    say 'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nless'
    [[ "$got" = "HTTP/1.1 408 "* ]] || fail "half a body: $got"
    drip 'GET / HTTP/1.1\r\nHost: x\r\n' 'X: y\r\n'
    drip 'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 60000\r\n\r\n' 'x'
    for i in 1 2 3 4 5 6; do
        exec {peer}<> "/dev/tcp/127.0.0.1/${at##*:}"
        hostile_peers+=("$peer")
        case $i in
        1) printf 'GET /lar' >&"$peer" ;; # and waits
        2) # reads nothing; the next reads a little
            printf 'GET /large HTTP/1.1\r\nHost: x\r\n\r\nGET /large HTTP/1.1\r\n' >&"$peer" ;;
        3)
            printf 'GET /large HTTP/1.1\r\nHost: x\r\n\r\n' >&"$peer"
            head -c 100000 <&"$peer" > "$work/some"
            [ "$(stat -c %s "$work/some")" = 100000 ] || fail "it sent too little"
            exec {peer}<&- # with much unread: a reset, in the middle of the answer
            ;;
        4)
            printf 'GET /large HTTP/1.1\r\nHost: x\r\n\r\n' >&"$peer"
            exec {peer}<&-
            ;;
        5) printf 'GET /lar' >&"$peer"; exec {peer}<&- ;;
        6) head -c 100000 /dev/urandom 1>&"$peer" 2> /dev/null || true ;;
        esac
    done
}

hostile_clients_go()
{
    local peer
    for peer in "${hostile_peers[@]}"; do
        exec {peer}<&- || true
    done 2> /dev/null
}
