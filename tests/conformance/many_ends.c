/*
 * How many-shots end (M3, M4, M6; laws 2, 6 to 8, 10 to 12, 15): by a wish, a deadline, a scope, a
 * close of their handle, pool or loop, by the stream's own end; done stands behind all items.
 */
#include "many.h"

CFT_CASE(recv_many_that_is_cancelled_keeps_what_came)
{
    uint64_t sent = 0;
    cft_pipe pipe = cft_pipe_reader(t);
    bag *b = cft_bag_of(t, 4, 64, 0);
    if (!b)
        return;
    cft_rec *rec = cft_bag_many(b, pipe.handle, CEDE_CREDIT_ALL);
    cft_flush(t);
    cft_bag_feed(t, &pipe, &sent, 50);
    if (cft_below(t, 2))
        cft_run(t, CEDE_MILLISECOND);
    cft_cancel(t, rec->ticket);
    cft_await(t, rec);
    CFT_EXPECT(t, rec->result.status == CEDE_ECANCELED && (rec->result.flags & CEDE_BY_WISH));
    CFT_CHECK(t, rec->result.count == b->bytes);
    cft_rec *rest = cft_new(t); /* the stream is whole: what did not come, comes now */
    cft_bag_feed(t, &pipe, &sent, 1);
    cede_prep_recv_all(rest->req, pipe.handle, cft_buffer(rest, 64), sent - b->bytes);
    cft_do(rest);
    CFT_OK(t, rest);
    CFT_EXPECT(t, cft_filled(rest->bytes, (size_t)rest->result.count, 9, b->bytes));
    cft_closed(t, pipe.handle);
    cft_bag_empty(b);
}

CFT_CASE(recv_that_waits_for_a_buffer_can_be_cancelled)
{
    uint64_t sent = 0;
    cft_pipe pipe = cft_pipe_reader(t);
    bag *b = cft_bag_of(t, 1, 64, 0);
    if (!b)
        return;
    b->keep = true;
    cft_rec *rec = cft_bag_many(b, pipe.handle, CEDE_CREDIT_ALL);
    cft_bag_feed(t, &pipe, &sent, 64);
    cft_bag_feed(t, &pipe, &sent, 64);
    while (!b->items && !cft_is_done(rec))
        cft_run(t, CEDE_MILLISECOND);
    cft_run(t, CEDE_MILLISECOND);
    cft_cancel(t, rec->ticket);
    cft_await(t, rec);
    CFT_EXPECT(t, rec->result.status == CEDE_ECANCELED);
    CFT_CHECK(t, rec->result.count == b->bytes);
    cft_closed(t, pipe.handle);
    cft_bag_empty(b);
}

/* M4 */
CFT_CASE(recv_many_ends_with_a_reset_behind_what_came)
{
    enum { BYTES = 100 };
    cede_handle to = 0, from = 0;
    cft_connected(t, CFT_TCP, &to, &from);
    bag *b = cft_bag_of(t, 4, 64, 0);
    if (!b)
        return;
    cft_rec *rec = cft_bag_many(b, from, CEDE_CREDIT_ALL);
    cft_bag_send(t, to, BYTES);
    if (!cft_faulted(t))
        cft_bag_until(b, rec, BYTES);
    CFT_OK(t, cft_set(t, to, CEDE_OPTION_LINGER, 0)); /* its close is a reset */
    cft_closed(t, to);
    cft_await(t, rec);
    CFT_STATUS(t, rec, CEDE_ECONNRESET);
    CFT_EXPECT(t, rec->result.count == BYTES && b->bytes == BYTES);
    cft_closed(t, from);
    cft_bag_empty(b);
}

/* M6: the data, and the end behind it, are there when it begins. */
static void begin_at_the_end(cft *t, uint32_t kind)
{
    enum { BYTES = 100 };
    cede_handle to = 0, from = 0;
    cft_connected(t, kind, &to, &from);
    bag *b = cft_bag_of(t, 4, 64, 0);
    if (!b)
        return;
    cft_bag_send(t, to, BYTES);
    cft_closed(t, to);
    cft_rec *rec = cft_bag_many(b, from, CEDE_CREDIT_ALL);
    cft_await(t, rec);
    CFT_OK(t, rec);
    CFT_EXPECT(t, rec->result.count == BYTES && b->bytes == BYTES);
    cft_closed(t, from);
    cft_bag_empty(b);
}

CFT_CASE(tcp_recv_many_brings_data_that_its_end_came_with)
{
    begin_at_the_end(t, CFT_TCP);
}

CFT_CASE(local_recv_many_brings_data_that_its_end_came_with)
{
    begin_at_the_end(t, CFT_LOCAL);
}

static void close_it(cft_rec *rec)
{
    cft_rec *close = rec->data;
    if (!close->submitted)
        cft_submit_on(close, rec->loop);
}

CFT_CASE(handle_closed_in_an_item_ends_its_many_shot)
{
    uint64_t sent = 0;
    cft_pipe pipe = cft_pipe_reader(t);
    bag *b = cft_bag_of(t, 2, 64, 0);
    if (!b)
        return;
    b->then = close_it;
    cft_rec *close = cft_new(t), *rec = cft_new(t);
    cede_prep_close(close->req, pipe.handle);
    rec->data = close;
    cede_prep_recv_many(rec->req, pipe.handle, b->pool, CEDE_CREDIT_ALL, cft_bag_item);
    cft_submit(rec);
    cft_bag_feed(t, &pipe, &sent, 20);
    cft_await(t, rec);
    CFT_EXPECT(t, rec->result.status == CEDE_ECANCELED && (rec->result.flags & CEDE_BY_CLOSE));
    if (close->submitted) {
        cft_await(t, close);
        CFT_EXPECT(t, close->done_at > rec->returned_at);
    } else {
        cft_drop(t, pipe.handle);
    }
    cft_bag_empty(b);
}

static void cancel_it(cft_rec *rec)
{
    cede_cancel(rec->ticket);
}

CFT_CASE(many_shot_cancelled_in_its_item_is_done_once_behind_it)
{
    uint64_t sent = 0;
    cft_pipe pipe = cft_pipe_reader(t);
    bag *b = cft_bag_of(t, 4, 16, 0);
    if (!b)
        return;
    b->then = cancel_it;
    cft_rec *rec = cft_bag_many(b, pipe.handle, CEDE_CREDIT_ALL);
    cft_bag_feed(t, &pipe, &sent, 64);
    cft_await(t, rec);
    CFT_EXPECT(t, rec->result.status == CEDE_ECANCELED && (rec->result.flags & CEDE_BY_WISH));
    CFT_CHECK(t, rec->result.count == b->bytes);
    cft_closed(t, pipe.handle);
    cft_bag_empty(b);
}

CFT_CASE(deadline_ends_a_many_shot_with_what_came)
{
    uint64_t sent = 0;
    cft_pipe pipe = cft_pipe_reader(t);
    bag *b = cft_bag_of(t, 4, 64, 0);
    if (!b)
        return;
    cft_rec *rec = cft_new(t);
    cede_prep_recv_many(rec->req, pipe.handle, b->pool, CEDE_CREDIT_ALL, cft_bag_item);
    cede_within(rec->req, 3 * CEDE_MILLISECOND);
    cft_submit(rec);
    cft_bag_feed(t, &pipe, &sent, 20);
    cft_await(t, rec);
    CFT_EXPECT(t, rec->result.status == CEDE_EDEADLINE && (rec->result.flags & CEDE_BY_DEADLINE));
    CFT_CHECK(t, rec->result.count == b->bytes);
    cft_closed(t, pipe.handle);
    cft_bag_empty(b);
}

CFT_CASE(scope_ends_a_many_shot_and_closes_its_stream)
{
    uint64_t sent = 0;
    cft_pipe pipe = cft_pipe_reader(t);
    bag *b = cft_bag_of(t, 4, 64, 0);
    if (!b)
        return;
    cft_rec *scope = cft_new(t), *rec = cft_new(t);
    cede_prep_scope(scope->req);
    cft_submit_on(scope, cft_loop(t));
    cede_own(scope->ticket, pipe.handle);
    cede_prep_recv_many(rec->req, pipe.handle, b->pool, CEDE_CREDIT_ALL, cft_bag_item);
    cede_in(rec->req, scope->ticket);
    cft_submit_on(rec, cft_loop(t));
    cft_bag_feed(t, &pipe, &sent, 20);
    cft_run(t, CEDE_MILLISECOND);
    cft_cancel(t, scope->ticket);
    cft_await(t, scope);
    CFT_CHECK(t, rec->done == 1 && rec->returned_at < scope->done_at);
    CFT_CHECK(t, rec->result.count == b->bytes || cft_faulted(t));
    cft_bag_empty(b);
}

CFT_CASE(pool_that_closes_ends_those_that_wait_for_it)
{
    uint64_t sent = 0;
    cft_pipe pipe = cft_pipe_reader(t);
    bag *b = cft_bag_of(t, 1, 16, 0);
    if (!b)
        return;
    b->keep = true;
    cft_rec *rec = cft_bag_many(b, pipe.handle, CEDE_CREDIT_ALL);
    cft_bag_feed(t, &pipe, &sent, 64);
    while (!b->items && !cft_is_done(rec))
        cft_run(t, CEDE_MILLISECOND);
    cft_run(t, CEDE_MILLISECOND);
    cft_run(t, CEDE_MILLISECOND);
    cft_pool_close(t, b->pool);
    if (cft_faulted(t))
        cft_cancel(t, rec->ticket);
    cft_await(t, rec);
    CFT_EXPECT(t, rec->result.status == CEDE_ECANCELED && (rec->result.flags & CEDE_BY_CLOSE));
    cft_closed(t, pipe.handle);
    cft_bag_give(b); /* its memory goes with the last */
}

/* A receive that has begun goes on while there are buffers, and no longer than its credit lasts. */
CFT_CASE(pool_that_closes_ends_those_that_wait_for_credit)
{
    uint64_t sent[2] = {0, 0};
    cft_pipe pipes[2] = {cft_pipe_reader(t), cft_pipe_reader(t)};
    bag *b = cft_bag_of(t, 4, 16, 0);
    cft_rec *recs[2];
    if (!b)
        return;
    b->keep = true;
    recs[0] = cft_bag_many(b, pipes[0].handle, 1);
    recs[1] = cft_bag_many(b, pipes[1].handle, 1);
    cft_bag_feed(t, &pipes[0], &sent[0], 64);
    while (!b->items && !cft_is_done(recs[0]))
        cft_run(t, CEDE_MILLISECOND);
    cft_run(t, CEDE_MILLISECOND);
    CFT_EXPECT(t, !cft_is_done(recs[0]) && !cft_is_done(recs[1]));
    cft_pool_close(t, b->pool);
    if (cft_faulted(t)) {
        cft_cancel(t, recs[0]->ticket);
        cft_cancel(t, recs[1]->ticket);
    }
    cft_await(t, recs[0]);
    CFT_EXPECT(t, b->items == 1 && !cft_is_done(recs[1]));
    if (!cft_is_done(recs[1]))
        CFT_CHECK(t, cft_peer_write(t, &pipes[1], "x", 1) == 1 || cft_faulted(t));
    cft_await(t, recs[1]);
    CFT_EXPECT(t, b->items == 2);
    for (uint32_t i = 0; i < 2; i++) {
        CFT_EXPECT(t, recs[i]->result.status == CEDE_ECANCELED);
        CFT_EXPECT(t, recs[i]->result.flags & CEDE_BY_CLOSE);
        cft_closed(t, pipes[i].handle);
    }
    cft_bag_give(b);
}

CFT_CASE(pool_outlives_its_loop)
{
    uint64_t sent = 0;
    cft_pipe pipe = cft_pipe_reader(t);
    bag *b = cft_bag_of(t, 3, 64, 0);
    if (!b)
        return;
    b->keep = true;
    cft_rec *rec = cft_bag_many(b, pipe.handle, CEDE_CREDIT_ALL);
    cft_bag_feed(t, &pipe, &sent, 40);
    while (!b->items && !cft_is_done(rec))
        cft_run(t, CEDE_MILLISECOND);
    CFT_CHECK(t, cft_close(t, CEDE_FOREVER) == CEDE_OK);
    CFT_EXPECT(t, rec->done == 1 && (rec->result.flags & CEDE_BY_LOOP));
    CFT_EXPECT(t, b->kept_count && cft_filled(b->kept[0], 1, 9, 0));
    cft_bag_empty(b);
}
