/*
 * Pools by themselves (laws 1, 4, 15, 17): headroom, refusals, what is given back wrongly.
 */
#include "conformance.h"

#include <string.h>

typedef struct store {
    cede_pool *pool;
    void *out; /* a buffer that a receive brought */
} store;

static void give_last(void *context)
{
    store *s = context;
    if (s->out)
        cede_pool_give(s->pool, s->out);
}

/* NULL after an injected failure. */
static store *store_of(cft *t, uint32_t count, uint32_t bytes, uint32_t headroom)
{
    store *s = cft_alloc(t, sizeof *s);
    s->pool = cft_pool_open(t, count, bytes, headroom);
    if (!s->pool)
        return NULL;
    cft_at_end(t, give_last, s);
    return s;
}

static void keep_buffer(cft_rec *rec)
{
    store *s = rec->data;
    s->out = rec->result.buffer;
}

CFT_CASE(request_lives_in_the_headroom_of_what_it_sends)
{
    char seen[64] = {0};
    cft_pipe in = cft_pipe_reader(t), out = cft_pipe_writer(t);
    store *s = store_of(t, 2, 64, sizeof(cede_req));
    if (!s)
        return;
    cft_rec *rec = cft_new(t), *send = cft_new(t);
    rec->data = s;
    rec->then = keep_buffer;
    cede_prep_recv_pool(rec->req, in.handle, s->pool);
    cft_submit(rec);
    CFT_EXPECT(t, cft_peer_write(t, &in, "twenty bytes of data", 20) == 20);
    cft_await(t, rec);
    CFT_OK(t, rec);
    char *buffer = s->out;
    if (!buffer)
        return;
    memset(buffer - sizeof(cede_req), 0xee, sizeof(cede_req)); /* it is ours to write */
    cede_prep_send(send->req, out.handle, buffer, rec->result.count);
    cft_do(send);
    CFT_EXPECT(t, send->result.status == CEDE_OK && send->result.buffer == buffer);
    size_t got = cft_peer_read(t, &out, seen, sizeof seen);
    CFT_EXPECT(t, got == send->result.count && memcmp(seen, "twenty bytes of data", got) == 0);
    cft_closed(t, in.handle);
    cft_closed(t, out.handle);
}

static void close_foreign(void *pool)
{
    cede_pool_close(pool);
}

CFT_CASE(receives_refuse_pools_that_are_not_theirs)
{
    cft_pipe pipe = cft_pipe_reader(t);
    cede_pool *closed;
    store *s = store_of(t, 2, 64, 0);
    if (!s)
        return;
    cede_loop *loop = cft_loop(t);
    CFT_CHECK(t, cede_pool_open(loop, 0, 64, 0, &closed) == CEDE_EINVAL);
    CFT_CHECK(t, cede_pool_open(loop, 1, 0, 0, &closed) == CEDE_EINVAL);
    CFT_CHECK(t, cede_pool_open(loop, CEDE_POOL_MOST + 1, 1, 0, &closed) == CEDE_EINVAL);
    cft_rec *rec = cft_new(t);
    cede_prep_recv_pool(rec->req, pipe.handle, NULL);
    cft_do(rec);
    CFT_STATUS(t, rec, CEDE_EINVAL);
    rec = cft_reuse(rec);
    cede_prep_recv_many(rec->req, pipe.handle, s->pool, 0, NULL);
    cft_do(rec);
    CFT_STATUS(t, rec, CEDE_EINVAL);
    cede_options options;
    cft_options(t, &options);
    cede_loop *other = cft_open(t, &options);
    cede_pool *foreign = NULL;
    if (cede_pool_open(other, 1, 64, 0, &foreign) == CEDE_OK) {
        cft_at_end(t, close_foreign, foreign);
        rec = cft_reuse(rec);
        cede_prep_recv_pool(rec->req, pipe.handle, foreign);
        cft_do(rec);
        CFT_STATUS(t, rec, CEDE_EINVAL);
    }
    cft_closed(t, pipe.handle);
}

static void give_twice(cft *t, void *context)
{
    cede_pool *pool;
    char none[64];
    (void)context;
    CFT_CHECK(t, cede_pool_open(cft_loop(t), 1, 64, 0, &pool) == CEDE_OK);
    cede_pool_give(pool, none);
}

CFT_CASE(giving_what_is_not_out_stops_the_process)
{
    static const char *const texts[] = {"law 17", "not out of", NULL};
    cft_dies(t, give_twice, NULL, texts);
}
