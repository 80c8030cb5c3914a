#!/usr/bin/env perl
# Which tests notice that a condition of the library is negated. Usage:
#
#     conditions.pl BUILD TABLE FOLDER JOBS [PATTERN]
#
# BUILD is of a tree that negate.sh made, TABLE its conditions, PATTERN which files. What is found goes into
# FOLDER; a run that was stopped goes on there:
#
#     reached.tsv   a test, the seconds it took, and the conditions that it comes by
#     cases.tsv     a case, the first condition that it notices, and the test of it that did
#     killed.tsv    number, file, line, condition, how many tests come by, the first that notices
#
# A test notices if it fails, crashes or hangs. First each case of the suite is asked about the conditions that
# it comes by, those first that few others do, until it has noticed one (not if there is a PATTERN). Then each condition of PATTERN is
# tried until somebody has noticed: all cases in one process, each once, of the core's conditions on the
# simulated kernel first; then the tests that look inside; then all cases under the other schedules. A slice, as
# in ./dev soak. Each test has processes of its own, which end with it, and three times as long as it
# took: the machine should have nothing else to do.
use strict;
use warnings;
use IO::Handle;
use JSON::PP;

my ($build, $table, $folder, $jobs, $pattern) = @ARGV;
my @alone = system('unshare -pf --kill-child true 2> /dev/null') ? () : qw(unshare -pf --kill-child);
my $whole = !defined $pattern || $pattern eq '.'; # the cases are asked, too
$pattern //= '.';

# ---- The tests -----------------------------------------------------------------------------------

my (%command, @names);
my $tests = `ctest --test-dir $build --show-only=json-v1`;
for my $test (@{decode_json($tests)->{tests}}) {
    my ($name, @command) = ($test->{name}, @{$test->{command} // []});
    # Steps count instructions, of which there are others here; the wheel's differ by their seed.
    next unless $name =~ /^(conformance|unit|regress|explore\.seeds)\./ && $name !~ /steps|wheel\.[2-9]/;
    push @command, qw(--every 16 --limit 4) if $name =~ /^conformance/;
    $command{$name} = \@command;
    push @names, $name;
}

# All cases of a backend in one process, which ends with the first that notices. Not those that need a
# process of their own, or leave it in another network.
my @rest = ('--without', 'S0,S9,S12', '--every', 64);
my @all_of = ([qw(sim --schedule S0)], [qw(io_uring --schedule S0)], ['sim', @rest], ['io_uring', @rest]);
for my $all (@all_of) {
    my ($backend, @arguments) = @$all;
    my @cases = grep { !/stops?_the_process|^forked_child|^host_that_no_way|^a_million/ }
                map { /^conformance\.$backend\.(.*)/ ? $1 : () } @names;
    $command{"@$all"} = [$command{"conformance.$backend.$cases[0]"}[0], qw(--no-fork --limit 8),
                         '--case', join(',', @cases), '--backend', $backend, @arguments];
}

# Its exit code, 1 if it had to be stopped. What it says goes to the last argument, if there is one.
sub run
{
    my ($name, $seconds, $said, %environment) = @_;
    my $child = fork // die "fork: $!";
    if (!$child) {
        $ENV{$_} = $environment{$_} for keys %environment;
        open STDIN, '<', '/dev/null';
        open STDOUT, '>', $said || '/dev/null';
        open STDERR, '>', '/dev/null';
        exec @alone, 'timeout', '-s', 'KILL', $seconds, @{$command{$name}};
        exit 99;
    }
    waitpid $child, 0;
    return $? & 127 ? 1 : $? >> 8;
}

sub lines
{
    my ($name) = @_;
    my @found;
    for my $path ("$folder/$name", glob "$folder/$name.[0-9]*") {
        open my $in, '<', $path or next;
        while (my $line = <$in>) {
            chomp $line;
            push @found, [split /\t/, $line, -1];
        }
    }
    return @found;
}

# Work for so many processes: each has those whose place is its own, and makes a line of each.
sub share
{
    my ($name, $work, @all) = @_;
    my @children;
    for my $mine (0 .. $jobs - 1) {
        my $child = fork // die "fork: $!";
        push @children, $child;
        next if $child;
        open my $out, '>>', "$folder/$name.$mine" or die "$folder/$name.$mine: $!";
        $out->autoflush(1);
        for my $i (grep { $_ % $jobs == $mine } 0 .. $#all) {
            print $out join("\t", $work->($all[$i], $mine)) . "\n";
        }
        exit 0;
    }
    for my $child (@children) {
        waitpid $child, 0;
        die "$name is not whole\n" if $?;
    }
}

# ---- Who comes by where --------------------------------------------------------------------------

my (%reached, %comers, %seconds);

my %known = map { $_->[0] => 1 } lines('reached.tsv');
share('reached.tsv', sub {
    my ($name, $mine) = @_;
    my ($marks, $began) = ("$folder/marks.$mine", time);
    unlink $marks;
    if (run($name, 600, '', CEDE_CONDITIONS => $marks) != 0) { # it is skipped, here
        die "the cases do not pass in one process: $name\n" if $name !~ /\./;
        return ($name, 0, '');
    }
    my $took = time - $began;
    open my $in, '<:raw', $marks or return ($name, $took, '');
    my $bytes = do { local $/; <$in> };
    return ($name, $took, join ' ', grep { substr($bytes, $_, 1) ne "\0" } 0 .. length($bytes) - 1);
}, grep { !$known{$_} } (map { "@$_" } @all_of), grep { $whole || !/^conformance/ } @names);

for my $row (lines('reached.tsv')) {
    my ($name, $took, $conditions) = @$row;
    $seconds{$name} = 3 * $took + 15;
    $reached{$name} = [split / /, $conditions];
    push @{$comers{$_}}, $name for @{$reached{$name}};
}

# ---- Who notices ---------------------------------------------------------------------------------

sub notices
{
    my ($name, $number) = @_;
    return run($name, $seconds{$name}, '', CEDE_NEGATED => $number) != 0;
}

# A case is one, whatever it runs on; the simulated kernel is the quickest to ask.
my %runs_as;
for my $name (sort { $b cmp $a } grep { /^conformance/ && @{$reached{$_} // []} } @names) {
    push @{$runs_as{$1}}, $name if $name =~ /^conformance\.\w+\.(.*)/;
}
my %asked = map { $_->[0] => 1 } lines('cases.tsv');
share('cases.tsv', sub {
    my ($case) = @_;
    for my $name (@{$runs_as{$case}}) {
        for my $number (sort { @{$comers{$a}} <=> @{$comers{$b}} || $a <=> $b } @{$reached{$name}}) {
            return ($case, $number, $name) if notices($name, $number);
        }
    }
    return ($case, '', '');
}, grep { $whole && !$asked{$_} } sort keys %runs_as);

# Which case it was, or behind which.
sub all_notice
{
    my ($name, $number, $mine) = @_;
    my $said = "$folder/said.$mine";
    return '' if run($name, $seconds{$name}, $said, CEDE_NEGATED => $number) == 0;
    open my $in, '<', $said or return $name;
    my $text = do { local $/; <$in> };
    my ($case) = $text =~ /^# (?:in|HUNG) (\w+)[:,]/m;
    my ($last) = $text =~ /.*^ok +\w+\.(\w+) /ms;
    return $case ? "$name: $case" : "$name: behind " . ($last // 'nothing');
}

my %noticed = map { $_->[1] => $_->[2] } grep { $_->[1] ne '' } lines('cases.tsv');
open my $rows, '<', $table or die "$table: $!";
my @conditions = grep { $_->[1] =~ /$pattern/ } map { chomp; [split /\t/] } <$rows>;
my %tried = map { $_->[0] => 1 } lines('killed.tsv');
share('killed.tsv', sub {
    my ($number, $file, $line, $text) = @{$_[0]};
    my $mine = $_[1];
    my ($simulated, $killer) = (scalar $file =~ m{^src/(core|sim)/}, $noticed{$number});
    my @comers = @{$comers{$number} // []};
    my @asked = map { "@$_" } grep { $simulated || $_->[0] ne 'sim' } @all_of;
    return ($number, $file, $line, $text, 0, '') if !@comers;
    for my $all (@asked[0 .. @asked / 2 - 1]) {
        $killer ||= all_notice($all, $number, $mine);
    }
    for my $name (grep { /^(unit|regress|explore)\./ } @comers) {
        $killer ||= notices($name, $number) ? $name : '';
    }
    for my $all (@asked[@asked / 2 .. $#asked]) {
        $killer ||= all_notice($all, $number, $mine);
    }
    return ($number, $file, $line, $text, scalar @comers, $killer);
}, grep { !$tried{$_->[0]} } @conditions);

# ---- What was found ------------------------------------------------------------------------------

my %sum;
for my $row (lines('killed.tsv')) {
    my ($place) = $row->[1] =~ m{^(src/\w+)/};
    $sum{$place}{all}++;
    $sum{$place}{$row->[4] == 0 ? 'unmet' : $row->[5] eq '' ? 'alive' : 'dead'}++;
}
print "| sources | conditions | noticed | not noticed | come by by no test |\n|---|---|---|---|---|\n";
for my $place (sort keys %sum) {
    printf "| `%s` | %d | %d | %d | %d |\n", $place, map { $sum{$place}{$_} // 0 } qw(all dead alive unmet);
}
my @nothing = map { $_->[0] } grep { $_->[1] eq '' } lines('cases.tsv');
print "\nCases that notice nothing: ", @nothing ? join(', ', @nothing) : 'none', "\n" if $whole;
