/* What the tests by single steps share: loops on backends of their own, two requests. */
#ifndef UNIT_STEPS_LOOPS_H
#define UNIT_STEPS_LOOPS_H

#include "steps.h"

#include "../regress/orphans.h"

static fake backends[3];
static cede_loop *loop;
static note a, b;
static unsigned schedules;

static inline void try_each(const char *what, steps_fn *set_up, steps_fn *call, steps_fn *meanwhile,
                            steps_fn *behind)
{
    unsigned count = steps_each(set_up, call, meanwhile, behind);
    printf("%s: %u schedules\n", what, count);
    schedules += count;
}

/* A program's main: all of its pairs, with the budget that it is given. */
static inline int try_all(int argc, char **argv, steps_fn *all)
{
    steps_begin(argc == 2 ? strtoul(argv[1], NULL, 0) : 20000);
    all();
    steps_end();
    printf("%u schedules\n", schedules);
    return 0;
}

static inline cede_loop *opened(unsigned which)
{
    memset(&backends[which], 0, sizeof backends[which]);
    return fake_loop(&backends[which]);
}

/* As the loop's thread. */
static inline void turn_of(cede_loop *of)
{
    CHECK(cede_run(of, 0) >= 0);
}

static inline void close_of(cede_loop *of)
{
    CHECK(cede_loop_close(of, CEDE_FOREVER) == CEDE_OK);
}

static inline void forget(void)
{
    memset(&a, 0, sizeof a);
    memset(&b, 0, sizeof b);
    notes = 0;
}

static inline bool was_well(const note *n)
{
    return n->calls == 1 && n->result.status == CEDE_OK;
}

/* So that it has its slots. */
static inline void warm(cede_loop *its)
{
    static note nop;
    cede_prep_nop(&nop.req);
    (void)cede_submit(its, &nop.req, note_done);
    turn_of(its);
}

#endif
