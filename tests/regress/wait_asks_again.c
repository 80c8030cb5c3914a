/* Whether a wait would wait for its own caller is asked again whenever something has changed: what
 * makes it so may be in the inbox still, or stand in a chain that has not come so far (law 9). A
 * many-shot's done is never called inside one of its own items. */
#include "fake.h"

#include "cede/sim.h"

enum { A_CLOSE_FROM_AFAR, A_RECEIVE_FROM_AFAR, A_LINKED_CLOSE, A_LINKED_RECEIVE, A_NEW_MEMBER };

static note many, first, second, life;
static cede_handle reader;
static cede_loop *loop;
static cede_pool *pool;
static char bytes[4];
static int how, inside;

static void many_done(cede_req *req, cede_result r)
{
    CHECK(!inside);
    note_done(req, r);
}

static void joins(cede_req *req, cede_result r)
{
    note_done(req, r);
    cede_prep_close(&second.req, reader);
    cede_in(&second.req, r.scope);
    cede_submit(loop, &second.req, note_done);
}

static cede_ticket begin(void)
{
    cede_ticket ticket;
    if (how == A_CLOSE_FROM_AFAR || how == A_LINKED_CLOSE)
        cede_prep_close(&second.req, reader);
    else
        cede_prep_recv(&second.req, reader, bytes, sizeof bytes);
    if (how == A_CLOSE_FROM_AFAR || how == A_RECEIVE_FROM_AFAR) {
        cede_submit_remote(loop, &second.req, note_done, &ticket);
        return ticket;
    }
    cede_prep_scope(&life.req);
    ticket = cede_submit(loop, &life.req, note_done);
    cede_prep_timer(&first.req, CEDE_MILLISECOND);
    if (how == A_NEW_MEMBER) {
        cede_in(&first.req, ticket);
        cede_submit(loop, &first.req, joins);
        return ticket;
    }
    cede_in(&second.req, ticket);
    cede_link(&first.req, &second.req, note_done);
    cede_submit(loop, &first.req, note_done);
    return ticket;
}

static void item(cede_req *req, cede_result r)
{
    (void)req;
    cede_pool_give(pool, r.buffer);
    if (inside++)
        return;
    CHECK(cede_wait(loop, begin(), CEDE_FOREVER) == CEDE_EDEADLK);
    CHECK(many.calls == 0 && second.calls == 0);
    inside = 0;
}

static void round_of(int which)
{
    cede_sim *world = cede_sim_new(NULL);
    cede_sim_config config = {.world = world};
    cede_options options = {.backend_table = &cede_sim_backend, .backend_config = &config};

    how = which;
    many.calls = first.calls = second.calls = life.calls = 0;
    CHECK(cede_loop_open(&options, &loop) == CEDE_OK);
    CHECK(cede_pool_open(loop, 2, 8, 0, &pool) == CEDE_OK);
    cede_sim_pipe *pipe = cede_sim_pipe_new(world, 0, &reader, NULL);
    cede_prep_recv_many(&many.req, reader, pool, CEDE_CREDIT_ALL, item);
    cede_submit(loop, &many.req, many_done);
    CHECK(cede_sim_pipe_put(pipe, "a", 1) == 1);
    (void)cede_run(loop, 10 * CEDE_MILLISECOND);
    CHECK(cede_loop_close(loop, CEDE_FOREVER) == CEDE_OK);
    CHECK(many.calls == 1 && second.calls == 1);
    cede_pool_close(pool);
    CHECK(cede_sim_free(world) == CEDE_OK);
}

REGRESSION(wait_asks_again)
{
    port_limit(30);
    for (int which = A_CLOSE_FROM_AFAR; which <= A_NEW_MEMBER; which++)
        round_of(which);
    return 0;
}
