/*
 * Operations that the program completes (Z7; law 6), and blocking work.
 */
#include "conformance.h"
#include "os.h"

#include <stdatomic.h>

static cft_rec *pend_new(cft *t)
{
    cft_rec *rec = cft_new(t);
    cede_prep_pend(rec->req);
    cft_submit(rec);
    return rec;
}

CFT_CASE(pend_completes_with_what_it_is_given)
{
    static const cede_status statuses[] = {CEDE_OK, CEDE_EIO, CEDE_ECANCELED, CEDE_EDEADLINE};
    for (uint32_t i = 0; i < 4; i++) {
        cft_rec *pend = pend_new(t);
        cft_turn(t);
        CFT_EXPECT(t, pend->done == 0);
        cft_complete(t, pend->ticket, statuses[i], UINT64_C(0x123456789a) + i);
        cft_await(t, pend);
        CFT_STATUS(t, pend, statuses[i]);
        CFT_EXPECT(t, pend->result.count == UINT64_C(0x123456789a) + i);
        CFT_EXPECT(t, pend->result.flags == 0);
    }
}

CFT_CASE(first_of_complete_and_cancel_wins)
{
    cft_rec *one = pend_new(t);
    cft_rec *two = pend_new(t);
    cft_rec *three = pend_new(t);
    cft_complete(t, one->ticket, CEDE_OK, 1);
    cft_cancel(t, one->ticket);
    cft_complete(t, one->ticket, CEDE_EIO, 2);
    cft_cancel(t, two->ticket);
    cft_complete(t, two->ticket, CEDE_OK, 3);
    cft_complete(t, three->ticket, CEDE_OK, 4);
    cft_complete(t, three->ticket, CEDE_EIO, 5);
    cft_settle(t);
    CFT_OK(t, one);
    CFT_EXPECT(t, one->result.count == 1);
    CFT_ENDED(t, two, CEDE_ECANCELED, CEDE_BY_WISH);
    CFT_EXPECT(t, two->result.count == 0);
    CFT_OK(t, three);
    CFT_EXPECT(t, three->result.count == 4);
}

CFT_CASE(complete_names_pends_only)
{
    cft_rec *timer = cft_new(t);
    cede_prep_timer(timer->req, 3600 * CEDE_SECOND);
    cft_submit(timer);
    cft_rec *scope = cft_new(t);
    cede_prep_scope(scope->req);
    cft_submit(scope);
    cft_complete(t, timer->ticket, CEDE_OK, 1);
    cft_complete(t, scope->ticket, CEDE_OK, 1);
    cft_turn(t);
    CFT_EXPECT(t, timer->done == 0 && scope->done == 0);
    cft_cancel(t, timer->ticket);
    cft_cancel(t, scope->ticket);
    cft_settle(t);
    CFT_ENDED(t, timer, CEDE_ECANCELED, CEDE_BY_WISH);
    CFT_ENDED(t, scope, CEDE_ECANCELED, CEDE_BY_WISH);
}

struct completer {
    cede_ticket tickets[100];
    uint32_t count;
    uint64_t random;
    bool cancels;
};

static void complete_all(void *context)
{
    struct completer *completer = context;
    for (uint32_t i = 0; i < completer->count; i++) {
        cft_dawdle(&completer->random);
        if (completer->cancels)
            cede_cancel(completer->tickets[i]);
        else
            cede_complete(completer->tickets[i], CEDE_OK, i + 1);
    }
}

/* A completer never touches ceded memory, so it needs no lock against the end. */
CFT_CASE(completers_and_cancellers_race_on_two_threads)
{
    enum { MANY = 100 };
    cft_rec *all[MANY];
    struct completer *two = cft_alloc(t, 2 * sizeof *two);
    for (uint32_t i = 0; i < MANY; i++) {
        all[i] = pend_new(t);
        two[0].tickets[i] = two[1].tickets[i] = all[i]->ticket;
    }
    for (uint32_t i = 0; i < 2; i++) {
        two[i].count = MANY;
        two[i].random = cft_random(t);
        two[i].cancels = i == 1;
        cft_thread(t, complete_all, &two[i]);
    }
    cft_settle(t);
    cft_join(t);
    cft_turn(t);
    for (uint32_t i = 0; i < MANY; i++) {
        CFT_CHECK(t, all[i]->done == 1);
        if (all[i]->result.status == CEDE_OK)
            CFT_CHECK(t, all[i]->result.count == i + 1);
        else
            CFT_CHECK(t, all[i]->result.status == CEDE_ECANCELED && all[i]->result.count == 0);
    }
}

static void complete_next(cft_rec *rec)
{
    cft_rec *next = rec->data;
    if (next)
        cede_complete(next->ticket, rec->result.status, rec->result.count + 1);
}

CFT_CASE(pends_complete_each_other_in_callbacks)
{
    enum { CHAIN = 30 };
    cft_rec *all[CHAIN];
    for (uint32_t i = 0; i < CHAIN; i++)
        all[i] = pend_new(t);
    for (uint32_t i = 0; i < CHAIN; i++) {
        all[i]->then = complete_next;
        all[i]->data = i + 1 < CHAIN ? all[i + 1] : NULL;
    }
    cft_complete(t, all[0]->ticket, CEDE_OK, 0);
    cft_settle(t);
    CFT_OK(t, all[CHAIN - 1]);
    CFT_EXPECT(t, all[CHAIN - 1]->result.count == CHAIN - 1);
}

/* ---- Work ----------------------------------------------------------------------------------- */

struct job {
    _Atomic uint32_t ran;
    cede_status status;
    uint64_t count;
};

static cede_status run_job(void *argument, uint64_t *count)
{
    struct job *job = argument;
    atomic_fetch_add(&job->ran, 1);
    if (*count != 0)
        return CEDE_EINVAL;
    *count = job->count;
    return job->status;
}

CFT_CASE(work_runs_once_and_brings_its_result_home)
{
    struct job *jobs = cft_alloc(t, 12 * sizeof *jobs);
    cft_rec *all[12];
    for (uint32_t i = 0; i < 12; i++) {
        jobs[i].status = i % 3 == 2 ? CEDE_EIO : CEDE_OK;
        jobs[i].count = i + 1;
        all[i] = cft_new(t);
        cede_prep_work(all[i]->req, run_job, &jobs[i]);
        cft_submit(all[i]);
    }
    cft_settle(t);
    for (uint32_t i = 0; i < 12; i++) {
        CFT_EXPECT(t, atomic_load(&jobs[i].ran) == 1);
        CFT_CHECK(t, atomic_load(&jobs[i].ran) <= 1);
        CFT_STATUS(t, all[i], jobs[i].status);
        CFT_EXPECT(t, all[i]->result.count == i + 1);
    }
}

/* Cancelled before it starts, it never runs; the result says which. */
CFT_CASE(work_cancelled_says_whether_it_ran)
{
    enum { MANY = 24 };
    struct job *jobs = cft_alloc(t, MANY * sizeof *jobs);
    cft_rec *all[MANY];
    for (uint32_t i = 0; i < MANY; i++) {
        jobs[i].count = 7;
        jobs[i].status = i % 3 ? CEDE_OK : CEDE_ECANCELED; /* its own word */
        all[i] = cft_new(t);
        cede_prep_work(all[i]->req, run_job, &jobs[i]);
        cft_submit(all[i]);
        if (i == 0)
            cft_reach(t, all[i], NULL, NULL);
        else if (i % 4 == 1)
            cft_flush(t);
        cft_cancel(t, all[i]->ticket);
    }
    cft_settle(t);
    for (uint32_t i = 0; i < MANY; i++) {
        bool ran = atomic_load(&jobs[i].ran) == 1;
        CFT_EXPECT(t, all[i]->result.status == (ran ? jobs[i].status : CEDE_ECANCELED));
        CFT_EXPECT(t, all[i]->result.count == (ran ? 7u : 0u));
        CFT_EXPECT(t, !(all[i]->result.flags & CEDE_BY_ANY) == ran);
    }
}

CFT_CASE(work_past_its_deadline_says_whether_it_ran)
{
    enum { MANY = 12 };
    struct job *jobs = cft_alloc(t, MANY * sizeof *jobs);
    cft_rec *all[MANY];
    for (uint32_t i = 0; i < MANY; i++) {
        jobs[i].status = i % 2 ? CEDE_OK : CEDE_ECANCELED;
        all[i] = cft_new(t);
        cede_prep_work(all[i]->req, run_job, &jobs[i]);
        cede_within(all[i]->req, i * 5000);
        cft_submit(all[i]);
    }
    cft_settle(t);
    for (uint32_t i = 0; i < MANY; i++) {
        bool ran = atomic_load(&jobs[i].ran) == 1;
        CFT_EXPECT(t, all[i]->result.status == (ran ? jobs[i].status : CEDE_EDEADLINE));
    }
}

CFT_CASE(work_without_a_function_is_invalid)
{
    cft_rec *rec = cft_new(t);
    cede_prep_work(rec->req, NULL, t);
    cft_do(rec);
    CFT_STATUS(t, rec, CEDE_EINVAL);
}

/* Numbers that a backend has for the core (backend.h), and others that no status has. */
CFT_CASE(work_may_return_any_number)
{
    static const cede_status returned[] = {-1000, -1001,     -1002, -1003,    -1004,
                                           -5000, INT32_MIN, 1,     INT32_MAX};
    enum { MANY = sizeof returned / sizeof returned[0] };
    struct job *jobs = cft_alloc(t, MANY * sizeof *jobs);
    cft_rec *all[MANY];
    for (uint32_t i = 0; i < MANY; i++) {
        jobs[i].status = returned[i];
        jobs[i].count = i + 1;
        all[i] = cft_new(t);
        cede_prep_work(all[i]->req, run_job, &jobs[i]);
        cft_submit(all[i]);
        cft_await(t, all[i]);
        CFT_EXPECT(t, atomic_load(&jobs[i].ran) == 1);
        CFT_STATUS(t, all[i], CEDE_EUNKNOWN);
        CFT_EXPECT(t, all[i]->result.count == i + 1);
    }
}

struct talker {
    cede_ticket pend;
    cede_ticket timer;
};

static cede_status talk(void *argument, uint64_t *count)
{
    struct talker *talker = argument;
    cede_complete(talker->pend, CEDE_OK, 6);
    cede_cancel(talker->timer);
    *count = 1;
    return CEDE_OK;
}

CFT_CASE(work_may_make_wishes)
{
    struct talker *talker = cft_alloc(t, sizeof *talker);
    cft_rec *pend = pend_new(t);
    cft_rec *timer = cft_new(t);
    cede_prep_timer(timer->req, 3600 * CEDE_SECOND);
    cft_submit(timer);
    talker->pend = pend->ticket;
    talker->timer = timer->ticket;
    cft_rec *work = cft_new(t);
    cede_prep_work(work->req, talk, talker);
    cft_submit(work);
    cft_settle(t);
    CFT_OK(t, work);
    CFT_OK(t, pend);
    CFT_EXPECT(t, pend->result.count == 6);
    CFT_ENDED(t, timer, CEDE_ECANCELED, CEDE_BY_WISH);
}

/* Works that wait for what the end of a close lets happen. */
struct keeper {
    cft_gate *gate;
    uint32_t began;
    bool open;
};

static cede_status wait_at_gate(void *argument, uint64_t *count)
{
    struct keeper *keeper = argument;
    (void)count;
    cft_gate_lock(keeper->gate);
    keeper->began++;
    cft_gate_signal(keeper->gate);
    while (!keeper->open)
        cft_gate_wait(keeper->gate);
    cft_gate_unlock(keeper->gate);
    return CEDE_OK;
}

static void free_gate(void *context)
{
    cft_gate_free(context);
}

static void set_gate(struct keeper *keeper, uint32_t began)
{
    cft_gate_lock(keeper->gate);
    while (keeper->began < began)
        cft_gate_wait(keeper->gate);
    keeper->open = !began;
    cft_gate_signal(keeper->gate);
    cft_gate_unlock(keeper->gate);
}

CFT_CASE(closes_pass_works_that_have_all_threads)
{
    struct keeper *keeper = cft_alloc(t, sizeof *keeper);
    cft_rec *works[2];
    cede_options options;
    cft_options(t, &options);
    options.pool_threads = 2;
    cede_loop *loop = cft_open(t, &options);
    keeper->gate = cft_gate_new();
    cft_at_end(t, free_gate, keeper->gate);
    cft_rec *file = cft_new(t);
    cede_prep_open(file->req, cft_file(t, "f", NULL, 64, 1), CEDE_OPEN_READ, 0);
    cft_submit_on(file, loop);
    CFT_CHECK(t, cft_wait_on(loop, file->ticket, CEDE_FOREVER) == CEDE_OK);
    CFT_OK(t, file);
    for (uint32_t i = 0; i < 2; i++) {
        works[i] = cft_new(t);
        cede_prep_work(works[i]->req, wait_at_gate, keeper);
        cft_submit_on(works[i], loop);
    }
    CFT_CHECK(t, cft_run_on(loop, 0) >= 0);
    set_gate(keeper, 2);
    cft_rec *close = cft_new(t);
    cede_prep_close(close->req, file->result.handle);
    cft_submit_on(close, loop);
    CFT_CHECK(t, cft_wait_on(loop, close->ticket, CEDE_FOREVER) == CEDE_OK);
    CFT_OK(t, close);
    set_gate(keeper, 0);
    for (uint32_t i = 0; i < 2; i++) {
        CFT_CHECK(t, cft_wait_on(loop, works[i]->ticket, CEDE_FOREVER) == CEDE_OK);
        CFT_OK(t, works[i]);
    }
}
