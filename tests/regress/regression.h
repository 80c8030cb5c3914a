/*
 * The regressions are one program, since so many links take time; each is a file of its own that
 * begins in REGRESSION(NAME), and runs in a process of its own: regress NAME. It ends with 0 while
 * what it is about has not come back.
 */
#ifndef CEDE_REGRESS_REGRESSION_H
#define CEDE_REGRESS_REGRESSION_H

#include <stdbool.h>

#define REGRESSION(name)         \
    int regression_##name(void); \
    int regression_##name(void)

/* This process: the program's path; the act that it plays (regress NAME:ACT), which is what has to
 * break off, or NULL in the one that looks on. */
extern const char *regression_program;
extern const char *regression_act;

/* Whether this regression, in that act, breaks off (law 17). */
bool regression_breaks_off(const char *act);

#endif
