/* See job.h. */
#include "job.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SEEDS     4u  /* of S5 and S10 */
#define ORDERS    24u /* seeds of S11 */
#define STEPS_MAX 400u

static int run_one(const cft_job *job, uint32_t round, uint32_t variant, uint64_t k, void *given)
{
    cft *t = calloc(1, sizeof *t);
    if (!t)
        abort();
    t->kase = job->kase;
    t->world = job->world;
    t->board = job->board;
    t->schedule = job->schedule;
    t->variant = variant;
    t->k = k;
    t->given = given;
    t->base_seed = job->set->seed + round;
    t->seed = cft_mix(cft_mix(t->base_seed, cft_hash(job->kase->name)), variant);
    t->limit_seconds = job->set->limit_seconds;
    t->verbose = job->set->verbose;
    t->only_trial = job->set->trial;
    t->stays = !job->set->fork;
    snprintf(t->board->at, sizeof t->board->at, "%s S%u/%u/%" PRIu64 " seed %" PRIu64,
             job->world->name, t->schedule, variant, k, t->base_seed);
    if (t->verbose)
        printf("# run %s.%s %s\n", job->world->name, job->kase->name, t->board->at);
    cft_os_watch(t->limit_seconds, cft_late_exit, t);
    int code = cft_run_once(t);
    cft_os_watch(0, NULL, NULL);
    free(t);
    return job->set->trial ? CFT_EXIT_FAILED : code; /* the trial should have ended it */
}

/* Variants that only differ in their seed. */
static uint32_t seeds_of(uint32_t schedule)
{
    if (schedule == 5 || schedule == 10)
        return SEEDS;
    return schedule == 11 ? ORDERS : 0;
}

static uint32_t variants_of(const cft_world *world, uint32_t schedule)
{
    uint32_t own = world->variants ? world->variants(schedule) : 0, seeds = seeds_of(schedule);
    if (own)
        return own;
    return seeds ? seeds : 1;
}

/* S11's last variant: every order there is. A failure has ended the process before. */
static int explore_program(void *context, void *given)
{
    const cft_job *job = context;
    return run_one(job, 0, ORDERS, 0, given);
}

static void explore(const cft_job *job)
{
    const cft_settings *set = job->set;
    if (job->schedule != 11 || !job->world->explore || !(job->kase->schedules & CFT_SCHEDULE(9)))
        return; /* what moves too much for each step to fail does so for each order, too */
    /* In a slice each so many-th case has its turn. */
    if (set->only_variant ? set->variant != ORDERS : cft_job_first(job) != set->every)
        return;
    job->world->explore(explore_program, (void *)job);
}

/* What a slice takes of a case: of each something else, so that all together see every kind; and
 * with another seed the next one, so that many runs see all. */
static uint32_t choice(const cft_job *job)
{
    uint32_t sum = (unsigned char)job->world->name[strlen(job->world->name) - 1];
    for (const char *c = job->kase->name; *c; c++)
        sum = sum * 31 + (unsigned char)*c;
    return sum + (uint32_t)job->set->seed;
}

uint32_t cft_job_turns(const cft_job *job, uint32_t schedules)
{
    uint32_t turns = job->set->turns, nth = 0;
    uint32_t chosen = schedules & (CFT_SCHEDULE(0) | CFT_SCHEDULE(9)), others = schedules & ~chosen;
    for (uint32_t i = 0; i < CFT_SCHEDULES; i++) {
        if ((others & CFT_SCHEDULE(i)) && nth++ % turns == choice(job) % turns)
            chosen |= CFT_SCHEDULE(i);
    }
    return chosen ? chosen : schedules;
}

/* Which of a kind a slice has: another one when all schedules had their turn. */
static uint32_t choice_within(const cft_job *job)
{
    return choice(job) / job->set->turns;
}

uint64_t cft_job_first(const cft_job *job)
{
    return 1 + (uint64_t)(choice_within(job) % job->set->every);
}

/* A schedule's variants, one after the other; of a slice each so many-th, and at least one. */
static int run_schedule(const cft_job *job)
{
    const cft_settings *set = job->set;
    uint32_t variants = variants_of(job->world, job->schedule);
    uint32_t first = set->only_variant ? 0 : (uint32_t)(cft_job_first(job) - 1) % variants;
    uint32_t stride = set->only_variant ? 1 : set->every;
    for (uint32_t round = 0; round < set->repeat; round++) {
        for (uint32_t v = first; v < variants; v += stride) {
            if (set->only_variant && set->variant != v)
                continue;
            uint64_t k = job->schedule == 12 ? cft_job_first(job) : 0;
            if (set->only_variant && set->k)
                k = set->k;
            for (;;) {
                int code = run_one(job, round, v, k, NULL);
                if (code == CFT_EXIT_NO_MORE)
                    break;
                if (code != CFT_EXIT_OK)
                    return code;
                k += set->every;
                if (job->schedule != 12 || set->only_variant || k > STEPS_MAX)
                    break;
            }
        }
    }
    explore(job);
    return CFT_EXIT_OK;
}

/* S9: one k, or (0) one after the other until there is no more. */
static int run_fault(const cft_job *job)
{
    int code = CFT_EXIT_OK;
    if (job->k)
        return run_one(job, 0, job->variant, job->k, NULL);
    for (uint64_t k = cft_job_first(job); k <= CFT_FAULTS_MAX && code == CFT_EXIT_OK;
         k += job->set->every)
        code = run_one(job, 0, job->variant, k, NULL);
    return code;
}

static int run_all(cft_job job)
{
    for (job.schedule = 0; job.schedule < CFT_SCHEDULES; job.schedule++) {
        if (!(job.schedules & CFT_SCHEDULE(job.schedule)))
            continue;
        if (job.schedule == 9) /* alone */
            return run_fault(&job);
        int code = run_schedule(&job);
        if (code != CFT_EXIT_OK)
            return code;
    }
    return CFT_EXIT_OK;
}

int cft_job_run(void *context)
{
    static int64_t open = -1; /* behind one job as before the next */
    const cft_job *job = context;
    uint32_t (*count)(void) = job->world->open_in_process;
    cft_faults_install();
    if (!count)
        return run_all(*job);
    if (open < 0)
        open = count();
    int64_t before = open;
    int code = run_all(*job);
    open = count();
    if (open == before || code == CFT_EXIT_SKIP)
        return code;
    printf("# FAILED %s: as many descriptors are open after its runs as before: %" PRId64
           " before, %" PRId64 " after\n",
           job->kase->name, before, open);
    return CFT_EXIT_FAILED;
}

bool cft_job_leaves_out(const cft_job *job, uint32_t modes)
{
    uint32_t other = choice_within(job) / job->set->every;
    if (job->set->every == 1)
        return false;
    if (cft_os_copies && job->set->fork)
        return job->variant != other % modes;
    if (job->variant < CFT_ALLOC_MODES)
        return job->variant != other % (8 * CFT_ALLOC_MODES);
    return job->variant - CFT_ALLOC_MODES != other % (modes - CFT_ALLOC_MODES);
}
