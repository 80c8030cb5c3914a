/*
 * Cancel is a wish (law 6), the result is the truth (law 7).
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

CFT_CASE(cancel_of_nothing_does_nothing)
{
    cft_rec *pend = pend_new(t);
    cft_cancel(t, (cede_ticket){0, 0});
    cft_cancel(t, (cede_ticket){pend->ticket.id, 0});
    cft_cancel(t, (cede_ticket){0, pend->ticket.generation});
    cft_cancel(t, (cede_ticket){UINT64_MAX, UINT64_MAX});
    cft_cancel(t, (cede_ticket){pend->ticket.id, pend->ticket.generation + 1});
    cft_fail(t, (cede_ticket){0, 0}, CEDE_EIO);
    cft_complete(t, (cede_ticket){0, 0}, CEDE_OK, 1);
    cft_turn(t);
    CFT_EXPECT(t, !cft_is_done(pend));
    cft_complete(t, pend->ticket, CEDE_OK, 1);
    cft_await(t, pend);
    CFT_OK(t, pend);
    CFT_EXPECT(t, (pend->result.flags & CEDE_CANCEL_ASKED) == 0);
}

CFT_CASE(cancel_of_a_stale_ticket_spares_the_successor)
{
    cede_ticket old[20];
    for (uint32_t i = 0; i < 20; i++) {
        cft_rec *pend = pend_new(t);
        /* The last ones, and at the end all: a wish may be a thread (S10). */
        for (uint32_t j = i < 3 || i == 19 ? 0 : i - 3; j < i; j++) {
            cft_cancel(t, old[j]);
            cft_complete(t, old[j], CEDE_EIO, 99);
            cft_fail(t, old[j], CEDE_EIO);
        }
        cft_turn(t);
        CFT_EXPECT(t, !cft_is_done(pend));
        old[i] = pend->ticket;
        cft_complete(t, pend->ticket, CEDE_OK, i);
        cft_await(t, pend);
        CFT_OK(t, pend);
        CFT_EXPECT(t, pend->result.count == i);
        for (uint32_t j = 0; j < i; j++)
            CFT_EXPECT(t, old[i].id != old[j].id || old[i].generation != old[j].generation);
    }
}

CFT_CASE(cancel_many_times_is_cancel_once)
{
    cft_pipe pipe = cft_pipe_reader(t);
    cft_rec *read = cft_new(t);
    cede_prep_read(read->req, pipe.handle, cft_buffer(read, 8), 8, CEDE_CURRENT);
    cft_submit(read);
    for (uint32_t i = 0; i < 5; i++)
        cft_cancel(t, read->ticket);
    cft_flush(t);
    for (uint32_t i = 0; i < 5; i++)
        cft_cancel(t, read->ticket);
    cft_await(t, read);
    CFT_ENDED(t, read, CEDE_ECANCELED, CEDE_BY_WISH);
    CFT_EXPECT(t, read->result.flags & CEDE_CANCEL_ASKED);
    cft_cancel(t, read->ticket);
    cft_turn(t);
    CFT_CHECK(t, read->done == 1);
    cft_closed(t, pipe.handle);
}

CFT_CASE(cancel_after_the_loop_has_closed_does_nothing)
{
    cft_rec *pend = pend_new(t);
    cft_rec *scope = cft_new(t);
    cede_prep_scope(scope->req);
    cft_submit(scope);
    cede_loop *second = NULL;
    CFT_CHECK(t, cft_close(t, CEDE_FOREVER) == CEDE_OK);
    CFT_CHECK(t, pend->done == 1 && scope->done == 1);
    cede_cancel(pend->ticket);
    cede_fail(scope->ticket, CEDE_EIO);
    cede_complete(pend->ticket, CEDE_OK, 0);
    cede_extend(pend->ticket, 1);
    cede_options options;
    cft_options(t, &options);
    second = cft_open(t, &options); /* may be in the same memory */
    cft_rec *other = cft_new(t);
    cede_prep_pend(other->req);
    cft_submit_on(other, second);
    cede_cancel(pend->ticket);
    cede_complete(pend->ticket, CEDE_EIO, 0);
    cede_fail(scope->ticket, CEDE_EIO);
    CFT_CHECK(t, cft_run_on(second, 0) >= 0);
    CFT_CHECK(t, !cft_is_done(other) || cft_faulted(t));
    cede_complete(other->ticket, CEDE_OK, 3);
    CFT_CHECK(t, cft_wait_on(second, other->ticket, CEDE_FOREVER) == CEDE_OK);
    CFT_EXPECT(t, other->result.status == CEDE_OK && other->result.count == 3);
}

static void cancel_itself(cft_rec *rec)
{
    cede_cancel(rec->ticket);
    if (rec->done == 1) {
        cede_prep_pend(rec->req);
        cede_ticket old = rec->ticket;
        cft_submit_on(rec, rec->loop);
        cede_cancel(old); /* the same memory and perhaps slot, another life */
    }
}

CFT_CASE(cancel_in_its_own_callback_is_stale)
{
    cft_rec *rec = cft_new(t);
    rec->then = cancel_itself;
    cede_prep_nop(rec->req);
    cft_submit(rec);
    while (rec->done == 0)
        cft_run(t, CEDE_MILLISECOND);
    cft_turn(t);
    CFT_EXPECT(t, rec->done == 1);
    cft_complete(t, rec->ticket, CEDE_OK, 8);
    cft_settle(t);
    CFT_CHECK(t, rec->done == 2);
    CFT_EXPECT(t, rec->result.status == CEDE_OK && rec->result.count == 8);
}

static void cancel_sibling(cft_rec *rec)
{
    cft_rec *sibling = rec->data;
    cede_cancel(sibling->ticket);
}

/* What is sealed is not rewritten. */
CFT_CASE(cancel_of_what_is_ready_changes_nothing)
{
    cft_rec *all[6];
    cft_file(t, "f", NULL, 64, 5);
    cede_handle file = cft_opened(t, "f", CEDE_OPEN_READ);
    for (uint32_t i = 0; i < 6; i++) {
        all[i] = cft_new(t);
        cede_prep_nop(all[i]->req);
    }
    for (uint32_t i = 0; i < 6; i++) {
        all[i]->then = cancel_sibling;
        all[i]->data = all[(i + 1) % 6];
        cft_submit(all[i]);
    }
    cft_settle(t);
    for (uint32_t i = 0; i < 6; i++) {
        CFT_EXPECT(t, all[i]->result.status == CEDE_OK);
        CFT_EXPECT(t, (all[i]->result.flags & CEDE_BY_ANY) == 0);
    }
    cft_closed(t, file);
}

/* When several causes meet, the first recorded counts. */
CFT_CASE(first_cause_is_the_one_that_is_told)
{
    cft_pipe pipe = cft_pipe_reader(t);
    cft_rec *scope = cft_new(t);
    cede_prep_scope(scope->req);
    cft_submit(scope);
    cft_rec *wish = cft_new(t);
    cede_prep_read(wish->req, pipe.handle, cft_buffer(wish, 8), 8, CEDE_CURRENT);
    cede_in(wish->req, scope->ticket);
    cft_submit(wish);
    cft_rec *member = cft_new(t);
    cede_prep_pend(member->req);
    cede_in(member->req, scope->ticket);
    cft_submit(member);
    cft_flush(t);
    cft_cancel(t, wish->ticket);
    cft_cancel(t, scope->ticket);
    cft_cancel(t, member->ticket);
    cft_drop(t, pipe.handle);
    cft_settle(t);
    CFT_ENDED(t, wish, CEDE_ECANCELED, CEDE_BY_WISH);
    CFT_ENDED(t, member, CEDE_ECANCELED, CEDE_BY_SCOPE);
    CFT_ENDED(t, scope, CEDE_ECANCELED, CEDE_BY_WISH);
}

struct race {
    cede_ticket tickets[32];
    uint32_t count;
    uint64_t random;
};

static void cancel_all(void *context)
{
    struct race *race = context;
    for (uint32_t i = 0; i < race->count; i++) {
        cft_dawdle(&race->random);
        cede_cancel(race->tickets[i]);
    }
}

CFT_CASE(cancels_from_two_threads_while_the_loop_runs)
{
    enum { PIPES = 6 };
    cft_pipe pipes[PIPES];
    cft_rec *all[2 * PIPES];
    struct race *races = cft_alloc(t, 2 * sizeof *races);
    for (uint32_t i = 0; i < PIPES; i++)
        pipes[i] = cft_pipe_reader(t);
    for (uint32_t i = 0; i < 2 * PIPES; i++) {
        all[i] = cft_new(t);
        cede_prep_read(all[i]->req, pipes[i / 2].handle, cft_buffer(all[i], 4), 4, CEDE_CURRENT);
        cft_submit(all[i]);
        races[0].tickets[races[0].count++] = all[i]->ticket;
        races[1].tickets[races[1].count++] = all[i]->ticket;
    }
    races[0].random = cft_random(t);
    races[1].random = cft_random(t);
    cft_thread(t, cancel_all, &races[0]);
    cft_thread(t, cancel_all, &races[1]);
    for (uint32_t i = 0; i < PIPES; i++) {
        cft_peer_write(t, &pipes[i], "abcd", 4);
        cft_run_on(cft_loop(t), 10 * CEDE_MICROSECOND);
    }
    cft_join(t);
    cft_settle(t);
    for (uint32_t i = 0; i < 2 * PIPES; i++) {
        CFT_EXPECT(t, all[i]->result.status == CEDE_OK || all[i]->result.status == CEDE_ECANCELED);
    }
    for (uint32_t i = 0; i < PIPES; i++) {
        uint64_t taken = all[2 * i]->result.count + all[2 * i + 1]->result.count;
        while (taken < 4) { /* what nobody was given is still there */
            cft_rec *rest = cft_new(t);
            cede_prep_read(rest->req, pipes[i].handle, cft_buffer(rest, 4), 4, CEDE_CURRENT);
            cft_do(rest);
            CFT_OK(t, rest);
            CFT_CHECK(t, rest->result.count > 0 && rest->result.count <= 4 - taken);
            taken += rest->result.count;
        }
        CFT_CHECK(t, taken == 4);
        cft_closed(t, pipes[i].handle);
    }
}

/* Law 7, whole transfers: cancelled half way, the status is the reason, the count the truth. */
CFT_CASE(whole_read_cancelled_half_way_tells_what_it_has)
{
    cft_pipe pipe = cft_pipe_reader(t);
    cft_rec *read = cft_new(t);
    cede_prep_read_all(read->req, pipe.handle, cft_buffer(read, 100), 100, CEDE_CURRENT);
    cft_submit(read);
    cft_flush(t);
    cft_peer_write(t, &pipe, "hello", 5);
    cft_turn(t);
    cft_turn(t);
    CFT_EXPECT(t, !cft_is_done(read));
    cft_cancel(t, read->ticket);
    cft_await(t, read);
    CFT_ENDED(t, read, CEDE_ECANCELED, CEDE_BY_WISH);
    CFT_EXPECT(t, read->result.count <= 5);
    CFT_EXPECT(t, memcmp(read->bytes, "hello", read->result.count) == 0);
    uint64_t at = read->result.count;
    while (at < 5 && !cft_faulted(t)) {
        cft_rec *rest = cft_new(t);
        cede_prep_read(rest->req, pipe.handle, cft_buffer(rest, 8), 8, CEDE_CURRENT);
        cft_do(rest);
        CFT_EXPECT(t, rest->result.count > 0);
        CFT_EXPECT(t, memcmp(rest->bytes, &"hello"[at], rest -> result.count) == 0);
        at += rest->result.count;
    }
    cft_closed(t, pipe.handle);
}

/* A cancelled close would leak: nothing moves it. */
CFT_CASE(close_cannot_be_cancelled)
{
    cft_file(t, "f", NULL, 10, 1);
    cede_handle file = cft_opened(t, "f", CEDE_OPEN_READ);
    cft_rec *close = cft_new(t);
    cede_prep_close(close->req, file);
    cft_submit(close);
    cft_cancel(t, close->ticket);
    cft_await(t, close);
    CFT_OK(t, close);
    CFT_EXPECT(t, (close->result.flags & CEDE_BY_ANY) == 0);
}

/* Law 8, F7: opened just as the cancel came, it is delivered; the run counts descriptors. */
CFT_CASE(open_and_cancel_leak_no_descriptor)
{
    cft_file(t, "f", NULL, 10, 1);
    for (uint32_t i = 0; i < 10; i++) {
        cft_rec *open = cft_new(t);
        cede_prep_open(open->req, cft_path(t, "f"), CEDE_OPEN_READ, 0);
        cft_submit(open);
        if (i == 0)
            cft_reach(t, open, NULL, NULL);
        else if (i % 3 == 1)
            cft_flush(t);
        cft_cancel(t, open->ticket);
        cft_await(t, open);
        CFT_EXPECT(t, open->result.status == CEDE_OK || open->result.status == CEDE_ECANCELED);
        if (open->result.status == CEDE_OK)
            cft_closed(t, open->result.handle);
    }
}

/* F5: a cancelled write that says CANCELED has written nothing. */
CFT_CASE(write_cancelled_says_whether_it_happened)
{
    unsigned char data[512];
    unsigned char seen[512];
    cft_fill(data, sizeof data, 2, 0);
    cft_file(t, "f", NULL, 512, 1);
    cede_handle file = cft_opened(t, "f", CEDE_OPEN_WRITE);
    cft_rec *write = cft_new(t);
    cede_prep_write(write->req, file, cft_input(write, data, 512), 512, 0);
    cft_submit(write);
    cft_reach(t, write, NULL, NULL);
    cft_cancel(t, write->ticket);
    cft_await(t, write);
    CFT_EXPECT(t, write->result.status == CEDE_OK || write->result.status == CEDE_ECANCELED);
    CFT_EXPECT(t, cft_file_read(t, "f", seen, 512, 0) == 512);
    uint64_t moved = write->result.count;
    CFT_EXPECT(t, memcmp(seen, data, moved) == 0);
    CFT_EXPECT(t, cft_filled(seen + moved, 512 - moved, 1, moved));
    cft_closed(t, file);
}

CFT_CASE(path_operations_cancelled_say_whether_they_happened)
{
    cft_rec *made = cft_new(t);
    cede_prep_mkdir(made->req, cft_path(t, "d"), 0755);
    cft_submit(made);
    cft_reach(t, made, NULL, NULL);
    cft_cancel(t, made->ticket);
    cft_await(t, made);
    CFT_EXPECT(t, (made->result.status == CEDE_OK) == (cft_file_size(t, "d") >= 0));
    cft_file(t, "a", NULL, 10, 1);
    cft_rec *moved = cft_new(t);
    cede_prep_rename(moved->req, cft_path(t, "a"), cft_path(t, "b"), 0);
    cft_submit(moved);
    if (!cft_late(t))
        cft_flush(t);
    cft_cancel(t, moved->ticket);
    cft_await(t, moved);
    CFT_EXPECT(t, (moved->result.status == CEDE_OK) == (cft_file_size(t, "b") == 10));
    CFT_EXPECT(t, (moved->result.status == CEDE_OK) == (cft_file_size(t, "a") == -1));
    cft_rec *gone = cft_new(t);
    cede_prep_unlink(gone->req, cft_path(t, moved->result.status == CEDE_OK ? "b" : "a"));
    cft_submit(gone);
    cft_cancel(t, gone->ticket);
    cft_await(t, gone);
    bool there = cft_file_size(t, "a") >= 0 || cft_file_size(t, "b") >= 0;
    CFT_EXPECT(t, (gone->result.status == CEDE_OK) == !there);
}

/* F6 */
CFT_CASE(fsync_and_cancel_agree)
{
    cft_file(t, "f", NULL, 4096, 1);
    cede_handle file = cft_opened(t, "f", CEDE_OPEN_WRITE);
    cft_rec *sync = cft_new(t);
    cede_prep_fsync(sync->req, file);
    cft_submit(sync);
    cft_reach(t, sync, NULL, NULL);
    cft_cancel(t, sync->ticket);
    cft_await(t, sync);
    CFT_EXPECT(t, sync->result.status == CEDE_OK || sync->result.status == CEDE_ECANCELED);
    cft_closed(t, file);
}

/* Cancelled before the loop has taken it from its inbox. */
CFT_CASE(remote_submission_cancelled_before_it_is_taken)
{
    cft_rec *all[4];
    for (uint32_t i = 0; i < 4; i++) {
        all[i] = cft_new(t);
        if (i % 2)
            cede_prep_pend(all[i]->req);
        else
            cede_prep_timer(all[i]->req, 3600 * CEDE_SECOND);
        cft_submit_remote(all[i], cft_loop(t));
        cede_cancel(all[i]->ticket);
    }
    cft_settle(t);
    for (uint32_t i = 0; i < 4; i++)
        CFT_ENDED(t, all[i], CEDE_ECANCELED, CEDE_BY_WISH);
}

/* Cancel asked, yet success: the flag stands beside it. */
CFT_CASE(success_stands_beside_a_cancel_that_came_late)
{
    cft_rec *first = pend_new(t);
    cft_flush(t);
    cft_complete(t, first->ticket, CEDE_OK, 2);
    cft_cancel(t, first->ticket);
    cft_await(t, first);
    CFT_OK(t, first);
    CFT_EXPECT(t, first->result.count == 2);
    CFT_EXPECT(t, (first->result.flags & CEDE_BY_ANY) == 0);
}

/* Q5 */
CFT_CASE(thousands_of_stale_cancels_hit_nobody)
{
    enum { ROUNDS = 4000, KEEP = 64 };
    cede_ticket *old = cft_alloc(t, KEEP * sizeof *old);
    cft_rec *rec = cft_new(t);
    for (uint32_t i = 0; i < ROUNDS; i++) {
        cft_reuse(rec);
        cede_prep_nop(rec->req);
        cft_submit_on(rec, cft_loop(t));
        for (uint32_t j = 0; j < 4; j++)
            cede_cancel(old[cft_below(t, KEEP)]);
        cft_await(t, rec);
        CFT_CHECK(t, rec->result.status == CEDE_OK);
        CFT_CHECK(t, rec->result.flags == 0);
        old[i % KEEP] = rec->ticket;
    }
}
