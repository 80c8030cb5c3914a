/*
 * Pressure and exhaustion (law 15; Q1 to Q6): more than fits, wishes in a crowd, and nothing
 * allocated in the steady state.
 */
#include "conformance.h"

#include <string.h>

/* Q1, Q2: more at once than any queue holds. */
CFT_CASE(more_requests_than_any_queue_holds_all_complete)
{
    enum { MANY = 1500 };
    cft_rec **all = cft_alloc(t, MANY * sizeof(cft_rec *));
    cft_file(t, "f", NULL, 4096, 1);
    cede_handle file = cft_opened(t, "f", CEDE_OPEN_READ);
    for (uint32_t i = 0; i < MANY; i++) {
        all[i] = cft_new(t);
        if (i % 2)
            cede_prep_roundtrip(all[i]->req);
        else
            cede_prep_read(all[i]->req, file, cft_buffer(all[i], 16), 16, i);
        cft_submit(all[i]);
    }
    cft_settle(t);
    for (uint32_t i = 0; i < MANY; i++) {
        if (i % 2)
            CFT_OK(t, all[i]);
        else
            CFT_MOVED(t, all[i], 16);
        if (i % 2 == 0)
            CFT_EXPECT(t, cft_filled(all[i]->bytes, all[i]->result.count, 1, i));
    }
    cft_closed(t, file);
}

/* Q3: no room for the cancels, and they happen all the same. */
CFT_CASE(crowd_of_pending_reads_cancelled_at_once)
{
    enum { PIPES = 60, EACH = 6 };
    cft_pipe pipes[PIPES];
    cft_rec **all = cft_alloc(t, PIPES * EACH * sizeof(cft_rec *));
    for (uint32_t p = 0; p < PIPES; p++)
        pipes[p] = cft_pipe_reader(t);
    for (uint32_t i = 0; i < PIPES * EACH; i++) {
        all[i] = cft_new(t);
        cede_prep_read(all[i]->req, pipes[i % PIPES].handle, cft_buffer(all[i], 4), 4,
                       CEDE_CURRENT);
        cft_submit(all[i]);
    }
    cft_flush(t);
    for (uint32_t i = 0; i < PIPES * EACH; i++)
        cft_cancel(t, all[i * 7 % (PIPES * EACH)]->ticket);
    cft_settle(t);
    for (uint32_t i = 0; i < PIPES * EACH; i++)
        CFT_ENDED(t, all[i], CEDE_ECANCELED, CEDE_BY_WISH);
    for (uint32_t p = 0; p < PIPES; p++)
        cft_closed(t, pipes[p].handle);
}

/* Q4: submitted and cancelled before any of it could start. */
CFT_CASE(batch_cancelled_before_it_is_flushed)
{
    enum { MANY = 300 };
    cft_rec **all = cft_alloc(t, MANY * sizeof(cft_rec *));
    for (uint32_t i = 0; i < MANY; i++) {
        all[i] = cft_new(t);
        cede_prep_roundtrip(all[i]->req);
        cft_submit(all[i]);
    }
    for (uint32_t i = 0; i < MANY; i += 2)
        cft_cancel(t, all[i]->ticket);
    cft_settle(t);
    for (uint32_t i = 0; i < MANY; i++) {
        if (i % 2)
            CFT_OK(t, all[i]);
        CFT_EXPECT(t, all[i]->result.status == CEDE_OK || all[i]->result.status == CEDE_ECANCELED);
    }
}

static void next_round(cft_rec *rec)
{
    if (rec->result.status || ++rec->number >= 300)
        return;
    switch (rec->number % 3) {
    case 0:
        cede_prep_nop(rec->req);
        break;
    case 1:
        cede_prep_roundtrip(rec->req);
        break;
    default:
        cede_prep_timer(rec->req, 1);
        break;
    }
    cft_submit_on(rec, rec->loop);
}

static void steady(cft *t)
{
    cft_rec *all[20];
    for (uint32_t i = 0; i < 20; i++) {
        all[i] = cft_new(t);
        all[i]->then = next_round;
        all[i]->number = i;
        cede_prep_nop(all[i]->req);
        cft_submit(all[i]);
    }
    cft_settle(t);
    for (uint32_t i = 0; i < 20; i++)
        CFT_CHECK(t, all[i]->number == 300);
}

CFT_CASE(nothing_is_allocated_in_the_steady_state)
{
    cft_plain_memory(t);
    steady(t);
    uint64_t before = cft_allocations();
    steady(t);
    steady(t);
    CFT_CHECK(t, cft_allocations() == before);
}

/* Cancel, drop, close and delivery allocate nothing. */
CFT_CASE(ending_things_allocates_nothing)
{
    cft_pipe pipes[8];
    cft_rec *reads[8];
    cft_rec *pends[8];
    cft_rec *closes[4];
    cft_plain_memory(t);
    cft_rec *scope = cft_new(t);
    cede_prep_scope(scope->req);
    cft_submit(scope);
    for (uint32_t i = 0; i < 8; i++) {
        pipes[i] = cft_pipe_reader(t);
        reads[i] = cft_new(t);
        cede_prep_read(reads[i]->req, pipes[i].handle, cft_buffer(reads[i], 4), 4, CEDE_CURRENT);
        cft_submit(reads[i]);
        pends[i] = cft_new(t);
        cede_prep_pend(pends[i]->req);
        cede_in(pends[i]->req, scope->ticket);
        cft_submit(pends[i]);
    }
    for (uint32_t i = 0; i < 4; i++)
        closes[i] = cft_new(t);
    cft_turn(t);
    cft_flush(t);
    uint64_t before = cft_allocations();
    cft_cancel(t, reads[0]->ticket);
    for (uint32_t i = 0; i < 4; i++) {
        cede_prep_close(closes[i]->req, pipes[i].handle);
        cft_submit(closes[i]);
    }
    for (uint32_t i = 4; i < 8; i++)
        cft_drop(t, pipes[i].handle);
    cft_fail(t, scope->ticket, CEDE_EIO);
    cft_settle(t);
    CFT_CHECK(t, cft_allocations() == before);
    for (uint32_t i = 0; i < 8; i++)
        CFT_CHECK(t, reads[i]->done == 1 && pends[i]->done == 1);
    CFT_STATUS(t, scope, CEDE_EIO);
}

static void ignore(cede_req *req, cede_result result)
{
    (void)req;
    (void)result;
}

/* Q6: the cost of a cancel does not grow with the crowd (measured apart; here: it ends). */
CFT_CASE(a_hundred_thousand_pends_end_with_their_scope)
{
    enum { MANY = 100000 };
    cede_req *reqs = cft_alloc(t, MANY * sizeof *reqs);
    cft_rec *scope = cft_new(t);
    cede_prep_scope(scope->req);
    cft_submit(scope);
    cft_flush(t);
    for (uint32_t i = 0; i < MANY; i++) {
        cede_prep_pend(&reqs[i]);
        cede_in(&reqs[i], scope->ticket);
        cede_submit(cft_loop(t), &reqs[i], ignore);
    }
    cft_flush(t);
    cft_cancel(t, scope->ticket);
    cft_await(t, scope);
    CFT_ENDED(t, scope, CEDE_ECANCELED, CEDE_BY_WISH);
    CFT_EXPECT(t, scope->result.count == MANY);
}

/* A8's kin: told as the result, and over when one has been closed. */
CFT_CASE(descriptor_limit_is_told_and_passes)
{
    enum { MOST = 200 };
    cede_handle all[MOST];
    uint32_t count = 0;
    cft_file(t, "f", NULL, 64, 1);
    cft_turn(t);
    all[count++] = cft_opened(t, "f", CEDE_OPEN_READ);
    cft_limit_descriptors(t, 6);
    for (;;) {
        cft_rec *open = cft_new(t);
        cede_prep_open(open->req, cft_path(t, "f"), CEDE_OPEN_READ, 0);
        cft_do(open);
        if (open->result.status != CEDE_OK) {
            CFT_STATUS(t, open, CEDE_EMFILE);
            break;
        }
        all[count++] = open->result.handle;
        CFT_CHECK(t, count < MOST);
    }
    CFT_CHECK(t, count > 1);
    cft_rec *read = cft_new(t); /* the others work on */
    cede_prep_read(read->req, all[0], cft_buffer(read, 64), 64, 0);
    cft_do(read);
    CFT_MOVED(t, read, 64);
    for (uint32_t i = 0; i < count; i++)
        cft_closed(t, all[i]);
}
