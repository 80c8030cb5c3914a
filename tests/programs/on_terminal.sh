# shellcheck shell=bash disable=SC2034,SC2154 # the caller sets work and emulator, and reads what is set here
# on_terminal.sh, to be sourced: programs that have a terminal of their own, each a pseudo-terminal.
# For Windows' programs, which emulator runs, it becomes Wine's console.
export LC_ALL=C.UTF-8 CEDE_WINE_TERMINAL=yes

# begin NAME PROGRAM [ARGUMENT...]: runs it. What is written to the descriptor $keys is typed; $screen
# gives the lines that are shown, without what moves the cursor (Wine steps over a blank); $terminal
# is the process that ends behind it. $work/NAME.errors is what it complains of, $work/NAME.code how
# it ended.
begin()
{
    local name=$1 mode=
    shift
    # Wine's console takes the size and the character set from here. It is not the kernel that is to
    # echo and to change what was typed before the console has begun, but the console.
    [ "${#emulator[@]}" = 0 ] || mode='-icanon -echo -icrnl min 1'
    {
        printf 'stty rows 25 cols 120 %s\nexec' "$mode"
        printf ' %q' "${emulator[@]}" "$@"
        printf ' 2> %s.errors\n' "$name"
    } > "$work/$name.run"
    printf '(. ./%s.run)\necho $? > %s.code\n' "$name" "$name" > "$work/$name.start"
    mkfifo "$work/$name.keys" "$work/$name.raw" "$work/$name.screen"
    (
        cd "$work" || exit
        exec socat - EXEC:"bash $name.start",pty,setsid,ctty,stderr < "$name.keys" > "$name.raw" \
            2> "$name.socat"
    ) &
    terminal=$!
    LC_ALL=C sed -u $'s/\e\\[1C/ /g; s/\e\\[[0-9;?]*[A-Za-z]//g; s/\r//g' < "$work/$name.raw" \
        > "$work/$name.screen" &
    exec {keys}<> "$work/$name.keys" {screen}< "$work/$name.screen"
}

# ended NAME: prints how.
ended()
{
    cat "$work/$1.code" 2> /dev/null || echo "none: $(cat "$work/$1.socat")"
}
