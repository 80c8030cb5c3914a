/*
 * Wait for it (law 9; L11) and the decided cases on waiting.
 */
#include "conformance.h"

#include <string.h>

static cft_rec *nop_new(cft *t)
{
    cft_rec *rec = cft_new(t);
    cede_prep_nop(rec->req);
    cft_submit(rec);
    return rec;
}

static cft_rec *pend_new(cft *t)
{
    cft_rec *rec = cft_new(t);
    cede_prep_pend(rec->req);
    cft_submit(rec);
    return rec;
}

CFT_CASE(wait_runs_only_the_awaited_callback)
{
    cft_rec *all[7];
    for (uint32_t i = 0; i < 7; i++)
        all[i] = nop_new(t);
    cft_await(t, all[3]);
    for (uint32_t i = 0; i < 7; i++)
        CFT_EXPECT(t, (all[i]->done == 1) == (i == 3));
    cft_settle(t);
    for (uint32_t i = 0; i < 7; i++)
        CFT_CHECK(t, all[i]->done == 1);
}

CFT_CASE(wait_for_a_stale_ticket_is_ok_at_once)
{
    cft_rec *nop = nop_new(t);
    cft_await(t, nop);
    cft_rec *pend = pend_new(t);
    CFT_CHECK(t, cft_wait(t, nop, 0) == CEDE_OK);
    CFT_CHECK(t, cft_wait_on(cft_loop(t), (cede_ticket){0, 0}, CEDE_FOREVER) == CEDE_OK);
    CFT_CHECK(t, cft_wait(t, nop, CEDE_FOREVER) == CEDE_OK);
    CFT_EXPECT(t, !cft_is_done(pend));
    cft_complete(t, pend->ticket, CEDE_OK, 0);
}

CFT_CASE(wait_that_runs_out_leaves_the_request_as_it_was)
{
    cft_rec *pend = pend_new(t);
    uint64_t before = cede_now(cft_loop(t));
    CFT_EXPECT(t, cft_wait(t, pend, 2 * CEDE_MILLISECOND) == CEDE_EDEADLINE);
    CFT_EXPECT(t, cede_now(cft_loop(t)) - before >= 2 * CEDE_MILLISECOND);
    CFT_EXPECT(t, !cft_is_done(pend));
    CFT_EXPECT(t, cft_wait(t, pend, 0) == CEDE_EDEADLINE);
    cft_complete(t, pend->ticket, CEDE_OK, 4);
    cft_await(t, pend);
    CFT_OK(t, pend);
    CFT_EXPECT(t, pend->result.count == 4 && pend->result.flags == 0);
}

CFT_CASE(wait_for_another_loops_ticket_is_invalid)
{
    cede_options options;
    cft_options(t, &options);
    cede_loop *other = cft_open(t, &options);
    cft_rec *theirs = cft_new(t);
    cede_prep_pend(theirs->req);
    cft_submit_on(theirs, other);
    cft_rec *ours = nop_new(t);
    CFT_EXPECT(t, cft_wait_on(cft_loop(t), theirs->ticket, CEDE_FOREVER) == CEDE_EINVAL);
    cft_await(t, ours);
    CFT_CHECK(t, cft_close_on(t, other, CEDE_FOREVER) == CEDE_OK);
    CFT_CHECK(t, theirs->done == 1);
}

static void wait_for_itself(cft_rec *rec)
{
    cft *t = rec->t;
    /* One that found no slot has no name of its own: all such are waited for together. */
    CFT_EXPECT(t, cft_wait_on(rec->loop, rec->ticket, CEDE_FOREVER) == CEDE_EDEADLK);
    CFT_EXPECT(t, cft_wait_on(rec->loop, rec->ticket, 0) == CEDE_EDEADLK);
}

CFT_CASE(wait_for_itself_in_a_callback_is_a_deadlock)
{
    cft_rec *nop = cft_new(t);
    nop->then = wait_for_itself;
    cede_prep_nop(nop->req);
    cft_do(nop);
    CFT_OK(t, nop);
}

static void wait_by_another_loop(cft_rec *rec)
{
    cft *t = rec->t;
    CFT_CHECK(t,
              cft_faulted(t) || cft_wait_on(rec->data, rec->ticket, CEDE_FOREVER) == CEDE_EDEADLK);
}

CFT_CASE(wait_for_what_another_loop_runs_now_is_a_deadlock)
{
    cede_options options;
    cft_options(t, &options);
    cede_loop *other = cft_open(t, &options);
    cft_rec *nop = cft_new(t);
    nop->then = wait_by_another_loop;
    nop->data = other;
    cede_prep_nop(nop->req);
    cft_do(nop);
    CFT_OK(t, nop);
    CFT_EXPECT(t, cft_wait_on(other, nop->ticket, CEDE_FOREVER) == CEDE_OK);
    CFT_CHECK(t, cft_close_on(t, other, CEDE_FOREVER) == CEDE_OK);
}

static void wait_for_the_scope(cft_rec *rec)
{
    cft *t = rec->t;
    cft_rec *scope = rec->data;
    CFT_CHECK(t, cft_faulted(t) ||
                     cft_wait_on(rec->loop, scope->ticket, CEDE_FOREVER) == CEDE_EDEADLK);
}

CFT_CASE(wait_for_ones_own_scope_in_a_callback_is_a_deadlock)
{
    cft_rec *outer = cft_new(t);
    cede_prep_scope(outer->req);
    cft_submit(outer);
    cft_rec *inner = cft_new(t);
    cede_prep_scope(inner->req);
    cede_in(inner->req, outer->ticket);
    cft_submit(inner);
    cft_rec *member = cft_new(t);
    member->then = wait_for_the_scope;
    member->data = outer;
    cede_prep_nop(member->req);
    cede_in(member->req, inner->ticket);
    cft_submit(member);
    cft_settle(t);
    CFT_OK(t, outer);
    CFT_OK(t, member);
}

static void wait_for_another(cft_rec *rec)
{
    cft *t = rec->t;
    cft_rec *other = rec->data;
    CFT_CHECK(t, cede_in_callback(rec->loop));
    CFT_EXPECT(t, cft_wait_on(rec->loop, other->ticket, CEDE_FOREVER) == CEDE_OK);
    CFT_EXPECT(t, other->done == 1);
    CFT_CHECK(t, cede_in_callback(rec->loop));
}

/* The one place where callbacks nest. */
CFT_CASE(wait_in_a_callback_nests_only_what_it_waits_for)
{
    cft_rec *bystander = nop_new(t);
    cft_rec *inner = cft_new(t);
    cft_rec *middle = cft_new(t);
    cft_rec *outer = cft_new(t);
    middle->then = wait_for_another;
    middle->data = inner;
    outer->then = wait_for_another;
    outer->data = middle;
    cede_prep_timer(inner->req, 1000);
    cede_prep_nop(middle->req);
    cede_prep_nop(outer->req);
    cft_submit(inner);
    cft_submit(middle);
    cft_submit(outer);
    cft_await(t, outer);
    CFT_EXPECT(t, outer->done_at < middle->done_at && middle->done_at < inner->done_at);
    CFT_EXPECT(t, inner->returned_at < middle->returned_at &&
                      middle->returned_at < outer->returned_at);
    CFT_EXPECT(t, bystander->done == 0);
    cft_settle(t);
    CFT_CHECK(t, bystander->done == 1);
    CFT_CHECK(t, !cede_in_callback(cft_loop(t)));
}

static void wait_back(cft_rec *rec)
{
    cft *t = rec->t;
    cft_rec *outer = rec->data;
    if (outer->on_stack_)
        CFT_CHECK(t, cft_wait_on(rec->loop, outer->ticket, CEDE_FOREVER) == CEDE_EDEADLK);
}

CFT_CASE(two_callbacks_that_wait_for_each_other_do_not_hang)
{
    cft_rec *inner = cft_new(t);
    cft_rec *outer = cft_new(t);
    inner->then = wait_back;
    inner->data = outer;
    outer->then = wait_for_another;
    outer->data = inner;
    cede_prep_nop(inner->req);
    cede_prep_nop(outer->req);
    cft_submit(inner);
    cft_submit(outer);
    cft_await(t, outer);
    CFT_EXPECT(t, inner->done == 1 && outer->done == 1);
    CFT_EXPECT(t, inner->done_at > outer->done_at);
}

CFT_CASE(wait_for_the_second_on_a_stream_runs_the_first_too)
{
    cft_pipe pipe = cft_pipe_reader(t);
    cft_rec *bystander = nop_new(t);
    cft_rec *all[3];
    for (uint32_t i = 0; i < 3; i++) {
        all[i] = cft_new(t);
        cede_prep_read_all(all[i]->req, pipe.handle, cft_buffer(all[i], 4), 4, CEDE_CURRENT);
        cft_submit(all[i]);
    }
    cft_peer_write(t, &pipe, "abcdefghijkl", 12);
    cft_await(t, all[1]);
    CFT_EXPECT(t, all[0]->done == 1 && all[1]->done == 1);
    CFT_EXPECT(t, all[0]->returned_at < all[1]->done_at);
    CFT_EXPECT(t, bystander->done == 0);
    CFT_EXPECT(t, all[2]->done == 0);
    cft_settle(t);
    CFT_MOVED(t, all[2], 4);
    cft_closed(t, pipe.handle);
}

static void own_its_stream(cft_rec *rec)
{
    const cft_rec *scope = rec->data;
    cede_own(scope->ticket, scope->number);
}

static void count_ready(void *context, const cede_pending *pending)
{
    uint32_t *count = context;
    *count += strcmp(pending->state, "READY") == 0;
}

/* What is passed over by a wait, until a callback leads it to what is awaited. */
CFT_CASE(wait_keeps_the_order_on_a_stream_that_a_callback_leads_to_it)
{
    cft_pipe pipe = cft_pipe_reader(t);
    cft_rec *scope = cft_new(t), *first = cft_new(t), *member = cft_new(t), *second = cft_new(t);
    cft_rec *aside = cft_new(t);
    uint32_t ready;
    cft_peer_write(t, &pipe, "ab", 2);
    cede_prep_scope(scope->req);
    cft_submit_on(scope, cft_loop(t));
    cede_prep_read(first->req, pipe.handle, cft_buffer(first, 1), 1, CEDE_CURRENT);
    cft_submit_on(first, cft_loop(t));
    cede_prep_roundtrip(member->req);
    cede_in(member->req, scope->ticket);
    member->data = scope;
    scope->number = pipe.handle;
    member->then = own_its_stream;
    cft_submit_on(member, cft_loop(t));
    cede_prep_read(second->req, pipe.handle, cft_buffer(second, 1), 1, CEDE_CURRENT);
    cft_submit_on(second, cft_loop(t));
    cede_prep_pend(aside->req);
    cft_submit_on(aside, cft_loop(t));
    do { /* all three are over, and nobody has been told */
        ready = 0;
        CFT_EXPECT(t, cede_wait(cft_loop(t), aside->ticket, CEDE_MILLISECOND) == CEDE_EDEADLINE);
        cede_dump(cft_loop(t), count_ready, &ready);
    } while (ready < 3 && !cft_faulted(t));
    cft_await(t, scope);
    CFT_EXPECT(t, first->returned_at < second->done_at && second->returned_at < scope->done_at);
    CFT_EXPECT(t, memcmp(first->bytes, "a", 1) == 0 && memcmp(second->bytes, "b", 1) == 0);
    cede_complete(aside->ticket, CEDE_OK, 0);
    cft_await(t, aside);
}

CFT_CASE(wait_for_a_close_runs_what_is_pending_on_its_handle)
{
    cft_pipe pipe = cft_pipe_reader(t);
    cft_pipe other = cft_pipe_reader(t);
    cft_rec *read = cft_new(t);
    cede_prep_read(read->req, pipe.handle, cft_buffer(read, 4), 4, CEDE_CURRENT);
    cft_submit(read);
    cft_rec *aside = cft_new(t);
    cede_prep_read(aside->req, other.handle, cft_buffer(aside, 4), 4, CEDE_CURRENT);
    cft_submit(aside);
    cft_flush(t);
    cft_cancel(t, aside->ticket);
    cft_rec *close = cft_new(t);
    cede_prep_close(close->req, pipe.handle);
    cft_do(close);
    CFT_OK(t, close);
    CFT_ENDED(t, read, CEDE_ECANCELED, CEDE_BY_CLOSE);
    CFT_EXPECT(t, read->returned_at < close->done_at);
    CFT_EXPECT(t, aside->done == 0 || cft_schedule(t) == 6);
    cft_settle(t);
    CFT_CHECK(t, aside->done == 1);
    cft_closed(t, other.handle);
}

CFT_CASE(wait_for_a_scope_runs_its_members_and_theirs)
{
    cft_rec *bystander = nop_new(t);
    cft_rec *outer = cft_new(t);
    cede_prep_scope(outer->req);
    cft_submit(outer);
    cft_rec *inner = cft_new(t);
    cede_prep_scope(inner->req);
    cede_in(inner->req, outer->ticket);
    cft_submit(inner);
    cft_rec *member = cft_new(t);
    cede_prep_nop(member->req);
    cede_in(member->req, inner->ticket);
    cft_submit(member);
    cft_await(t, outer);
    CFT_EXPECT(t, member->done == 1 && inner->done == 1);
    CFT_EXPECT(t, bystander->done == 0);
    cft_settle(t);
}

CFT_CASE(wait_for_a_scope_a_hundred_deep)
{
    enum { DEEP = 100 };
    cft_rec *all[DEEP + 1];
    for (uint32_t i = 0; i < DEEP; i++) {
        all[i] = cft_new(t);
        cede_prep_scope(all[i]->req);
        if (i)
            cede_in(all[i]->req, all[i - 1]->ticket);
        cft_submit(all[i]);
    }
    all[DEEP] = cft_new(t);
    cede_prep_nop(all[DEEP]->req);
    cede_in(all[DEEP]->req, all[DEEP - 1]->ticket);
    cft_submit(all[DEEP]);
    cft_await(t, all[0]);
    for (uint32_t i = 0; i <= DEEP; i++)
        CFT_EXPECT(t, all[i]->done == 1);
}

CFT_CASE(wait_for_a_follower_through_its_scope_runs_its_leaders)
{
    cft_rec *scope = cft_new(t);
    cede_prep_scope(scope->req);
    cft_submit(scope);
    cft_rec *bystander = nop_new(t);
    cft_rec *all[4];
    for (uint32_t i = 0; i < 4; i++) {
        all[i] = cft_new(t);
        cede_prep_nop(all[i]->req);
    }
    cede_in(all[3]->req, scope->ticket);
    for (uint32_t i = 3; i > 0; i--)
        cft_link(all[i - 1], all[i]);
    cft_submit(all[0]);
    cft_await(t, scope);
    for (uint32_t i = 0; i < 4; i++)
        CFT_EXPECT(t, all[i]->done == 1);
    CFT_EXPECT(t, bystander->done == 0);
    CFT_EXPECT(t, scope->result.count == 1);
    cft_settle(t);
}

CFT_CASE(wait_for_a_remote_submission_that_was_not_taken_yet)
{
    cft_rec *rec = cft_new(t);
    cede_prep_nop(rec->req);
    cft_submit_remote(rec, cft_loop(t));
    CFT_CHECK(t, cft_wait(t, rec, CEDE_FOREVER) == CEDE_OK);
    CFT_CHECK(t, rec->done == 1);
    CFT_OK(t, rec);
}

static void submit_and_wait(cft_rec *rec)
{
    cft *t = rec->t;
    if (rec->number == 0)
        return;
    cft_rec *next = cft_new(t);
    next->number = rec->number - 1;
    next->then = submit_and_wait;
    if (rec->number % 2)
        cede_prep_nop(next->req);
    else
        cede_prep_roundtrip(next->req);
    cft_submit_on(next, rec->loop);
    CFT_EXPECT(t, cft_wait_on(rec->loop, next->ticket, CEDE_FOREVER) == CEDE_OK);
    CFT_EXPECT(t, next->done == 1);
}

CFT_CASE(waits_may_nest_thirty_deep)
{
    cft_rec *rec = cft_new(t);
    rec->number = 30;
    rec->then = submit_and_wait;
    cede_prep_nop(rec->req);
    cft_do(rec);
    CFT_OK(t, rec);
}

CFT_CASE(wait_neither_obeys_nor_clears_a_stop)
{
    cft_rec *timer = cft_new(t);
    cede_prep_timer(timer->req, CEDE_MILLISECOND);
    cft_submit(timer);
    cede_stop(cft_loop(t));
    CFT_CHECK(t, cft_wait(t, timer, CEDE_FOREVER) == CEDE_OK);
    CFT_CHECK(t, timer->done == 1);
    cft_rec *pend = pend_new(t);
    CFT_CHECK(t, cft_run(t, CEDE_FOREVER) >= 0); /* stopped: would hang otherwise */
    CFT_EXPECT(t, pend->done == 0);
    cft_complete(t, pend->ticket, CEDE_OK, 0);
    cft_settle(t);
    CFT_CHECK(t, pend->done == 1);
}
