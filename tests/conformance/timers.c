/*
 * Timers (law 13; T1 to T7), extend, and the clock.
 */
#include "conformance.h"

static cft_rec *timer_new(cft *t, uint64_t ns)
{
    cft_rec *rec = cft_new(t);
    cede_prep_timer(rec->req, ns);
    cft_submit(rec);
    return rec;
}

static void note_time(cft_rec *rec)
{
    rec->number = cede_now(rec->loop);
}

/* T1 */
CFT_CASE(timer_is_never_early)
{
    cft_rec *all[20];
    uint64_t due[20];
    for (uint32_t i = 0; i < 20; i++) {
        uint64_t ns = 1 + cft_below(t, 3000000);
        all[i] = cft_new(t);
        all[i]->then = note_time;
        due[i] = cede_now(cft_loop(t)) + ns;
        cede_prep_timer(all[i]->req, ns);
        cft_submit(all[i]);
    }
    cft_settle(t);
    for (uint32_t i = 0; i < 20; i++) {
        CFT_OK(t, all[i]);
        CFT_EXPECT(t, all[i]->number >= due[i]);
    }
}

CFT_CASE(timer_at_a_time_that_has_passed_expires_at_once)
{
    cft_rec *rec = cft_new(t);
    cede_prep_timer_at(rec->req, 0);
    cft_do(rec);
    CFT_OK(t, rec);
    cft_rec *now = cft_new(t);
    cede_prep_timer_at(now->req, cede_now(cft_loop(t)));
    cft_do(now);
    CFT_OK(t, now);
    cft_rec *soon = cft_new(t);
    uint64_t at = cede_now(cft_loop(t)) + CEDE_MILLISECOND;
    soon->then = note_time;
    cede_prep_timer_at(soon->req, at);
    cft_do(soon);
    CFT_OK(t, soon);
    CFT_EXPECT(t, soon->number >= at);
}

/* T2 */
CFT_CASE(timer_cancelled_ends_at_once)
{
    cft_rec *timer = timer_new(t, 3600 * CEDE_SECOND);
    cft_flush(t);
    cft_cancel(t, timer->ticket);
    cft_await(t, timer);
    CFT_ENDED(t, timer, CEDE_ECANCELED, CEDE_BY_WISH);
}

static void cancel_others(cft_rec *rec)
{
    cft_rec *const *all = rec->data;
    for (uint32_t i = 0; all[i]; i++) {
        if (all[i] != rec)
            cede_cancel(all[i]->ticket);
    }
}

/* T3 */
CFT_CASE(timers_of_one_tick_may_cancel_each_other)
{
    cft_rec **all = cft_alloc(t, 6 * sizeof(cft_rec *));
    uint64_t at = cede_now(cft_loop(t)) + CEDE_MILLISECOND;
    for (uint32_t i = 0; i < 5; i++) {
        all[i] = cft_new(t);
        all[i]->data = all;
        cede_prep_timer_at(all[i]->req, at);
        cft_submit(all[i]);
    }
    for (uint32_t i = 0; i < 5; i++)
        all[i]->then = cancel_others;
    cft_settle(t);
    uint32_t fired = 0;
    for (uint32_t i = 0; i < 5; i++) {
        CFT_CHECK(t, all[i]->done == 1);
        fired += all[i]->result.status == CEDE_OK;
        CFT_EXPECT(t, all[i]->result.status == CEDE_OK || all[i]->result.status == CEDE_ECANCELED);
    }
    CFT_EXPECT(t, fired >= 1);
}

static void rearm(cft_rec *rec)
{
    if (rec->done >= 20)
        return;
    cede_prep_timer(rec->req, 1 + rec->done * 1000);
    cft_submit_on(rec, rec->loop);
}

/* T4 */
CFT_CASE(timer_rearmed_at_its_address_loses_no_neighbour)
{
    cft_rec *all[8];
    for (uint32_t i = 0; i < 8; i++) {
        all[i] = cft_new(t);
        all[i]->then = i % 2 ? rearm : NULL;
        cede_prep_timer(all[i]->req, 50 * CEDE_MICROSECOND);
        cft_submit(all[i]);
    }
    cft_settle(t);
    for (uint32_t i = 0; i < 8; i++)
        CFT_CHECK(t, all[i]->done == (i % 2 ? 20u : 1u));
}

#define TURNS_MOST 2000000u /* then the flood has starved its victim */

struct flood {
    cft_rec *victim;
    uint32_t turns;
};

static void zero_again(cft_rec *rec)
{
    struct flood *flood = rec->data;
    if (flood->victim->done || rec->result.status || ++flood->turns > TURNS_MOST)
        return;
    if (rec->number == 0)
        cede_prep_timer(rec->req, 0);
    else
        cede_prep_nop(rec->req);
    cft_submit_on(rec, rec->loop);
}

static struct flood *flood_against(cft *t, cft_rec *victim, uint64_t kind)
{
    struct flood *flood = cft_alloc(t, sizeof *flood);
    flood->victim = victim;
    cft_rec *rec = cft_new(t);
    rec->then = zero_again;
    rec->data = flood;
    rec->number = kind;
    cede_prep_nop(rec->req);
    cft_submit(rec);
    return flood;
}

/* T5 and law 14: a turn is bounded. */
CFT_CASE(flood_of_zero_delays_starves_nobody)
{
    for (uint64_t kind = 0; kind < 2; kind++) {
        cft_rec *io = cft_new(t);
        cede_prep_roundtrip(io->req);
        cft_submit(io);
        struct flood *flood = flood_against(t, io, kind);
        cft_settle(t);
        CFT_OK(t, io);
        CFT_CHECK(t, flood->turns < TURNS_MOST);
        cft_rec *timer = timer_new(t, 200 * CEDE_MICROSECOND);
        flood = flood_against(t, timer, kind);
        cft_settle(t);
        CFT_OK(t, timer);
        CFT_CHECK(t, flood->turns < TURNS_MOST);
        cft_rec *remote = cft_new(t);
        cede_prep_nop(remote->req);
        cft_submit_remote(remote, cft_loop(t));
        flood = flood_against(t, remote, kind);
        cft_settle(t);
        CFT_OK(t, remote);
        CFT_CHECK(t, flood->turns < TURNS_MOST);
    }
}

/* T6 */
CFT_CASE(timers_far_in_the_future_wait_there)
{
    static const uint64_t far[] = {CEDE_FOREVER, CEDE_FOREVER - 1, UINT64_MAX / 2,
                                   UINT64_C(100) * 365 * 86400 * CEDE_SECOND};
    cft_rec *all[8];
    for (uint32_t i = 0; i < 8; i++) {
        all[i] = cft_new(t);
        if (i < 4)
            cede_prep_timer(all[i]->req, far[i]);
        else
            cede_prep_timer_at(all[i]->req, far[i - 4]);
        cft_submit(all[i]);
    }
    cft_rec *near = timer_new(t, CEDE_MILLISECOND);
    cft_await(t, near);
    CFT_OK(t, near);
    for (uint32_t i = 0; i < 8; i++) {
        CFT_EXPECT(t, !cft_is_done(all[i]));
        cft_cancel(t, all[i]->ticket);
    }
    cft_settle(t);
    for (uint32_t i = 0; i < 8; i++)
        CFT_ENDED(t, all[i], CEDE_ECANCELED, CEDE_BY_WISH);
}

static void count_fired(cede_req *req, cede_result result)
{
    uint32_t *fired = req->user_data;
    if (result.status == CEDE_OK || result.status == CEDE_ECANCELED)
        ++*fired;
}

/* T7 */
CFT_CASE(a_million_timers_each_once)
{
    enum { MANY = 1000000 };
    cede_req *reqs = cft_alloc(t, MANY * sizeof *reqs);
    cede_ticket *tickets = cft_alloc(t, MANY * sizeof *tickets);
    uint32_t *fired = cft_alloc(t, sizeof *fired);
    cede_loop *loop = cft_loop(t);
    for (uint32_t i = 0; i < MANY; i++) {
        reqs[i].user_data = fired;
        cede_prep_timer(&reqs[i], i % 3 == 0 ? 3600 * CEDE_SECOND : cft_below(t, 2000000));
        tickets[i] = cede_submit(loop, &reqs[i], count_fired);
    }
    for (uint32_t i = 0; i < MANY; i += 3)
        cede_cancel(tickets[i]);
    CFT_CHECK(t, cft_run(t, CEDE_FOREVER) == MANY);
    CFT_CHECK(t, *fired == MANY);
}

CFT_CASE(extend_moves_a_timer_in_place)
{
    cft_rec *later = timer_new(t, CEDE_MILLISECOND);
    cft_rec *sooner = timer_new(t, 3600 * CEDE_SECOND);
    cft_rec *never = timer_new(t, CEDE_MILLISECOND);
    later->then = note_time;
    uint64_t at = cede_now(cft_loop(t)) + 5 * CEDE_MILLISECOND;
    cede_extend(later->ticket, 5 * CEDE_MILLISECOND);
    cede_extend(sooner->ticket, 10);
    cede_extend(never->ticket, CEDE_FOREVER);
    cft_await(t, sooner);
    CFT_OK(t, sooner);
    cft_await(t, later);
    CFT_OK(t, later);
    CFT_EXPECT(t, later->number >= at);
    CFT_EXPECT(t, !cft_is_done(never));
    cft_cancel(t, never->ticket);
    cft_await(t, never);
    CFT_ENDED(t, never, CEDE_ECANCELED, CEDE_BY_WISH);
    cede_extend(never->ticket, 1);
    cft_turn(t);
    CFT_CHECK(t, never->done == 1);
}

/* D5 */
CFT_CASE(wait_that_ends_early_makes_no_timer_early)
{
    cft_rec *timer = cft_new(t);
    timer->then = note_time;
    uint64_t at = cede_now(cft_loop(t)) + 3 * CEDE_MILLISECOND;
    cede_prep_timer(timer->req, 3 * CEDE_MILLISECOND);
    cft_submit(timer);
    for (uint32_t i = 0; i < 50; i++) {
        cft_rec *io = cft_new(t);
        cede_prep_roundtrip(io->req);
        cft_submit_on(io, cft_loop(t));
        cft_run(t, 10 * CEDE_MICROSECOND);
    }
    cft_settle(t);
    CFT_OK(t, timer);
    CFT_EXPECT(t, timer->number >= at);
}

CFT_CASE(clock_goes_forward_only)
{
    uint64_t last = cede_now(cft_loop(t));
    for (uint32_t i = 0; i < 30; i++) {
        cft_turn(t);
        uint64_t now = cede_now(cft_loop(t));
        CFT_CHECK(t, now >= last);
        last = now;
    }
    cft_rec *timer = timer_new(t, CEDE_MILLISECOND);
    cft_await(t, timer);
    CFT_EXPECT(t, cede_now(cft_loop(t)) >= last + CEDE_MILLISECOND);
}
