/*
 * What a process of the suite is to do: a case under some of its schedules, in each of their
 * variants.
 */
#ifndef CFT_JOB_H
#define CFT_JOB_H

#include "inner.h"
#include "options.h"

typedef struct cft_job {
    const cft_settings *set;
    const cft_case *kase;
    const cft_world *world;
    cft_board *board;
    uint32_t schedules; /* an OR of CFT_SCHEDULE(n): what the child runs, all but S9 or S9 alone */
    uint32_t schedule;  /* in the child: the present one */
    uint32_t variant;   /* S9 only */
    uint64_t k;         /* S9 only */
} cft_job;

#define CFT_FAULTS_MAX 400u

/* Does it, in this process. Its exit code. */
int cft_job_run(void *job);
/* Of these schedules those that are the case's turn: S0 and S9 always. */
uint32_t cft_job_turns(const cft_job *, uint32_t schedules);
/* The first failing call, or closing step, that is the case's turn in a slice. */
uint64_t cft_job_first(const cft_job *);
/* A case of a slice has one kind of call fail, once or from then on: whether it is not this one.
 * Where each failing allocation is dear beside the rest, which shares a process: one kind of all
 * other calls, and each eighth case has allocations fail, too. */
bool cft_job_leaves_out(const cft_job *, uint32_t modes);

#endif
