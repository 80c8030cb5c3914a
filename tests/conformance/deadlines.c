/*
 * Deadlines (law 13; D1 to D3): never early, one outcome, really stopped. D4 is in frozen.c.
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

static cft_rec *read_within(cft *t, cft_pipe *pipe, uint64_t ns)
{
    cft_rec *rec = cft_new(t);
    cede_prep_read(rec->req, pipe->handle, cft_buffer(rec, 8), 8, CEDE_CURRENT);
    cede_within(rec->req, ns);
    rec->then = note_time;
    cft_submit(rec);
    return rec;
}

CFT_CASE(deadline_ends_what_pends_and_is_never_early)
{
    cft_pipe pipe = cft_pipe_reader(t);
    uint64_t at = cede_now(cft_loop(t)) + 2 * CEDE_MILLISECOND;
    cft_rec *read = read_within(t, &pipe, 2 * CEDE_MILLISECOND);
    cft_await(t, read);
    CFT_ENDED(t, read, CEDE_EDEADLINE, CEDE_BY_DEADLINE);
    CFT_EXPECT(t, read->number >= at);
    cft_peer_write(t, &pipe, "abc", 3); /* really stopped: it takes nothing any more */
    cft_rec *next = cft_new(t);
    cede_prep_read(next->req, pipe.handle, cft_buffer(next, 8), 8, CEDE_CURRENT);
    cft_do(next);
    CFT_MOVED(t, next, 3);
    CFT_CHECK(t, read->bytes[0] == 0xee);
    cft_closed(t, pipe.handle);
}

/* D1 */
CFT_CASE(deadline_and_completion_in_one_tick_have_one_outcome)
{
    for (uint32_t i = 0; i < 6; i++) {
        cft_pipe pipe = cft_pipe_reader(t);
        cft_rec *read = read_within(t, &pipe, 1 + i * 100 * CEDE_MICROSECOND);
        if (i % 2)
            cft_flush(t);
        cft_peer_write(t, &pipe, "abc", 3);
        cft_await(t, read);
        CFT_EXPECT(t, read->result.status == CEDE_OK || read->result.status == CEDE_EDEADLINE);
        uint64_t got = read->result.count;
        CFT_EXPECT(t, (got > 0) == (read->result.status == CEDE_OK));
        while (got < 3 && !cft_faulted(t)) {
            cft_rec *rest = cft_new(t);
            cede_prep_read(rest->req, pipe.handle, cft_buffer(rest, 8), 8, CEDE_CURRENT);
            cft_do(rest);
            CFT_EXPECT(t, rest->result.count > 0);
            got += rest->result.count;
        }
        CFT_EXPECT(t, got == 3);
        cft_closed(t, pipe.handle);
    }
}

static void into_new_life(cft_rec *rec)
{
    if (rec->done > 1)
        return;
    cede_prep_pend(rec->req);
    cft_submit_on(rec, rec->loop);
}

/* D2 */
CFT_CASE(deadline_does_not_reach_the_next_life_of_its_request)
{
    cft_rec *rec = cft_new(t);
    rec->then = into_new_life;
    cede_prep_nop(rec->req);
    cede_within(rec->req, CEDE_MILLISECOND);
    cft_submit(rec);
    cft_rec *later = timer_new(t, 4 * CEDE_MILLISECOND);
    cft_await(t, later);
    while (rec->done == 0)
        cft_run(t, CEDE_MILLISECOND);
    CFT_EXPECT(t, rec->done == 1);
    cft_complete(t, rec->ticket, CEDE_OK, 9);
    cft_settle(t);
    CFT_CHECK(t, rec->done == 2);
    CFT_EXPECT(t, rec->result.status == CEDE_OK && rec->result.count == 9);
}

/* D3 */
CFT_CASE(cancel_before_the_deadline_is_a_cancel)
{
    cft_pipe pipe = cft_pipe_reader(t);
    cft_rec *read = read_within(t, &pipe, 3600 * CEDE_SECOND);
    cft_flush(t);
    cft_cancel(t, read->ticket);
    cft_await(t, read);
    CFT_ENDED(t, read, CEDE_ECANCELED, CEDE_BY_WISH);
    cft_rec *passed = cft_new(t);
    cede_prep_pend(passed->req);
    cede_until(passed->req, 1);
    cft_submit(passed);
    cft_rec *later = timer_new(t, CEDE_MILLISECOND);
    cft_await(t, later);
    cft_cancel(t, passed->ticket);
    cft_await(t, passed);
    CFT_ENDED(t, passed, CEDE_EDEADLINE, CEDE_BY_DEADLINE);
    cft_closed(t, pipe.handle);
}

CFT_CASE(deadline_of_every_core_operation)
{
    cft_rec *all[4];
    for (uint32_t i = 0; i < 4; i++) {
        all[i] = cft_new(t);
        if (i == 0)
            cede_prep_pend(all[i]->req);
        else if (i == 1)
            cede_prep_scope(all[i]->req);
        else if (i == 2)
            cede_prep_timer(all[i]->req, 3600 * CEDE_SECOND);
        else
            cede_prep_timer(all[i]->req, CEDE_FOREVER);
        if (i == 2)
            cede_until(all[i]->req, cede_now(cft_loop(t)) + CEDE_MILLISECOND);
        else
            cede_within(all[i]->req, CEDE_MILLISECOND);
        cft_submit(all[i]);
    }
    cft_settle(t);
    for (uint32_t i = 0; i < 4; i++)
        CFT_ENDED(t, all[i], CEDE_EDEADLINE, CEDE_BY_DEADLINE);
}

CFT_CASE(deadline_of_forever_is_none)
{
    cft_rec *all[2];
    for (uint32_t i = 0; i < 2; i++) {
        all[i] = cft_new(t);
        cede_prep_pend(all[i]->req);
        if (i)
            cede_within(all[i]->req, CEDE_FOREVER);
        else
            cede_until(all[i]->req, CEDE_FOREVER);
        cft_submit(all[i]);
    }
    cft_rec *timer = timer_new(t, CEDE_MILLISECOND);
    cft_await(t, timer);
    for (uint32_t i = 0; i < 2; i++) {
        CFT_EXPECT(t, !cft_is_done(all[i]));
        cft_complete(t, all[i]->ticket, CEDE_OK, 0);
    }
    cft_settle(t);
    CFT_OK(t, all[0]);
    CFT_OK(t, all[1]);
}

CFT_CASE(extend_gives_moves_and_takes_deadlines)
{
    cft_pipe pipe = cft_pipe_reader(t);
    cft_rec *given = cft_new(t);
    cede_prep_read(given->req, pipe.handle, cft_buffer(given, 8), 8, CEDE_CURRENT);
    given->then = note_time;
    cft_submit(given);
    cft_rec *taken = cft_new(t);
    cede_prep_pend(taken->req);
    cede_within(taken->req, 500 * CEDE_MILLISECOND);
    cft_submit(taken);
    cft_flush(t);
    uint64_t at = cede_now(cft_loop(t)) + 2 * CEDE_MILLISECOND;
    cede_extend(given->ticket, 2 * CEDE_MILLISECOND);
    cede_extend(taken->ticket, CEDE_FOREVER);
    cft_await(t, given);
    CFT_ENDED(t, given, CEDE_EDEADLINE, CEDE_BY_DEADLINE);
    CFT_EXPECT(t, given->number >= at);
    CFT_EXPECT(t, !cft_is_done(taken));
    cft_complete(t, taken->ticket, CEDE_OK, 0);
    cft_await(t, taken);
    CFT_OK(t, taken);
    cft_closed(t, pipe.handle);
}

CFT_CASE(deadline_counts_while_held)
{
    cft_pipe pipe = cft_pipe_reader(t);
    cft_rec *first = cft_new(t);
    cede_prep_read(first->req, pipe.handle, cft_buffer(first, 4), 4, CEDE_CURRENT);
    cft_submit(first);
    cft_rec *held = read_within(t, &pipe, CEDE_MILLISECOND);
    cft_await(t, held); /* ends unstarted, at once, before the first */
    CFT_ENDED(t, held, CEDE_EDEADLINE, CEDE_BY_DEADLINE);
    CFT_EXPECT(t, first->done == 0);
    cft_peer_write(t, &pipe, "abcd", 4);
    cft_await(t, first);
    CFT_MOVED(t, first, 4);
    cft_closed(t, pipe.handle);
}
