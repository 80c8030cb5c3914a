/* A wait whose request is over says so and calls nothing more (law 9): here a done that it called
 * awaited the same request, whose slot is another's by then. That other's done is none of the
 * wait's. */
#include "fake.h"

static note received, many, sent[2], pending, other;
static cede_loop *loop;
static cede_pool *pool;
static cede_ticket awaited;

static void item(cede_req *req, cede_result r)
{
    (void)req;
    cede_pool_give(pool, r.buffer);
}

static void waits_too(cede_req *req, cede_result r)
{
    note_done(req, r);
    cede_cancel(awaited);
    CHECK(cede_wait(loop, awaited, CEDE_FOREVER) == CEDE_OK);
    cede_prep_nop(&other.req);
    (void)cede_submit(loop, &other.req, note_done);
}

REGRESSION(wait_ends_within)
{
    static note pair;
    cede_options options = CEDE_OPTIONS_INIT;
    cede_handle second;
    char byte;
    cede_ticket ticket;
    options.backend = "sim";
    port_limit(30);
    CHECK(cede_loop_open(&options, &loop) == CEDE_OK);
    CHECK(cede_pool_open(loop, 8, 64, 0, &pool) == CEDE_OK);
    cede_prep_pair(&pair.req, CEDE_PAIR_STREAM, &second);
    CHECK(cede_wait(loop, cede_submit(loop, &pair.req, note_done), CEDE_FOREVER) == CEDE_OK);
    cede_prep_recv(&received.req, pair.result.handle, &byte, 1);
    (void)cede_submit(loop, &received.req, waits_too);
    cede_prep_recv_many(&many.req, pair.result.handle, pool, CEDE_CREDIT_ALL, item);
    awaited = cede_submit(loop, &many.req, note_done);
    for (unsigned i = 0; i < 2; i++) {
        cede_prep_send(&sent[i].req, second, "x", 1);
        (void)cede_submit(loop, &sent[i].req, note_done);
    }
    cede_prep_pend(&pending.req); /* while it is awaited, all of it comes to be ready */
    ticket = cede_submit(loop, &pending.req, note_done);
    CHECK(cede_wait(loop, ticket, CEDE_SECOND) == CEDE_EDEADLINE);
    CHECK(!received.calls && !many.calls);
    CHECK(cede_wait(loop, awaited, CEDE_FOREVER) == CEDE_OK);
    CHECK(received.calls == 1 && many.calls == 1 && !other.calls);
    cede_cancel(ticket);
    CHECK(cede_run(loop, CEDE_FOREVER) >= 0);
    CHECK(other.calls == 1);
    cede_pool_close(pool);
    cede_drop(pair.result.handle);
    cede_drop(second);
    CHECK(cede_loop_close(loop, CEDE_FOREVER) == CEDE_OK);
    return 0;
}
