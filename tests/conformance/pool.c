/*
 * Pools of the run's loop. A buffer that the library loses is missed by nobody until all the others
 * are out; so, at a run's end, all that should be there are asked for.
 */
#include "inner.h"

struct cft_pool {
    struct cft_pool *next; /* of the run */
    cede_pool *pool;       /* NULL: closed */
    uint32_t count;
};

#define MOST 256u /* buffers of a pool that is asked for all of them */

static void close_last(void *context)
{
    struct cft_pool *one = context;
    cede_pool_close(one->pool);
}

cede_pool *cft_pool_open(cft *t, uint32_t count, uint32_t bytes, uint32_t headroom)
{
    struct cft_pool *one = cft_alloc(t, sizeof *one);
    cede_status status = cede_pool_open(cft_loop(t), count, bytes, headroom, &one->pool);
    CFT_EXPECT(t, status == CEDE_OK);
    if (status)
        return NULL;
    one->count = count;
    one->next = t->pools;
    t->pools = one;
    cft_at_end(t, close_last, one);
    return one->pool;
}

void cft_pool_close(cft *t, cede_pool *pool)
{
    struct cft_pool *one = t->pools;
    while (one->pool != pool)
        one = one->next;
    one->pool = NULL;
    cede_pool_close(pool);
}

/* Takes all that is not out, a byte in each, and gives it back. */
static void check_one(cft *t, const struct cft_pool *one, cft_pipe *pipe)
{
    uint32_t left = one->count - cede_pool_out(one->pool), got = 0;
    void *buffers[MOST];
    bool failed = false;
    cft_note(t, "the case is over; %u buffers of a pool of %u must be there", left, one->count);
    while (got < left && !failed) {
        cft_rec *rec = cft_new(t);
        CFT_CHECK(t, cft_peer_write(t, pipe, "b", 1) == 1);
        cede_prep_recv_pool(rec->req, pipe->handle, one->pool);
        cft_submit_on(rec, cft_loop(t));
        cft_await(t, rec);
        CFT_EXPECT(t, rec->result.status == CEDE_OK);
        failed = rec->result.buffer == NULL;
        if (!failed)
            buffers[got++] = rec->result.buffer;
    }
    CFT_CHECK(t, cede_pool_out(one->pool) == one->count - left + got);
    while (got)
        cede_pool_give(one->pool, buffers[--got]);
}

void cft_pools_check(cft *t)
{
    cft_pipe pipe = {0, -1, -1};
    /* What is pending may take one; without a loop or a descriptor none can be asked for; and every
     * order of these is no more than one of them. */
    if (!t->loop || t->frozen || t->limited || t->given || atomic_load(&t->undone))
        return;
    t->ending = true; /* these are no steps of the case */
    for (const struct cft_pool *one = t->pools; one; one = one->next) {
        if (!one->pool || one->count > MOST)
            continue;
        if (!pipe.handle)
            pipe = cft_pipe_reader(t);
        if (pipe.handle)
            check_one(t, one, &pipe);
    }
}
