/*
 * What the sources that negate.pl has written include: conditions that can be negated, by number,
 * when the program runs. See negated.c.
 */
#ifndef CEDE_NEGATED_H
#define CEDE_NEGATED_H

extern unsigned cedi_negated;          /* 0: none */
extern unsigned char *cedi_conditions; /* which were come by: a byte for each */

#define CEDI_NEGATED(number, ...) \
    ((cedi_conditions[number] = 1, cedi_negated == (number)) != !!(__VA_ARGS__))

#endif
