/*
 * Scopes (law 12; Sc1 to Sc5, Z1 to Z4) and the decided cases on them.
 */
#include "conformance.h"

#include <stdlib.h>

static cft_rec *scope_in(cft *t, cede_ticket parent)
{
    cft_rec *rec = cft_new(t);
    cede_prep_scope(rec->req);
    if (parent.generation)
        cede_in(rec->req, parent);
    cft_submit(rec);
    return rec;
}

static cft_rec *scope_new(cft *t)
{
    return scope_in(t, (cede_ticket){0, 0});
}

static cft_rec *pend_in(cft *t, const cft_rec *scope)
{
    cft_rec *rec = cft_new(t);
    cede_prep_pend(rec->req);
    cede_in(rec->req, scope->ticket);
    cft_submit(rec);
    return rec;
}

CFT_CASE(scope_ends_after_its_last_member_has_returned)
{
    cft_rec *scope = scope_new(t);
    cft_rec *all[3];
    for (uint32_t i = 0; i < 3; i++)
        all[i] = pend_in(t, scope);
    for (uint32_t i = 0; i < 3; i++) {
        cft_turn(t);
        CFT_CHECK(t, !cft_is_done(scope) || cft_faulted(t));
        cft_complete(t, all[i]->ticket, CEDE_OK, 0);
        cft_await(t, all[i]);
    }
    cft_await(t, scope);
    CFT_OK(t, scope);
    CFT_EXPECT(t, scope->result.count == 3);
    for (uint32_t i = 0; i < 3; i++)
        CFT_CHECK(t, scope->done_at > all[i]->returned_at || cft_faulted(t));
}

CFT_CASE(empty_scope_stays_until_it_is_ended)
{
    cft_rec *scope = scope_new(t);
    for (uint32_t i = 0; i < 5; i++)
        cft_turn(t);
    CFT_EXPECT(t, !cft_is_done(scope));
    cft_cancel(t, scope->ticket);
    cft_await(t, scope);
    CFT_ENDED(t, scope, CEDE_ECANCELED, CEDE_BY_WISH);
    CFT_EXPECT(t, scope->result.count == 0);
}

/* Sc1, Sc3 */
CFT_CASE(scope_cancelled_reaches_members_in_every_state)
{
    cft_pipe pipe = cft_pipe_reader(t);
    cft_rec *scope = scope_new(t);
    cft_rec *inner = scope_in(t, scope->ticket);
    cft_rec *all[6];
    for (uint32_t i = 0; i < 6; i++) {
        all[i] = cft_new(t);
        switch (i) {
        case 0: /* in flight */
        case 1: /* held behind it */
            cede_prep_read(all[i]->req, pipe.handle, cft_buffer(all[i], 10), 10, CEDE_CURRENT);
            break;
        case 2:
            cede_prep_timer(all[i]->req, 3600 * CEDE_SECOND);
            break;
        case 3:
        case 4:
            cede_prep_pend(all[i]->req);
            break;
        default: /* ready already, or on its way */
            cede_prep_nop(all[i]->req);
            break;
        }
        cede_in(all[i]->req, i % 2 ? inner->ticket : scope->ticket);
        cft_submit(all[i]);
        if (i == 3)
            cft_flush(t);
    }
    cft_cancel(t, scope->ticket);
    cft_settle(t);
    CFT_ENDED(t, scope, CEDE_ECANCELED, CEDE_BY_WISH);
    CFT_ENDED(t, inner, CEDE_ECANCELED, CEDE_BY_SCOPE);
    for (uint32_t i = 0; i < 5; i++)
        CFT_ENDED(t, all[i], CEDE_ECANCELED, CEDE_BY_SCOPE);
    CFT_EXPECT(t, all[5]->result.status == CEDE_OK || all[5]->result.status == CEDE_ECANCELED);
    CFT_EXPECT(t, scope->result.count == 4 && inner->result.count == 3);
    CFT_EXPECT(t, scope->done_at > inner->returned_at);
    cft_closed(t, pipe.handle);
}

/* Sc2 */
CFT_CASE(submit_after_cancel_is_refused)
{
    cft_rec *scope = scope_new(t);
    cft_cancel(t, scope->ticket);
    cft_await(t, scope);
    cft_rec *late = cft_new(t);
    cede_prep_nop(late->req);
    cede_in(late->req, scope->ticket);
    cft_do(late);
    CFT_STATUS(t, late, CEDE_EENDED);
}

static void submit_member(cft_rec *rec)
{
    cft_rec *member = rec->data;
    if (!member)
        return;
    cede_prep_nop(member->req);
    cede_in(member->req, rec->result.scope);
    cft_submit_on(member, rec->loop);
}

/* Sc5; a refused member counts until its done has returned. */
CFT_CASE(member_of_an_ending_scope_is_refused_and_waited_for)
{
    cft_rec *scope = scope_new(t);
    cft_rec *member = cft_new(t);
    cft_rec *late = cft_new(t);
    member->then = submit_member;
    member->data = late;
    cede_prep_pend(member->req);
    cede_in(member->req, scope->ticket);
    cft_submit(member);
    cft_cancel(t, scope->ticket);
    cft_settle(t);
    CFT_ENDED(t, member, CEDE_ECANCELED, CEDE_BY_SCOPE);
    CFT_CHECK(t, late->done == 1);
    CFT_STATUS(t, late, CEDE_EENDED);
    CFT_EXPECT(t, scope->done_at > late->returned_at);
    CFT_EXPECT(t, scope->result.count == 2);
}

/* Z1 */
CFT_CASE(members_submit_members_and_the_scope_waits_for_all)
{
    enum { CHAIN = 20 };
    cft_rec *scope = scope_new(t);
    cft_rec *all[CHAIN];
    for (uint32_t i = 0; i < CHAIN; i++)
        all[i] = cft_new(t);
    for (uint32_t i = 0; i + 1 < CHAIN; i++) {
        all[i]->then = submit_member;
        all[i]->data = all[i + 1];
    }
    cede_prep_nop(all[0]->req);
    cede_in(all[0]->req, scope->ticket);
    cft_submit(all[0]);
    cft_await(t, scope);
    CFT_OK(t, scope);
    CFT_EXPECT(t, scope->result.count == CHAIN);
    for (uint32_t i = 0; i < CHAIN; i++)
        CFT_EXPECT(t, all[i]->done == 1 && all[i]->result.status == CEDE_OK);
}

/* Z2 */
CFT_CASE(first_reason_of_a_scope_stands)
{
    cft_rec *scope = scope_new(t);
    cft_rec *member = pend_in(t, scope);
    cft_flush(t);
    cft_fail(t, scope->ticket, CEDE_EIO);
    cft_fail(t, scope->ticket, CEDE_ENOSPC);
    cft_cancel(t, scope->ticket);
    cft_settle(t);
    CFT_ENDED(t, scope, CEDE_EIO, CEDE_BY_WISH);
    CFT_ENDED(t, member, CEDE_ECANCELED, CEDE_BY_SCOPE);
}

CFT_CASE(scope_failed_with_nothing_ends_well)
{
    cft_rec *scope = scope_new(t);
    cft_rec *member = pend_in(t, scope);
    cft_fail(t, scope->ticket, CEDE_OK);
    cft_settle(t);
    CFT_OK(t, scope);
    CFT_ENDED(t, member, CEDE_ECANCELED, CEDE_BY_SCOPE);
}

CFT_CASE(fail_of_what_is_no_scope_is_a_cancel)
{
    cft_rec *pend = cft_new(t);
    cede_prep_pend(pend->req);
    cft_submit(pend);
    cft_fail(t, pend->ticket, CEDE_EIO);
    cft_await(t, pend);
    CFT_ENDED(t, pend, CEDE_ECANCELED, CEDE_BY_WISH);
}

static void fail_the_scope(cft_rec *rec)
{
    cede_fail(rec->result.scope, rec->result.status);
}

/* The one error line of every callback. */
CFT_CASE(member_that_fails_ends_its_scope_with_its_reason)
{
    cft_rec *scope = scope_new(t);
    cft_rec *other = pend_in(t, scope);
    cft_rec *open = cft_new(t);
    open->then = fail_the_scope;
    cede_prep_open(open->req, cft_path(t, "nothing"), CEDE_OPEN_READ, 0);
    cede_in(open->req, scope->ticket);
    cft_submit(open);
    cft_settle(t);
    CFT_STATUS(t, open, CEDE_ENOENT);
    CFT_STATUS(t, scope, CEDE_ENOENT);
    CFT_ENDED(t, other, CEDE_ECANCELED, CEDE_BY_SCOPE);
}

struct shared {
    cede_req scope;
    cede_req up;
    cede_req down;
    uint32_t *ends;
};

static void on_direction(cede_req *req, cede_result result)
{
    (void)req;
    if (result.status)
        cede_fail(result.scope, result.status);
}

static void on_end(cede_req *req, cede_result result)
{
    struct shared *object = CEDE_CONTAINER(req, struct shared, scope);
    (void)result;
    ++*object->ends;
    free(object);
}

/* Sc4: no reference count anywhere. */
CFT_CASE(shared_object_is_freed_in_the_end_of_its_scope)
{
    uint32_t *ends = cft_alloc(t, sizeof *ends);
    cede_loop *loop = cft_loop(t);
    for (uint32_t i = 0; i < 20; i++) {
        struct shared *object = malloc(sizeof *object);
        object->ends = ends;
        cede_prep_scope(&object->scope);
        cede_ticket life = cede_submit(loop, &object->scope, on_end);
        cede_prep_timer(&object->up, 1000 * (1 + cft_below(t, 3)));
        cede_in(&object->up, life);
        cede_submit(loop, &object->up, on_direction);
        cede_prep_pend(&object->down);
        cede_in(&object->down, life);
        cede_ticket down = cede_submit(loop, &object->down, on_direction);
        if (i % 2)
            cede_complete(down, CEDE_EIO, 0);
        else
            cede_complete(down, CEDE_OK, 0);
    }
    while (*ends < 20) /* also where no memory was had for the scope or its members */
        CFT_CHECK(t, cft_run(t, CEDE_MILLISECOND) >= 0);
}

/* Z3 */
CFT_CASE(owned_handles_close_between_the_last_member_and_the_end)
{
    char seen[8];
    cft_pipe pipe = cft_pipe_writer(t);
    cft_rec *scope = scope_new(t);
    cede_own(scope->ticket, pipe.handle);
    cft_rec *write = cft_new(t);
    cede_prep_write_all(write->req, pipe.handle, cft_input(write, "bye", 3), 3, CEDE_CURRENT);
    cede_in(write->req, scope->ticket);
    cft_submit(write);
    cft_await(t, scope);
    CFT_OK(t, scope);
    CFT_MOVED(t, write, 3);
    CFT_EXPECT(t, cft_peer_read(t, &pipe, seen, sizeof seen) == 3);
    cft_rec *stale = cft_new(t);
    cede_prep_write(stale->req, pipe.handle, cft_input(stale, "x", 1), 1, CEDE_CURRENT);
    cft_do(stale);
    CFT_STATUS(t, stale, CEDE_EBADF);
    CFT_EXPECT(t, scope->done_at > write->returned_at);
}

CFT_CASE(own_by_an_ended_scope_drops_the_handle)
{
    cft_file(t, "f", NULL, 10, 1);
    cede_handle file = cft_opened(t, "f", CEDE_OPEN_READ);
    cft_rec *scope = scope_new(t);
    cft_cancel(t, scope->ticket);
    cft_await(t, scope);
    cede_own(scope->ticket, file);
    cft_rec *read = cft_new(t);
    cede_prep_read(read->req, file, cft_buffer(read, 10), 10, 0);
    cft_do(read);
    CFT_STATUS(t, read, CEDE_EBADF);
}

static void read_on(cft *t, cede_loop *loop, cede_handle file)
{
    cft_rec *read = cft_new(t);
    cede_prep_read(read->req, file, cft_buffer(read, 10), 10, 0);
    cft_submit_on(read, loop);
    CFT_CHECK(t, cft_wait_on(loop, read->ticket, CEDE_FOREVER) == CEDE_OK);
    CFT_MOVED(t, read, 10);
}

CFT_CASE(own_by_an_ended_scope_leaves_what_others_have)
{
    cede_options options;
    cft_options(t, &options);
    cede_loop *other = cft_open(t, &options);
    cft_file(t, "f", NULL, 10, 1);
    cede_handle owned = cft_opened(t, "f", CEDE_OPEN_READ);
    cede_handle theirs = cft_opened(t, "f", CEDE_OPEN_READ);
    cft_rec *owner = scope_new(t), *scope = scope_new(t);
    cede_own(owner->ticket, owned);
    read_on(t, other, theirs); /* binds it */
    cft_cancel(t, scope->ticket);
    cft_await(t, scope);
    cede_own(scope->ticket, owned);
    cede_own(scope->ticket, theirs);
    read_on(t, cft_loop(t), owned);
    read_on(t, other, theirs);
}

CFT_CASE(scope_with_handles_and_no_members_ends_when_told)
{
    cft_file(t, "f", NULL, 10, 1);
    cede_handle one = cft_opened(t, "f", CEDE_OPEN_READ);
    cede_handle two = cft_opened(t, "f", CEDE_OPEN_READ);
    cft_rec *scope = scope_new(t);
    cede_own(scope->ticket, one);
    cede_own(scope->ticket, two);
    cft_turn(t);
    CFT_EXPECT(t, !cft_is_done(scope));
    cft_cancel(t, scope->ticket);
    cft_await(t, scope);
    CFT_ENDED(t, scope, CEDE_ECANCELED, CEDE_BY_WISH);
    cft_rec *read = cft_new(t);
    cede_prep_read(read->req, two, cft_buffer(read, 10), 10, 0);
    cft_do(read);
    CFT_STATUS(t, read, CEDE_EBADF);
}

CFT_CASE(scope_deadline_ends_members_and_names_itself)
{
    cft_rec *scope = cft_new(t);
    cede_prep_scope(scope->req);
    cede_within(scope->req, 2 * CEDE_MILLISECOND);
    cft_submit(scope);
    cft_rec *member = pend_in(t, scope);
    cft_settle(t);
    CFT_ENDED(t, scope, CEDE_EDEADLINE, CEDE_BY_DEADLINE);
    CFT_ENDED(t, member, CEDE_ECANCELED, CEDE_BY_SCOPE);
}

/* Z4 */
CFT_CASE(scope_extended_in_time_lives_on)
{
    cft_rec *scope = cft_new(t);
    cede_prep_scope(scope->req);
    cede_within(scope->req, 5 * CEDE_MILLISECOND);
    cft_submit(scope);
    cft_rec *member = pend_in(t, scope);
    cft_flush(t);
    if (!cft_is_done(scope))
        cede_extend(scope->ticket, CEDE_FOREVER);
    cft_rec *timer = cft_new(t);
    cede_prep_timer(timer->req, 10 * CEDE_MILLISECOND);
    cft_do(timer);
    CFT_EXPECT(t, !cft_is_done(scope) || scope->result.status == CEDE_EDEADLINE);
    /* On a slow machine the deadline may have come before the extend, and its end be on its way. */
    CFT_EXPECT(t, cft_is_done(member) || !cft_is_done(scope));
    cft_complete(t, member->ticket, CEDE_OK, 0);
    cft_settle(t);
}

CFT_CASE(in_a_ticket_that_is_no_scope_is_invalid)
{
    cft_rec *pend = cft_new(t);
    cede_prep_pend(pend->req);
    cft_submit(pend);
    cft_rec *member = cft_new(t);
    cede_prep_nop(member->req);
    cede_in(member->req, pend->ticket);
    cft_do(member);
    CFT_STATUS(t, member, CEDE_EINVAL);
    cft_complete(t, pend->ticket, CEDE_OK, 0);
    cft_await(t, pend);
    CFT_OK(t, pend);
}

CFT_CASE(in_a_scope_of_another_loop_is_invalid)
{
    cede_options options;
    cft_options(t, &options);
    cede_loop *other = cft_open(t, &options);
    cft_rec *scope = cft_new(t);
    cede_prep_scope(scope->req);
    cft_submit_on(scope, other);
    cft_rec *member = cft_new(t);
    cede_prep_nop(member->req);
    cede_in(member->req, scope->ticket);
    cft_do(member);
    CFT_STATUS(t, member, CEDE_EINVAL);
    CFT_CHECK(t, cft_close_on(t, other, CEDE_FOREVER) == CEDE_OK);
    CFT_CHECK(t, cft_is_done(scope));
    CFT_EXPECT(t, scope->result.count == 0);
}

static void scope_again(cft_rec *rec)
{
    if (rec->done > 1)
        return;
    cede_prep_scope(rec->req);
    cft_submit_on(rec, rec->loop);
}

CFT_CASE(scope_may_begin_anew_in_its_end)
{
    cft_rec *scope = scope_new(t);
    scope->then = scope_again;
    cede_ticket first = scope->ticket;
    cft_cancel(t, first);
    while (scope->done == 0)
        cft_run(t, CEDE_MILLISECOND);
    cft_cancel(t, first); /* stale: the second life goes on */
    cft_turn(t);
    CFT_EXPECT(t, scope->done == 1);
    cft_rec *member = pend_in(t, scope);
    cft_complete(t, member->ticket, CEDE_OK, 0);
    cft_settle(t);
    CFT_CHECK(t, scope->done == 2);
    CFT_EXPECT(t, scope->result.status == CEDE_OK && scope->result.count == 1);
}

CFT_CASE(member_of_a_scope_that_never_was_is_refused_alone)
{
    cft_rec *scope = scope_new(t);
    cft_cancel(t, scope->ticket);
    cft_await(t, scope);
    cft_rec *fresh = scope_new(t); /* may live in the same slot */
    cft_rec *late = cft_new(t);
    cede_prep_scope(late->req);
    cede_in(late->req, scope->ticket);
    cft_do(late);
    CFT_STATUS(t, late, CEDE_EENDED);
    cft_turn(t);
    CFT_EXPECT(t, !cft_is_done(fresh));
    cft_cancel(t, fresh->ticket);
    cft_await(t, fresh);
    CFT_EXPECT(t, fresh->result.count == 0);
}

CFT_CASE(deeply_nested_scopes_end_from_the_inside)
{
    enum { DEEP = 40 };
    cft_rec *all[DEEP];
    all[0] = scope_new(t);
    for (uint32_t i = 1; i < DEEP; i++)
        all[i] = scope_in(t, all[i - 1]->ticket);
    cft_flush(t);
    cft_fail(t, all[0]->ticket, CEDE_EIO);
    cft_settle(t);
    CFT_STATUS(t, all[0], CEDE_EIO);
    for (uint32_t i = 1; i < DEEP; i++) {
        CFT_ENDED(t, all[i], CEDE_ECANCELED, CEDE_BY_SCOPE);
        CFT_EXPECT(t, all[i]->returned_at < all[i - 1]->done_at);
    }
}

/* Another thread has made the scope and passed its name on; the loop has not looked yet. */
CFT_CASE(member_joins_a_scope_that_the_loop_has_not_taken_yet)
{
    cft_rec *scope = cft_new(t);
    cede_prep_scope(scope->req);
    cft_submit_remote(scope, cft_loop(t));
    cft_rec *member = cft_new(t);
    cede_prep_pend(member->req);
    cede_in(member->req, scope->ticket);
    cft_submit_on(member, cft_loop(t));
    cft_turn(t);
    cft_flush(t);
    CFT_EXPECT(t, member->done == 0 && scope->done == 0);
    cft_complete(t, member->ticket, CEDE_OK, 3);
    cft_settle(t);
    CFT_OK(t, member);
    CFT_OK(t, scope);
    CFT_EXPECT(t, scope->result.count == 1);
}
