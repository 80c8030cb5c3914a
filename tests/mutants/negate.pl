#!/usr/bin/env perl
# Writes each source anew, with each of its conditions in a macro that can negate it at run time:
# each operand of && and || in an if, a while, a loop's head or a return, by a number of its own. Usage:
#
#     negate.pl ROOT TREE TABLE SOURCE...   # TREE: a copy of ROOT; TABLE: number, file, line, text
#
# What a fault of src/mutants.h stands in is left alone: those are mutants already. The text is the
# project's own, which clang-format has written: no condition begins or ends in a macro.
use strict;
use warnings;

my ($root, $tree, $table, @sources) = @ARGV;
my $number = 0;

# The same text, without what is in comments, directives and literals.
sub masked
{
    my ($text) = @_;
    my $fill = sub { my ($part, $with) = @_; $part =~ s/[^\n]/$with/g; $part };
    $text =~ s{(/\*.*?\*/|//[^\n]*|^[ \t]*\#(?:[^\n]*\\\n)*[^\n]*)
              |("(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*')}
              {defined $1 ? $fill->($1, ' ') : $fill->($2, 'x')}gemsx;
    return $text;
}

# Where the parenthesis at $at is closed.
sub closed
{
    my ($mask, $at) = @_;
    my $depth = 0;
    for (; $at < length $mask; $at++) {
        my $c = substr $mask, $at, 1;
        $depth++ if $c eq '(';
        $depth-- if $c eq ')';
        return $at if $depth == 0;
    }
    die "a parenthesis is not closed";
}

# The operands of && and || in [$from, $to), as pairs of places.
sub operands
{
    my ($mask, $from, $to) = @_;
    $from++ while $from < $to && substr($mask, $from, 1) =~ /\s/;
    $to-- while $to > $from && substr($mask, $to - 1, 1) =~ /\s/;
    return () if $from >= $to;
    my ($depth, $begun, @parts) = (0, $from);
    for (my $at = $from; $at < $to; $at++) {
        my $two = substr $mask, $at, 2;
        my $c = substr $two, 0, 1;
        $depth++ if $c =~ /[(\[{]/;
        $depth-- if $c =~ /[)\]}]/;
        return ([$from, $to]) if $depth == 0 && $c eq '?'; # binds less than what it is looked for
        next unless $depth == 0 && ($two eq '&&' || $two eq '||');
        push @parts, [$begun, $at];
        $begun = $at + 2;
        $at++;
    }
    return map { operands($mask, @$_) } @parts, [$begun, $to] if @parts;
    return operands($mask, $from + 1, $to - 1)
        if substr($mask, $from, 1) eq '(' && closed($mask, $from) == $to - 1;
    return ([$from, $to]);
}

# The conditions of a text, each as a pair of places.
sub conditions
{
    my ($mask) = @_;
    my @found;
    while ($mask =~ /\b(if|while|for|return)\b\s*/g) {
        my ($word, $at) = ($1, pos $mask);
        if ($word eq 'return') {
            my $end = index $mask, ';', $at;
            my @parts = operands($mask, $at, $end);
            push @found, @parts if @parts > 1;
            next;
        }
        next unless substr($mask, $at, 1) eq '(';
        my ($from, $to) = ($at + 1, closed($mask, $at));
        if ($word eq 'for') {
            $from = 1 + index $mask, ';', $from;
            $to = index $mask, ';', $from;
        }
        push @found, operands($mask, $from, $to);
    }
    return sort { $a->[0] <=> $b->[0] } @found;
}

open my $rows, '>', $table or die "$table: $!";
for my $source (@sources) {
    open my $in, '<', "$root/$source" or die "$root/$source: $!";
    my $text = do { local $/; <$in> };
    my ($written, $done) = ("#line 1 \"$root/$source\"\n", 0);
    for my $place (conditions(masked($text))) {
        my ($from, $to) = @$place;
        my $condition = substr $text, $from, $to - $from;
        next if $condition =~ /CEDI_FAULT|va_arg/;
        my $line = 1 + (substr($text, 0, $from) =~ tr/\n//);
        (my $short = $condition) =~ s/\s+/ /g;
        $written .= substr($text, $done, $from - $done) .
                    'CEDI_NEGATED(' . ++$number . ", $condition)";
        $done = $to;
        print $rows "$number\t$source\t$line\t$short\n";
    }
    $written .= substr $text, $done;
    open my $to, '>', "$tree/$source" or die "$tree/$source: $!";
    print $to $written;
}
