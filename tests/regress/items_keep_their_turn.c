/* A receive that is sealed, but not delivered yet, because only others are awaited meanwhile: the
 * items of the one behind it on the stream come after its done, in a run and in a wait (law 14). */
#include "fake.h"

#include "cede/sim.h"

static const void *order[4];
static unsigned count;
static cede_pool *pool;

static void told(cede_req *req, cede_result r)
{
    order[count++ % 4] = req;
    if (r.buffer)
        cede_pool_give(pool, r.buffer);
}

static void round_of(bool by_wait)
{
    static cede_req first, many, other;
    cede_sim *world = cede_sim_new(NULL);
    cede_sim_config config = {.world = world};
    cede_options options = {.backend_table = &cede_sim_backend, .backend_config = &config};
    cede_handle reader;
    cede_loop *loop;

    CHECK(cede_loop_open(&options, &loop) == CEDE_OK);
    CHECK(cede_pool_open(loop, 2, 1, 0, &pool) == CEDE_OK);
    cede_sim_pipe *pipe = cede_sim_pipe_new(world, 0, &reader, NULL);
    count = 0;
    cede_prep_recv_pool(&first, reader, pool);
    cede_submit(loop, &first, told);
    cede_prep_recv_many(&many, reader, pool, CEDE_CREDIT_ALL, told);
    cede_ticket ticket = cede_submit(loop, &many, told);
    CHECK(cede_sim_pipe_put(pipe, "ab", 2) == 2);
    cede_prep_timer(&other, CEDE_MILLISECOND);
    CHECK(cede_wait(loop, cede_submit(loop, &other, told), CEDE_FOREVER) == CEDE_OK);
    CHECK(count == 1 && order[0] == &other);
    if (by_wait)
        CHECK(cede_wait(loop, ticket, CEDE_MILLISECOND) == CEDE_EDEADLINE);
    else
        (void)cede_run(loop, CEDE_MILLISECOND);
    CHECK(count == 3 && order[1] == &first && order[2] == &many);
    CHECK(cede_loop_close(loop, CEDE_FOREVER) == CEDE_OK);
    cede_pool_close(pool);
    CHECK(cede_sim_free(world) == CEDE_OK);
}

REGRESSION(items_keep_their_turn)
{
    round_of(false);
    round_of(true);
    return 0;
}
