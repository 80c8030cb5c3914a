/*
 * Many-shots and pools (M1 to M7; laws 2, 6 to 9, 12, 14, 15): items before the done, credit,
 * buffers that are all accounted for.
 */
#include "conformance.h"

#include <string.h>

/* What came, over all receives of the run: their bytes in order, their buffers if they are kept. */
typedef struct bag {
    cft *t;
    cede_pool *pool;
    cede_loop *loop;
    uint32_t items;
    uint64_t bytes;
    uint32_t in_order; /* items whose bytes go on where those before them ended */
    bool keep;         /* buffers stay out */
    bool closed;
    void *kept[64];
    uint32_t kept_count;
    void (*then)(cft_rec *); /* in each item */
    uint32_t after_done;     /* items of requests whose done has come: none, ever */
} bag;

static bag *the_bag; /* of the run */

static void give_all(void)
{
    while (the_bag->kept_count)
        cede_pool_give(the_bag->pool, the_bag->kept[--the_bag->kept_count]);
}

static void on_item(cede_req *req, cede_result item)
{
    cft_rec *rec = req->user_data;
    bag *b = the_bag;
    CFT_CHECK(b->t, cede_in_callback(b->loop) && item.status == CEDE_OK && item.flags == 0);
    CFT_CHECK(b->t, item.buffer && item.count && !item.handle);
    b->after_done += rec->done == rec->submitted;
    b->in_order += cft_filled(item.buffer, (size_t)item.count, 9, b->bytes);
    b->items++;
    b->bytes += item.count;
    if (b->keep && b->kept_count < 64)
        b->kept[b->kept_count++] = item.buffer;
    else
        cede_pool_give(b->pool, item.buffer);
    if (b->then)
        b->then(rec);
}

static void close_pool(void *context)
{
    (void)context;
    give_all();
    if (!the_bag->closed)
        cede_pool_close(the_bag->pool);
}

/* A pool of the run's loop; false: an injected failure kept it from being made. */
static bool fill_bag(cft *t, uint32_t count, uint32_t bytes, uint32_t headroom)
{
    the_bag = cft_alloc(t, sizeof *the_bag);
    the_bag->t = t;
    the_bag->loop = cft_loop(t);
    cede_status status = cede_pool_open(the_bag->loop, count, bytes, headroom, &the_bag->pool);
    CFT_EXPECT(t, status == CEDE_OK);
    if (status == CEDE_OK)
        cft_at_end(t, close_pool, NULL);
    return status == CEDE_OK;
}

/* Nothing is out that the case does not hold. */
static void empty_bag(cft *t)
{
    give_all();
    CFT_CHECK(t, cede_pool_out(the_bag->pool) == 0);
    CFT_CHECK(t, the_bag->in_order == the_bag->items && the_bag->after_done == 0);
}

static cft_rec *many_of(cft *t, cede_handle from, uint32_t credit)
{
    cft_rec *rec = cft_new(t);
    cede_prep_recv_many(rec->req, from, the_bag->pool, credit, on_item);
    cft_submit(rec);
    return rec;
}

/* So many bytes, the run's next. */
static void feed(cft *t, cft_pipe *pipe, uint64_t *sent, size_t count)
{
    char bytes[4096];
    cft_fill(bytes, count, 9, *sent);
    size_t went = cft_peer_write(t, pipe, bytes, count);
    CFT_EXPECT(t, went == count);
    *sent += went;
}

static void until_bytes(cft *t, const cft_rec *rec, uint64_t bytes)
{
    while (the_bag->bytes < bytes && !cft_is_done(rec))
        cft_run(t, CEDE_MILLISECOND);
}

/* What a receive brought, kept where the run's end finds it. */
static void keep_buffer(cft_rec *rec)
{
    if (rec->result.buffer)
        the_bag->kept[the_bag->kept_count++] = rec->result.buffer;
}

static cft_rec *one_of(cft *t, cede_handle from)
{
    cft_rec *rec = cft_new(t);
    rec->then = keep_buffer;
    cede_prep_recv_pool(rec->req, from, the_bag->pool);
    cft_submit(rec);
    return rec;
}

CFT_CASE(recv_pool_brings_a_buffer_with_the_data)
{
    uint64_t sent = 0;
    cft_pipe pipe = cft_pipe_reader(t);
    if (!fill_bag(t, 2, 100, 0))
        return;
    cft_rec *rec = one_of(t, pipe.handle);
    cft_flush(t);
    CFT_EXPECT(t, cede_pool_out(the_bag->pool) == 0); /* it costs none yet */
    feed(t, &pipe, &sent, 7);
    cft_await(t, rec);
    CFT_MOVED(t, rec, 7);
    CFT_CHECK(t, (rec->result.buffer != NULL) == (rec->result.count != 0));
    if (rec->result.buffer) {
        CFT_CHECK(t, cft_filled(rec->result.buffer, (size_t)rec->result.count, 9, 0));
        CFT_CHECK(t, ((uintptr_t)rec->result.buffer & 63) == 0);
        CFT_CHECK(t, cede_pool_out(the_bag->pool) == 1);
    }
    give_all();
    cft_peer_close(t, &pipe);
    do { /* what is left, then the end */
        rec = one_of(t, pipe.handle);
        cft_await(t, rec);
        CFT_OK(t, rec);
        give_all();
    } while (rec->result.count);
    CFT_CHECK(t, !rec->result.buffer);
    cft_closed(t, pipe.handle);
    empty_bag(t);
}

CFT_CASE(recv_many_gives_items_and_then_its_done)
{
    uint64_t sent = 0;
    cft_pipe pipe = cft_pipe_reader(t);
    if (!fill_bag(t, 4, 64, 0))
        return;
    cft_rec *rec = many_of(t, pipe.handle, CEDE_CREDIT_ALL);
    for (int i = 0; i < 10; i++) {
        feed(t, &pipe, &sent, 50);
        cft_run(t, CEDE_MILLISECOND);
    }
    until_bytes(t, rec, sent);
    CFT_EXPECT(t, !cft_is_done(rec) && the_bag->items >= 8);
    cft_peer_close(t, &pipe);
    cft_await(t, rec);
    CFT_OK(t, rec);
    CFT_EXPECT(t, rec->result.count == sent && the_bag->bytes == sent && !rec->result.buffer);
    cft_closed(t, pipe.handle);
    empty_bag(t);
}

CFT_CASE(recv_many_that_is_cancelled_keeps_what_came)
{
    uint64_t sent = 0;
    cft_pipe pipe = cft_pipe_reader(t);
    if (!fill_bag(t, 4, 64, 0))
        return;
    cft_rec *rec = many_of(t, pipe.handle, CEDE_CREDIT_ALL);
    cft_flush(t);
    feed(t, &pipe, &sent, 50);
    if (cft_below(t, 2))
        cft_run(t, CEDE_MILLISECOND);
    cft_cancel(t, rec->ticket);
    cft_await(t, rec);
    CFT_EXPECT(t, rec->result.status == CEDE_ECANCELED && (rec->result.flags & CEDE_BY_WISH));
    CFT_CHECK(t, rec->result.count == the_bag->bytes);
    cft_rec *rest = cft_new(t); /* the stream is whole: what did not come, comes now */
    feed(t, &pipe, &sent, 1);
    cede_prep_recv_all(rest->req, pipe.handle, cft_buffer(rest, 64), sent - the_bag->bytes);
    cft_do(rest);
    CFT_OK(t, rest);
    CFT_EXPECT(t, cft_filled(rest->bytes, (size_t)rest->result.count, 9, the_bag->bytes));
    cft_closed(t, pipe.handle);
    empty_bag(t);
}

CFT_CASE(recv_many_waits_while_the_pool_is_empty)
{
    uint64_t sent = 0;
    cft_pipe pipe = cft_pipe_reader(t);
    if (!fill_bag(t, 3, 64, 0))
        return;
    the_bag->keep = true;
    cft_rec *rec = many_of(t, pipe.handle, CEDE_CREDIT_ALL);
    for (int i = 0; i < 6; i++)
        feed(t, &pipe, &sent, 64);
    while (the_bag->kept_count < 3 && !cft_is_done(rec))
        cft_run(t, CEDE_MILLISECOND);
    for (int i = 0; i < 5; i++)
        cft_run(t, CEDE_MILLISECOND);
    CFT_EXPECT(t, the_bag->items == 3 && !cft_is_done(rec));
    CFT_EXPECT(t, cede_pool_out(the_bag->pool) == 3);
    while (the_bag->bytes < sent && !cft_is_done(rec)) {
        give_all();
        cft_run(t, CEDE_MILLISECOND);
    }
    cft_peer_close(t, &pipe);
    while (!cft_is_done(rec)) {
        give_all(); /* the end may want one to be seen */
        cft_run(t, CEDE_MILLISECOND);
    }
    CFT_OK(t, rec);
    CFT_EXPECT(t, the_bag->bytes == sent);
    cft_closed(t, pipe.handle);
    empty_bag(t);
}

CFT_CASE(recv_that_waits_for_a_buffer_can_be_cancelled)
{
    uint64_t sent = 0;
    cft_pipe pipe = cft_pipe_reader(t);
    if (!fill_bag(t, 1, 64, 0))
        return;
    the_bag->keep = true;
    cft_rec *rec = many_of(t, pipe.handle, CEDE_CREDIT_ALL);
    feed(t, &pipe, &sent, 64);
    feed(t, &pipe, &sent, 64);
    while (!the_bag->items && !cft_is_done(rec))
        cft_run(t, CEDE_MILLISECOND);
    cft_run(t, CEDE_MILLISECOND);
    cft_cancel(t, rec->ticket);
    cft_await(t, rec);
    CFT_EXPECT(t, rec->result.status == CEDE_ECANCELED);
    CFT_CHECK(t, rec->result.count == the_bag->bytes);
    cft_closed(t, pipe.handle);
    empty_bag(t);
}

CFT_CASE(credit_is_a_limit_of_its_own)
{
    uint64_t sent = 0;
    cft_pipe pipe = cft_pipe_reader(t);
    if (!fill_bag(t, 8, 64, 0))
        return;
    the_bag->keep = true;
    cft_rec *rec = many_of(t, pipe.handle, 2);
    for (int i = 0; i < 6; i++)
        feed(t, &pipe, &sent, 64);
    for (uint32_t want = 2; want <= 4; want++) {
        while (the_bag->items < want && !cft_is_done(rec))
            cft_run(t, CEDE_MILLISECOND);
        for (int i = 0; i < 3; i++)
            cft_run(t, CEDE_MILLISECOND);
        CFT_EXPECT(t, the_bag->items == want);
        CFT_CHECK(t, cede_pool_out(the_bag->pool) <= 2);
        if (the_bag->kept_count)
            cede_pool_give(the_bag->pool, the_bag->kept[--the_bag->kept_count]);
    }
    the_bag->keep = false;
    give_all();
    until_bytes(t, rec, sent);
    cft_peer_close(t, &pipe);
    cft_await(t, rec);
    CFT_OK(t, rec);
    CFT_EXPECT(t, the_bag->bytes == sent);
    cft_closed(t, pipe.handle);
    empty_bag(t);
}

CFT_CASE(many_streams_share_a_small_pool)
{
    enum { STREAMS = 5 };
    cft_pipe pipes[STREAMS];
    cft_rec *recs[STREAMS];
    uint32_t done = 0;
    char bytes[40];
    memset(bytes, 'x', sizeof bytes);
    if (!fill_bag(t, 2, 16, 0))
        return;
    for (int i = 0; i < STREAMS; i++) {
        pipes[i] = cft_pipe_reader(t);
        recs[i] = many_of(t, pipes[i].handle, CEDE_CREDIT_ALL);
    }
    for (int i = 0; i < STREAMS; i++) {
        CFT_EXPECT(t, cft_peer_write(t, &pipes[i], bytes, sizeof bytes) == sizeof bytes);
        cft_peer_close(t, &pipes[i]);
    }
    cft_settle(t); /* a wait for one of them would leave the items of others where they are */
    for (int i = 0; i < STREAMS; i++) {
        CFT_OK(t, recs[i]);
        CFT_EXPECT(t, recs[i]->result.count == sizeof bytes);
        done += cft_is_done(recs[i]);
    }
    CFT_CHECK(t, done == STREAMS);
    the_bag->in_order = the_bag->items; /* of many: not asked */
    for (int i = 0; i < STREAMS; i++)
        cft_closed(t, pipes[i].handle);
    empty_bag(t);
}

CFT_CASE(recv_many_holds_its_place_in_the_order)
{
    uint64_t sent = 0;
    cft_pipe pipe = cft_pipe_reader(t);
    if (!fill_bag(t, 2, 64, 0))
        return;
    cft_rec *rec = many_of(t, pipe.handle, CEDE_CREDIT_ALL);
    cft_rec *behind = cft_new(t);
    cede_prep_recv(behind->req, pipe.handle, cft_buffer(behind, 64), 64);
    cft_submit(behind);
    feed(t, &pipe, &sent, 20);
    until_bytes(t, rec, 20);
    CFT_EXPECT(t, !cft_is_done(behind) && the_bag->bytes == 20);
    cft_cancel(t, rec->ticket);
    cft_await(t, rec);
    CFT_CHECK(t, !cft_is_done(behind) || cft_faulted(t));
    feed(t, &pipe, &sent, 5);
    cft_await(t, behind);
    CFT_MOVED(t, behind, 5);
    cft_closed(t, pipe.handle);
    empty_bag(t);
}

static void close_it(cft_rec *rec)
{
    cft_rec *close = rec->data;
    if (!close->submitted)
        cft_submit_on(close, rec->loop);
}

static void send_some(cft *t, cede_handle to, size_t count)
{
    char bytes[128];
    cft_fill(bytes, count, 9, 0);
    cft_await(t, cft_send_all(t, to, bytes, count));
}

/* M4 */
CFT_CASE(recv_many_ends_with_a_reset_behind_what_came)
{
    enum { BYTES = 100 };
    cede_handle a = 0, b = 0;
    cft_connected(t, CFT_TCP, &a, &b);
    if (!fill_bag(t, 4, 64, 0))
        return;
    cft_rec *rec = many_of(t, b, CEDE_CREDIT_ALL);
    send_some(t, a, BYTES);
    if (!cft_faulted(t))
        until_bytes(t, rec, BYTES);
    CFT_OK(t, cft_set(t, a, CEDE_OPTION_LINGER, 0)); /* its close is a reset */
    cft_closed(t, a);
    cft_await(t, rec);
    CFT_STATUS(t, rec, CEDE_ECONNRESET);
    CFT_EXPECT(t, rec->result.count == BYTES && the_bag->bytes == BYTES);
    cft_closed(t, b);
    empty_bag(t);
}

/* M6: the data, and the end behind it, are there when it begins. */
static void begin_at_the_end(cft *t, uint32_t kind)
{
    enum { BYTES = 100 };
    cede_handle a = 0, b = 0;
    cft_connected(t, kind, &a, &b);
    if (!fill_bag(t, 4, 64, 0))
        return;
    send_some(t, a, BYTES);
    cft_closed(t, a);
    cft_rec *rec = many_of(t, b, CEDE_CREDIT_ALL);
    cft_await(t, rec);
    CFT_OK(t, rec);
    CFT_EXPECT(t, rec->result.count == BYTES && the_bag->bytes == BYTES);
    cft_closed(t, b);
    empty_bag(t);
}

CFT_CASE(tcp_recv_many_brings_data_that_its_end_came_with)
{
    begin_at_the_end(t, CFT_TCP);
}

CFT_CASE(local_recv_many_brings_data_that_its_end_came_with)
{
    begin_at_the_end(t, CFT_LOCAL);
}

CFT_CASE(handle_closed_in_an_item_ends_its_many_shot)
{
    uint64_t sent = 0;
    cft_pipe pipe = cft_pipe_reader(t);
    if (!fill_bag(t, 2, 64, 0))
        return;
    the_bag->then = close_it;
    cft_rec *close = cft_new(t), *rec = cft_new(t);
    cede_prep_close(close->req, pipe.handle);
    rec->data = close;
    cede_prep_recv_many(rec->req, pipe.handle, the_bag->pool, CEDE_CREDIT_ALL, on_item);
    cft_submit(rec);
    feed(t, &pipe, &sent, 20);
    cft_await(t, rec);
    CFT_EXPECT(t, rec->result.status == CEDE_ECANCELED && (rec->result.flags & CEDE_BY_CLOSE));
    if (close->submitted) {
        cft_await(t, close);
        CFT_EXPECT(t, close->done_at > rec->returned_at);
    } else {
        cft_drop(t, pipe.handle);
    }
    empty_bag(t);
}

static void cancel_it(cft_rec *rec)
{
    cede_cancel(rec->ticket);
}

CFT_CASE(many_shot_cancelled_in_its_item_is_done_once_behind_it)
{
    uint64_t sent = 0;
    cft_pipe pipe = cft_pipe_reader(t);
    if (!fill_bag(t, 4, 16, 0))
        return;
    the_bag->then = cancel_it;
    cft_rec *rec = many_of(t, pipe.handle, CEDE_CREDIT_ALL);
    feed(t, &pipe, &sent, 64);
    cft_await(t, rec);
    CFT_EXPECT(t, rec->result.status == CEDE_ECANCELED && (rec->result.flags & CEDE_BY_WISH));
    CFT_CHECK(t, rec->result.count == the_bag->bytes);
    cft_closed(t, pipe.handle);
    empty_bag(t);
}

static void wait_in_item(cft_rec *rec)
{
    cft_rec *other = rec->data;
    CFT_CHECK(rec->t, cede_wait(rec->loop, rec->ticket, CEDE_FOREVER) == CEDE_EDEADLK);
    if (other->submitted)
        return;
    cede_prep_nop(other->req);
    cft_submit_on(other, rec->loop);
    CFT_CHECK(rec->t, cede_wait(rec->loop, other->ticket, CEDE_FOREVER) == CEDE_OK);
    CFT_CHECK(rec->t, other->done == 1);
}

CFT_CASE(item_may_wait_for_others_and_not_for_its_own)
{
    uint64_t sent = 0;
    cft_pipe pipe = cft_pipe_reader(t);
    if (!fill_bag(t, 4, 64, 0))
        return;
    the_bag->then = wait_in_item;
    cft_rec *rec = cft_new(t);
    rec->data = cft_new(t);
    cede_prep_recv_many(rec->req, pipe.handle, the_bag->pool, CEDE_CREDIT_ALL, on_item);
    cft_submit_on(rec, cft_loop(t));
    feed(t, &pipe, &sent, 20);
    until_bytes(t, rec, 20);
    cft_peer_close(t, &pipe);
    cft_await(t, rec);
    CFT_OK(t, rec);
    cft_closed(t, pipe.handle);
    empty_bag(t);
}

CFT_CASE(wait_for_a_many_shot_runs_its_items)
{
    uint64_t sent = 0;
    cft_pipe pipe = cft_pipe_reader(t);
    if (!fill_bag(t, 1, 16, 0))
        return;
    cft_rec *rec = many_of(t, pipe.handle, CEDE_CREDIT_ALL);
    for (int i = 0; i < 4; i++)
        feed(t, &pipe, &sent, 16);
    cft_peer_close(t, &pipe);
    cft_await(t, rec); /* one buffer: it could not end if its items kept */
    CFT_OK(t, rec);
    CFT_EXPECT(t, the_bag->items >= 4 && rec->result.count == sent);
    cft_closed(t, pipe.handle);
    empty_bag(t);
}

CFT_CASE(many_shot_begins_anew_in_its_own_done)
{
    uint64_t sent = 0;
    cft_pipe pipe = cft_pipe_reader(t);
    if (!fill_bag(t, 4, 64, 0))
        return;
    cft_rec *rec = many_of(t, pipe.handle, CEDE_CREDIT_ALL);
    feed(t, &pipe, &sent, 20);
    until_bytes(t, rec, 20);
    cft_cancel(t, rec->ticket);
    cft_await(t, rec);
    uint64_t first = rec->result.count;
    rec = cft_reuse(rec);
    cede_prep_recv_many(rec->req, pipe.handle, the_bag->pool, CEDE_CREDIT_ALL, on_item);
    cft_submit(rec);
    feed(t, &pipe, &sent, 30);
    cft_peer_close(t, &pipe);
    cft_await(t, rec);
    CFT_OK(t, rec);
    CFT_EXPECT(t, first + rec->result.count == sent);
    cft_closed(t, pipe.handle);
    empty_bag(t);
}

CFT_CASE(deadline_ends_a_many_shot_with_what_came)
{
    uint64_t sent = 0;
    cft_pipe pipe = cft_pipe_reader(t);
    if (!fill_bag(t, 4, 64, 0))
        return;
    cft_rec *rec = cft_new(t);
    cede_prep_recv_many(rec->req, pipe.handle, the_bag->pool, CEDE_CREDIT_ALL, on_item);
    cede_within(rec->req, 3 * CEDE_MILLISECOND);
    cft_submit(rec);
    feed(t, &pipe, &sent, 20);
    cft_await(t, rec);
    CFT_EXPECT(t, rec->result.status == CEDE_EDEADLINE && (rec->result.flags & CEDE_BY_DEADLINE));
    CFT_CHECK(t, rec->result.count == the_bag->bytes);
    cft_closed(t, pipe.handle);
    empty_bag(t);
}

CFT_CASE(scope_ends_a_many_shot_and_closes_its_stream)
{
    uint64_t sent = 0;
    cft_pipe pipe = cft_pipe_reader(t);
    if (!fill_bag(t, 4, 64, 0))
        return;
    cft_rec *scope = cft_new(t), *rec = cft_new(t);
    cede_prep_scope(scope->req);
    cft_submit_on(scope, cft_loop(t));
    cede_own(scope->ticket, pipe.handle);
    cede_prep_recv_many(rec->req, pipe.handle, the_bag->pool, CEDE_CREDIT_ALL, on_item);
    cede_in(rec->req, scope->ticket);
    cft_submit_on(rec, cft_loop(t));
    feed(t, &pipe, &sent, 20);
    cft_run(t, CEDE_MILLISECOND);
    cft_cancel(t, scope->ticket);
    cft_await(t, scope);
    CFT_CHECK(t, rec->done == 1 && rec->returned_at < scope->done_at);
    CFT_CHECK(t, rec->result.count == the_bag->bytes || cft_faulted(t));
    empty_bag(t);
}

CFT_CASE(pool_that_closes_ends_those_that_wait_for_it)
{
    uint64_t sent = 0;
    cft_pipe pipe = cft_pipe_reader(t);
    if (!fill_bag(t, 1, 16, 0))
        return;
    the_bag->keep = true;
    cft_rec *rec = many_of(t, pipe.handle, CEDE_CREDIT_ALL);
    feed(t, &pipe, &sent, 64);
    while (!the_bag->items && !cft_is_done(rec))
        cft_run(t, CEDE_MILLISECOND);
    cft_run(t, CEDE_MILLISECOND);
    cft_run(t, CEDE_MILLISECOND);
    the_bag->closed = true;
    cede_pool_close(the_bag->pool);
    if (cft_faulted(t))
        cft_cancel(t, rec->ticket);
    cft_await(t, rec);
    CFT_EXPECT(t, rec->result.status == CEDE_ECANCELED && (rec->result.flags & CEDE_BY_CLOSE));
    cft_closed(t, pipe.handle);
    give_all(); /* its memory goes with the last */
}

CFT_CASE(pool_outlives_its_loop)
{
    uint64_t sent = 0;
    cft_pipe pipe = cft_pipe_reader(t);
    if (!fill_bag(t, 3, 64, 0))
        return;
    the_bag->keep = true;
    cft_rec *rec = many_of(t, pipe.handle, CEDE_CREDIT_ALL);
    feed(t, &pipe, &sent, 40);
    while (!the_bag->items && !cft_is_done(rec))
        cft_run(t, CEDE_MILLISECOND);
    CFT_CHECK(t, cft_close(t, CEDE_FOREVER) == CEDE_OK);
    CFT_EXPECT(t, rec->done == 1 && (rec->result.flags & CEDE_BY_LOOP));
    CFT_EXPECT(t, the_bag->kept_count && cft_filled(the_bag->kept[0], 1, 9, 0));
    empty_bag(t);
}
