/*
 * Operations done by calls that may block: what a pool thread runs.
 *
 * A cedi_blocking is a copy of a work, so that a pool thread never looks into a ceded request. The
 * memory that the arguments name is ceded or lent: perform hands ceded memory to the kernel by raw
 * system calls only, because in checked builds it is poisoned and the C library's interceptors
 * would object; what must be rewritten there is left to finish.
 */
#ifndef CEDE_POSIX_BLOCKING_H
#define CEDE_POSIX_BLOCKING_H

#include "cede/backend.h"
#include "cede/file.h"

typedef struct cedi_blocking {
    cede_args args; /* a copy */
    intptr_t native;
    intptr_t native_other;
    uint64_t moved;
    uint32_t op;
    int streams[3]; /* spawn's */
    uint64_t id;    /* and the child's number */
    /* what came of it, as cede_core_done wants it */
    cede_status status;
    int32_t os_error;
    uint64_t count;
} cedi_blocking;

/* Does one round of it and fills in the outcome. Any thread; blocks. */
void cedi_blocking_perform(cedi_blocking *);

/* Whether finish has something to do after a success. */
static inline bool cedi_blocking_unfinished(const cedi_blocking *work)
{
    return work->status == CEDE_OK && ((work->op == CEDE_OP_READDIR && work->count > 0) ||
                                       (work->op == CEDE_OP_SPAWN && work->args.spawn.id));
}

/* Rewrites what the kernel left in the caller's memory. The loop's thread, with that memory opened
 * (cede_core_touch), before the report. */
void cedi_blocking_finish(cedi_blocking *);

/* copy.c: one round of a copy. 0 or an errno. */
int cedi_copy_round(cedi_blocking *);

#endif
