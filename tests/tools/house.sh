#!/usr/bin/env bash
# The rules of the house that a machine can hold: docs/decisions and CONTRIBUTING say why.
# Usage: house.sh ROOT. Prints each breach with its place; ends with 1 if there is one.
set -euo pipefail
export LC_ALL=C
cd "$1"
failures=0

# forbid RULE PATTERN [GREP-OPTION...] -- FILE...: no line may match.
forbid()
{
    local rule=$1 pattern=$2 found options=()
    shift 2
    while [ "$1" != -- ]; do
        options+=("$1")
        shift
    done
    shift
    [ $# -gt 0 ] || return 0
    if found=$(grep -nHE "${options[@]}" -e "$pattern" -- "$@"); then
        printf '%s:\n%s\n' "$rule" "$found"
        failures=1
    fi
}

# Copies of the files without comments and texts, so that prose may name things.
stripped=$(mktemp -d)
trap 'rm -rf "$stripped"' EXIT
strip()
{
    printf '%s\n' "${@%/*}" | sort -u | (cd "$stripped" && xargs mkdir -p)
    perl -0e 'my $to = shift;
        for my $file (@ARGV) {
            open my $in, "<", $file or die "$file: $!";
            local $_ = <$in>;
            s{(/\*.*?\*/)|(//[^\n]*)|("(?:\\.|[^"\\\n])*")}
             {my $t = defined $3 ? "\"\"" : $&; $t =~ s/[^\n]//g unless defined $3; $t}gsex;
            open my $out, ">", "$to/$file" or die "$to/$file: $!";
            print $out $_;
            close $out or die "$to/$file: $!";
        }' "$stripped" "$@"
}

mapfile -t core < <(find src/core -name '*.[ch]' | sort)
mapfile -t backends < <(find src/linux src/win32 src/sim -name '*.[ch]' | sort)
mapfile -t headers < <(find include -name '*.h' | sort)
mapfile -t tests < <(find tests -name '*.c' -o -name '*.cc' -o -name '*.h' -path 'tests/*' | sort)
mapfile -t all < <(find include src tests examples bench -type f \
    \( -name '*.c' -o -name '*.h' -o -name '*.cc' -o -name '*.def' \) | sort)
strip "${all[@]}"
cd "$stripped"

plain_core=()
for file in "${core[@]}"; do
    [ "$file" = src/core/backends.c ] || plain_core+=("$file")
done
other_core=()
for file in "${core[@]}"; do
    [ "$file" = src/core/request.c ] || other_core+=("$file")
done
others=()
for file in "${core[@]}" "${backends[@]}"; do
    [ "$file" = src/core/request.c ] || others+=("$file")
done

forbid "done is called in src/core/request.c only (law 2)" \
    '(->|\.)(next_)?done_? *\(|\(\*[a-z_>.-]*done_?\) *\(' -- "${others[@]}"
forbid "done is called in src/core/request.c only (law 2)" \
    '(^|[^A-Za-z0-9_])(next_)?done *\(' -- "${other_core[@]}"
forbid "states are named in src/core/request.c only" \
    '\b((CED[EI]_)?(STATE_)?)?(IDLE|CEDED|HELD|STAGED|INFLIGHT|CANCELLING|READY)\b|slot->state\b' -- "${others[@]}"
forbid "no platform is named in src/core, but for the list of backends" \
    '^ *# *(if|elif).*(_WIN32|WIN32|__linux|__APPLE__|__unix|_MSC_VER|_POSIX)' \
    -- "${plain_core[@]}"
forbid "a test waits for an event, never for a time" \
    '\b(usleep|nanosleep|sleep|thrd_sleep|clock_nanosleep|Sleep|SleepEx)\(' -- "${tests[@]}"
cd - > /dev/null

forbid "the public headers and the core include no operating system's header" \
    '^ *# *include <(sys/|linux/|unistd|pthread|fcntl|errno|poll|signal|time|sched|liburing|windows)' \
    -- "${headers[@]}" "${core[@]}"
# os.h is not the core's inside but what each system gives it.
forbid "a backend includes the seam and its own files, nothing of the core" \
    '^ *# *include "(.*core/([^o]|o[^s]|os[^.])|core\.h)' -- "${backends[@]}"
# Each operation stands against every cause at every point: tests/conformance/ends.c.
mapfile -t operations < <(sed -nE 's/^CEDE_OP\(([A-Z_]+),.*/\1/p' include/cede/ops.def)
[ "${#operations[@]}" = "$(grep -c '^CEDE_OP(' include/cede/ops.def)" ] || {
    echo "ops.def has rows that cannot be read"
    failures=1
}
for operation in "${operations[@]}"; do
    [ "$operation" = NONE ] ||
        grep -qE "^ENDS\([a-z0-9_]+, $operation," tests/conformance/*.c || {
        echo "$operation: no case has it ended by whatever cause (ENDS in tests/conformance/ends*.c)"
        failures=1
    }
done
forbid "nothing is left undone" '\b(TODO|FIXME|XXX|HACK)\b' -- "${all[@]}"
# The lists of sources are explicit; what was forgotten in them would be built nowhere.
find src tests bench examples -name '*.c' ! -path 'tests/vendor/*' ! -path 'tests/check/analyzer/*' |
    perl -ne 'chomp;
        my ($list, $name) = m{(.*)/([^/]*)\.c$};
        $list =~ s{/([^/]*)$}{} and $name = "$1/$name" unless -f "$list/CMakeLists.txt";
        my @lists = "$list/CMakeLists.txt";
        push @lists, "$list/regressions.def" if $list eq "tests/regress";
        for my $file (@lists) {
            next if defined $text{$file};
            open my $in, "<", $file or die "$file: $!";
            local $/;
            $text{$file} = <$in>;
        }
        next if grep { $text{$_} =~ m{(?<![\w/.-])\Q$name\E(\.c)?(?![\w.-])} } @lists;
        print "$_ stands in no list of sources (@lists)\n";
        $missing = 1;
        END { $? ||= $missing }' || failures=1
exit "$failures"
