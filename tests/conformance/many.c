/*
 * Many-shots and pools (M1, M2, M5, M7; laws 2, 9, 12, 14, 15): items before the done, credit,
 * buffers that are all accounted for. How they end is many_ends.c's.
 */
#include "many.h"

#include <string.h>

static bag *the_bag; /* of the run */

void cft_bag_give(bag *b)
{
    while (b->kept_count)
        cede_pool_give(b->pool, b->kept[--b->kept_count]);
}

void cft_bag_item(cede_req *req, cede_result item)
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

static void give_last(void *context)
{
    cft_bag_give(context);
}

bag *cft_bag_of(cft *t, uint32_t count, uint32_t bytes, uint32_t headroom)
{
    bag *b = the_bag = cft_alloc(t, sizeof *the_bag);
    b->t = t;
    b->loop = cft_loop(t);
    b->pool = cft_pool_open(t, count, bytes, headroom);
    if (!b->pool)
        return NULL;
    cft_at_end(t, give_last, b);
    return b;
}

void cft_bag_empty(bag *b)
{
    cft_bag_give(b);
    CFT_CHECK(b->t, cede_pool_out(b->pool) == 0);
    CFT_CHECK(b->t, b->in_order == b->items && b->after_done == 0);
}

cft_rec *cft_bag_many(bag *b, cede_handle from, uint32_t credit)
{
    cft_rec *rec = cft_new(b->t);
    cede_prep_recv_many(rec->req, from, b->pool, credit, cft_bag_item);
    cft_submit(rec);
    return rec;
}

void cft_bag_feed(cft *t, cft_pipe *pipe, uint64_t *sent, size_t count)
{
    char bytes[4096];
    cft_fill(bytes, count, 9, *sent);
    size_t went = cft_peer_write(t, pipe, bytes, count);
    CFT_EXPECT(t, went == count);
    *sent += went;
}

void cft_bag_until(const bag *b, const cft_rec *rec, uint64_t bytes)
{
    while (b->bytes < bytes && !cft_is_done(rec))
        cft_run(b->t, CEDE_MILLISECOND);
}

uint64_t cft_bag_send(cft *t, cede_handle to, size_t count)
{
    char bytes[512];
    cft_fill(bytes, count, 9, 0);
    cft_rec *rec = cft_send_all(t, to, bytes, count);
    cft_await(t, rec);
    return rec->result.count;
}

/* What a receive brought, kept where the run's end finds it. */
static void keep_buffer(cft_rec *rec)
{
    if (rec->result.buffer)
        the_bag->kept[the_bag->kept_count++] = rec->result.buffer;
}

static cft_rec *one_of(cft *t, const bag *b, cede_handle from)
{
    cft_rec *rec = cft_new(t);
    rec->then = keep_buffer;
    cede_prep_recv_pool(rec->req, from, b->pool);
    cft_submit(rec);
    return rec;
}

CFT_CASE(recv_pool_brings_a_buffer_with_the_data)
{
    uint64_t sent = 0;
    cft_pipe pipe = cft_pipe_reader(t);
    bag *b = cft_bag_of(t, 2, 100, 0);
    if (!b)
        return;
    cft_rec *rec = one_of(t, b, pipe.handle);
    cft_flush(t);
    CFT_EXPECT(t, cede_pool_out(b->pool) == 0); /* it costs none yet */
    cft_bag_feed(t, &pipe, &sent, 7);
    cft_await(t, rec);
    CFT_MOVED(t, rec, 7);
    CFT_CHECK(t, (rec->result.buffer != NULL) == (rec->result.count != 0));
    if (rec->result.buffer) {
        CFT_CHECK(t, cft_filled(rec->result.buffer, (size_t)rec->result.count, 9, 0));
        CFT_CHECK(t, ((uintptr_t)rec->result.buffer & 63) == 0);
        CFT_CHECK(t, cede_pool_out(b->pool) == 1);
    }
    cft_bag_give(b);
    cft_peer_close(t, &pipe);
    do { /* what is left, then the end */
        rec = one_of(t, b, pipe.handle);
        cft_await(t, rec);
        CFT_OK(t, rec);
        cft_bag_give(b);
    } while (rec->result.count);
    CFT_CHECK(t, !rec->result.buffer);
    cft_closed(t, pipe.handle);
    cft_bag_empty(b);
}

CFT_CASE(recv_many_gives_items_and_then_its_done)
{
    uint64_t sent = 0;
    cft_pipe pipe = cft_pipe_reader(t);
    bag *b = cft_bag_of(t, 4, 64, 0);
    if (!b)
        return;
    cft_rec *rec = cft_bag_many(b, pipe.handle, CEDE_CREDIT_ALL);
    for (int i = 0; i < 10; i++) {
        cft_bag_feed(t, &pipe, &sent, 50);
        cft_run(t, CEDE_MILLISECOND);
    }
    cft_bag_until(b, rec, sent);
    CFT_EXPECT(t, !cft_is_done(rec) && b->items >= 8);
    cft_peer_close(t, &pipe);
    cft_await(t, rec);
    CFT_OK(t, rec);
    CFT_EXPECT(t, rec->result.count == sent && b->bytes == sent && !rec->result.buffer);
    cft_closed(t, pipe.handle);
    cft_bag_empty(b);
}

CFT_CASE(recv_many_waits_while_the_pool_is_empty)
{
    uint64_t sent = 0;
    cft_pipe pipe = cft_pipe_reader(t);
    bag *b = cft_bag_of(t, 3, 64, 0);
    if (!b)
        return;
    b->keep = true;
    cft_rec *rec = cft_bag_many(b, pipe.handle, CEDE_CREDIT_ALL);
    for (int i = 0; i < 6; i++)
        cft_bag_feed(t, &pipe, &sent, 64);
    while (b->kept_count < 3 && !cft_is_done(rec))
        cft_run(t, CEDE_MILLISECOND);
    for (int i = 0; i < 5; i++)
        cft_run(t, CEDE_MILLISECOND);
    CFT_EXPECT(t, b->items == 3 && !cft_is_done(rec));
    CFT_EXPECT(t, cede_pool_out(b->pool) == 3);
    while (b->bytes < sent && !cft_is_done(rec)) {
        cft_bag_give(b);
        cft_run(t, CEDE_MILLISECOND);
    }
    cft_peer_close(t, &pipe);
    while (!cft_is_done(rec)) {
        cft_bag_give(b); /* the end may want one to be seen */
        cft_run(t, CEDE_MILLISECOND);
    }
    CFT_OK(t, rec);
    CFT_EXPECT(t, b->bytes == sent);
    cft_closed(t, pipe.handle);
    cft_bag_empty(b);
}

/* There is more than it may have, and it has its buffers back one by one. */
static void keep_to_credit(cft *t, bag *b, const cft_rec *rec)
{
    for (uint32_t want = 2; want <= 4; want++) {
        while (b->items < want && !cft_is_done(rec))
            cft_run(t, CEDE_MILLISECOND);
        cft_run(t, CEDE_MILLISECOND);
        CFT_EXPECT(t, b->items == want);
        CFT_CHECK(t, cede_pool_out(b->pool) <= 2);
        if (b->kept_count)
            cede_pool_give(b->pool, b->kept[--b->kept_count]);
    }
    b->keep = false;
    cft_bag_give(b);
}

CFT_CASE(credit_is_a_limit_of_its_own)
{
    uint64_t sent = 0;
    cft_pipe pipe = cft_pipe_reader(t);
    bag *b = cft_bag_of(t, 8, 64, 0);
    if (!b)
        return;
    b->keep = true;
    cft_rec *rec = cft_bag_many(b, pipe.handle, 2);
    for (int i = 0; i < 6; i++)
        cft_bag_feed(t, &pipe, &sent, 64);
    keep_to_credit(t, b, rec);
    cft_bag_until(b, rec, sent);
    cft_peer_close(t, &pipe);
    cft_await(t, rec);
    CFT_OK(t, rec);
    CFT_EXPECT(t, b->bytes == sent);
    cft_closed(t, pipe.handle);
    cft_bag_empty(b);
}

/* A kernel that receives from sockets by itself, again and again, counts no credit. */
CFT_CASE(credit_is_a_limit_on_streams_too)
{
    static const uint32_t kinds[] = {CFT_PAIR, CFT_LOCAL, CFT_TCP};
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        cede_handle in = 0, out = 0;
        bag *b = cft_bag_of(t, 8, 64, 0);
        if (!b)
            return;
        cft_connected(t, kinds[i], &out, &in);
        if (!out || !in)
            return;
        uint64_t sent = cft_bag_send(t, out, 384);
        b->keep = sent == 384;
        cft_rec *rec = cft_bag_many(b, in, 2);
        if (b->keep)
            keep_to_credit(t, b, rec);
        cft_bag_until(b, rec, sent);
        cft_closed(t, out);
        cft_await(t, rec);
        CFT_OK(t, rec);
        CFT_EXPECT(t, b->bytes == 384);
        cft_closed(t, in);
        cft_bag_empty(b);
    }
}

CFT_CASE(many_streams_share_a_small_pool)
{
    enum { STREAMS = 5 };
    cft_pipe pipes[STREAMS];
    cft_rec *recs[STREAMS];
    uint32_t done = 0;
    char bytes[40];
    memset(bytes, 'x', sizeof bytes);
    bag *b = cft_bag_of(t, 2, 16, 0);
    if (!b)
        return;
    for (int i = 0; i < STREAMS; i++) {
        pipes[i] = cft_pipe_reader(t);
        recs[i] = cft_bag_many(b, pipes[i].handle, CEDE_CREDIT_ALL);
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
    b->in_order = b->items; /* of many: not asked */
    for (int i = 0; i < STREAMS; i++)
        cft_closed(t, pipes[i].handle);
    cft_bag_empty(b);
}

CFT_CASE(recv_many_holds_its_place_in_the_order)
{
    uint64_t sent = 0;
    cft_pipe pipe = cft_pipe_reader(t);
    bag *b = cft_bag_of(t, 2, 64, 0);
    if (!b)
        return;
    cft_rec *rec = cft_bag_many(b, pipe.handle, CEDE_CREDIT_ALL);
    cft_rec *behind = cft_new(t);
    cede_prep_recv(behind->req, pipe.handle, cft_buffer(behind, 64), 64);
    cft_submit(behind);
    cft_bag_feed(t, &pipe, &sent, 20);
    cft_bag_until(b, rec, 20);
    CFT_EXPECT(t, !cft_is_done(behind) && b->bytes == 20);
    cft_cancel(t, rec->ticket);
    cft_await(t, rec);
    CFT_CHECK(t, !cft_is_done(behind) || cft_faulted(t));
    cft_bag_feed(t, &pipe, &sent, 5);
    cft_await(t, behind);
    CFT_MOVED(t, behind, 5);
    cft_closed(t, pipe.handle);
    cft_bag_empty(b);
}

/* M7: more items at once than a queue of the kernel has room for (S8 has the small ones): they lie
 * there before the receives begin, and nobody looks between. */
CFT_CASE(items_that_find_the_queue_full_are_not_lost)
{
    enum { STREAMS = 2, BYTES = 128, EACH = 8 };
    cede_handle to[STREAMS] = {0}, from[STREAMS] = {0};
    cft_rec *recs[STREAMS];
    bag *b = cft_bag_of(t, STREAMS * BYTES / EACH, EACH, 0);
    if (!b)
        return;
    for (int i = 0; i < STREAMS; i++) {
        cft_connected(t, CFT_TCP, &to[i], &from[i]);
        cft_bag_send(t, to[i], BYTES);
        cft_closed(t, to[i]);
    }
    for (int i = 0; i < STREAMS; i++)
        recs[i] = cft_bag_many(b, from[i], CEDE_CREDIT_ALL);
    cft_settle(t);
    for (int i = 0; i < STREAMS; i++) {
        CFT_OK(t, recs[i]);
        CFT_EXPECT(t, recs[i]->result.count == BYTES);
        cft_closed(t, from[i]);
    }
    CFT_EXPECT(t, b->bytes == STREAMS * BYTES && b->items >= STREAMS * BYTES / EACH);
    b->in_order = b->items; /* of many: not asked */
    cft_bag_empty(b);
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
    bag *b = cft_bag_of(t, 4, 64, 0);
    if (!b)
        return;
    b->then = wait_in_item;
    cft_rec *rec = cft_new(t);
    rec->data = cft_new(t);
    cede_prep_recv_many(rec->req, pipe.handle, b->pool, CEDE_CREDIT_ALL, cft_bag_item);
    cft_submit_on(rec, cft_loop(t));
    cft_bag_feed(t, &pipe, &sent, 20);
    cft_bag_until(b, rec, 20);
    cft_peer_close(t, &pipe);
    cft_await(t, rec);
    CFT_OK(t, rec);
    cft_closed(t, pipe.handle);
    cft_bag_empty(b);
}

CFT_CASE(wait_for_a_many_shot_runs_its_items)
{
    uint64_t sent = 0;
    cft_pipe pipe = cft_pipe_reader(t);
    bag *b = cft_bag_of(t, 1, 16, 0);
    if (!b)
        return;
    cft_rec *rec = cft_bag_many(b, pipe.handle, CEDE_CREDIT_ALL);
    for (int i = 0; i < 4; i++)
        cft_bag_feed(t, &pipe, &sent, 16);
    cft_peer_close(t, &pipe);
    cft_await(t, rec); /* one buffer: it could not end if its items kept */
    CFT_OK(t, rec);
    CFT_EXPECT(t, b->items >= 4 && rec->result.count == sent);
    cft_closed(t, pipe.handle);
    cft_bag_empty(b);
}

CFT_CASE(many_shot_begins_anew_in_its_own_done)
{
    uint64_t sent = 0;
    cft_pipe pipe = cft_pipe_reader(t);
    bag *b = cft_bag_of(t, 4, 64, 0);
    if (!b)
        return;
    cft_rec *rec = cft_bag_many(b, pipe.handle, CEDE_CREDIT_ALL);
    cft_bag_feed(t, &pipe, &sent, 20);
    cft_bag_until(b, rec, 20);
    cft_cancel(t, rec->ticket);
    cft_await(t, rec);
    uint64_t first = rec->result.count;
    rec = cft_reuse(rec);
    cede_prep_recv_many(rec->req, pipe.handle, b->pool, CEDE_CREDIT_ALL, cft_bag_item);
    cft_submit(rec);
    cft_bag_feed(t, &pipe, &sent, 30);
    cft_peer_close(t, &pipe);
    cft_await(t, rec);
    CFT_OK(t, rec);
    CFT_EXPECT(t, first + rec->result.count == sent);
    cft_closed(t, pipe.handle);
    cft_bag_empty(b);
}
