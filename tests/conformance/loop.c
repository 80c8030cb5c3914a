/*
 * Loop close drains (law 11; L1, L3, L10), run, stop, idle, wake, and looking in.
 */
#include "conformance.h"

#include <stdatomic.h>
#include <string.h>

static cft_rec *pend_new(cft *t)
{
    cft_rec *rec = cft_new(t);
    cede_prep_pend(rec->req);
    cft_submit(rec);
    return rec;
}

/* L1 */
CFT_CASE(loop_close_delivers_everything_that_pends)
{
    cft_pipe pipe = cft_pipe_reader(t);
    cft_file(t, "f", NULL, 5000, 1);
    cede_handle file = cft_opened(t, "f", CEDE_OPEN_READ);
    cft_rec *scope = cft_new(t);
    cede_prep_scope(scope->req);
    cft_submit(scope);
    cft_rec *all[9];
    for (uint32_t i = 0; i < 9; i++) {
        all[i] = cft_new(t);
        switch (i) {
        case 0:
        case 1:
            cede_prep_read(all[i]->req, pipe.handle, cft_buffer(all[i], 8), 8, CEDE_CURRENT);
            break;
        case 2:
            cede_prep_pend(all[i]->req);
            break;
        case 3:
            cede_prep_timer(all[i]->req, 3600 * CEDE_SECOND);
            break;
        case 4:
            cede_prep_read(all[i]->req, file, cft_buffer(all[i], 5000), 5000, 0);
            break;
        case 5:
            cede_prep_nop(all[i]->req);
            break;
        case 6:
            cede_prep_scope(all[i]->req);
            break;
        case 7:
            cede_prep_stat(all[i]->req, cft_path(t, "f"), cft_buffer(all[i], sizeof(cede_stat)), 0);
            break;
        default:
            cede_prep_pend(all[i]->req);
            cede_background(all[i]->req);
            break;
        }
        if (i % 2)
            cede_in(all[i]->req, scope->ticket);
        cft_submit(all[i]);
        if (i == 3)
            cft_flush(t);
    }
    CFT_CHECK(t, cft_close(t, CEDE_FOREVER) == CEDE_OK);
    for (uint32_t i = 0; i < 9; i++) {
        CFT_CHECK(t, all[i]->done == 1);
        CFT_EXPECT(t, all[i]->result.status == CEDE_OK || all[i]->result.status == CEDE_ECANCELED);
    }
    CFT_EXPECT(t, all[0]->result.status == CEDE_ECANCELED);
    CFT_EXPECT(t, all[0]->result.flags & (CEDE_BY_LOOP | CEDE_BY_CLOSE));
    CFT_ENDED(t, all[2], CEDE_ECANCELED, CEDE_BY_LOOP);
    CFT_EXPECT(t, scope->result.status == CEDE_ECANCELED);
}

static void submit_in_closing(cft_rec *rec)
{
    cft_rec *late = rec->data;
    cede_prep_nop(late->req);
    cft_submit_on(late, rec->loop);
}

CFT_CASE(submit_in_a_closing_loop_is_refused)
{
    cft_rec *late = cft_new(t);
    cft_rec *pend = cft_new(t);
    pend->then = submit_in_closing;
    pend->data = late;
    cede_prep_pend(pend->req);
    cft_submit(pend);
    CFT_CHECK(t, cft_close(t, CEDE_FOREVER) == CEDE_OK);
    CFT_CHECK(t, late->done == 1);
    CFT_ENDED(t, late, CEDE_EENDED, CEDE_BY_LOOP);
}

static void close_in_closing(cft_rec *rec)
{
    cft_rec *close = rec->data;
    cede_prep_close(close->req, (cede_handle)rec->number);
    cft_submit_on(close, rec->loop);
}

CFT_CASE(close_works_in_a_closing_loop)
{
    cft_file(t, "f", NULL, 8, 1);
    cft_rec *close = cft_new(t);
    cft_rec *pend = cft_new(t);
    pend->number = cft_opened(t, "f", CEDE_OPEN_READ);
    pend->then = close_in_closing;
    pend->data = close;
    cede_prep_pend(pend->req);
    cft_submit(pend);
    CFT_CHECK(t, cft_close(t, CEDE_FOREVER) == CEDE_OK);
    CFT_CHECK(t, close->done == 1);
    /* the loop's own closing of its handles may have been there first */
    CFT_EXPECT(t, close->result.status == CEDE_OK || close->result.status == CEDE_EBADF);
}

CFT_CASE(loop_close_closes_the_handles_bound_to_it)
{
    cft_file(t, "f", NULL, 8, 1);
    cft_pipe pipe = cft_pipe_writer(t);
    cede_handle file = cft_opened(t, "f", CEDE_OPEN_READ);
    cft_rec *read = cft_new(t);
    cede_prep_read(read->req, file, cft_buffer(read, 8), 8, 0);
    cft_do(read);
    cft_rec *write = cft_new(t);
    cede_prep_write(write->req, pipe.handle, cft_input(write, "x", 1), 1, CEDE_CURRENT);
    cft_do(write);
    CFT_CHECK(t, cft_close(t, CEDE_FOREVER) == CEDE_OK);
    /* the end of the run counts descriptors; and the names are stale */
    intptr_t native = -1;
    CFT_EXPECT(t, cede_release(pipe.handle, &native) == CEDE_EBADF);
    CFT_EXPECT(t, cede_release(file, &native) == CEDE_EBADF);
}

CFT_CASE(loops_open_and_close_many_times)
{
    for (uint32_t i = 0; i < 40; i++) {
        cede_options options;
        cft_options(t, &options);
        cede_loop *loop = cft_open(t, &options);
        cft_rec *rec = cft_new(t);
        if (i % 2)
            cede_prep_roundtrip(rec->req);
        else
            cede_prep_pend(rec->req);
        if (i % 3)
            cft_submit_on(rec, loop);
        if (i % 4 == 0)
            CFT_CHECK(t, cft_run_on(loop, 0) >= 0);
        CFT_CHECK(t, cft_close_on(t, loop, CEDE_FOREVER) == CEDE_OK);
        CFT_CHECK(t, cft_is_done(rec));
    }
}

CFT_CASE(several_loops_live_side_by_side)
{
    enum { LOOPS = 5 };
    cede_loop *loops[LOOPS];
    cft_rec *all[LOOPS];
    cede_options options;
    cft_options(t, &options);
    for (uint32_t i = 0; i < LOOPS; i++)
        loops[i] = cft_open(t, &options);
    for (uint32_t round = 0; round < 4; round++) {
        for (uint32_t i = 0; i < LOOPS; i++) {
            all[i] = cft_new(t);
            cede_prep_roundtrip(all[i]->req);
            cft_submit_on(all[i], loops[i]);
        }
        for (uint32_t i = 0; i < LOOPS; i++) {
            CFT_CHECK(t, cft_run_on(loops[i], CEDE_FOREVER) >= 0);
            CFT_CHECK(t, all[i]->done == 1);
        }
    }
}

CFT_CASE(run_returns_when_idle_and_counts_its_callbacks)
{
    CFT_EXPECT(t, cft_run(t, CEDE_FOREVER) == 0);
    for (uint32_t i = 0; i < 5; i++) {
        cft_rec *rec = cft_new(t);
        cede_prep_nop(rec->req);
        cft_submit_on(rec, cft_loop(t));
    }
    CFT_EXPECT(t, cft_run(t, CEDE_FOREVER) == 5);
    CFT_EXPECT(t, cft_run(t, CEDE_FOREVER) == 0);
}

CFT_CASE(run_ends_at_its_limit)
{
    cft_rec *pend = pend_new(t);
    uint64_t before = cede_now(cft_loop(t));
    CFT_EXPECT(t, cft_run(t, 3 * CEDE_MILLISECOND) >= 0);
    CFT_CHECK(t, pend->done == 0 || cft_faulted(t));
    CFT_EXPECT(t, cede_now(cft_loop(t)) - before >= 3 * CEDE_MILLISECOND);
    CFT_CHECK(t, cft_run(t, 0) >= 0);
    CFT_CHECK(t, pend->done == 0 || cft_faulted(t));
}

static void stop_the_loop(cft_rec *rec)
{
    cede_stop(rec->loop);
}

CFT_CASE(stop_ends_one_run_and_is_remembered_once)
{
    cft_rec *pend = pend_new(t);
    cede_stop(cft_loop(t));
    cede_stop(cft_loop(t));
    CFT_CHECK(t, cft_run(t, CEDE_FOREVER) >= 0); /* would hang without the stop */
    cft_rec *timer = cft_new(t);
    timer->then = stop_the_loop;
    cede_prep_timer(timer->req, CEDE_MILLISECOND);
    cft_submit(timer);
    CFT_CHECK(t, cft_run(t, CEDE_FOREVER) >= 0);
    CFT_EXPECT(t, timer->done == 1); /* the first run took the stop with it */
    CFT_EXPECT(t, pend->done == 0);
    cft_complete(t, pend->ticket, CEDE_OK, 0);
    cft_settle(t);
}

/* Z6 */
CFT_CASE(background_requests_do_not_hold_the_loop)
{
    cft_rec *heartbeat = cft_new(t);
    cede_prep_timer(heartbeat->req, 3600 * CEDE_SECOND);
    cede_background(heartbeat->req);
    cft_submit(heartbeat);
    cft_rec *watch = cft_new(t);
    cede_prep_pend(watch->req);
    cede_background(watch->req);
    cft_submit(watch);
    CFT_CHECK(t, cft_run(t, CEDE_FOREVER) >= 0);
    CFT_EXPECT(t, heartbeat->done == 0 && watch->done == 0);
    cft_rec *nop = cft_new(t);
    cede_prep_nop(nop->req);
    cft_submit(nop);
    CFT_CHECK(t, cft_run(t, CEDE_FOREVER) >= 0);
    CFT_CHECK(t, nop->done == 1);
    CFT_EXPECT(t, heartbeat->done == 0);
    cft_complete(t, watch->ticket, CEDE_OK, 0);
    cft_await(t, watch);
    CFT_OK(t, watch);
    cft_cancel(t, heartbeat->ticket);
    cft_await(t, heartbeat);
    CFT_ENDED(t, heartbeat, CEDE_ECANCELED, CEDE_BY_WISH);
}

static void count_pending(void *context, const cede_pending *pending)
{
    uint32_t *seen = context;
    ++*seen;
    if (!pending->op || !pending->state || !pending->where || !strchr(pending->where, ':'))
        *seen += 1000;
}

CFT_CASE(dump_names_what_pends_and_where_it_came_from)
{
    uint32_t seen = 0;
    cede_dump(cft_loop(t), count_pending, &seen);
    CFT_EXPECT(t, seen == 0);
    cft_pipe pipe = cft_pipe_reader(t);
    cft_rec *read = cft_new(t);
    cede_prep_read(read->req, pipe.handle, cft_buffer(read, 8), 8, CEDE_CURRENT);
    cft_submit(read);
    cft_rec *pend = pend_new(t);
    cft_flush(t);
    cede_dump(cft_loop(t), count_pending, &seen);
    CFT_EXPECT(t, seen == 2);
    cft_cancel(t, read->ticket);
    cft_complete(t, pend->ticket, CEDE_OK, 0);
    cft_settle(t);
    seen = 0;
    cede_dump(cft_loop(t), count_pending, &seen);
    CFT_EXPECT(t, seen == 0);
    cft_closed(t, pipe.handle);
}

CFT_CASE(counts_add_up)
{
    cede_counts before;
    cede_counts after;
    cft_turn(t);
    cede_count(cft_loop(t), &before);
    CFT_EXPECT(t, before.undelivered == 0);
    cft_rec *pend = pend_new(t);
    cft_rec *background = cft_new(t);
    cede_prep_pend(background->req);
    cede_background(background->req);
    cft_submit_on(background, cft_loop(t));
    cft_rec *remote = cft_new(t);
    cede_prep_nop(remote->req);
    cft_submit_remote(remote, cft_loop(t));
    cft_await(t, remote);
    cede_count(cft_loop(t), &after);
    CFT_EXPECT(t, after.submitted >= before.submitted + 3);
    CFT_EXPECT(t, after.remote >= before.remote + 1);
    CFT_EXPECT(t, after.undelivered == 2);
    CFT_EXPECT(t, after.background == 1);
    CFT_EXPECT(t, after.turns > before.turns);
    CFT_CHECK(t, after.submitted - after.delivered == after.undelivered);
    cft_complete(t, pend->ticket, CEDE_OK, 0);
    cft_complete(t, background->ticket, CEDE_OK, 0);
    cft_await(t, pend);
    cft_await(t, background);
    cede_count(cft_loop(t), &after);
    CFT_EXPECT(t, after.undelivered == 0 && after.background == 0);
    CFT_CHECK(t, after.submitted == after.delivered);
}

CFT_CASE(supports_tells_what_completes)
{
    for (uint32_t op = 1; op < CEDE_OP_COUNT; op++)
        CFT_EXPECT(t, cede_supports(cft_loop(t), op));
    CFT_CHECK(t, !cede_supports(cft_loop(t), CEDE_OP_NONE));
    CFT_CHECK(t, !cede_supports(cft_loop(t), CEDE_OP_COUNT));
    CFT_CHECK(t, !cede_supports(cft_loop(t), UINT32_MAX));
}

CFT_CASE(loop_open_says_why_it_cannot)
{
    char why[200] = "";
    cede_loop *loop = (cede_loop *)(uintptr_t)1;
    cede_options options = {.backend = "no such backend", .why = why, .why_bytes = sizeof why};
    CFT_CHECK(t, cede_loop_open(&options, &loop) == CEDE_ENOTSUP);
    CFT_CHECK(t, loop == NULL && strlen(why) > 10);
    cft_options(t, &options);
    CFT_CHECK(t, cede_loop_open_version(&options, &loop, CEDE_VERSION + 1000000) == CEDE_EVERSION);
    CFT_CHECK(t, loop == NULL);
    options.why = why;
    options.why_bytes = 5; /* cut off, terminated */
    memset(why, 'x', sizeof why);
    options.backend = "no such backend";
    options.backend_table = NULL;
    CFT_CHECK(t, cede_loop_open(&options, &loop) == CEDE_ENOTSUP);
    CFT_CHECK(t, memchr(why, '\0', 5) != NULL && why[5] == 'x');
}

static void count_wakes(void *context)
{
    atomic_fetch_add((_Atomic uint32_t *)context, 1);
}

struct poster {
    cft_rec *rec;
    cede_loop *loop;
};

static void post(void *context)
{
    struct poster *poster = context;
    cft_submit_remote(poster->rec, poster->loop);
}

/* To live in a foreign loop: the wake hook tells when to run. */
CFT_CASE(wake_hook_is_called_for_a_loop_that_sleeps_elsewhere)
{
    _Atomic uint32_t *wakes = cft_alloc(t, sizeof *wakes);
    cede_options options;
    cft_options(t, &options);
    options.wake = count_wakes;
    options.wake_context = (void *)wakes;
    cede_loop *loop = cft_open(t, &options);
    uint64_t timeout_ns = 0;
    CFT_CHECK(t, cft_run_on(loop, 0) >= 0);
    (void)cede_loop_waitable(loop, &timeout_ns);
    CFT_CHECK(t, timeout_ns == CEDE_FOREVER);
    struct poster *poster = cft_alloc(t, sizeof *poster);
    poster->rec = cft_new(t);
    poster->loop = loop;
    cede_prep_nop(poster->rec->req);
    cft_thread(t, post, poster);
    cft_join(t);
    CFT_CHECK(t, atomic_load(wakes) > 0);
    CFT_CHECK(t, cft_run_on(loop, 0) >= 0);
    if (!cft_is_done(poster->rec))
        CFT_CHECK(t, cft_run_on(loop, 0) >= 0);
    CFT_CHECK(t, poster->rec->done == 1);
}

CFT_CASE(waitable_tells_the_time_of_the_next_timer)
{
    cft_rec *timer = cft_new(t);
    cede_prep_timer(timer->req, 50 * CEDE_MILLISECOND);
    cft_submit(timer);
    cft_flush(t);
    uint64_t timeout_ns = 0;
    (void)cede_loop_waitable(cft_loop(t), &timeout_ns);
    CFT_EXPECT(t, timeout_ns <= 51 * CEDE_MILLISECOND);
    cft_cancel(t, timer->ticket);
    cft_settle(t);
    (void)cede_loop_waitable(cft_loop(t), &timeout_ns);
    CFT_EXPECT(t, timeout_ns == CEDE_FOREVER);
}

/* ---- L10: two loops on two threads ----------------------------------------------------------- */

struct side {
    cft *t;
    cede_loop *loop;
    cede_loop *other;
    cft_rec *last;
    cft_rec *all[200];
    uint32_t count;
    uint64_t random;
};

static void run_side(void *context)
{
    struct side *side = context;
    for (uint32_t i = 0; i < side->count; i++) {
        cede_prep_nop(side->all[i]->req);
        if (i % 3 == 0)
            cede_prep_roundtrip(side->all[i]->req);
        cft_submit_remote(side->all[i], side->other);
        if (i % 8 == 0)
            cft_dawdle(&side->random);
        if (i % 16 == 0)
            (void)cft_run_on(side->loop, 0);
    }
    cede_complete(side->last->ticket, CEDE_OK, 1);
    /* Idle when the other side has sent all: then nobody submits to this loop any more. */
    CFT_CHECK(side->t, cft_run_on(side->loop, CEDE_FOREVER) >= 0);
    CFT_CHECK(side->t, cft_close_on(side->t, side->loop, CEDE_FOREVER) == CEDE_OK);
}

CFT_CASE(two_loops_on_two_threads_post_to_each_other)
{
    struct side *sides = cft_alloc(t, 2 * sizeof *sides);
    cede_options options;
    cft_options(t, &options);
    for (uint32_t s = 0; s < 2; s++) {
        sides[s].t = t;
        sides[s].loop = cft_open(t, &options);
        sides[s].random = cft_random(t);
        sides[s].count = 200;
        for (uint32_t i = 0; i < 200; i++)
            sides[s].all[i] = cft_new(t);
    }
    for (uint32_t s = 0; s < 2; s++) {
        /* pends on the other's loop until this side has sent all */
        sides[s].other = sides[1 - s].loop;
        sides[s].last = cft_new(t);
        cede_prep_pend(sides[s].last->req);
        cft_submit_on(sides[s].last, sides[s].other);
    }
    cft_thread(t, run_side, &sides[0]);
    run_side(&sides[1]);
    cft_join(t);
    for (uint32_t s = 0; s < 2; s++) {
        for (uint32_t i = 0; i < 200; i++)
            CFT_CHECK(t, sides[s].all[i]->done == 1);
    }
}
