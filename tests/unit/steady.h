/*
 * The steady state: once a program has reached its usual number of things in flight, nothing
 * allocates (law 15). steady_state.c counts, steady_kinds.c has the kinds of operation.
 */
#ifndef STEADY_H
#define STEADY_H

#include <stdbool.h>
#include <stdint.h>

#include "cede/cede.h"
#include "cede/sim.h"

typedef struct steady {
    cede_loop *loop;
    const char *folder;
    const char *path; /* of a file in it */
    cede_handle file; /* the same, open */
    cede_handle in;   /* a pipe */
    cede_handle out;
    cede_handle empty; /* the read end of a pipe in which nothing ever is */
} steady;

/* Does about so many operations of its kind, and returns how many of them came back. */
typedef uint64_t steady_kind_fn(steady *, uint64_t operations);

typedef struct steady_kind {
    const char *name;
    steady_kind_fn *run;
    uint32_t share; /* so many times fewer operations: slow ones */
} steady_kind;

extern const steady_kind steady_kinds[]; /* the last has no name */

#endif
